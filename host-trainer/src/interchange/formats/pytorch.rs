//! `torch.save(model.state_dict(), ...)`: a zip of a pickle that describes the tensors, and of their
//! numbers.
//!
//! candle reads the pickle's codes one by one. A pickle can ask for far more memory than it is long,
//! so this checks each code before candle sees it, and what it made of it after.

use super::archive::Archive;
use super::{Contents, Number, count, insert, not_floating, one_line};
use candle_core::pickle::{Object, OpCode, Stack};
use std::collections::BTreeMap;
use std::io::Cursor;

/// Objects that a pickle may make in all; a state_dict of four layers makes some hundreds.
const MAX_OBJECTS: usize = 1_000_000;
/// Objects within each other.
const MAX_DEPTH: usize = 32;
/// Keys under which a training checkpoint holds its state_dict.
const STATE_DICTS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

pub(super) fn read(archive: &mut Archive, pickle: &str) -> Result<Contents, String> {
    let folder = pickle.strip_suffix("data.pkl").unwrap_or_default();
    let byte_order = format!("{folder}byteorder");
    if archive.has(&byte_order) && archive.read(&byte_order)? != b"little" {
        return Err("found numbers that are not little-endian, expected little-endian".into());
    }
    let object = unpickle(&archive.read(pickle)?)?;
    let mut tensors = BTreeMap::new();
    let mut storages = BTreeMap::new();
    for (name, object) in state_dict(&object)? {
        let Some(view) = View::of(object).map_err(|e| format!("tensor {name}: {e}"))? else {
            continue;
        };
        if !storages.contains_key(&view.key) {
            let bytes = archive.read(&format!("{folder}data/{}", view.key))?;
            storages.insert(view.key.clone(), bytes);
        }
        let number = view
            .number
            .ok_or_else(|| not_floating(name, view.storage))?;
        let values = view.gather(&number.decode(&storages[&view.key]));
        let values = values.ok_or_else(|| {
            format!(
                "tensor {name} of shape {:?} reaches beyond its {} bytes",
                view.shape,
                storages[&view.key].len()
            )
        })?;
        insert(&mut tensors, name.clone(), view.shape, values)?;
    }
    Ok(Contents {
        kind: "PyTorch state_dict",
        tensors,
        window: None,
        notes: Vec::new(),
    })
}

fn unpickle(bytes: &[u8]) -> Result<Object, String> {
    let bad = |what: &str| format!("found a pickle with {what}, expected a state_dict");
    let mut reader = Cursor::new(bytes);
    let mut stack = Stack::empty();
    let mut objects = 0;
    loop {
        let at = reader.position() as usize;
        let (&code, rest) = bytes
            .get(at..)
            .unwrap_or_default()
            .split_first()
            .ok_or_else(|| {
                format!("found a pickle that is cut off after {at} bytes, expected a state_dict")
            })?;
        let code = OpCode::try_from(code).map_err(|c| bad(&format!("the code {c:#04x}")))?;
        let claimed = match (&code, rest) {
            (OpCode::BinUnicode, [a, b, c, d, ..]) => u32::from_le_bytes([*a, *b, *c, *d]) as usize,
            // candle shifts by eight bits a byte into an i64.
            (OpCode::Long1, [n, ..]) if *n > 8 => usize::MAX,
            _ => 0,
        };
        if claimed > rest.len() {
            return Err(bad("a value longer than itself"));
        }
        let done = stack
            .read(&mut reader)
            .map_err(|e| bad(&one_line(&e.to_string())))?;
        if done {
            return stack.finalize().map_err(|e| bad(&one_line(&e.to_string())));
        }
        // Getting and putting copy the object on top.
        let size = stack.stack().last().map_or(Some(0), |o| size(o, MAX_DEPTH));
        let size =
            size.ok_or_else(|| bad(&format!("more than {MAX_DEPTH} objects within each other")))?;
        objects += match code {
            OpCode::BinGet | OpCode::LongBinGet | OpCode::BinPut | OpCode::LongBinPut => size,
            _ => 1,
        };
        if objects > MAX_OBJECTS {
            return Err(bad(&format!("more than {MAX_OBJECTS} objects")));
        }
    }
}

/// How many objects an object is; `None` where they lie deeper within each other than `depth`.
fn size(object: &Object, depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let sum = |objects: &[Object]| {
        let mut sizes = objects.iter().map(|o| size(o, depth));
        sizes.try_fold(1, |sum, size| Some(sum + size?))
    };
    match object {
        Object::Tuple(objects) | Object::List(objects) => sum(objects),
        Object::Dict(pairs) => {
            let mut sizes = pairs
                .iter()
                .map(|(k, v)| Some(size(k, depth)? + size(v, depth)?));
            sizes.try_fold(1, |sum, size| Some(sum + size?))
        }
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            Some(1 + size(callable, depth)? + size(args, depth)?)
        }
        Object::PersistentLoad(object) => Some(1 + size(object, depth)?),
        _ => Some(1),
    }
}

/// The names and objects of the dictionary that holds tensors: the pickle's own, or one in it.
fn state_dict(object: &Object) -> Result<Vec<(&String, &Object)>, String> {
    let Object::Dict(pairs) = object else {
        return Err(
            "found a pickle of no dictionary, expected torch.save(model.state_dict(), ...)".into(),
        );
    };
    let inner = pairs.iter().find_map(|(key, value)| match (key, value) {
        (Object::Unicode(key), Object::Dict(inner)) if STATE_DICTS.contains(&key.as_str()) => {
            Some(inner)
        }
        _ => None,
    });
    let pairs = inner.unwrap_or(pairs).iter();
    let named = pairs.filter_map(|(key, value)| match key {
        Object::Unicode(name) => Some((name, value)),
        _ => None,
    });
    Ok(named.collect())
}

/// A tensor as a view of a storage.
struct View<'o> {
    number: Option<Number>,
    storage: &'o str,
    key: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'o> View<'o> {
    /// `None` for an object that is no tensor.
    fn of(object: &'o Object) -> Result<Option<Self>, String> {
        let Object::Reduce { callable, args } = object else {
            return Ok(None);
        };
        let (Object::Class { class_name, .. }, Object::Tuple(args)) = (&**callable, &**args) else {
            return Ok(None);
        };
        match (class_name.as_str(), &args[..]) {
            ("_rebuild_parameter", [data, ..]) => Self::of(data),
            ("_rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
                Self::rebuild(storage, offset, shape, strides)
                    .map(Some)
                    .ok_or_else(|| "found a description that torch.save does not write".into())
            }
            _ => Ok(None),
        }
    }

    fn rebuild(
        storage: &'o Object,
        offset: &Object,
        shape: &Object,
        strides: &Object,
    ) -> Option<Self> {
        let Object::PersistentLoad(storage) = storage else {
            return None;
        };
        let Object::Tuple(storage) = &**storage else {
            return None;
        };
        let [
            _,
            Object::Class { class_name, .. },
            Object::Unicode(key),
            ..,
        ] = &storage[..]
        else {
            return None;
        };
        let sizes = |object: &Object| match object {
            Object::Tuple(sizes) => sizes.iter().map(size_of_axis).collect(),
            _ => None,
        };
        let (shape, strides): (Vec<usize>, Vec<usize>) = (sizes(shape)?, sizes(strides)?);
        (shape.len() == strides.len()).then_some(())?;
        Some(Self {
            number: match class_name.as_str() {
                "HalfStorage" => Some(Number::F16),
                "BFloat16Storage" => Some(Number::Bf16),
                "FloatStorage" => Some(Number::F32),
                "DoubleStorage" => Some(Number::F64),
                _ => None,
            },
            storage: class_name,
            key: key.clone(),
            offset: size_of_axis(offset)?,
            shape,
            strides,
        })
    }

    /// The numbers in row-major order; `None` where the storage has not got them all.
    fn gather(&self, storage: &[f32]) -> Option<Vec<f32>> {
        let n = count(&self.shape).filter(|&n| n <= storage.len())?;
        let at = |index: usize| {
            let (mut rest, mut at) = (index, self.offset);
            for (&axis, &stride) in self.shape.iter().zip(&self.strides).rev() {
                at = at.checked_add((rest % axis).checked_mul(stride)?)?;
                rest /= axis;
            }
            storage.get(at).copied()
        };
        (0..n).map(at).collect()
    }
}

fn size_of_axis(object: &Object) -> Option<usize> {
    match *object {
        Object::Int(n) => usize::try_from(n).ok(),
        Object::Long(n) => usize::try_from(n).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pickle: &[u8]) -> String {
        let error = unpickle(pickle).unwrap_err();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    #[test]
    fn hostile_pickles_are_refused() {
        assert!(error(b"").contains("cut off after 0 bytes"));
        assert!(error(b"\x80\x02i").contains("the code 0x69"));
        assert!(error(b"X\xff\xff\xff\xffabc").contains("longer than itself"));
        assert!(error(b"\x8a\xffabc").contains("longer than itself"));
        // A tuple in a tuple in a tuple ...
        let deep = [b"N".to_vec(), vec![0x85; 100_000]].concat();
        assert!(error(&deep).contains("within each other"));
        // Each pair holds the last pair twice: doubled 25 times.
        let double = b"q\x00h\x00\x86".repeat(25);
        assert!(error(&[b"N", &double[..]].concat()).contains("more than 1000000 objects"));
    }

    #[test]
    fn views_do_not_reach_beyond_their_storage() {
        let view = |offset, shape: &[usize], strides: &[usize]| View {
            number: Some(Number::F32),
            storage: "FloatStorage",
            key: "0".into(),
            offset,
            shape: shape.into(),
            strides: strides.into(),
        };
        let storage = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let gather = |v: View<'_>| v.gather(&storage);
        let turned = gather(view(0, &[2, 3], &[1, 2])).unwrap();
        assert_eq!(turned, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(gather(view(4, &[2], &[1])).unwrap(), [4.0, 5.0]);
        assert_eq!(gather(view(5, &[2], &[1])), None);
        assert_eq!(gather(view(0, &[1 << 40, 1 << 40], &[0, 0])), None);
        assert_eq!(gather(view(1, &[2], &[usize::MAX])), None);
    }
}

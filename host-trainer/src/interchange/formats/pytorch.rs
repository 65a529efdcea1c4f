//! `torch.save(model.state_dict(), ...)`: a zip of a pickle that describes the tensors, and of their
//! numbers.

use super::format::{File, Format};
use super::pickle::{Id, Object, Pickle};
use crate::interchange::contents::{Collector, Contents, Number};
use crate::interchange::context::Context;
use crate::interchange::names::{self, Part};
use crate::interchange::shape::count;
use crate::interchange::told::Told;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// The zip file of PyTorch 1.6 and later.
pub(super) const FORMAT: Format = Format {
    recognizes: |file| file.is_zip(|archive| archive.find(PICKLE).is_some()),
    read,
};

/// What `torch.save` wrote before: refused.
pub(super) const BEFORE_1_6: Format = Format {
    // A pickle of a number of ten bytes, perhaps within a frame; a safetensors file may begin like a
    // pickle too, but not so.
    recognizes: |file| {
        file.is_plain(|bytes| matches!(bytes, [0x80, _, 0x8a, 10, ..] | [0x80, 4 | 5, 0x95, ..]))
    },
    read: |_, _| {
        let expected = "the zip that torch.save writes now";
        Err(format!(
            "found a pickle of PyTorch before 1.6, expected {expected}"
        ))
    },
};

const PICKLE: &str = "/data.pkl";
/// Dictionaries within each other that are searched for a state_dict.
const MAX_DEPTH: usize = 8;
/// What stands between the keys of dictionaries within each other.
const WITHIN: &str = ".";

fn read(file: File, told: &Told) -> Result<Contents, String> {
    let File::Zip(mut archive) = file else {
        return Err("found no zip file, expected .pt".into());
    };
    let path = archive.find(PICKLE).unwrap_or_default();
    let folder = path.strip_suffix("data.pkl").unwrap_or_default();
    if archive.has(&format!("{folder}constants.pkl")) {
        return Err(
            "found a TorchScript program, expected torch.save(model.state_dict(), ...), which \
             torch.jit.load(...).state_dict() gives too"
                .into(),
        );
    }
    let byte_order = format!("{folder}byteorder");
    if archive.has(&byte_order) && archive.read(&byte_order)? != b"little" {
        return Err("found numbers that are not little-endian, expected little-endian".into());
    }
    let pickle = Pickle::read(&archive.read(&path)?)?;
    let mut tensors = Collector::new(archive.size);
    let mut storages = BTreeMap::new();
    for (name, id) in state_dict(&pickle, told.key.as_deref())? {
        let Some(view) = View::of(&pickle, id).map_err(|e| format!("tensor {name}: {e}"))? else {
            continue;
        };
        let Some(number) = view.number else {
            tensors.pass_over(name, view.storage)?;
            continue;
        };
        let storage = match storages.entry((view.key, number)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                let bytes = archive.read(&format!("{folder}data/{}", view.key))?;
                free.insert(number.decode(&bytes))
            }
        };
        let values = view.gather(storage).ok_or_else(|| {
            format!(
                "tensor {name} of shape {:?} reaches beyond its {} numbers",
                view.shape,
                storage.len()
            )
        })?;
        tensors.insert(name, view.shape, values)?;
    }
    let order = tensors.names().to_vec();
    Ok(tensors.finish("PyTorch state_dict", order, Context::Untold))
}

/// The names and objects of the dictionary of a network's tensors: the one whose keys are as told, or
/// the only one with the names of a recurrent layer, or else the pickle's own.
fn state_dict<'p>(pickle: &'p Pickle, told: Option<&str>) -> Result<Vec<(&'p str, Id)>, String> {
    let root = pickle.root();
    if pickle.dict(root).is_none() {
        let found = match pickle.get(root) {
            Object::Call { callable, .. } => pickle.global(*callable),
            _ => None,
        };
        let expected = "expected torch.save(model.state_dict(), ...)";
        return Err(match found {
            Some(class) => {
                format!("found a pickle of an object of class {class}, {expected}, not the model")
            }
            None => format!("found a pickle of no dictionary, {expected}"),
        });
    }
    let mut dicts = Vec::new();
    walk(
        pickle,
        root,
        "",
        MAX_DEPTH,
        &mut BTreeSet::new(),
        &mut dicts,
    );
    let named = |id: Id| {
        let pairs = pickle.dict(id).unwrap_or_default().iter();
        pairs.filter_map(|&(key, value)| Some((pickle.text(key)?, value)))
    };
    let is_network = |&&(_, id): &&(String, Id)| {
        named(id).any(|(name, _)| matches!(names::split(name), Some((_, Part::WeightHh))))
    };
    let networks: Vec<_> = dicts.iter().filter(is_network).collect();
    let keys = || {
        let keys = networks.iter().map(|(key, _)| match &key[..] {
            "" => "no key",
            key => key,
        });
        keys.collect::<Vec<_>>().join(", ")
    };
    let id = match (told, &networks[..]) {
        (Some(told), _) => {
            let found = dicts.iter().find(|(key, _)| key == told);
            let (_, id) = found.ok_or_else(|| {
                format!(
                    "found no dictionary under --key {told}, expected one of {}",
                    keys()
                )
            })?;
            *id
        }
        (None, []) => root,
        (None, [(_, id)]) => *id,
        (None, _) => {
            return Err(format!(
                "found the weights of several networks, under {}, expected one: --key KEY chooses",
                keys()
            ));
        }
    };
    Ok(named(id).collect())
}

/// Every dictionary within `id`, once, with the keys that lead to it.
fn walk(
    pickle: &Pickle,
    id: Id,
    key: &str,
    depth: usize,
    seen: &mut BTreeSet<Id>,
    found: &mut Vec<(String, Id)>,
) {
    let Some(pairs) = pickle.dict(id) else { return };
    if depth == 0 || !seen.insert(id) {
        return;
    }
    found.push((key.to_owned(), id));
    for &(name, value) in pairs {
        let Some(name) = pickle.text(name) else {
            continue;
        };
        let key = match key {
            "" => name.to_owned(),
            key => format!("{key}{WITHIN}{name}"),
        };
        walk(pickle, value, &key, depth - 1, seen, found);
    }
}

/// A tensor as a view of a storage.
struct View<'p> {
    number: Option<Number>,
    storage: &'p str,
    key: &'p str,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'p> View<'p> {
    /// `None` for an object that is no tensor.
    fn of(pickle: &'p Pickle, id: Id) -> Result<Option<Self>, String> {
        let Some((mut name, mut args)) = pickle.call(id) else {
            return Ok(None);
        };
        // A parameter, or a tensor of a class of its own, wraps a tensor.
        for _ in 0..MAX_DEPTH {
            let inner = match (name, args) {
                ("_rebuild_parameter" | "_rebuild_parameter_with_state", &[data, ..]) => {
                    pickle.call(data)
                }
                ("_rebuild_from_type_v2", &[function, _, args, ..]) => {
                    pickle.global(function).zip(pickle.parts(args))
                }
                ("_rebuild_tensor_v2", &[storage, offset, shape, strides, ..]) => {
                    let view = Self::rebuild(pickle, storage, offset, shape, strides);
                    let view = view.ok_or("found a description that torch.save does not write")?;
                    return Ok(Some(view));
                }
                ("_rebuild_qtensor", _) => {
                    return Err("found quantized numbers, expected floating-point ones".into());
                }
                (name, _) if name.starts_with("_rebuild") => {
                    return Err(format!("found {name}, expected a plain tensor"));
                }
                _ => return Ok(None),
            };
            (name, args) = inner.ok_or("found a parameter of nothing, expected a tensor")?;
        }
        Err("found parameters within each other, expected a tensor".into())
    }

    fn rebuild(
        pickle: &'p Pickle,
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
    ) -> Option<Self> {
        let Object::Persistent(storage) = *pickle.get(storage) else {
            return None;
        };
        let &[_, class, key, ..] = pickle.parts(storage)? else {
            return None;
        };
        let storage = pickle.global(class)?;
        let sizes = |id| -> Option<Vec<usize>> {
            pickle
                .parts(id)?
                .iter()
                .map(|&id| pickle.size(id))
                .collect()
        };
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        (shape.len() == strides.len()).then_some(())?;
        Some(Self {
            number: match storage {
                "HalfStorage" => Some(Number::F16),
                "BFloat16Storage" => Some(Number::Bf16),
                "FloatStorage" => Some(Number::F32),
                "DoubleStorage" => Some(Number::F64),
                _ => None,
            },
            storage,
            key: pickle.text(key)?,
            offset: pickle.size(offset)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_do_not_reach_beyond_their_storage() {
        let view = |offset, shape: &[usize], strides: &[usize]| View {
            number: Some(Number::F32),
            storage: "FloatStorage",
            key: "0",
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

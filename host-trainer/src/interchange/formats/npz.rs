//! NumPy's `.npz`: a zip of arrays, each with a line of text before its numbers.
//!
//! [The format](https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html) is read here
//! because candle's reader allocates by whatever shape the text claims: `'shape': (4000000000000,)` in a
//! file of 80 bytes asks for 16 TB. It knows no `fortran_order` either.

use super::format::{File, Format};
use crate::files::tensors::{NamedTensor, transpose};
use crate::interchange::archive::Archive;
use crate::interchange::contents::{Collector, Contents, Number};
use crate::interchange::context::Context;
use crate::interchange::names;
use crate::interchange::shape::count;
use crate::interchange::told::Told;
use std::collections::BTreeMap;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
const END: &str = ".npy";

/// Every zip file that is of no other kind.
pub(super) const FORMAT: Format = Format {
    recognizes: |file| file.is_zip(|_| true),
    read,
};

fn read(file: File, _: &Told) -> Result<Contents, String> {
    let File::Zip(mut archive) = file else {
        return Err("found no zip file, expected .npz".into());
    };
    let mut tensors = Collector::new(archive.size);
    if archive
        .names()
        .iter()
        .any(|name| name.ends_with("/archive_format"))
    {
        return Err(
            "found a program of torch.export, expected torch.save(model.state_dict(), ...)".into(),
        );
    }
    for name in archive.names() {
        let bytes = archive.read(&name)?;
        let name = name.strip_suffix(END).ok_or_else(|| {
            format!("found {name} in a zip file, expected .npy arrays, a .keras or a .pt")
        })?;
        if names::is_bookkeeping(name) {
            continue;
        }
        match array(&bytes, name)? {
            Array::Numbers {
                whole: None,
                tensor,
            } => {
                tensors.insert(name, tensor.shape, tensor.values)?;
            }
            Array::Texts(_) => tensors.pass_over(name, "text")?,
            Array::Numbers {
                whole: Some(dtype), ..
            }
            | Array::Other { dtype } => {
                tensors.pass_over(name, &dtype)?;
            }
        }
    }
    tensors.note(names::KERAS_TELLS_NOTHING);
    let order = tensors.names().to_vec();
    Ok(tensors.finish("NumPy arrays", order, Context::Untold))
}

/// What is read of an array.
#[derive(Debug, PartialEq)]
enum Array {
    /// Its numbers, in row-major order, and of whole numbers their kind.
    Numbers {
        tensor: NamedTensor,
        whole: Option<String>,
    },
    /// Its texts.
    Texts(Vec<String>),
    /// It is of neither.
    Other { dtype: String },
}

/// The arrays of numbers and of texts in a file, by name.
///
/// # Errors
/// It is no `.npz`, or damaged.
pub(crate) fn read_arrays(bytes: Vec<u8>) -> Result<BTreeMap<String, NpzArray>, String> {
    let mut archive = Archive::open(bytes)?;
    let mut arrays = BTreeMap::new();
    for name in archive.names() {
        let bytes = archive.read(&name)?;
        let name = name
            .strip_suffix(END)
            .ok_or_else(|| format!("found {name} in a zip file, expected .npy arrays"))?;
        let array = match array(&bytes, name)? {
            Array::Numbers { tensor, whole } => NpzArray::Numbers {
                tensor,
                is_whole: whole.is_some(),
            },
            Array::Texts(texts) => NpzArray::Texts(texts),
            Array::Other { dtype } => {
                return Err(format!(
                    "array {name} is of type {dtype}, expected numbers or texts"
                ));
            }
        };
        arrays.insert(name.to_owned(), array);
    }
    Ok(arrays)
}

/// An array of a person's data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NpzArray {
    /// Its shape and numbers, and whether they are stored as whole numbers.
    Numbers { tensor: NamedTensor, is_whole: bool },
    /// Texts, of any shape.
    Texts(Vec<String>),
}

/// All whole numbers in bytes, as f32.
type Decode = fn(&[u8]) -> Vec<f32>;

fn array(bytes: &[u8], name: &str) -> Result<Array, String> {
    let (header, data) = split(bytes).ok_or_else(|| {
        format!("array {name} is cut off or damaged in its head, expected the .npy format")
    })?;
    let bad = |what: &str| format!("array {name} has no {what} in {header:?}, expected .npy's");
    let descr = value(header, "descr").ok_or_else(|| bad("descr"))?;
    let dtype = descr.trim_matches(['\'', '"']);
    let (decode, size): (Decode, usize) = match dtype {
        "<f2" => (|bytes| Number::F16.decode(bytes), 2),
        "<f4" => (|bytes| Number::F32.decode(bytes), 4),
        "<f8" => (|bytes| Number::F64.decode(bytes), 8),
        // NumPy knows no bfloat16, and writes two bytes of no kind for it.
        "|V2" | "<V2" => (|bytes| Number::Bf16.decode(bytes), 2),
        "|b1" | "|u1" => (|bytes| whole(bytes, u8::from_le_bytes), 1),
        "|i1" => (|bytes| whole(bytes, i8::from_le_bytes), 1),
        "<u2" => (|bytes| whole(bytes, u16::from_le_bytes), 2),
        "<i2" => (|bytes| whole(bytes, i16::from_le_bytes), 2),
        "<u4" => (|bytes| whole(bytes, u32::from_le_bytes), 4),
        "<i4" => (|bytes| whole(bytes, i32::from_le_bytes), 4),
        "<u8" => (|bytes| whole(bytes, |b| u64::from_le_bytes(b) as f64), 8),
        "<i8" => (|bytes| whole(bytes, |b| i64::from_le_bytes(b) as f64), 8),
        other => {
            let length = other.strip_prefix("<U").and_then(|n| n.parse().ok());
            return Ok(match length {
                Some(length) => Array::Texts(texts(data, length)),
                None => Array::Other {
                    dtype: other.to_owned(),
                },
            });
        }
    };
    let whole = (!dtype.contains(['f', 'V'])).then(|| dtype.to_owned());
    let order = value(header, "fortran_order").ok_or_else(|| bad("fortran_order"))?;
    let shape = value(header, "shape").ok_or_else(|| bad("shape"))?;
    let axes = shape.trim_matches(['(', ')', ' ', ',']).split(',');
    let axes = axes.map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Vec<usize> = axes
        .map(|axis| axis.parse().map_err(|_| bad("shape")))
        .collect::<Result<_, _>>()?;
    if count(&shape).and_then(|n| n.checked_mul(size)) != Some(data.len()) {
        return Err(format!(
            "array {name} holds {} bytes, expected those of shape {shape:?}",
            data.len()
        ));
    }
    let values = decode(data);
    let values = match (order, &shape[..]) {
        ("True", &[rows, columns]) => transpose(&values, columns, rows),
        ("True", &[_]) | ("False", _) => values,
        _ => {
            return Err(format!(
                "array {name} of shape {shape:?} has fortran_order {order}, expected False"
            ));
        }
    };
    let tensor = NamedTensor { shape, values };
    Ok(Array::Numbers { tensor, whole })
}

/// Texts of so many characters of four bytes each, filled up with zeros.
fn texts(data: &[u8], length: usize) -> Vec<String> {
    let characters = data.as_chunks().0.iter().map(|&c| u32::from_le_bytes(c));
    let characters: Vec<u32> = characters.collect();
    let text = |characters: &[u32]| {
        let characters = characters.iter().filter(|&&c| c != 0);
        characters
            .map(|&c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    characters.chunks(length.max(1)).map(text).collect()
}

/// Whole numbers of `N` bytes as f32: to the last unit up to 2^24.
fn whole<const N: usize, T: Into<f64>>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<f32> {
    let numbers = bytes.as_chunks().0.iter();
    numbers.map(|&bytes| number(bytes).into() as f32).collect()
}

/// The numbers of an array, whatever its shape.
pub(in crate::interchange) fn floats(bytes: &[u8], name: &str) -> Result<Vec<f32>, String> {
    match array(bytes, name)? {
        Array::Numbers {
            whole: None,
            tensor,
        } => Ok(tensor.values),
        Array::Numbers {
            whole: Some(dtype), ..
        }
        | Array::Other { dtype } => Err(format!(
            "array {name} is of type {dtype}, expected floating-point numbers"
        )),
        Array::Texts(_) => Err(format!(
            "array {name} is of texts, expected floating-point numbers"
        )),
    }
}

/// The text of the head, and what follows it.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&[major, _minor], rest) = rest.split_first_chunk()?;
    let (length, rest) = match major {
        1 => {
            let (&length, rest) = rest.split_first_chunk()?;
            (u16::from_le_bytes(length).into(), rest)
        }
        _ => {
            let (&length, rest) = rest.split_first_chunk()?;
            (u32::from_le_bytes(length) as usize, rest)
        }
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?.trim_end(), data))
}

/// The value of a key in a line such as `{'descr': '<f4', 'fortran_order': False, 'shape': (7, 5), }`.
fn value<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    let rest = rest.trim_start();
    let end = match rest.starts_with('(') {
        true => rest.find(')')? + 1,
        false => rest.find([',', '}'])?,
    };
    Some(rest[..end].trim_end())
}

/// An array in the `.npy` format, version 1.
pub(in crate::interchange) fn encode(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let axes: String = shape.iter().map(|axis| format!("{axis},")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({axes}), }}");
    // The numbers begin at a multiple of 64 bytes, after a line end.
    let head = MAGIC.len() + 4;
    let padded = (head + header.len() + 1).next_multiple_of(64) - head - 1;
    header = format!("{header:<padded$}\n");
    let mut bytes = [&MAGIC[..], &[1, 0]].concat();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let values: Vec<f32> = (0..6).map(|x| x as f32 / 3.0).collect();
        for shape in [vec![6], vec![2, 3], vec![1, 2, 3]] {
            let bytes = encode(&shape, &values);
            assert_eq!((bytes.len() - 24) % 64, 0);
            let values = values.clone();
            let tensor = NamedTensor { shape, values };
            let whole = None;
            assert_eq!(array(&bytes, "a"), Ok(Array::Numbers { tensor, whole }));
            for length in 0..bytes.len() {
                assert!(array(&bytes[..length], "a").is_err());
            }
        }
    }

    fn with_header(header: &str, data: &[u8]) -> Result<Array, String> {
        let mut bytes = [&MAGIC[..], &[1, 0, header.len() as u8, 0]].concat();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        array(&bytes, "a")
    }

    #[test]
    fn columns_first_is_turned() {
        let header = "{'descr': '<f2', 'fortran_order': True, 'shape': (2, 2), }";
        let data = [0x00, 0x3c, 0x00, 0x40, 0x00, 0x42, 0x00, 0x44];
        let read = with_header(header, &data).unwrap();
        let (shape, values) = (vec![2, 2], vec![1.0, 3.0, 2.0, 4.0]);
        let tensor = NamedTensor { shape, values };
        let whole = None;
        assert_eq!(read, Array::Numbers { tensor, whole });
    }

    #[test]
    fn what_is_not_floating_is_told_apart() {
        let read = |dtype: &str, data: &[u8]| {
            let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1,), }}");
            with_header(&header, data).unwrap()
        };
        let whole = |dtype: &str, data: &[u8], expected: f32| {
            let (shape, values) = (vec![1], vec![expected]);
            let tensor = NamedTensor { shape, values };
            let whole = Some(dtype.to_owned());
            assert_eq!(read(dtype, data), Array::Numbers { tensor, whole });
        };
        whole("<i8", &[0xfe, 255, 255, 255, 255, 255, 255, 255], -2.0);
        whole("<i2", &[0x01, 0x80], -32767.0);
        whole("|u1", &[200], 200.0);
        let texts = b"o\0\0\0n\0\0\0w\0\0\0\0\0\0\0";
        let expected = vec!["on".to_owned(), "w".to_owned()];
        assert_eq!(read("<U2", texts), Array::Texts(expected));
        let dtype = "|O".to_owned();
        assert_eq!(read("|O", &[0; 8]), Array::Other { dtype });
    }

    #[test]
    fn hostile_heads_are_one_line() {
        for (header, expected) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 4000000000, 8), }",
                "holds 4 bytes, expected those of shape",
            ),
            ("{'descr': '<f4', 'shape': (-1,), }", "no fortran_order"),
            ("((((((((((((((((((((", "no descr"),
        ] {
            let error = with_header(header, &[0; 4]).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
    }
}

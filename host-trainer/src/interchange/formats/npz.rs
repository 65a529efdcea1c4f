//! NumPy's `.npz`: a zip of arrays, each with a line of text before its numbers.
//!
//! [The format](https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html) is read here
//! because candle's reader allocates by whatever shape the text claims: `'shape': (4000000000000,)` in a
//! file of 80 bytes asks for 16 TB. It knows no `fortran_order` either.

use super::format::{File, Format};
use crate::files::tensors::transpose;
use crate::interchange::contents::{Collector, Contents, Number};
use crate::interchange::context::Context;
use crate::interchange::names;
use crate::interchange::shape::count;
use crate::interchange::told::Told;

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
    for name in archive.names() {
        let bytes = archive.read(&name)?;
        let name = name.strip_suffix(END).ok_or_else(|| {
            format!("found {name} in a zip file, expected .npy arrays, a .keras or a .pt")
        })?;
        if names::is_bookkeeping(name) {
            continue;
        }
        match array(&bytes, name)? {
            Array::Floats { shape, values } => tensors.insert(name, shape, values)?,
            Array::Other { dtype } => tensors.pass_over(name, &dtype)?,
        }
    }
    tensors.note(names::KERAS_TELLS_NOTHING);
    let order = tensors.names().to_vec();
    Ok(tensors.finish("NumPy arrays", order, Context::Untold))
}

/// What is read of an array.
#[derive(Debug, PartialEq)]
enum Array {
    /// Its numbers, in row-major order.
    Floats { shape: Vec<usize>, values: Vec<f32> },
    /// It is not of floating-point numbers.
    Other { dtype: String },
}

fn array(bytes: &[u8], name: &str) -> Result<Array, String> {
    let (header, data) = split(bytes).ok_or_else(|| {
        format!("array {name} is cut off or damaged in its head, expected the .npy format")
    })?;
    let bad = |what: &str| format!("array {name} has no {what} in {header:?}, expected .npy's");
    let descr = value(header, "descr").ok_or_else(|| bad("descr"))?;
    let number = match descr.trim_matches(['\'', '"']) {
        "<f2" => Number::F16,
        "<f4" => Number::F32,
        "<f8" => Number::F64,
        // NumPy knows no bfloat16, and writes two bytes of no kind for it.
        "|V2" | "<V2" => Number::Bf16,
        other => {
            let dtype = other.to_owned();
            return Ok(Array::Other { dtype });
        }
    };
    let order = value(header, "fortran_order").ok_or_else(|| bad("fortran_order"))?;
    let shape = value(header, "shape").ok_or_else(|| bad("shape"))?;
    let axes = shape.trim_matches(['(', ')', ' ', ',']).split(',');
    let axes = axes.map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Vec<usize> = axes
        .map(|axis| axis.parse().map_err(|_| bad("shape")))
        .collect::<Result<_, _>>()?;
    if count(&shape).and_then(|n| n.checked_mul(number.size())) != Some(data.len()) {
        return Err(format!(
            "array {name} holds {} bytes, expected those of shape {shape:?}",
            data.len()
        ));
    }
    let values = number.decode(data);
    match (order, &shape[..]) {
        ("True", &[rows, columns]) => {
            let values = transpose(&values, columns, rows);
            Ok(Array::Floats { shape, values })
        }
        ("True", &[_]) | ("False", _) => Ok(Array::Floats { shape, values }),
        _ => Err(format!(
            "array {name} of shape {shape:?} has fortran_order {order}, expected False"
        )),
    }
}

/// The numbers of an array, whatever its shape.
pub(in crate::interchange) fn floats(bytes: &[u8], name: &str) -> Result<Vec<f32>, String> {
    match array(bytes, name)? {
        Array::Floats { values, .. } => Ok(values),
        Array::Other { dtype } => Err(format!(
            "array {name} is of type {dtype}, expected floating-point numbers"
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
    // The numbers begin at a multiple of 64 bytes, behind a line end.
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
            assert_eq!(array(&bytes, "a"), Ok(Array::Floats { shape, values }));
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
        assert_eq!(read, Array::Floats { shape, values });
    }

    #[test]
    fn what_is_not_floating_is_told_apart() {
        for dtype in ["<i8", "|O"] {
            let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1,), }}");
            let dtype = dtype.to_owned();
            assert_eq!(with_header(&header, &[0; 8]), Ok(Array::Other { dtype }));
        }
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

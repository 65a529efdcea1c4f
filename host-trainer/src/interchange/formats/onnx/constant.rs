//! Constants of a graph.

use super::array::{Array, Budget, Whole, Wholes};
use super::message::Tensor;
use crate::interchange::contents::Number;
use crate::interchange::shape::count;
use std::rc::Rc;

/// Longer lists of whole numbers are no shapes, and are not known.
pub(super) const MAX_WHOLES: usize = 256;

/// Numbers that a file holds, or that follow from those.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Floats(Rc<Array>),
    Wholes(Wholes),
    /// Zeros, however many.
    Zeros,
    /// What cannot be known, or does not matter.
    Unknown,
}

/// Numbers of a type of ONNX.
fn type_name(data_type: i32) -> String {
    let names = [
        "undefined",
        "float",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "double",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    let name = usize::try_from(data_type).ok().and_then(|at| names.get(at));
    name.map_or(format!("type {data_type}"), |name| (*name).to_owned())
}

impl Constant {
    /// A tensor of the file.
    ///
    /// # Errors
    /// Its numbers are not all there.
    pub(super) fn read(tensor: Tensor, name: &str, budget: &Budget) -> Result<Self, String> {
        if tensor.data_location != 0 {
            return Err(format!(
                "tensor {name} has its numbers in another file, expected them in this one"
            ));
        }
        let shape = tensor.dims.iter().map(|&n| usize::try_from(n).ok());
        let shape: Option<Vec<usize>> = shape.collect();
        let shape = shape.ok_or_else(|| {
            format!(
                "tensor {name} has shape {:?}, expected no negative length",
                tensor.dims
            )
        })?;
        let raw = &tensor.raw_data;
        let of = |number: Number| number.decode(raw);
        let floats = match (tensor.data_type, raw.is_empty()) {
            (1, true) => Some(tensor.float_data),
            (11, true) => Some(tensor.double_data.iter().map(|&x| x as f32).collect()),
            // The bits of each in a number of its own.
            (10 | 16, true) if !tensor.int32_data.is_empty() => {
                let bits = tensor
                    .int32_data
                    .iter()
                    .map(|&bits| (bits as u16).to_le_bytes());
                let number = if tensor.data_type == 10 {
                    Number::F16
                } else {
                    Number::Bf16
                };
                Some(number.decode(&bits.collect::<Vec<_>>().concat()))
            }
            (1, false) => Some(of(Number::F32)),
            (10, false) => Some(of(Number::F16)),
            (11, false) => Some(of(Number::F64)),
            (16, false) => Some(of(Number::Bf16)),
            _ => None,
        };
        let wholes: Option<Vec<i64>> = match (tensor.data_type, raw.is_empty()) {
            (7, true) => Some(tensor.int64_data),
            (6, true) => Some(tensor.int32_data.into_iter().map(i64::from).collect()),
            (7, false) => {
                let (words, _) = raw.as_chunks();
                Some(words.iter().map(|&b| i64::from_le_bytes(b)).collect())
            }
            (6, false) => {
                let (words, _) = raw.as_chunks();
                Some(
                    words
                        .iter()
                        .map(|&b| i32::from_le_bytes(b).into())
                        .collect(),
                )
            }
            _ => None,
        };
        let found = match (&floats, &wholes) {
            (Some(values), _) => values.len(),
            (_, Some(values)) => values.len(),
            // Truths, texts, bytes: no weights of a network that runs here.
            _ => return Ok(Self::Unknown),
        };
        if count(&shape) != Some(found) || budget.take(&shape).is_none() {
            return Err(format!(
                "tensor {name} ({}) holds {found} numbers, expected those of shape {shape:?}",
                type_name(tensor.data_type)
            ));
        }
        Ok(match (floats, wholes) {
            (Some(values), _) => Self::Floats(Rc::new(Array {
                shape,
                values,
                from: name.to_owned(),
            })),
            (_, Some(values)) if shape.len() <= 1 && values.len() <= MAX_WHOLES => {
                Self::Wholes(Wholes {
                    is_list: shape.len() == 1,
                    values: values.into_iter().map(Whole::Known).collect(),
                })
            }
            _ => Self::Unknown,
        })
    }

    /// Whether it is 0, one number.
    pub(super) fn is_nought(&self) -> bool {
        match self {
            Self::Floats(array) => array.values == [0.0],
            Self::Wholes(wholes) => wholes.known().as_deref() == Some(&[0]),
            _ => false,
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Floats(array) => array.is_zero(),
            Self::Zeros => true,
            _ => false,
        }
    }

    /// An array, if it could be made.
    pub(super) fn array(array: Option<Array>) -> Self {
        array.map_or(Self::Unknown, |array| Self::Floats(Rc::new(array)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_lie_in_bytes_or_in_a_list() {
        let read = |data_type, int32_data: &[i32], raw_data: &[u8]| {
            let tensor = Tensor {
                data_type,
                dims: vec![2],
                int32_data: int32_data.to_vec(),
                raw_data: raw_data.to_vec(),
                ..Tensor::default()
            };
            match Constant::read(tensor, "t", &Budget::new(10)) {
                Ok(Constant::Floats(array)) => array.values.clone(),
                other => panic!("{other:?}"),
            }
        };
        // 1 and -2.
        assert_eq!(read(10, &[0x3c00, 0xc000], &[]), [1.0, -2.0]);
        assert_eq!(read(10, &[], &[0, 0x3c, 0, 0xc0]), [1.0, -2.0]);
        assert_eq!(read(16, &[0x3f80, 0xc000], &[]), [1.0, -2.0]);
    }
}

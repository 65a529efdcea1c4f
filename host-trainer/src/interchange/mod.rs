//! Weights in other frameworks' files: Keras 3 (`.weights.h5`, `.keras`, `.npz`) and PyTorch
//! (`state_dict` in a `.pt` or in safetensors).
//!
//! Each reader turns a file into tensors by name ([`read`]); [`names`] finds the network in the
//! names and shapes, whatever file they came from; [`mod@write`] goes the other way.
//!
//! | | Keras | PyTorch | here |
//! | --- | --- | --- | --- |
//! | gates, side by side | i, f, c, o | i, f, g, o | i, f, g, o |
//! | input weights | `kernel` `[in, 4H]` | `weight_ih_l0` `[4H, in]` | `w_ih` `[in, 4H]` |
//! | recurrent weights | `recurrent_kernel` `[H, 4H]` | `weight_hh_l0` `[4H, R]` | `w_hh` `[R, 4H]` |
//! | biases | `bias` `[4H]` | the sum of `bias_ih_l0` and `bias_hh_l0` | `bias` `[4H]` |
//! | projection | none | `weight_hr_l0` `[R, H]` | `projection` `[H, R]` |
//! | dense layer | `kernel` `[H, V]` | `weight` `[V, H]` | `weight` `[R, V]` |
//!
//! A file may be hostile: nothing is allocated by a size that it only claims, and every error is
//! one line.

mod archive;
mod hdf5;
mod keras;
pub mod names;
mod npy;
mod pytorch;
pub mod write;

use crate::files::error::{Error, Result};
use crate::files::tensors::NamedTensor;
use archive::Archive;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// The largest file that is read: four layers of 4,096 units fit in.
const MAX_BYTES: u64 = 2 << 30;
/// More tensors than this are refused.
const MAX_TENSORS: usize = 10_000;

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Contents {
    /// What kind of file it is, for people.
    pub kind: &'static str,
    /// Its tensors as they are in the file, in f32.
    pub tensors: BTreeMap<String, NamedTensor>,
    /// The window that the network was trained on, where the file tells.
    pub window: Option<usize>,
    /// What a person should know about it.
    pub notes: Vec<String>,
}

/// Reads a file, whatever its name: the first bytes tell the kind.
///
/// # Errors
/// It cannot be read, is of no known kind, is damaged, or describes a network that cannot be run.
pub fn read(path: &Path) -> Result<Contents> {
    let io = |e| Error::reading(path, &e);
    let length = std::fs::metadata(path).map_err(io)?.len();
    let bad = |what: String| Error::bad_input(format!("{}: {what}", path.display()));
    if length > MAX_BYTES {
        return Err(bad(format!(
            "found {length} bytes, expected at most {MAX_BYTES}"
        )));
    }
    parse(std::fs::read(path).map_err(io)?).map_err(bad)
}

fn parse(bytes: Vec<u8>) -> Result<Contents, String> {
    let contents = if bytes.starts_with(b"PK\x03\x04") {
        let mut archive = Archive::open(bytes)?;
        if archive.has(keras::CONFIG) {
            keras::read(&mut archive)?
        } else if let Some(pickle) = archive.find("/data.pkl") {
            pytorch::read(&mut archive, &pickle)?
        } else {
            npy::read(&mut archive)?
        }
    } else if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
        Contents {
            kind: "Keras weights, HDF5",
            tensors: hdf5::read(bytes)?,
            window: None,
            notes: vec!["the file does not tell the activations: taken as tanh and sigmoid".into()],
        }
    } else if bytes.starts_with(&[0x80, 2]) {
        return Err(
            "found a pickle of PyTorch before 1.6, expected the zip that torch.save writes now"
                .into(),
        );
    } else {
        safetensors(&bytes)?
    };
    if contents.tensors.is_empty() {
        return Err(format!(
            "found no tensor ({}), expected a network's",
            contents.kind
        ));
    }
    Ok(contents)
}

fn safetensors(bytes: &[u8]) -> Result<Contents, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| {
        let e = one_line(&e.to_string());
        format!(
            "found {} bytes that are no HDF5, zip or safetensors file ({e}), expected weights of \
             Keras or PyTorch",
            bytes.len()
        )
    })?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let number = match view.dtype() {
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            other => return Err(not_floating(&name, &format!("{other:?}"))),
        };
        insert(
            &mut tensors,
            name,
            view.shape().to_vec(),
            number.decode(view.data()),
        )?;
    }
    Ok(Contents {
        kind: "safetensors",
        tensors,
        window: None,
        notes: Vec::new(),
    })
}

/// Adds a tensor whose numbers are already there.
fn insert(
    tensors: &mut BTreeMap<String, NamedTensor>,
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
) -> Result<(), String> {
    if count(&shape) != Some(values.len()) {
        return Err(format!(
            "tensor {name} has {} numbers, expected those of shape {shape:?}",
            values.len()
        ));
    }
    if tensors.len() == MAX_TENSORS {
        return Err(format!(
            "found more than {MAX_TENSORS} tensors, expected a network's"
        ));
    }
    tensors.insert(name, NamedTensor { shape, values });
    Ok(())
}

/// The numbers of a shape; `None` where they are too many to count.
fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

fn not_floating(name: &str, dtype: &str) -> String {
    format!("tensor {name} is of type {dtype}, expected floating-point numbers")
}

/// Another library's message on one line.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// How a file stores a number, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    F16,
    Bf16,
    F32,
    F64,
}

impl Number {
    /// Bytes of one.
    const fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// All whole numbers in `bytes`, as f32.
    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        let (twos, fours, eights) = (
            bytes.as_chunks().0,
            bytes.as_chunks().0,
            bytes.as_chunks().0,
        );
        match self {
            Self::F16 => twos
                .iter()
                .map(|&b| half::f16::from_le_bytes(b).to_f32())
                .collect(),
            Self::Bf16 => twos
                .iter()
                .map(|&b| half::bf16::from_le_bytes(b).to_f32())
                .collect(),
            Self::F32 => fours.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Self::F64 => eights
                .iter()
                .map(|&b| f64::from_le_bytes(b) as f32)
                .collect(),
        }
    }
}

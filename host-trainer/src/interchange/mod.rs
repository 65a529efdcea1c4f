//! Networks in other frameworks' files: Keras (`.weights.h5`, `.keras`, `.h5`, `.npz`), PyTorch (`state_dict` in a
//! `.pt` or in safetensors) and ONNX.
//!
//! Each kind of file has a reader in `formats`, and a line in its list: [`read`] gives the tensors by
//! name, or the layers where the file tells all of them. [`find`] finds a network of characters in them,
//! [`values::find`] one of values; [`mod@write`] goes the other way.
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
mod contents;
mod context;
mod formats;
mod names;
mod network;
mod plan;
mod shape;
mod stack;
mod told;
pub mod values;
pub mod write;

pub use contents::Contents;
pub use context::{Context, Reads};
pub(crate) use formats::npz::{NpzArray, read_arrays};
pub use network::{Mapped, find};
pub use told::Told;

use crate::files::error::{Error, Result};
use contents::MAX_BYTES;
use formats::FORMATS;
use formats::format::File;
use std::path::Path;

/// Reads a file, whatever its name: the first bytes tell the kind.
///
/// # Errors
/// It cannot be read, is of no known kind, is damaged, or describes a network that cannot be run.
pub fn read(path: &Path, told: &Told) -> Result<Contents> {
    let io = |e| Error::reading(path, &e);
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > MAX_BYTES {
        return Err(Error::bad_input(format!(
            "{}: found {length} bytes, expected at most {MAX_BYTES}",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let bytes = formats::onnx::with_numbers(bytes, path)
        .map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))?;
    from_bytes(path, bytes, told)
}

/// As [`read`], from the bytes of a file; `path` only names it in errors.
///
/// # Errors
/// As there.
pub fn from_bytes(path: &Path, bytes: Vec<u8>, told: &Told) -> Result<Contents> {
    parse(bytes, told).map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))
}

fn parse(bytes: Vec<u8>, told: &Told) -> Result<Contents, String> {
    let file = File::open(bytes)?;
    let format = FORMATS.iter().find(|format| (format.recognizes)(&file));
    let contents = match format {
        Some(format) => (format.read)(file, told)?,
        None => {
            return Err(
                "found a file of no known kind, expected one of Keras, PyTorch or ONNX".into(),
            );
        }
    };
    if contents.tensors.is_empty() && contents.plan.is_none() {
        return Err(format!(
            "found no tensor ({}), expected a network's",
            contents.kind
        ));
    }
    Ok(contents)
}

//! The mean and the deviation of each channel, in a file of their own.

use crate::files::error::{Error, Result};
use crate::interchange::archive::Archive;
use crate::interchange::formats::npz::floats;
use std::path::Path;

/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// What a person gives with `--normalize`: the network reads `(x - mean) / std`.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanAndStd {
    /// Of each channel, in the user's units.
    pub mean: Vec<f32>,
    /// Of each channel, in the user's units.
    pub std: Vec<f32>,
}

impl MeanAndStd {
    /// Reads a `.npz` with the arrays `mean` and `std`; others in it do not matter.
    ///
    /// # Errors
    /// It cannot be read, or has not got them.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |e| Error::reading(path, &e);
        let length = std::fs::metadata(path).map_err(io)?.len();
        let bad = |e: String| Error::bad_input(format!("{}: {e}", path.display()));
        if length > MAX_BYTES {
            return Err(bad(format!(
                "found {length} bytes, expected at most {MAX_BYTES}: the arrays mean and std"
            )));
        }
        Self::parse(std::fs::read(path).map_err(io)?).map_err(bad)
    }

    fn parse(bytes: Vec<u8>) -> std::result::Result<Self, String> {
        let mut archive = Archive::open(bytes)?;
        let mut vector = |name: &str| {
            let bytes = archive.read(&format!("{name}.npy"))?;
            floats(&bytes, name)
        };
        Ok(Self {
            mean: vector("mean")?,
            std: vector("std")?,
        })
    }
}

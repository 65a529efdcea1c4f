//! What a kind of file is.

use crate::interchange::archive::Archive;
use crate::interchange::contents::Contents;
use crate::interchange::told::Told;

/// A file of a framework.
pub(in crate::interchange) enum File {
    /// A zip file's entries.
    Zip(Archive),
    /// Any other file's bytes.
    Plain(Vec<u8>),
}

impl File {
    pub(in crate::interchange) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        match bytes.starts_with(b"PK\x03\x04") {
            true => Archive::open(bytes).map(Self::Zip),
            false => Ok(Self::Plain(bytes)),
        }
    }

    /// Whether it is a zip file of such entries.
    pub(super) fn is_zip(&self, with: impl FnOnce(&Archive) -> bool) -> bool {
        matches!(self, Self::Zip(archive) if with(archive))
    }

    /// Whether it is no zip file and begins with such bytes.
    pub(super) fn is_plain(&self, with: impl FnOnce(&[u8]) -> bool) -> bool {
        matches!(self, Self::Plain(bytes) if with(bytes))
    }
}

/// A kind of file.
pub(in crate::interchange) struct Format {
    /// Whether a file is of this kind.
    pub(in crate::interchange) recognizes: fn(&File) -> bool,
    /// Its tensors, and what it tells of the network.
    pub(in crate::interchange) read: fn(File, &Told) -> Result<Contents, String>,
}

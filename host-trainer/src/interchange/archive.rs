//! A zip file in memory, whose entries may not grow beyond what weights could, all together.

use super::contents::{MAX_BYTES, MAX_RATIO, one_line};
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;

pub(super) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    /// Bytes of the file.
    pub(super) size: usize,
    /// What may still be unpacked.
    left: u64,
}

impl Archive {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let size = bytes.len();
        // To look for the archive's start goes wrong where PyTorch's padding looks like an entry.
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let zip = ZipArchive::with_config(config, Cursor::new(bytes)).map_err(damaged)?;
        let left = MAX_BYTES.min(MAX_RATIO * size as u64);
        Ok(Self { zip, size, left })
    }

    /// The names of all entries, as they follow each other.
    pub(super) fn names(&self) -> Vec<String> {
        let names = self.zip.file_names().flatten();
        names.map(|name| name.into_owned()).collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// The first entry whose name ends so.
    pub(super) fn find(&self, end: &str) -> Option<String> {
        self.names().into_iter().find(|name| name.ends_with(end))
    }

    /// The bytes of an entry.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let left = self.left;
        let entry = self.zip.by_name(name).map_err(|e| match e {
            ZipError::FileNotFound => {
                format!("found no {name} in the zip file, expected one")
            }
            e => damaged(e),
        })?;
        let mut bytes = Vec::new();
        let read = entry.take(left + 1).read_to_end(&mut bytes);
        read.map_err(|e| format!("{name} in the zip file is damaged ({e})"))?;
        let Some(left) = left.checked_sub(bytes.len() as u64) else {
            return Err(format!(
                "found more than {left} bytes in {name}, expected weights"
            ));
        };
        self.left = left;
        Ok(bytes)
    }
}

fn damaged(e: ZipError) -> String {
    format!(
        "found a damaged zip file ({}), expected .keras, .npz or .pt",
        one_line(&e.to_string())
    )
}

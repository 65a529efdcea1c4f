//! A zip file in memory, whose entries may not grow beyond what weights could, all together.

use super::one_line;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Weights hardly shrink: entries that unpack to more than so many times their file are refused.
const MAX_RATIO: u64 = 100;

pub(super) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    /// What may still be unpacked.
    left: u64,
}

impl Archive {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let left = super::MAX_BYTES.min(MAX_RATIO * bytes.len() as u64);
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        Ok(Self { zip, left })
    }

    /// The names of all entries.
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
            zip::result::ZipError::FileNotFound => {
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

fn damaged(e: zip::result::ZipError) -> String {
    format!(
        "found a damaged zip file ({}), expected .keras, .npz or .pt",
        one_line(&e.to_string())
    )
}

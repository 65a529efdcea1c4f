//! A zip file in memory, of which no entry may grow beyond what weights could.

use super::one_line;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Weights hardly shrink: an entry that unpacks to more than so many times its file is refused.
const MAX_RATIO: u64 = 100;

pub(super) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    max_bytes: u64,
}

impl Archive {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let max_bytes = super::MAX_BYTES.min(MAX_RATIO * bytes.len() as u64);
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        Ok(Self { zip, max_bytes })
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
        let max_bytes = self.max_bytes;
        let entry = self.zip.by_name(name).map_err(|e| match e {
            zip::result::ZipError::FileNotFound => {
                format!("found no {name} in the zip file, expected one")
            }
            e => damaged(e),
        })?;
        let mut bytes = Vec::new();
        let read = entry.take(max_bytes + 1).read_to_end(&mut bytes);
        read.map_err(|e| format!("{name} in the zip file is damaged ({e})"))?;
        if bytes.len() as u64 > max_bytes {
            return Err(format!(
                "found {name} of more than {max_bytes} bytes, expected weights"
            ));
        }
        Ok(bytes)
    }
}

fn damaged(e: zip::result::ZipError) -> String {
    format!(
        "found a damaged zip file ({}), expected .keras, .npz or .pt",
        one_line(&e.to_string())
    )
}

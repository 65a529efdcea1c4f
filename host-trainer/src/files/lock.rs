//! A file that one process at a time can have.

use crate::files::error::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

/// Held for as long as it lives; the system gives it free when the process ends, however.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "open files are locked")] File);

impl Lock {
    /// Takes it, by a file that is made for it; `None` if another process has it.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn take(path: &Path) -> Result<Option<Self>> {
        let mut options = OpenOptions::new();
        let open = options.create(true).truncate(false).write(true).open(path);
        let file = open.map_err(|e| Error::writing(path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            // A file system without locks: then nothing is promised.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
                Ok(Some(Self(file)))
            }
            Err(TryLockError::Error(e)) => Err(Error::writing(path, &e)),
        }
    }
}

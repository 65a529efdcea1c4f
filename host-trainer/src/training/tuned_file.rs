//! The file that a fine-tuning writes.

use crate::files::error::{Error, Result};
use crate::files::lock::Lock;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the best of a fine-tuning goes. Its checkpoint lies beside it until all is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct TunedFile<'a> {
    pub(super) path: &'a Path,
    /// Whether to go on from the checkpoint.
    pub(super) resume: bool,
}

impl TunedFile<'_> {
    /// Does `work`, which is given the path of the checkpoint, while no other process has the file; then removes the
    /// checkpoint.
    ///
    /// # Errors
    /// There is no checkpoint to go on from, or one that nobody asked for; another process tunes into the same file; the disk
    /// refuses; `work` fails.
    pub(super) fn tune(self, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let lock_file = self.path.with_added_extension("lock");
        let lock = Lock::take(&lock_file)?.ok_or_else(|| {
            Error::bad_input(format!(
                "{}: found another fine-tuning at work on it, expected none",
                self.path.display()
            ))
        })?;
        let result = self.checkpoint().and_then(|checkpoint| {
            work(&checkpoint)?;
            match std::fs::remove_file(&checkpoint) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let shown = checkpoint.display();
                    Err(Error::failed(format!("cannot remove {shown}: {error}")))
                }
                _ => Ok(()),
            }
        });
        let _ = std::fs::remove_file(lock_file);
        drop(lock);
        result
    }

    /// There if it is to go on, and else not.
    fn checkpoint(self) -> Result<PathBuf> {
        let path = self.path.with_added_extension("checkpoint");
        let shown = path.display();
        match (self.resume, path.exists()) {
            (false, true) => Err(Error::bad_input(format!(
                "found {shown} of a fine-tuning that was stopped, expected no such file: --resume goes on \
                 with it; remove it to begin anew"
            ))),
            (true, false) => Err(Error::bad_input(format!(
                "found no {shown}, expected one to --resume from: a fine-tuning that came to its end \
                 leaves none"
            ))),
            _ => Ok(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Before its first checkpoint as after it.
    #[test]
    fn whoever_comes_second_is_told_that_it_is_the_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = &folder.path().join("tuned");
        let tuned = |resume| TunedFile { path, resume };
        let refused = |resume| tuned(resume).tune(|_| Ok(())).unwrap_err().to_string();
        let second = "found another fine-tuning at work on it";
        let work = |checkpoint: &Path| {
            assert!(refused(true).contains(second) && refused(false).contains(second));
            std::fs::write(checkpoint, "a place").unwrap();
            assert!(refused(true).contains(second) && refused(false).contains(second));
            Ok(())
        };
        tuned(false).tune(work).unwrap();
        // Nothing is left, also where there is nothing to go on from.
        assert!(refused(true).contains("expected one to --resume from"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

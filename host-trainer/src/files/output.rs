//! Files that are written: none is ever seen half-written, and none takes the place of an input.

use crate::files::error::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Whether a path leads to one of these files.
pub fn is_one_of<'p>(path: &Path, files: impl IntoIterator<Item = &'p Path>) -> bool {
    // What does not exist is none of them.
    path.canonicalize().is_ok_and(|found| {
        let mut files = files.into_iter();
        files.any(|file| file.canonicalize().is_ok_and(|file| file == found))
    })
}

/// Refuses a file to write that is one of those that are read. `flag` names it in the error.
///
/// # Errors
/// It is.
pub fn refuse_input_as_output<'p>(
    flag: &str,
    out: &Path,
    inputs: impl IntoIterator<Item = &'p Path>,
) -> Result<()> {
    match is_one_of(out, inputs) {
        true => Err(Error::bad_input(format!(
            "found --{flag} {}, which is read, expected another file",
            out.display()
        ))),
        false => Ok(()),
    }
}

/// Writes `bytes` to `path` through a temporary file in the same folder, synced and renamed.
///
/// # Errors
/// The disk refuses; `path` is then as it was before.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let mut file = builder.suffix(".tmp").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|e| Error::writing(path, &e))
}

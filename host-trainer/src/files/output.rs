//! Files that are written: none is ever seen half-written, and none takes the place of an input.

use crate::files::error::{Error, Result};
use std::fs::File;
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
    if is_one_of(out, inputs) {
        Err(Error::bad_input(format!(
            "found --{flag} {}, which is read, expected another file",
            out.display()
        )))
    } else {
        Ok(())
    }
}

/// Writes `bytes` to `path` through a temporary file in the same folder, synced and renamed; the folder is synced too.
/// A symbolic link is followed, and what is no file (a device, a pipe) is written to as it is.
///
/// # Errors
/// The disk refuses; a file is then as it was before.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_special = target
        .metadata()
        .is_ok_and(|found| !found.is_file() && !found.is_dir());
    let folder = match target.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        if is_special {
            return File::options().write(true).open(&target)?.write_all(bytes);
        }
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let mut file = builder.suffix(".tmp").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&target)?;
        // The new name is on the disk when its folder is. Not every system opens folders.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    write().map_err(|e| Error::writing(path, &e))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_followed_and_a_device_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("sub")).unwrap();
        std::fs::write(path("sub/file"), "old").unwrap();
        symlink("sub/file", path("link")).unwrap();
        write_atomically(&path("link"), b"new").unwrap();
        assert!(path("link").is_symlink());
        assert_eq!(std::fs::read(path("sub/file")).unwrap(), b"new");
        write_atomically(&path("plain"), b"1").unwrap();
        assert_eq!(std::fs::read(path("plain")).unwrap(), b"1");
        symlink("/dev/null", path("null")).unwrap();
        write_atomically(&path("null"), b"gone").unwrap();
        assert!(path("null").is_symlink());
        let full = Path::new("/dev/full");
        if full.exists() {
            assert!(write_atomically(full, b"no room").is_err());
            assert!(full.exists());
        }
    }
}

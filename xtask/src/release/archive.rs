//! Archives, and the checksums of a folder.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{image, pypi::hex};

/// The file with the checksums, as `sha256sum --check` takes it.
pub const SUMS: &str = "SHA256SUMS";

/// Writes an archive with these folders, each with all that is in it, and these files.
pub(super) fn write(path: &Path, folders: &[PathBuf], files: &[PathBuf]) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut archive = ZipWriter::new(file);
    for entry in folders.iter().chain(files) {
        let parent = entry.parent().unwrap_or(Path::new(""));
        add(&mut archive, parent, entry)?;
    }
    archive.finish()?.sync_all()?;
    Ok(())
}

/// Adds a file, or a folder with all that is in it, by its path within `parent`.
fn add(archive: &mut ZipWriter<File>, parent: &Path, path: &Path) -> Result<()> {
    let context = || path.display().to_string();
    if path.is_dir() {
        let entries = fs::read_dir(path).with_context(context)?;
        let entries = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        // The same archive wherever it is made.
        entries.sort();
        return entries
            .iter()
            .try_for_each(|entry| add(archive, parent, entry));
    }
    let mode = if is_program(path)? { 0o755 } else { 0o644 };
    let options = SimpleFileOptions::default().unix_permissions(mode);
    archive.start_file_from_path(path.strip_prefix(parent)?, options)?;
    archive.write_all(&fs::read(path).with_context(context)?)?;
    Ok(())
}

#[cfg(unix)]
fn is_program(path: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt;

    Ok(path.metadata()?.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> Result<bool> {
    Ok(path.extension().is_some_and(|end| end == "exe"))
}

/// Writes [`SUMS`] of every other file in a folder.
pub(super) fn write_sums(folder: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_file() && name != SUMS {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            lines.push((name.display().to_string(), hex(&Sha256::digest(bytes))));
        }
    }
    lines.sort();
    let lines = lines.iter().map(|(name, sum)| format!("{sum}  {name}\n"));
    image::write(&folder.join(SUMS), lines.collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn an_archive_has_the_files_by_their_names() {
        use std::{io::Read, os::unix::fs::PermissionsExt};

        let folder = TempDir::new().unwrap();
        let (path, lib) = (folder.path().join("a.zip"), folder.path().join("lib"));
        fs::create_dir_all(lib.join("arm")).unwrap();
        fs::write(lib.join("arm/liblstm.a"), "!<arch>").unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "\x7fELF").unwrap();
        let mut permissions = fs::metadata(&program).unwrap().permissions();
        permissions.set_mode(0o700);
        fs::set_permissions(&program, permissions).unwrap();
        write(&path, &[lib], &[program]).unwrap();
        let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
        let names: Vec<_> = archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(names, ["lib/arm/liblstm.a", "program"]);
        let mut program = archive.by_name("program").unwrap();
        assert_eq!(program.unix_mode().unwrap() & 0o777, 0o755);
        let mut text = String::new();
        program.read_to_string(&mut text).unwrap();
        assert_eq!(text, "\x7fELF");
        drop(program);
        let library = archive.by_name("lib/arm/liblstm.a").unwrap();
        assert_eq!(library.unix_mode().unwrap() & 0o777, 0o644);
    }

    #[test]
    fn sums_are_those_of_sha256sum() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("b"), "abc").unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        // The second time, the file of sums is there.
        for _ in 0..2 {
            write_sums(folder.path()).unwrap();
        }
        let sums = fs::read_to_string(folder.path().join(SUMS)).unwrap();
        // From FIPS 180-2, appendix B.1, and of no bytes.
        assert_eq!(
            sums,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n"
        );
    }
}

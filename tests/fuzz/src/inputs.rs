//! The inputs that are kept: a zip file for each target, in `corpus`.
//!
//! The files in it are stored as they are, by name, with the first date that zip knows: the same
//! inputs always make the same bytes. `unzip` reads them too.

use std::io::{self, Cursor, Read, Write};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// More inputs than these are not kept for a target, nor more bytes.
const MOST: usize = 150;
const MOST_BYTES: usize = 30_000;
/// How the names of inputs begin that showed a fault: they are always kept.
const FOUND: &str = "found-";

/// An input of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The name of its file: libFuzzer's hash, `seed-1`, or `found-` and a word for the fault.
    pub name: String,
    /// What the target is given.
    pub bytes: Vec<u8>,
}

impl Input {
    /// Whether it showed a fault that has been mended since.
    pub fn is_finding(&self) -> bool {
        self.name.starts_with(FOUND)
    }
}

/// The inputs in a zip file.
///
/// # Errors
///
/// The file is damaged, or no zip file.
pub fn read(archive: &[u8]) -> io::Result<Vec<Input>> {
    let mut archive = ZipArchive::new(Cursor::new(archive))?;
    let mut inputs = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let (name, mut bytes) = (file.name()?.into_owned(), Vec::new());
        file.read_to_end(&mut bytes)?;
        inputs.push(Input { name, bytes });
    }
    Ok(inputs)
}

/// A zip file of these inputs.
///
/// # Errors
///
/// Two have the same name.
pub fn write(mut inputs: Vec<Input>) -> io::Result<Vec<u8>> {
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for input in &inputs {
        archive.start_file(&input.name, options)?;
        archive.write_all(&input.bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// All findings, and of the other inputs as many as are kept: some of each length.
pub fn choose(inputs: Vec<Input>) -> Vec<Input> {
    let (mut chosen, mut others): (Vec<_>, Vec<_>) =
        inputs.into_iter().partition(Input::is_finding);
    others.sort_by_key(|input| (input.bytes.len(), input.name.clone()));
    let count = others.len().min(MOST);
    let spread = (0..count).map(|n| others[n * others.len() / count].clone());
    let mut bytes = 0;
    chosen.extend(spread.take_while(|input| {
        bytes += input.bytes.len();
        bytes <= MOST_BYTES
    }));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, bytes: usize) -> Input {
        Input {
            name: name.to_owned(),
            bytes: vec![7; bytes],
        }
    }

    #[test]
    fn what_is_written_is_read_in_the_order_of_names() {
        let [a, b, c] = [input("a", 3), input("b", 0), input("c", 500)];
        let archive = write(vec![c.clone(), a.clone(), b.clone()]).unwrap();
        assert_eq!(read(&archive).unwrap(), [a.clone(), b.clone(), c.clone()]);
        assert_eq!(write(vec![b, c, a]).unwrap(), archive);
        assert!(write(vec![input("a", 1), input("a", 2)]).is_err());
    }

    #[test]
    fn a_damaged_archive_is_refused() {
        let mut archive = write(vec![input("a", 100)]).unwrap();
        archive[60] ^= 1;
        assert!(read(&archive).is_err());
    }

    #[test]
    fn findings_are_kept_and_the_rest_is_thinned() {
        let many = (0..1000).map(|n| input(&format!("{n:04}"), n % 50));
        let found = input("found-a-loop", 40_000);
        let chosen = choose(many.chain([found.clone()]).collect());
        assert!(chosen.contains(&found));
        assert_eq!(chosen.len(), 1 + MOST);
        let lengths: Vec<_> = chosen[1..].iter().map(|i| i.bytes.len()).collect();
        assert_eq!((lengths[0], *lengths.last().unwrap()), (0, 49));
        let large = (0..10).map(|n| input(&n.to_string(), 8_000));
        assert_eq!(choose(large.collect()).len(), 3);
    }
}

//! The corpus: a text file as tokens, split in three.

use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::text::alphabet::{Alphabet, AlphabetKind};
use std::ops::Range;
use std::path::Path;

/// One of the three parts of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The first 90 %: the weights are fitted to it.
    Train,
    /// The next 5 %: early stopping and every other choice look at it.
    Validation,
    /// The last 5 %: only ever reported.
    Test,
}

impl Split {
    /// All three, in the order of the text.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The part's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Where the part lies in a text of `length` characters.
    pub fn range(self, length: usize) -> Range<usize> {
        let held_out = length - length / 10 * 9 - length % 10 * 9 / 10;
        let train = length - held_out;
        let validation = train + held_out / 2;
        match self {
            Self::Train => 0..train,
            Self::Validation => train..validation,
            Self::Test => validation..length,
        }
    }
}

/// A text as tokens.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The alphabet that `tokens` are numbered by.
    pub alphabet: Alphabet,
    /// The whole text, a token a character.
    pub tokens: Vec<u8>,
}

impl Corpus {
    /// Reads `path` and numbers its characters by an alphabet of `kind`.
    ///
    /// # Errors
    /// The file is missing, empty, not UTF-8 (the offset of the first bad byte is given), has more
    /// symbols than an alphabet can hold, or less than half of it is in the alphabet.
    pub fn read(path: &Path, kind: AlphabetKind) -> Result<Self> {
        let text = read_text(path)?;
        let named = |e| Error::bad_input(format!("{}: {e}", path.display()));
        let corpus = Self::of(&text, kind).map_err(named)?;
        let hint = match kind {
            AlphabetKind::Letters => "; --alphabet text keeps them",
            AlphabetKind::Text => {
                "; an alphabet holds the 256 most frequent symbols and no control characters"
            }
        };
        corpus.check(path, &text, hint)?;
        Ok(corpus)
    }

    /// Numbers the characters of a text by an alphabet of `kind`.
    ///
    /// # Errors
    /// The text has more symbols than an alphabet can hold.
    pub fn of(text: &str, kind: AlphabetKind) -> Result<Self> {
        let alphabet = Alphabet::choose(kind, text)?;
        let tokens = alphabet.encode(text);
        Ok(Self { alphabet, tokens })
    }

    /// Reads `path` and numbers its characters by a given alphabet.
    ///
    /// # Errors
    /// The file is missing, empty or not UTF-8, or less than half of it is in the alphabet.
    pub fn read_with(path: &Path, alphabet: Alphabet) -> Result<Self> {
        let text = read_text(path)?;
        let tokens = alphabet.encode(&text);
        let corpus = Self { alphabet, tokens };
        corpus.check(path, &text, "")?;
        Ok(corpus)
    }

    /// Tells how much of the text is not in the alphabet, with a hint, and refuses it if that is most of
    /// it.
    fn check(&self, path: &Path, text: &str, hint: &str) -> Result<()> {
        /// The share of a text that, as a space, is more than the spaces and marks of prose.
        const MUCH: f64 = 0.3;
        let (all, unknown) = (self.tokens.len(), self.alphabet.unknown(text));
        if unknown == 0 {
            return Ok(());
        }
        let share = unknown as f64 / all as f64;
        let found = format!(
            "{}: {unknown} of {all} characters ({:.1} %) are not in the alphabet",
            path.display(),
            100.0 * share
        );
        let is_letters = self.alphabet == Alphabet::letters();
        if share > 0.5 {
            return Err(Error::bad_input(format!(
                "{found}, expected at most half{hint}"
            )));
        }
        // To read all that is no letter as a space is what the 27 symbols are for.
        if !is_letters || share > MUCH || text.chars().any(is_foreign_letter) {
            let read_as = self.alphabet.symbols[0];
            tell!("{found}, and are read as {read_as:?}{hint}");
        }
        Ok(())
    }

    /// The tokens of one part.
    pub fn split(&self, split: Split) -> &[u8] {
        &self.tokens[split.range(self.tokens.len())]
    }

    /// How many excerpts of a part another text holds, and of how many that were looked for.
    pub fn excerpts_in(&self, split: Split, other: &[u8]) -> (usize, usize) {
        /// Characters of an excerpt: too many for chance.
        const LENGTH: usize = 40;
        /// Excerpts of a part.
        const EXCERPTS: usize = 32;
        let part = self.split(split);
        let apart = (part.len() / EXCERPTS).max(LENGTH);
        let excerpts = part.chunks(apart).filter_map(|chunk| chunk.get(..LENGTH));
        let found = excerpts.map(|excerpt| memchr::memmem::find(other, excerpt).is_some());
        let found: Vec<bool> = found.collect();
        (found.iter().filter(|found| **found).count(), found.len())
    }

    /// The tokens just before a part (at most `length`), to carry the state into it.
    pub fn before(&self, split: Split, length: usize) -> &[u8] {
        let start = split.range(self.tokens.len()).start;
        &self.tokens[start.saturating_sub(length)..start]
    }
}

/// Whether a character is a letter that the 27 symbols have not.
fn is_foreign_letter(character: char) -> bool {
    character.is_alphabetic() && !character.is_ascii()
}

/// Reads a whole text file.
///
/// # Errors
/// The file is missing, empty or not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
    text_of(path, bytes)
}

/// As [`read_text`], from the bytes of a file; `path` only names it in errors.
///
/// # Errors
/// There are none, or they are not UTF-8.
pub fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String> {
    if bytes.is_empty() {
        return Err(Error::bad_input(format!(
            "{} is empty, expected text",
            path.display()
        )));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let (at, bytes) = (e.utf8_error().valid_up_to(), e.as_bytes());
        let name = path.display();
        // How UTF-16 begins; and what else older programs write.
        let encoding = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
            _ => "LATIN1",
        };
        Error::bad_input(format!(
            "{name} is not UTF-8: found byte 0x{:02x} at offset {at}, expected text; if it is in \
             {encoding}, `iconv -f {encoding} -t UTF-8 {name} > NEW` converts it",
            bytes[at]
        ))
    })?;
    Ok(plain(path, text))
}

/// Without a byte order mark, and with line feeds alone at the ends of lines; tells what was changed.
fn plain(path: &Path, mut text: String) -> String {
    let path = path.display();
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        tell!("{path}: left out the byte order mark");
        text = rest.to_owned();
    }
    if text.contains('\r') {
        tell!("{path}: read the ends of lines (CR LF or CR) as line feeds");
        text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sonnets_split_as_documented() {
        let lengths = Split::ALL.map(|s| s.range(95_650).len());
        assert_eq!(lengths, [86_085, 4_782, 4_783]);
    }

    #[test]
    fn a_text_is_the_same_whatever_wrote_it() {
        let read = |text: &str| text_of(Path::new("a"), text.as_bytes().to_vec()).unwrap();
        for text in ["one\r\ntwo\r\n", "one\rtwo\r", "\u{feff}one\ntwo\n"] {
            assert_eq!(read(text), "one\ntwo\n");
        }
    }

    #[test]
    fn splits_tile_every_length() {
        for n in 0..2_000 {
            let [a, b, c] = Split::ALL.map(|s| s.range(n));
            assert_eq!((a.start, a.end, b.end, c.end), (0, b.start, c.start, n));
            assert_eq!(a.len(), n * 9 / 10);
            assert!(c.len() - b.len() <= 1);
        }
    }
}

//! The file that a text was read from, and how to know it again.

use crate::files::error::{Error, Result};
use crate::files::hash::sha256;
use crate::text::alphabet::Alphabet;
use crate::text::corpus::Corpus;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A text that a run reads; equal to one of the same tokens, wherever it lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its tokens, to notice that it was changed.
    pub hash: String,
}

impl PartialEq for TextFile {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for TextFile {}

impl TextFile {
    /// Describes a text that was read from `path`.
    pub fn new(path: &Path, tokens: &[u8]) -> Self {
        let (path, hash) = (path.to_owned(), sha256(tokens));
        Self { path, hash }
    }

    /// Whether these are its tokens.
    pub fn is(&self, tokens: &[u8]) -> bool {
        self.hash == sha256(tokens)
    }

    /// Reads it again.
    ///
    /// # Errors
    /// It cannot be read, or is another than before.
    pub fn read(&self, alphabet: Alphabet) -> Result<Corpus> {
        let corpus = Corpus::read_with(&self.path, alphabet)?;
        let found = Self::new(&self.path, &corpus.tokens).hash;
        if found != self.hash {
            return Err(Error::bad_input(format!(
                "{} has hash {found}, expected {} as when the run began",
                self.path.display(),
                self.hash
            )));
        }
        Ok(corpus)
    }
}

/// The text that a network was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingText {
    /// The text.
    pub file: TextFile,
    /// Whether its validation and its test part were kept from the training.
    pub held_out: bool,
}

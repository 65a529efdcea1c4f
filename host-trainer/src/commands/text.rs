//! The text that a command reads: the one that is asked for, or the one that the network was trained on.

use crate::files::error::{Error, Result};
use crate::model::describe::training_text;
use crate::model::file::ModelFile;
use crate::network::parameters::Network;
use crate::quantize::QuantizedNetwork;
use crate::text::alphabet::Alphabet;
use crate::text::corpus::Corpus;
use crate::text::text_file::TrainingText;
use std::fmt;
use std::path::{Path, PathBuf};

/// A text that was read, and what it is to the network.
pub(crate) struct Text {
    pub(crate) path: PathBuf,
    pub(crate) corpus: Corpus,
    /// Whether the network was trained on it, and parts of it were held out; `None` where `--corpus` named it.
    held_out: Option<bool>,
}

/// For people: its path, and whether the network was trained on it.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.held_out {
            None => "",
            Some(true) => ", which it was trained on",
            Some(false) => ", all three parts of which it was trained on",
        };
        write!(f, "{}{what}", self.path.display())
    }
}

impl Text {
    /// Reads the text that is `asked` for, or else the one that the network in `file` was `trained_on`.
    ///
    /// # Errors
    /// It cannot be read; nothing says which it is; or it is no longer what it was in training.
    pub(crate) fn read(
        asked: Option<&Path>,
        trained_on: Option<&TrainingText>,
        file: &Path,
        alphabet: Alphabet,
    ) -> Result<Self> {
        if let Some(path) = asked {
            return Ok(Self {
                path: path.to_owned(),
                corpus: Corpus::read_with(path, alphabet)?,
                held_out: None,
            });
        }
        let file = file.display();
        let Some(text) = trained_on else {
            return Err(Error::bad_input(format!(
                "{file} does not say on which text it was trained, expected --corpus FILE"
            )));
        };
        let path = &text.file.path;
        let shown = path.display();
        if !path.exists() {
            return Err(Error::bad_input(format!(
                "found no {shown}, on which {file} was trained, expected it there, or --corpus FILE"
            )));
        }
        let corpus = Corpus::read_with(path, alphabet)?;
        if !text.file.is(&corpus.tokens) {
            return Err(Error::bad_input(format!(
                "{shown} has changed since {file} was trained on it, expected the same text, or \
                 --corpus FILE to take this or another"
            )));
        }
        Ok(Self {
            path: path.clone(),
            corpus,
            held_out: Some(text.held_out),
        })
    }
}

/// The text that the network or model in a file was trained on, where the file says so, or the description beside
/// a `.lstm`.
///
/// # Errors
/// The file cannot be read or is none of these.
pub(crate) fn trained_on(file: &Path) -> Result<Option<TrainingText>> {
    if ModelFile::is_one(file)? {
        let description = std::fs::read_to_string(file.with_extension("txt"));
        return Ok(description.ok().and_then(|text| training_text(&text)));
    }
    Ok(match QuantizedNetwork::load(file)? {
        Some(network) => network.config.corpus,
        None => Network::load(file)?.config.corpus,
    })
}

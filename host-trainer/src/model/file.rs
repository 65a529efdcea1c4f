//! A `.lstm` file in memory, read by the device's own engine.

use crate::files::error::{Error, Result};
use crate::model::predictor::ModelPredictor;
use crate::model::workspace::HeapWorkspace;
use crate::network::score::{Extent, Piece, Score, score_text, scores};
use crate::text::corpus::{Corpus, Split};
use lstm_core::{Model, ModelError, OutputHead, Token, WorkspaceError};
use std::path::Path;

/// The bytes of a file, aligned as flash would be.
#[derive(Clone, Debug)]
pub struct ModelFile {
    words: Vec<u128>,
    len: usize,
}

impl ModelFile {
    /// Copies the bytes to where they are aligned.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = vec![0u128; bytes.len().div_ceil(16)];
        bytemuck::cast_slice_mut::<u128, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        ModelFile {
            words,
            len: bytes.len(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or [`Model::from_bytes`] refuses it.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        let file = Self::from_bytes(&bytes);
        match file.model() {
            Ok(_) => Ok(file),
            Err(e) => Err(Error::bad_input(format!("{}: {e}", path.display()))),
        }
    }

    /// Whether a file begins as a `.lstm` file does, or is named so.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn is_one(path: &Path) -> Result<bool> {
        use std::io::Read;
        let mut start = [0; 4];
        let mut file = std::fs::File::open(path).map_err(|e| Error::reading(path, &e))?;
        let named = path.extension().is_some_and(|e| e == "lstm");
        Ok(named || (file.read_exact(&mut start).is_ok() && start == lstm_core::export::MAGIC))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    /// The score of each part of a text, by the device's engine; `window` as in
    /// [`InContext::new`](crate::network::predictor::InContext::new).
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`].
    pub fn score(
        &self,
        window: Option<usize>,
        corpus: &Corpus,
        splits: &[Split],
        extent: Extent,
    ) -> Result<Vec<Score>> {
        let model = self.model()?;
        let read = |piece: Piece<'_>| {
            let mut workspace = HeapWorkspace::new(&model);
            Ok(piece.read(ModelPredictor::new(workspace.session(&model)?)))
        };
        scores(read, window, corpus, splits, extent)
    }

    /// The score of a text from the zero state, in one piece, by the device's engine; `window` as in
    /// [`InContext::new`](crate::network::predictor::InContext::new). The first character is only read.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`]; the model does not read symbols, or gives none; the text has fewer than two characters.
    pub fn score_text(&self, window: Option<usize>, text: &str) -> Result<Score> {
        let model = self.model()?;
        let mut workspace = HeapWorkspace::new(&model);
        let predictor = ModelPredictor::new(workspace.session(&model)?);
        if model.head() != OutputHead::Symbols {
            let found = model.num_outputs();
            return Err(WorkspaceError::GivesNoSymbols { found }.into());
        }
        let tokens = encode(&model, text).into_iter();
        let tokens: Vec<u8> = tokens.map(|token| token.index() as u8).collect();
        match tokens.len() {
            2.. => Ok(score_text(predictor, window, &tokens)),
            found => Err(Error::bad_input(format!(
                "the text has {found} characters, expected at least 2 to score"
            ))),
        }
    }

    /// The model.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`].
    pub fn model(&self) -> Result<Model<'_>, ModelError> {
        Model::from_bytes(self.bytes())
    }
}

/// The tokens of a text.
pub fn encode(model: &Model<'_>, text: &str) -> Vec<Token> {
    let alphabet = model.alphabet();
    text.chars().map(|c| alphabet.encode(c)).collect()
}

//! Everything that decides a run.

use crate::files::error::{Error, Result};
use crate::network::config::{EMBEDDING, NetworkConfig};
use crate::ngram::MemoryConfig;
use crate::text::alphabet::{Alphabet, AlphabetKind};
use crate::text::text_file::TextFile;
use crate::training::phase::{Phase, holds_out, window};
use crate::training::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::Path;

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The recipe that the phases come from.
    pub recipe: &'static Recipe,
    /// Seed of every random choice.
    pub seed: u64,
    /// Time to train for; the phases' epochs if `None`.
    pub minutes: Option<f64>,
    /// How the alphabet was chosen; `None` if it is that of the network that it starts from.
    pub alphabet: Option<AlphabetKind>,
    /// The corpus.
    pub corpus: TextFile,
    /// Text for pre-training.
    pub pretrain: Option<TextFile>,
    /// The network whose weights it starts from, and SHA-256 of its file; random weights if `None`.
    #[serde(default)]
    pub from: Option<TextFile>,
    /// The memory of its network, of which [`RunConfig::network`] has the shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryConfig>,
    /// The network.
    pub network: NetworkConfig,
    /// The phases with every flag applied.
    pub phases: Vec<Phase>,
}

/// [`TextFile::hash`] of `data/sonnets.txt` in 27 letters, the notebook's text.
const NOTEBOOK_TEXT: &str = "505720ba0b81c4bbbc0178a98a6a93f1fe487a3997ce882cbdf9972dd902b00c";

impl RunConfig {
    /// Loss of each epoch in the notebook's own run, where this one trains the notebook's network on
    /// the notebook's text, as the notebook does; the number of epochs may be another.
    pub fn notebook_losses(&self) -> Option<&'static [f64; 10]> {
        let losses = self.recipe.notebook_losses?;
        let layer = self.recipe.layer;
        let mut network = NetworkConfig::stack(&Alphabet::letters(), EMBEDDING, layer, 1);
        let mut phases = self.recipe.phases(false)?;
        network.window = window(&phases);
        for (phase, own) in phases.iter_mut().zip(&self.phases) {
            phase.epochs = own.epochs;
        }
        let is_the_notebook = self.corpus.hash == NOTEBOOK_TEXT
            && self.network.is_alike(&network)
            && self.phases == phases;
        (is_the_notebook && self.from.is_none()).then_some(losses)
    }

    /// Whether the validation and the test part are kept from the training.
    pub fn holds_out(&self) -> bool {
        holds_out(&self.phases)
    }

    /// The text of a `config.json`.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub fn to_text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        let text =
            text.map_err(|e| Error::bad_input(format!("cannot write the run's config: {e}")));
        Ok(text? + "\n")
    }

    /// Reads the text of a `config.json`; `path` only names it in errors.
    ///
    /// # Errors
    /// It is no run's config.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let bad = |what: &dyn Display| {
            Error::bad_input(format!(
                "{}: {what}, expected a run's config",
                path.display()
            ))
        };
        let config: Self = serde_json::from_str(text).map_err(|e| bad(&e))?;
        let is_empty =
            |phase: &Phase| phase.feed.batch_size() == 0 || phase.feed.sequence_length() == 0;
        if config.phases.is_empty() || config.phases.iter().any(is_empty) {
            return Err(bad(&"found no phase, or one of empty batches"));
        }
        Ok(config)
    }
}

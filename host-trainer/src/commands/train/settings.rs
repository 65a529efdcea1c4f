//! What decides a run, as flags and as the keys of a config file: both are defined here, once.

use crate::commands::numbers::{
    BelowOne, Bytes, Count, Embedding, Hidden, Natural, NotNegative, Positive, Share,
};
use crate::engine::optimizer::Method;
use crate::engine::schedule::Decay;
use crate::files::error::{Error, Result};
use crate::network::config::CellKind;
use crate::text::alphabet::AlphabetKind;
use crate::training::recipe::Recipe;
use crate::training::sensor::TaskKind;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What decides the training on the corpus.
const TRAINING: &str = "Training";
/// The network.
const NETWORK: &str = "Network";

/// What decides a run; nothing where the recipe decides.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// How to train [default: sonnets]
    #[arg(long, value_enum)]
    pub recipe: Option<&'static Recipe>,
    /// The text to learn, UTF-8 [default: data/sonnets.txt]
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// More text of the same kind, read first, with a recipe that pre-trains
    #[arg(long, value_name = "FILE")]
    pub pretrain: Option<PathBuf>,
    /// Start from the weights of this network (.safetensors), in its shape, and in its alphabet unless
    /// --alphabet gives another [default: random weights]
    #[arg(long, value_name = "NETWORK")]
    pub from: Option<PathBuf>,
    /// The symbols: 27 letters, or every character of the text [default: the recipe's, or those of the
    /// network of --from]
    #[arg(long, value_enum)]
    pub alphabet: Option<AlphabetKind>,
    /// Instead of a text, data to learn (.npz, .csv): a network that reads values
    #[arg(long, value_name = "FILE", conflicts_with_all = ["corpus", "recipe"])]
    pub data: Option<PathBuf>,
    /// With --data: what is to be told [default: classify]
    #[arg(long, value_enum)]
    pub task: Option<TaskKind>,
    /// Seed of every random choice [default: 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<Natural>,
    /// Train for so long instead of counting epochs; the learning rate's schedule is scaled to it. 0 counts
    /// epochs
    #[arg(long, value_name = "M")]
    pub minutes: Option<NotNegative>,

    /// Kind of each layer's cell [default: the recipe's]
    #[arg(long, value_enum, help_heading = NETWORK)]
    pub cell: Option<CellKind>,
    /// Units of each layer [default: the recipe's]
    #[arg(long, value_name = "N", help_heading = NETWORK)]
    pub hidden: Option<Hidden>,
    /// Width that each layer's output is projected to; 0 for no projection [default: the recipe's]
    #[arg(long, value_name = "R", help_heading = NETWORK)]
    pub projection: Option<Natural>,
    /// With --data: a dense layer of so many units before the head, with relu; 0 for none [default: 0]
    #[arg(long, value_name = "N", help_heading = NETWORK)]
    pub dense: Option<Natural>,
    /// Layers, 1 to 4 [default: 1]
    #[arg(long, value_name = "N", help_heading = NETWORK)]
    pub layers: Option<Count<4>>,
    /// Width of the embedding [default: 64]
    #[arg(long, value_name = "N", help_heading = NETWORK)]
    pub embedding: Option<Embedding>,

    /// Bytes of flash for a memory of what was read, such as 300K: vectors of the last characters, and a table of counts; 0 for none
    /// [default: the recipe's]
    #[arg(long, value_name = "BYTES", help_heading = NETWORK)]
    pub memory: Option<Bytes>,

    /// Epochs: how often the text of --pretrain is read
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub pretrain_epochs: Option<Positive>,
    /// Epochs: how often the corpus is read
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub epochs: Option<Positive>,
    /// Rows of a batch: texts that are read side by side
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub batch_size: Option<Count<4096>>,
    /// Characters of each row that a batch reads
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub sequence_length: Option<Count<4096>>,
    /// Whether one batch in ten is half as long, so that the cuts between batches move
    #[arg(long, value_name = "BOOL", help_heading = TRAINING)]
    pub jitter: Option<bool>,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", help_heading = TRAINING)]
    pub learning_rate: Option<Positive>,
    /// Factor on the learning rate of the embedding, in pre-training too
    #[arg(long, value_name = "FACTOR", help_heading = TRAINING)]
    pub embedding_rate: Option<Positive>,
    /// How the learning rate goes down
    #[arg(long, value_enum, help_heading = TRAINING)]
    pub schedule: Option<&'static Decay>,
    /// Updates of a linear rise before it
    #[arg(long, value_name = "UPDATES", help_heading = TRAINING)]
    pub warm_up: Option<Natural>,
    /// Where the learning rate ends, as a share of the highest
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub min_lr: Option<Share>,
    /// What moves the weights [default: the recipe's]
    #[arg(long, value_enum, help_heading = TRAINING)]
    pub optimizer: Option<&'static Method>,
    /// Adam: decay of the gradients' average. SGD: momentum
    #[arg(long, visible_alias = "momentum", value_name = "DECAY", help_heading = TRAINING)]
    pub beta1: Option<BelowOne>,
    /// Adam: decay of the average of the gradients' squares
    #[arg(long, value_name = "DECAY", help_heading = TRAINING)]
    pub beta2: Option<BelowOne>,
    /// Adam: what is added to the root of that average
    #[arg(long, value_name = "NUMBER", help_heading = TRAINING)]
    pub epsilon: Option<Positive>,
    /// Share that matrices shrink by in an update, times the learning rate
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub weight_decay: Option<BelowOne>,
    /// Limit of the gradients' common norm; 0 for none
    #[arg(long, value_name = "NORM", help_heading = TRAINING)]
    pub grad_clip: Option<NotNegative>,
    /// Share of the input characters that are replaced by random ones
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub token_dropout: Option<BelowOne>,
    /// Share of the recurrent weights that are left out of a batch (DropConnect)
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub drop_connect: Option<BelowOne>,
    /// Also keep an exponential moving average of the weights, with this decay, such as 0.999; it
    /// may become the best
    #[arg(long, value_name = "DECAY", help_heading = TRAINING)]
    pub ema: Option<BelowOne>,
    /// Stop after so many validations without a better one; 0 for never
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub patience: Option<Natural>,
    /// Updates from one validation to the next [default: the recipe's; an epoch in the notebook's]
    #[arg(long, value_name = "UPDATES", help_heading = TRAINING)]
    pub validate_every: Option<Count<{ i64::MAX }>>,
}

impl Settings {
    /// Those of a config file.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, or a key or value is none of these; the line is named.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::reading(path, &e))?;
        Self::parse(path, &text)
    }

    /// As [`Settings::read`], from the text of a file; `path` only names it in errors.
    ///
    /// # Errors
    /// As there.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| {
            let start = e.span().map_or(0, |span| span.start);
            let line = text[..start].matches('\n').count() + 1;
            let path = path.display();
            Error::bad_input(format!("{path} line {line}: {}", e.message()))
        })
    }

    /// These, and where they say nothing, those of a file.
    ///
    /// # Errors
    /// None for settings that were read.
    pub fn over(self, mut file: Self) -> Result<Self> {
        // A recipe that takes no text for pre-training leaves no place for that of the file.
        if self
            .recipe
            .is_some_and(|recipe| recipe.pretrained.is_none())
        {
            (file.pretrain, file.pretrain_epochs) = (None, None);
        }
        let mut table = file.to_table()?;
        table.extend(self.to_table()?);
        table.try_into().map_err(not_text)
    }

    /// What is set, by its key.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub fn to_table(&self) -> Result<toml::Table> {
        toml::Table::try_from(self).map_err(not_text)
    }
}

fn not_text(error: impl std::fmt::Display) -> Error {
    Error::bad_input(format!("cannot write the settings as TOML: {error}"))
}

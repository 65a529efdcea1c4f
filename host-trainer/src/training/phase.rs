//! A phase of training, as plain data.

use crate::engine::optimizer::OptimizerConfig;
use crate::engine::schedule::Schedule;
use crate::text::batches::Feed;
use serde::{Deserialize, Serialize};

/// The text of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The whole corpus, as in the notebook: nothing is held out.
    Whole,
    /// The corpus's training part.
    Train,
    /// The file of `--pretrain`.
    Pretrain,
}

impl Source {
    /// The number of the text: those of the corpus, then that for pre-training.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Whole | Self::Train => 0,
            Self::Pretrain => 1,
        }
    }
}

/// One stretch of training with its own text and optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name in reports.
    pub name: String,
    /// Its text.
    pub source: Source,
    /// How the text becomes batches.
    pub feed: Feed,
    /// Times that the text is read.
    pub epochs: f64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Factor on the learning rate of the embedding.
    pub embedding_rate: f64,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Limit of the gradients' common norm.
    pub grad_clip: Option<f64>,
    /// Share of the input characters that are replaced by random ones.
    pub token_dropout: f32,
    /// Share of the recurrent weights that are left out of a batch, drawn anew for each.
    pub drop_connect: f32,
    /// Whether the vectors of a memory do not learn: on little text they would learn it by heart.
    #[serde(default)]
    pub frozen_vectors: bool,
    /// Updates from one validation to the next; one at the end of each epoch if `None`.
    pub validate_every: Option<u64>,
    /// Decay of the running average of the weights, which is validated beside them; none is kept if
    /// `None`.
    pub ema: Option<f64>,
    /// Validations without a better one after which the phase ends; only its epochs end it if
    /// `None`.
    pub patience: Option<u64>,
}

/// Whether the validation and the test part are kept from these phases.
pub fn holds_out(phases: &[Phase]) -> bool {
    phases.iter().all(|phase| phase.source != Source::Whole)
}

/// The window of a network that goes through these phases: that of the last.
pub fn window(phases: &[Phase]) -> Option<usize> {
    phases.last()?.feed.window()
}

//! The flags of `train`.

use crate::engine::device::DeviceKind;
use crate::network::config::{CellKind, EMBEDDING};
use crate::text::alphabet::AlphabetKind;
use std::path::{Path, PathBuf};

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub struct Args {
    /// many-to-one, many-to-many (the notebook's two), sonnets (from scratch), or pre-trained: best,
    /// small, micro [default: sonnets]
    #[arg(long, value_name = "NAME")]
    pub(crate) recipe: Option<String>,
    /// The text to learn, UTF-8
    #[arg(long, default_value = "data/sonnets.txt", value_name = "FILE")]
    pub(crate) corpus: PathBuf,
    /// More text of the same kind, read first (recipes best, small and micro)
    #[arg(long, value_name = "FILE")]
    pub(crate) pretrain: Option<PathBuf>,
    /// The symbols: 27 letters, or every character of the text
    #[arg(long, value_enum, default_value_t = AlphabetKind::Letters)]
    pub(crate) alphabet: AlphabetKind,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Train for so long instead of counting epochs; the learning rate's schedule is scaled to it. 0 counts
    /// epochs
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,

    /// Kind of each layer: the LSTM of Keras and PyTorch, or one whose input and forget gate are coupled
    /// (CIFG), which is smaller [default: the recipe's]
    #[arg(long, value_enum, help_heading = "Network")]
    pub(crate) cell: Option<CellKind>,
    /// Units of each layer [default: the recipe's]
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub(crate) hidden: Option<usize>,
    /// Width that each layer's output is projected to; 0 for no projection [default: the recipe's]
    #[arg(long, value_name = "R", help_heading = "Network")]
    pub(crate) projection: Option<usize>,
    /// Layers, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Network")]
    pub(crate) layers: usize,
    /// Width of the embedding
    #[arg(long, value_name = "N", default_value_t = EMBEDDING, help_heading = "Network")]
    pub(crate) embedding: usize,

    /// Epochs: how often the text of --pretrain is read
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub(crate) pretrain_epochs: Option<f64>,
    /// Epochs: how often the corpus is read
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub(crate) epochs: Option<f64>,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", help_heading = TRAINING)]
    pub(crate) learning_rate: Option<f64>,
    /// How the learning rate moves: not at all, or a linear rise, then half a cosine
    #[arg(long, value_enum, help_heading = TRAINING)]
    pub(crate) schedule: Option<ScheduleKind>,
    /// Steps of the rise
    #[arg(long, value_name = "STEPS", help_heading = TRAINING)]
    pub(crate) warm_up: Option<u64>,
    /// Where the cosine ends, as a share of the highest learning rate
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub(crate) floor: Option<f64>,
    /// Factor on the learning rate of the embedding, in pre-training too
    #[arg(long, value_name = "FACTOR", help_heading = TRAINING)]
    pub(crate) embedding_rate: Option<f64>,
    /// Rows of a batch
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub(crate) batch: Option<usize>,
    /// Limit of the gradients' common norm; 0 for none
    #[arg(long, value_name = "NORM", help_heading = TRAINING)]
    pub(crate) clip: Option<f64>,
    /// Share that matrices shrink by in a step, times the learning rate
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub(crate) weight_decay: Option<f32>,
    /// Share of the input characters that are replaced by random ones
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub(crate) token_dropout: Option<f32>,
    /// Share of the recurrent weights that are left out of a batch (DropConnect)
    #[arg(long, value_name = "SHARE", help_heading = TRAINING)]
    pub(crate) drop_connect: Option<f32>,
    /// Also keep an exponential moving average of the weights, with this decay, such as 0.999; it
    /// may become the best
    #[arg(long, value_name = "DECAY", help_heading = TRAINING)]
    pub(crate) ema: Option<f64>,
    /// Stop after so many reports without a better validation
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub(crate) patience: Option<u64>,
    /// Steps from one report to the next [default: the recipe's; an epoch in the notebook's]
    #[arg(long, value_name = "STEPS", help_heading = TRAINING)]
    pub(crate) report_every: Option<u64>,

    /// Threads. Their number changes no bit of the result [default: one a core]
    #[arg(long, value_name = "N", help_heading = RUN)]
    pub(crate) threads: Option<usize>,
    /// What computes a batch. A run may go on with another one, but then ends in other bits
    #[arg(long, value_enum, default_value_t, help_heading = RUN)]
    pub(crate) device: DeviceKind,
    /// Folder of the run [default: runs/RECIPE-HIDDEN; with a lean cell or a projection, such as
    /// runs/best-lean-384-96]
    #[arg(long, value_name = "FOLDER", help_heading = RUN)]
    pub(crate) out: Option<PathBuf>,
    /// Seconds from one checkpoint to the next; 0 for one after each step
    #[arg(long, value_name = "S", default_value_t = 30.0, help_heading = RUN)]
    pub(crate) checkpoint_every: f64,
    /// Flags as a TOML file, such as the config.toml of a run; what is typed goes before it
    #[arg(long, value_name = "FILE", help_heading = RUN)]
    pub(crate) config: Option<PathBuf>,
    /// Overwrite the run that is in the folder
    #[arg(long, conflicts_with = "resume", help_heading = RUN)]
    pub(crate) force: bool,
    /// Go on with the run in the folder, with the settings it was started with
    #[arg(
        long,
        help_heading = RUN,
        conflicts_with_all = [
            "corpus", "pretrain", "alphabet", "seed", "minutes", "layers", "embedding",
            "pretrain_epochs", "epochs", "learning_rate", "embedding_rate", "schedule", "warm_up",
            "floor", "batch", "clip", "weight_decay", "token_dropout", "drop_connect", "ema", "patience",
            "report_every", "config",
        ]
    )]
    pub(crate) resume: bool,
    /// Spoils the gradients of this step of a phase, to try what comes then
    #[arg(long, hide = true)]
    pub(crate) nan_at: Option<u64>,
}

/// What decides the training on the corpus.
const TRAINING: &str = "Training";
/// What decides none of the result.
const RUN: &str = "Run";

impl Args {
    /// The file of `--config`.
    pub fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// How the learning rate moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ScheduleKind {
    /// The same throughout.
    Constant,
    /// A linear rise, times half a cosine.
    Cosine,
}

//! Recipes: everything that decides how a network is trained, as plain data.
//!
//! A recipe is a network and one or more phases; a phase is a text, a way to cut it into batches,
//! an optimizer and some regularization. To add a recipe, add a variant and its phases here.

use crate::engine::optimizer::AdamConfig;
use crate::engine::schedule::Schedule;
use crate::files::error::{Error, Result};
use crate::network::config::LayerConfig;
use crate::text::batches::{Feed, LossOn};
use serde::{Deserialize, Serialize};

/// A recipe's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipeName {
    /// The notebook's first network: 40 letters in, the next one out; 64 units.
    ManyToOne,
    /// The notebook's second network: each letter predicts the next; 256 units.
    ManyToMany,
    /// From scratch on the corpus alone, regularized.
    Sonnets,
    /// Pre-trained on other text of the same author, then fine-tuned on the corpus.
    Best,
    /// As best, a lean network for a small chip.
    Small,
    /// As best, a lean network for the smallest chips.
    Micro,
}

impl RecipeName {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ManyToOne,
        Self::ManyToMany,
        Self::Sonnets,
        Self::Best,
        Self::Small,
        Self::Micro,
    ];

    /// The name as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::ManyToOne => "many-to-one",
            Self::ManyToMany => "many-to-many",
            Self::Sonnets => "sonnets",
            Self::Best => "best",
            Self::Small => "small",
            Self::Micro => "micro",
        }
    }

    /// Loss of each epoch in the notebook's own run, where the recipe is one of the notebook's.
    pub fn notebook_losses(self) -> Option<&'static [f64; 10]> {
        match self {
            Self::ManyToOne => Some(&[
                2.4096, 2.0563, 1.9219, 1.8404, 1.7855, 1.7439, 1.7112, 1.6844, 1.6609, 1.6410,
            ]),
            Self::ManyToMany => Some(&[
                2.1108, 1.4977, 1.2286, 0.9996, 0.8253, 0.7057, 0.6242, 0.5680, 0.5281, 0.4994,
            ]),
            Self::Sonnets | Self::Best | Self::Small | Self::Micro => None,
        }
    }

    /// Whether other text is read first.
    pub fn pre_trains(self) -> bool {
        let mut phases = self.phases().into_iter();
        phases.any(|phase| phase.source == Source::Pretrain)
    }

    /// The layers of the network unless flags say otherwise.
    pub fn default_layer(self) -> LayerConfig {
        match self {
            Self::ManyToOne => LayerConfig::lstm(64),
            Self::ManyToMany | Self::Sonnets | Self::Best => LayerConfig::lstm(256),
            Self::Small => LayerConfig::lean(256, 64),
            Self::Micro => LayerConfig::lean(96, 32),
        }
    }

    /// The phases, in order.
    pub fn phases(self) -> Vec<Phase> {
        match self {
            Self::ManyToOne => vec![notebook(LossOn::LastStep)],
            Self::ManyToMany => vec![notebook(LossOn::EveryStep)],
            Self::Sonnets => vec![from_scratch()],
            Self::Best => vec![pre_training(4.0), fine_tuning(1e-3)],
            // The fewer weights, the cheaper a pass, and the larger the steps that they bear.
            Self::Small => vec![pre_training(8.0), fine_tuning(2e-3)],
            Self::Micro => vec![pre_training(12.0), fine_tuning(4e-3)],
        }
    }
}

impl std::str::FromStr for RecipeName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|r| r.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::bad_input(format!("found recipe \"{text}\", expected one of {names}"))
        })
    }
}

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
    pub passes: f64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Factor on the learning rate of the embedding; 1 in files that do not say it.
    #[serde(default = "one")]
    pub embedding_rate: f64,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// The optimizer.
    pub adam: AdamConfig,
    /// Limit of the gradients' common norm.
    pub clip: Option<f64>,
    /// Share of the input characters that are replaced by random ones.
    pub token_dropout: f32,
    /// Share of the recurrent weights that are left out of a batch, drawn anew for each.
    pub drop_connect: f32,
    /// Steps from one report (validation, sample) to the next; by passes if `None`.
    pub report_every: Option<u64>,
    /// Decay of the running average of the weights, which is validated beside them; none is kept if
    /// `None`.
    pub ema: Option<f64>,
    /// Reports without a better validation after which the phase ends; only its passes end it if
    /// `None`.
    pub patience: Option<u64>,
}

/// The window of a network that goes through these phases: that of the last.
pub fn window(phases: &[Phase]) -> Option<usize> {
    phases.last()?.feed.window()
}

fn one() -> f64 {
    1.0
}

/// Keras hands Adam an embedding's gradient as a row for each character of the batch, and its
/// embedding takes larger steps than Adam's definition says: 4.6 times as large on average in the
/// first step of the many-to-many network. `docs/RUNS.md` has the losses with and without.
const KERAS_EMBEDDING_RATE: f64 = 4.0;

/// As in the notebook: Adam at 1e-3 on shuffled windows of 40, 128 a batch, 10 passes.
fn notebook(loss_on: LossOn) -> Phase {
    Phase {
        name: "train".into(),
        source: Source::Whole,
        feed: Feed::Windows {
            rows: 128,
            steps: 40,
            loss_on,
        },
        passes: 10.0,
        learning_rate: 1e-3,
        embedding_rate: KERAS_EMBEDDING_RATE,
        schedule: Schedule::Constant,
        adam: AdamConfig::KERAS,
        clip: None,
        token_dropout: 0.0,
        drop_connect: 0.0,
        report_every: None,
        ema: None,
        patience: None,
    }
}

/// From scratch on little text: what keeps it from being learned by heart is dropout.
fn from_scratch() -> Phase {
    Phase {
        name: "train".into(),
        source: Source::Train,
        feed: Feed::Streams {
            rows: 32,
            steps: 64,
            jitter: true,
        },
        passes: 40.0,
        learning_rate: 1e-2,
        embedding_rate: 1.0,
        schedule: Schedule::Cosine {
            warm_up: 60,
            floor: 0.02,
        },
        adam: AdamConfig {
            beta2: 0.99,
            weight_decay: 0.05,
            ..AdamConfig::KERAS
        },
        clip: Some(1.0),
        token_dropout: 0.05,
        drop_connect: 0.3,
        report_every: Some(84),
        ema: None,
        patience: None,
    }
}

/// On much other text.
fn pre_training(passes: f64) -> Phase {
    Phase {
        name: "pre-train".into(),
        source: Source::Pretrain,
        feed: Feed::Streams {
            rows: 64,
            steps: 40,
            jitter: false,
        },
        passes,
        learning_rate: 5e-3,
        embedding_rate: 1.0,
        schedule: Schedule::Cosine {
            warm_up: 200,
            floor: 0.02,
        },
        adam: AdamConfig {
            epsilon: 1e-8,
            ..AdamConfig::KERAS
        },
        clip: Some(1.0),
        token_dropout: 0.0,
        drop_connect: 0.0,
        report_every: Some(500),
        ema: None,
        patience: None,
    }
}

/// On the corpus, after pre-training.
fn fine_tuning(learning_rate: f64) -> Phase {
    Phase {
        name: "fine-tune".into(),
        source: Source::Train,
        feed: Feed::Streams {
            rows: 32,
            steps: 64,
            jitter: true,
        },
        passes: 12.0,
        learning_rate,
        embedding_rate: 1.0,
        schedule: Schedule::Cosine {
            warm_up: 30,
            floor: 0.05,
        },
        adam: AdamConfig {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.01,
        },
        clip: Some(1.0),
        token_dropout: 0.0,
        drop_connect: 0.0,
        report_every: Some(42),
        ema: None,
        patience: None,
    }
}

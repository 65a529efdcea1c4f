//! The phases that recipes are made of.

use crate::engine::optimizer::OptimizerConfig;
use crate::engine::schedule::Schedule;
use crate::text::batches::{Feed, LossOn};
use crate::training::phase::{Phase, Source};

/// Keras hands Adam an embedding's gradient as a row for each character of the batch, and its
/// embedding is moved further than Adam's definition says: 4.6 times as large on average in the
/// first update of the many-to-many network. `docs/RUNS.md` has the losses with and without.
const KERAS_EMBEDDING_RATE: f64 = 4.0;

/// As in the notebook: Adam at 1e-3 on shuffled windows of 40, 128 a batch, 10 epochs.
pub(super) fn notebook(loss_on: LossOn) -> Phase {
    Phase {
        name: "train".into(),
        source: Source::Whole,
        feed: Feed::Windows {
            batch_size: 128,
            sequence_length: 40,
            loss_on,
        },
        epochs: 10.0,
        learning_rate: 1e-3,
        embedding_rate: KERAS_EMBEDDING_RATE,
        schedule: Schedule::CONSTANT,
        optimizer: OptimizerConfig::ADAM,
        grad_clip: None,
        token_dropout: 0.0,
        drop_connect: 0.0,
        frozen_vectors: false,
        validate_every: None,
        ema: None,
        patience: None,
    }
}

/// From scratch on little text: what keeps it from being learned by heart is dropout.
pub(super) fn from_scratch() -> Phase {
    Phase {
        name: "train".into(),
        source: Source::Train,
        feed: Feed::Streams {
            batch_size: 32,
            sequence_length: 64,
            jitter: true,
        },
        epochs: 40.0,
        learning_rate: 1e-2,
        embedding_rate: 1.0,
        schedule: Schedule::cosine(60, 0.02),
        optimizer: OptimizerConfig {
            beta2: 0.99,
            weight_decay: 0.05,
            ..OptimizerConfig::ADAM
        },
        grad_clip: Some(1.0),
        token_dropout: 0.05,
        drop_connect: 0.3,
        frozen_vectors: false,
        validate_every: Some(84),
        ema: None,
        patience: None,
    }
}

/// On much other text.
pub(super) fn pre_training(epochs: f64) -> Phase {
    Phase {
        name: "pre-train".into(),
        source: Source::Pretrain,
        feed: Feed::Streams {
            batch_size: 64,
            sequence_length: 40,
            jitter: false,
        },
        epochs,
        learning_rate: 5e-3,
        embedding_rate: 1.0,
        schedule: Schedule::cosine(200, 0.02),
        optimizer: OptimizerConfig {
            epsilon: 1e-8,
            ..OptimizerConfig::ADAM
        },
        grad_clip: Some(1.0),
        token_dropout: 0.0,
        drop_connect: 0.0,
        frozen_vectors: false,
        validate_every: Some(500),
        ema: None,
        patience: None,
    }
}

/// On the corpus, after pre-training.
pub(super) fn fine_tuning(learning_rate: f64) -> Phase {
    Phase {
        name: "fine-tune".into(),
        source: Source::Train,
        feed: Feed::Streams {
            batch_size: 32,
            sequence_length: 64,
            jitter: true,
        },
        epochs: 12.0,
        learning_rate,
        embedding_rate: 1.0,
        schedule: Schedule::cosine(30, 0.05),
        optimizer: OptimizerConfig {
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.01,
            ..OptimizerConfig::ADAM
        },
        grad_clip: Some(1.0),
        token_dropout: 0.0,
        drop_connect: 0.0,
        frozen_vectors: false,
        validate_every: Some(42),
        ema: None,
        patience: None,
    }
}

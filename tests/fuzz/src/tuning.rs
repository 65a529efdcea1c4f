//! A checkpoint of fine-tuning, for the target `checkpoint`.

use crate::checkpoint::checkpoints;
use host_trainer::engine::optimizer::{AdamConfig, AdamState};
use host_trainer::files::error::Result;
use host_trainer::files::tensors::TensorFile;
use host_trainer::kernels::random::Random;
use host_trainer::kernels::softmax::Loss;
use host_trainer::network::config::LayerConfig;
use host_trainer::quantize::qat::masters::Masters;
use host_trainer::quantize::quantize;
use host_trainer::text::alphabet::AlphabetKind;
use host_trainer::text::batches::Feed;
use host_trainer::text::batches::Feeder;
use host_trainer::text::batches::LossOn;
use host_trainer::text::corpus::Corpus;
use host_trainer::training::tuning::checkpoint::{self as qat, TextProgress, TuningConfig};
use host_trainer::training::tuning::settings::Settings;
use lstm_core::Format;
use std::path::Path;
use std::sync::OnceLock;

/// The metadata key.
pub(crate) const KEY: &str = "tuning";

/// A fine-tuning that a checkpoint is read for.
pub(crate) struct Tuning {
    layers: Vec<LayerConfig>,
    checkpoint: qat::Checkpoint,
}

impl Tuning {
    pub(crate) fn get() -> &'static Self {
        static TUNING: OnceLock<Tuning> = OnceLock::new();
        TUNING.get_or_init(Self::new)
    }

    fn new() -> Self {
        let [_, checkpoint] = checkpoints();
        let (network, layers) = (checkpoint.network, &checkpoint.states);
        let (start, _) = quantize(&network, Format::Int8, 0).unwrap();
        let settings = Settings {
            epochs: 1.0,
            learning_rate: 0.1,
            teacher: 0.5,
            batch: 1,
            seed: 1,
        };
        let corpus = Corpus::of("a text of letters", AlphabetKind::Letters).unwrap();
        let masters = Masters::new(&network, &start).unwrap();
        let parameters = masters.parameters().unwrap();
        let adam = AdamState::new(AdamConfig::KERAS, parameters.iter().map(Vec::len));
        let text = TextProgress {
            cursor: checkpoint.progress.cursor,
            states: layers.clone(),
            teacher: layers.clone(),
        };
        Tuning {
            checkpoint: qat::Checkpoint {
                config: TuningConfig::new(settings, &network, &start, &corpus, None).unwrap(),
                progress: qat::Progress {
                    done: 0,
                    sum: Loss::default(),
                    best: 1.5,
                    random: Random::new(1),
                },
                best: parameters.clone(),
                parameters,
                adam,
                texts: vec![text.clone(), text],
            },
            layers: network.config.layers,
        }
    }

    /// Its file.
    pub(crate) fn file(&self) -> TensorFile {
        self.checkpoint.to_tensors(&self.layers)
    }

    pub(crate) fn read(&self, bytes: &[u8]) -> Result<qat::Checkpoint> {
        let lengths: Vec<_> = self.checkpoint.parameters.iter().map(Vec::len).collect();
        let (config, path) = (&self.checkpoint.config, Path::new("run"));
        qat::Checkpoint::from_bytes(path, bytes, config, &self.layers, &lengths)
    }

    /// What is read is written as it was, and goes on from its place in a text, if it is one.
    pub(crate) fn again(&self, checkpoint: qat::Checkpoint) {
        let to_bytes = |c: &qat::Checkpoint| c.to_tensors(&self.layers).to_bytes(KEY).unwrap();
        let bytes = to_bytes(&checkpoint);
        assert_eq!(to_bytes(&self.read(&bytes).unwrap()), bytes);
        let (rows, steps) = (1, 2);
        let streams = Feed::Streams {
            batch_size: rows,
            sequence_length: steps,
            jitter: true,
        };
        let windows = Feed::Windows {
            batch_size: rows,
            sequence_length: steps,
            loss_on: LossOn::LastStep,
        };
        for text in checkpoint.texts {
            for feed in [streams, windows] {
                let feeder = Feeder::resume(&[1; 9], feed, text.cursor.clone());
                if let Some(mut feeder) = feeder {
                    let is_over = feeder.epoch_progress() >= 1.0;
                    let batch = feeder.next_batch(&mut Random::new(1));
                    assert_eq!(batch.is_none(), is_over);
                }
            }
        }
    }
}

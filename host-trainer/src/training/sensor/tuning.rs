//! Fine-tuning of a network that reads values in the weights of the device: each batch is run with what the weights round to,
//! and the gradient goes to what was rounded (the straight-through estimator of Bengio et al. 2013).

use super::config::{Parts, TaskKind, parts_of};
use super::lesson::Lesson;
use super::run::places;
use crate::engine::sensor::SensorModel;
use crate::files::error::{Error, Result};
use crate::files::hash::sha256;
use crate::files::output::write_atomically;
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::model::file::ModelFile;
use crate::model::sensor::encode_integers;
use crate::network::config::LayerConfig;
use crate::network::sensor::{Head, SensorNetwork};
use crate::network::state::State;
use crate::quantize::sensor::{Observed, QuantizedSensorNetwork, observe, quantize_sensor};
use crate::sequences::{Sequences, Targets};
use crate::text::batches::{Batch, LossOn};
use crate::training::checkpoint::{Checkpoint, Progress};
use crate::training::phase::Phase;
use crate::training::stage::{Stage, Text};
use crate::training::task::{Report, Task};
use crate::training::trainer::{Call, Plan, Trainer};
use candle_core::{Device, Tensor, Var};
use lstm_core::Format;
use serde_json::json;
use std::path::Path;

/// A fine-tuning as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct SensorTuning<'a> {
    /// The network in f32: where it starts.
    pub network: &'a SensorNetwork,
    /// The data; of each class every fifth sequence is held out to choose the best by.
    pub data: &'a Sequences,
    /// Whether the values that it gives are those of the next step, whatever the data have to be told.
    pub next: bool,
    /// The format of integers, and the dead zone of int4.
    pub format: (Format, u8),
    /// Epochs over the data; `None` for as many as a training has.
    pub epochs: Option<f64>,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Sequences of a batch; `None` for as many as in a training.
    pub batch_size: Option<usize>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where the model is written, the best so far from the start on.
    pub out: &'a Path,
    /// The model's name.
    pub name: &'a str,
    /// Whether to go on from the checkpoint beside it.
    pub resume: bool,
}

impl SensorTuning<'_> {
    /// Fine-tunes to the end.
    ///
    /// # Errors
    /// The data do not have what the network tells, the checkpoint is missing, of another tuning or not asked for, the disk
    /// refuses, or it was stopped by Ctrl-C.
    pub fn run(&self, call: Call) -> Result<()> {
        let layers = &self.network.config.layers;
        if let Some(at) = layers
            .iter()
            .position(|layer| layer.cell.trained().is_none())
        {
            return Err(Error::bad_input(format!(
                "layer {at} is a GRU whose reset gate comes before the product, expected a cell that is trained here (LSTM, CIFG, \
                 GRU); quantize without --qat rounds it"
            )));
        }
        let path = self.out.with_added_extension("checkpoint");
        match (self.resume, path.exists()) {
            (false, true) => {
                return Err(Error::bad_input(format!(
                    "found {} of a fine-tuning that was stopped, expected no such file: --resume goes on with it; \
                     remove it to begin anew",
                    path.display()
                )));
            }
            (true, false) => {
                return Err(Error::bad_input(format!(
                    "found no {}, expected one to --resume from: a fine-tuning that came to its end leaves none",
                    path.display()
                )));
            }
            _ => {}
        }
        let task = match &self.network.config.head {
            Head::Classes(_) if self.next => {
                return Err(Error::bad_input(
                    "found a network that gives classes, expected one that gives values for --next",
                ));
            }
            Head::Classes(_) => TaskKind::Classify,
            Head::Values(_) if self.next || self.data.targets == Targets::None => TaskKind::Next,
            Head::Values(_) => TaskKind::Regress,
        };
        let parts = parts_of(&self.network.config, self.data.clone(), task)?;
        let mut phase = task.recipe(self.data).phase;
        phase.name = "fine-tune".into();
        // A few epochs of few sequences would end before the learning rate has risen.
        phase.epochs = self.epochs.unwrap_or(phase.epochs);
        phase.learning_rate = self.learning_rate;
        phase.drop_connect = 0.0;
        if let Some(batch_size) = self.batch_size {
            *phase.feed.batch_size_mut() = batch_size;
        }
        let places = places(&parts);
        let parameters: Vec<Vec<f32>> = (self.network.parameters().into_iter())
            .map(<[f32]>::to_vec)
            .collect();
        let bytes = parameters.iter().flatten().flat_map(|x| x.to_le_bytes());
        let plan = Plan {
            config: json!({
                "format": format!("{} with dead zone {}", self.format.0, self.format.1),
                "seed": self.seed,
                "network": sha256(&bytes.collect::<Vec<u8>>()),
                "sequences": self.data.hash(),
                "phases": [&phase],
            }),
            minutes: None,
            stages: vec![Stage {
                phase: &phase,
                texts: vec![Text {
                    name: "the data".into(),
                    tokens: &places,
                }],
            }],
        };
        let now = match self.resume {
            true => Checkpoint::load(&path)?,
            false => plan.start(parameters, Random::new(self.seed)),
        };
        let task = TuningTask {
            tuning: self,
            parts: &parts,
            observed: observe(self.network, &parts.train),
            model: SensorModel::new(self.network, &Device::Cpu)?,
        };
        let first = task.judge(self.network)?;
        tell!("rounded only: held out {}", first.1);
        if !self.resume {
            task.write(self.network)?;
        }
        let mut trainer = Trainer::new(plan, task, path.clone(), now, call)?;
        trainer.keep_best()?;
        if !trainer.train()? {
            return Err(Error::Interrupted(format!(
                "stopped; {} has the best so far; go on with --resume and the flags as they were",
                self.out.display()
            )));
        }
        std::fs::remove_file(&path).map_err(|e| Error::writing(&path, &e))
    }
}

struct TuningTask<'r> {
    tuning: &'r SensorTuning<'r>,
    parts: &'r Parts,
    /// What flowed through the network at the start.
    observed: Observed,
    model: SensorModel,
}

impl TuningTask<'_> {
    fn network(&self, parameters: &[Vec<f32>]) -> SensorNetwork {
        let config = self.tuning.network.config.clone();
        SensorNetwork::from_parameters(config, parameters.to_vec())
    }

    fn rounded(&self, network: &SensorNetwork) -> Result<QuantizedSensorNetwork> {
        let (format, zone) = self.tuning.format;
        Ok(quantize_sensor(network, &self.observed, format, zone)?.0)
    }

    fn lesson(&self) -> Lesson<'_> {
        Lesson {
            config: &self.tuning.network.config,
            parts: self.parts,
        }
    }

    /// The loss of what a network rounds to on what is held out, and how the device's engine answers there.
    fn judge(&self, network: &SensorNetwork) -> Result<(f64, String)> {
        let integers = self.rounded(network)?;
        let file = ModelFile::from_bytes(&encode_integers(network, &integers, "")?);
        let score = file.answers(&self.parts.validation, &self.parts.task)?;
        let shown = integers.dequantized(network);
        let (loss, _) = self.lesson().judge(&shown, &self.parts.validation);
        Ok((loss, score.figure()))
    }

    fn write(&self, network: &SensorNetwork) -> Result<()> {
        let file = encode_integers(network, &self.rounded(network)?, self.tuning.name)?;
        write_atomically(self.tuning.out, &file)
    }
}

impl Task for TuningTask<'_> {
    fn vars(&self) -> &[Var] {
        self.model.vars()
    }

    fn num_symbols(&self) -> usize {
        usize::MAX
    }

    fn layers(&self) -> &[LayerConfig] {
        &[]
    }

    fn speed(&self, per_second: f64) -> String {
        format!("{per_second:.0} sequences/s")
    }

    fn loss(
        &mut self,
        batch: Batch,
        _loss_on: LossOn,
        _states: &mut Vec<State>,
        _phase: &Phase,
        _random: &mut Random,
    ) -> Result<(Tensor, Loss)> {
        let network = self.model.network()?;
        let shown = self.rounded(&network)?.dequantized(&network);
        let (batch, targets) = self.lesson().batch(&batch.starts);
        let outputs = self.model.outputs_as(&shown, &batch)?;
        let (node, text) = self.lesson().loss(&outputs, targets)?;
        Ok((node, Loss { text, teacher: 0.0 }))
    }

    fn validate(&self, parameters: &[Vec<f32>], _phase: &Phase) -> Result<f64> {
        Ok(self.judge(&self.network(parameters))?.0)
    }

    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()> {
        self.write(&self.network(parameters))
    }

    fn report(
        &mut self,
        report: &Report,
        parameters: &[Vec<f32>],
        phase: &Phase,
        _progress: &mut Progress,
    ) -> Result<String> {
        let (_, figure) = self.judge(&self.network(parameters))?;
        Ok(format!(
            "epoch {:.0} of {}: held out {:.4}, {figure}{}",
            report.row.epoch,
            phase.epochs,
            report.row.validation_bits_per_char,
            if report.is_best { " *" } else { "" }
        ))
    }
}

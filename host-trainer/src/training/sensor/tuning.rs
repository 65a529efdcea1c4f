//! Fine-tuning of a network that reads values in the weights of the device: each batch is run with what the weights round to,
//! and the gradient goes to what was rounded (the straight-through estimator of Bengio et al. 2013).

use super::config::{Parts, TaskKind, parts_of};
use super::lesson::Lesson;
use crate::engine::sensor::SensorModel;
use crate::files::error::{Error, Result};
use crate::files::hash::sha256;
use crate::files::output::write_atomically;
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::model::file::ModelFile;
use crate::model::sensor::{encode_f32, encode_integers};
use crate::network::config::LayerConfig;
use crate::network::sensor::{Head, SensorNetwork};
use crate::network::state::State;
use crate::quantize::sensor::{
    Observed, QuantizedSensorNetwork, SensorFormat, observe, quantize_sensor,
};
use crate::sequences::{SensorScore, Sequences, Targets};
use crate::text::batches::Span;
use crate::training::checkpoint::{Checkpoint, Progress};
use crate::training::phase::Phase;
use crate::training::stage::{Content, Material, Stage};
use crate::training::task::{Report, Task, Turn};
use crate::training::trainer::{Call, Plan, Trainer};
use crate::training::tuned_file::TunedFile;
use candle_core::{Device, Tensor, Var};
use lstm_core::Format;
use serde_json::{Value, json};
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
    /// Share of the loss that compares with the network in f32; what is to be told has the rest.
    pub teacher: f64,
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
        let file = TunedFile {
            path: self.out,
            resume: self.resume,
        };
        file.tune(|checkpoint| self.run_alone(checkpoint, call))
    }

    fn run_alone(&self, path: &Path, call: Call) -> Result<()> {
        let kind = self.kind()?;
        let parts = parts_of(&self.network.config, self.data.clone(), kind)?;
        let phase = self.phase(kind);
        let plan = Plan {
            config: self.config(&phase),
            minutes: None,
            stages: vec![Stage {
                phase: &phase,
                materials: vec![Material {
                    name: "the data".into(),
                    content: Content::Sequences(parts.train.sequences.len()),
                }],
            }],
        };
        let observed = observe(self.network, &parts.train);
        let teacher = ModelFile::from_bytes(&encode_f32(self.network, "")?);
        let taught = teacher.outputs(&parts.validation, &parts.task)?;
        let task = TuningTask {
            tuning: self,
            parts: &parts,
            format: SensorFormat::new(self.network, &observed, self.format.0, self.format.1)?,
            observed,
            teacher: SensorModel::new(self.network, &Device::Cpu)?,
            taught: taught.into_iter().map(|(outputs, _)| outputs).collect(),
            model: SensorModel::new(self.network, &Device::Cpu)?,
        };
        tell!(
            "rounded only: held out {}",
            task.judge(self.network)?.1.figure()
        );
        let now = match self.resume {
            true => Checkpoint::load(path)?,
            false => task.first(&plan)?,
        };
        let mut trainer = Trainer::new(plan, task, path.to_owned(), now, call)?;
        trainer.keep_best()?;
        match trainer.train()? {
            true => Ok(()),
            false => Err(Error::Interrupted(format!(
                "stopped; {} has the best so far; go on with --resume and the flags as they were",
                self.out.display()
            ))),
        }
    }

    /// What is learned: what the network gives, from what the data tell.
    fn kind(&self) -> Result<TaskKind> {
        match &self.network.config.head {
            Head::Classes(_) if self.next => Err(Error::bad_input(
                "found a network that gives classes, expected one that gives values for --next",
            )),
            Head::Classes(_) => Ok(TaskKind::Classify),
            Head::Values(_) if self.next || self.data.targets == Targets::None => {
                Ok(TaskKind::Next)
            }
            Head::Values(_) => Ok(TaskKind::Regress),
        }
    }

    fn phase(&self, kind: TaskKind) -> Phase {
        let mut phase = kind.recipe(self.data).phase;
        phase.name = "fine-tune".into();
        // A few epochs of few sequences would end before the learning rate has risen.
        phase.epochs = self.epochs.unwrap_or(phase.epochs);
        phase.learning_rate = self.learning_rate;
        phase.drop_connect = 0.0;
        if let Some(batch_size) = self.batch_size {
            *phase.feed.batch_size_mut() = batch_size;
        }
        phase
    }

    /// All that decides it; of what it reads, hashes.
    fn config(&self, phase: &Phase) -> Value {
        let parameters = self.network.parameters().into_iter().flatten();
        let bytes: Vec<u8> = parameters.flat_map(|x| x.to_le_bytes()).collect();
        json!({
            "format": format!("{} with dead zone {}", self.format.0, self.format.1),
            "seed": self.seed,
            "teacher": self.teacher,
            "network": sha256(&bytes),
            "sequences": self.data.hash(),
            "phases": [phase],
        })
    }
}

struct TuningTask<'r> {
    tuning: &'r SensorTuning<'r>,
    parts: &'r Parts,
    /// What flowed through the network at the start.
    observed: Observed,
    format: SensorFormat,
    /// The network as it was, and what it gives on what is held out.
    teacher: SensorModel,
    taught: Vec<Vec<f32>>,
    model: SensorModel,
}

impl TuningTask<'_> {
    fn network(&self, parameters: &[Vec<f32>]) -> SensorNetwork {
        let config = self.tuning.network.config.clone();
        SensorNetwork::from_parameters(config, parameters.to_vec())
    }

    fn rounded(&self, network: &SensorNetwork) -> Result<QuantizedSensorNetwork> {
        Ok(quantize_sensor(network, &self.observed, &self.format)?.0)
    }

    fn lesson(&self) -> Lesson<'_> {
        Lesson {
            config: &self.tuning.network.config,
            parts: self.parts,
        }
    }

    /// The checkpoint of the start, which is the best so far.
    fn first(&self, plan: &Plan<'_>) -> Result<Checkpoint> {
        let parameters = self.tuning.network.parameters().into_iter();
        let parameters: Vec<_> = parameters.map(<[f32]>::to_vec).collect();
        let mut now = plan.start(parameters.clone(), Random::new(self.tuning.seed));
        now.progress.best = Some(self.judge(self.tuning.network)?.0);
        now.best = parameters;
        Ok(now)
    }

    /// The loss of what a network rounds to on what is held out, as in training, and how it answers there: by the device's engine.
    fn judge(&self, network: &SensorNetwork) -> Result<(f64, SensorScore)> {
        let file = ModelFile::from_bytes(&encode_integers(network, &self.rounded(network)?, "")?);
        let found = file.outputs(&self.parts.validation, &self.parts.task)?;
        let taught = found.iter().zip(&self.taught);
        let distances =
            taught.map(|((outputs, _), teacher)| self.lesson().distance(outputs, teacher));
        let distance = distances.sum::<f64>() / found.len().max(1) as f64;
        let (loss, score) = self.lesson().score(found);
        let share = self.tuning.teacher;
        Ok((share * distance + (1.0 - share) * loss, score))
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

    fn units(&self) -> [&'static str; 2] {
        Lesson::UNITS
    }

    fn read(&self, span: &Span) -> usize {
        self.lesson().steps(&span.starts)
    }

    fn speed(&self, per_second: f64) -> String {
        format!("{:.1}k steps/s", per_second / 1e3)
    }

    fn loss(
        &mut self,
        turn: Turn<'_>,
        _states: &mut Vec<State>,
        _phase: &Phase,
        _random: &mut Random,
    ) -> Result<(Tensor, Loss)> {
        let network = self.model.network()?;
        let integers = self.rounded(&network)?;
        let (mut batch, targets) = self.lesson().batch(&turn.span.starts);
        let teacher = self.teacher.outputs(&batch, &[])?;
        let teacher = (&teacher, self.tuning.teacher);
        batch.inputs = integers.rounded_inputs(&batch.inputs).into();
        let outputs = self
            .model
            .outputs_as(&integers.dequantized(&network), &batch)?;
        self.lesson().loss(&outputs, targets, Some(teacher))
    }

    fn validate(&self, parameters: &[Vec<f32>], _phase: &Phase) -> Result<f64> {
        Ok(self.judge(&self.network(parameters))?.0)
    }

    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()> {
        let network = self.network(parameters);
        let file = encode_integers(&network, &self.rounded(&network)?, self.tuning.name)?;
        write_atomically(self.tuning.out, &file)
    }

    fn report(
        &mut self,
        report: &Report,
        parameters: &[Vec<f32>],
        phase: &Phase,
        _progress: &mut Progress,
    ) -> Result<String> {
        let (_, score) = self.judge(&self.network(parameters))?;
        Ok(format!(
            "epoch {:.0} of {}: held out {:.4}, {}{}",
            report.row.epoch,
            phase.epochs,
            report.row.validation_bits_per_char,
            score.figure(),
            if report.is_best { " *" } else { "" }
        ))
    }
}

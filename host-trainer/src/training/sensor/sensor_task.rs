//! A network that learns from sequences of values: its loss, its validation, and what each validation leaves in the run's folder.

use super::config::{Parts, SensorRunConfig};
use crate::engine::loss::cross_entropy;
use crate::engine::sensor::{SensorBatch, SensorModel};
use crate::files::error::Result;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::network::config::LayerConfig;
use crate::network::sensor::{Forward, Head, SensorNetwork};
use crate::network::state::State;
use crate::sequences::{Answer, SensorScore, Sequence, Sequences};
use crate::text::batches::{Batch, LossOn};
use crate::training::chart;
use crate::training::checkpoint::Progress;
use crate::training::curve::value_curve;
use crate::training::metrics::Row;
use crate::training::phase::Phase;
use crate::training::run_folder::RunFolder;
use crate::training::task::{Report, Task};
use candle_core::{Tensor, Var};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::f64::consts::LN_2;

/// A network of a run that learns.
pub(crate) struct SensorTask<'r> {
    pub(crate) config: &'r SensorRunConfig,
    pub(crate) parts: &'r Parts,
    pub(crate) folder: &'r RunFolder,
    pub(crate) model: SensorModel,
    /// The reports so far.
    pub(crate) rows: Vec<Row>,
}

impl Task for SensorTask<'_> {
    fn vars(&self) -> &[Var] {
        self.model.vars()
    }

    /// Of values, so many that no error is absurd.
    fn num_symbols(&self) -> usize {
        match &self.config.network.head {
            Head::Classes(labels) => labels.len(),
            Head::Values(_) => usize::MAX,
        }
    }

    /// A sequence starts from the zero state: none is carried.
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
        phase: &Phase,
        random: &mut Random,
    ) -> Result<(Tensor, Loss)> {
        let sequences = batch.starts.iter();
        let sequences = sequences.map(|&index| &self.parts.train.sequences[index]);
        let (batch, targets) = self.gather(&sequences.collect::<Vec<_>>());
        let masks = match phase.drop_connect {
            0.0 => Vec::new(),
            share => {
                let layers = self.config.network.layers.iter();
                let mask = |l: &crate::network::sensor::LayerConfig| {
                    random.mask(l.output() * l.columns(), share)
                };
                layers.map(mask).collect()
            }
        };
        let outputs = self.model.outputs(&batch, &masks)?;
        let (node, text) = match targets {
            Targets::Classes(classes) => cross_entropy(&outputs, &classes)?,
            Targets::Values(values) => {
                let values = Tensor::from_vec(values, outputs.shape(), outputs.device())?;
                let node = (&outputs - values)?.sqr()?.mean_all()?;
                let loss = f64::from(node.to_scalar::<f32>()?);
                (node, loss)
            }
        };
        Ok((node, Loss { text, teacher: 0.0 }))
    }

    /// Bits an answer, or the mean squared error in deviations.
    fn validate(&self, parameters: &[Vec<f32>], _phase: &Phase) -> Result<f64> {
        let found = self.judge(&self.network(parameters), &self.parts.validation);
        Ok(found.0)
    }

    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()> {
        self.network(parameters).save(&self.folder.best())
    }

    fn report(
        &mut self,
        report: &Report,
        parameters: &[Vec<f32>],
        phase: &Phase,
        progress: &mut Progress,
    ) -> Result<String> {
        self.folder.add_row(&report.row, &mut progress.lengths)?;
        self.rows.push(report.row.clone());
        let (unit, train_unit) = self.config.loss_unit();
        let svg = value_curve((820, 420), unit, train_unit, &self.rows);
        self.folder.write_curve(&chart::stand_alone(&svg))?;
        let row = &report.row;
        let (_, score) = self.judge(&self.network(parameters), &self.parts.validation);
        Ok(format!(
            "epoch {:.0} of {}: train {:.4}, validation {:.4}{} {unit}, {}{}",
            row.epoch,
            phase.epochs,
            row.train_nats / train_unit,
            row.validation_bits_per_char,
            row.average_bits_per_char
                .map_or(String::new(), |loss| format!(", averaged {loss:.4}")),
            score.figure(),
            if report.is_best { " *" } else { "" }
        ))
    }
}

/// What a batch is to tell.
enum Targets {
    Classes(Vec<u8>),
    /// As the network has them, `[places, N]`.
    Values(Vec<f32>),
}

impl SensorTask<'_> {
    /// The network with these parameters.
    pub(crate) fn network(&self, parameters: &[Vec<f32>]) -> SensorNetwork {
        SensorNetwork::from_parameters(self.config.network.clone(), parameters.to_vec())
    }

    /// Sequences side by side, and what is to be told of them.
    fn gather(&self, sequences: &[&Sequence]) -> (SensorBatch, Targets) {
        let config = &self.config.network;
        let (rows, channels) = (sequences.len(), config.channels.len());
        let length = |sequence: &&Sequence| sequence.values.len() / channels;
        let steps = sequences.iter().map(length).max().unwrap_or(0);
        let mut inputs = vec![0.0; steps * rows * channels];
        let (mut places, mut classes, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (row, sequence) in sequences.iter().enumerate() {
            for (step, read) in sequence.steps(channels).enumerate() {
                let place = step * rows + row;
                let normalized = read.iter().zip(&config.channels);
                let normalized = normalized.map(|(x, c)| (x - c.mean) * c.scale);
                for (to, x) in inputs[place * channels..].iter_mut().zip(normalized) {
                    *to = x;
                }
                match self.parts.task.answer(sequence, channels, step) {
                    None => continue,
                    Some(Answer::Class(class)) => classes.push(class as u8),
                    Some(Answer::Values(told)) => values.extend(self.scaled(told)),
                }
                places.push(place as u32);
            }
        }
        let batch = SensorBatch {
            rows,
            steps,
            inputs,
            places,
        };
        let targets = match &config.head {
            Head::Classes(_) => Targets::Classes(classes),
            Head::Values(_) => Targets::Values(values),
        };
        (batch, targets)
    }

    /// Values as the network has them.
    fn scaled(&self, told: &[f32]) -> Vec<f32> {
        match &self.config.network.head {
            Head::Classes(_) => Vec::new(),
            Head::Values(values) => {
                let values = told.iter().zip(values);
                values
                    .map(|(x, value)| (x - value.offset) / value.scale)
                    .collect()
            }
        }
    }

    /// The loss of a network on a part, and how it answers.
    fn judge(&self, network: &SensorNetwork, part: &Sequences) -> (f64, SensorScore) {
        let config = &network.config;
        let channels = config.channels.len();
        let answers = |sequence| {
            let mut forward = Forward::new(network);
            let mut found = Vec::new();
            for (step, values) in Sequence::steps(sequence, channels).enumerate() {
                let outputs = forward.step(values);
                if let Some(answer) = self.parts.task.answer(sequence, channels, step) {
                    found.push((outputs.to_vec(), answer));
                }
            }
            found
        };
        let found: Vec<Vec<_>> = part.sequences.par_iter().map(answers).collect();
        let mut score = SensorScore::new(&config.head);
        let (mut loss, mut count) = (0.0, 0usize);
        for (outputs, answer) in found.iter().flatten() {
            match (answer, &config.head) {
                (Answer::Class(class), _) => {
                    loss += surprise(outputs, *class) / LN_2;
                    count += 1;
                    score.add(outputs, *answer);
                }
                (Answer::Values(told), Head::Values(values)) => {
                    for (output, target) in outputs.iter().zip(self.scaled(told)) {
                        loss += f64::from(output - target).powi(2);
                        count += 1;
                    }
                    let outputs = outputs.iter().zip(values);
                    let outputs: Vec<f32> = outputs.map(|(y, v)| v.offset + v.scale * y).collect();
                    score.add(&outputs, *answer);
                }
                (Answer::Values(_), Head::Classes(_)) => {}
            }
        }
        (loss / count.max(1) as f64, score)
    }
}

/// -ln of the probability of a class under softmax of `logits`.
fn surprise(logits: &[f32], class: usize) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    total.ln() - f64::from(logits[class] - max)
}

//! What is learned from sequences: batches of them, the loss, and how a network answers.

use super::config::Parts;
use crate::engine::loss::cross_entropy;
use crate::engine::sensor::SensorBatch;
use crate::files::error::Result;
use crate::network::sensor::{Forward, Head, SensorConfig, SensorNetwork};
use crate::sequences::{Answer, SensorScore, Sequence, Sequences};
use candle_core::Tensor;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::f64::consts::LN_2;

/// The data, as a network of this shape learns it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson<'r> {
    pub(super) config: &'r SensorConfig,
    pub(super) parts: &'r Parts,
}

/// What a batch is to tell.
#[derive(Debug)]
pub(super) enum Targets {
    Classes(Vec<u8>),
    /// As the network has them, `[places, N]`.
    Values(Vec<f32>),
}

impl Lesson<'_> {
    /// The loss of outputs: a node of the graph, and its value, in nats or squared deviations.
    pub(super) fn loss(&self, outputs: &Tensor, targets: Targets) -> Result<(Tensor, f64)> {
        match targets {
            Targets::Classes(classes) => Ok(cross_entropy(outputs, &classes)?),
            Targets::Values(values) => {
                let values = Tensor::from_vec(values, outputs.shape(), outputs.device())?;
                let node = (outputs - values)?.sqr()?.mean_all()?;
                let loss = f64::from(node.to_scalar::<f32>()?);
                Ok((node, loss))
            }
        }
    }

    /// The training's sequences of these numbers side by side, and what is to be told of them.
    pub(super) fn batch(&self, numbers: &[usize]) -> (SensorBatch, Targets) {
        let sequences = numbers
            .iter()
            .map(|&number| &self.parts.train.sequences[number]);
        self.gather(&sequences.collect::<Vec<_>>())
    }

    /// Sequences side by side, and what is to be told of them.
    fn gather(&self, sequences: &[&Sequence]) -> (SensorBatch, Targets) {
        let config = self.config;
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
        match &self.config.head {
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
    pub(super) fn judge(&self, network: &SensorNetwork, part: &Sequences) -> (f64, SensorScore) {
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

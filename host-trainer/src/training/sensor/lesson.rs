//! What is learned from sequences: batches of them, the loss, and how a network answers.

use super::config::Parts;
use crate::engine::loss::{cross_entropy, distillation};
use crate::engine::sensor::SensorBatch;
use crate::files::error::Result;
use crate::kernels::softmax::Loss;
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
    /// Of a validation, and what one guesses among.
    pub(super) const UNITS: [&'static str; 2] = ["bits an answer", "classes"];

    /// Steps of the training's sequences of these numbers.
    pub(super) fn steps(&self, numbers: &[usize]) -> usize {
        let sequences = numbers
            .iter()
            .map(|&number| &self.parts.train.sequences[number]);
        let channels = self.config.channels.len();
        sequences
            .map(|sequence| sequence.values.len() / channels)
            .sum()
    }

    /// The loss of outputs: a node of the graph, and its parts, in nats or squared deviations. The distance from the outputs
    /// of a teacher, where there is one, has its share of it.
    pub(super) fn loss(
        &self,
        outputs: &Tensor,
        targets: Targets,
        teacher: Option<(&Tensor, f64)>,
    ) -> Result<(Tensor, Loss)> {
        let distance = |to: &Tensor| -> Result<(Tensor, f64)> {
            let node = (outputs - to)?.sqr()?.mean_all()?;
            let distance = f64::from(node.to_scalar::<f32>()?);
            Ok((node, distance))
        };
        match (targets, teacher) {
            (Targets::Classes(classes), None) => {
                let (node, text) = cross_entropy(outputs, &classes)?;
                Ok((node, Loss { text, teacher: 0.0 }))
            }
            (Targets::Classes(classes), Some((teacher, share))) => {
                Ok(distillation(outputs, &classes, (teacher, share as f32))?)
            }
            (Targets::Values(values), teacher) => {
                let values = Tensor::from_vec(values, outputs.shape(), outputs.device())?;
                let (node, text) = distance(&values)?;
                let Some((teacher, share)) = teacher else {
                    return Ok((node, Loss { text, teacher: 0.0 }));
                };
                let (from_teacher, teacher) = distance(&teacher.detach())?;
                let node = ((from_teacher * share)? + (node * (1.0 - share))?)?;
                Ok((node, Loss { text, teacher }))
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
            inputs: inputs.into(),
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
                    found.push((config.head.told(outputs), answer));
                }
            }
            found
        };
        let found: Vec<Vec<_>> = part.sequences.par_iter().map(answers).collect();
        self.score(found.into_iter().flatten())
    }

    /// How far outputs are from those of a teacher, in the units of the loss.
    pub(super) fn distance(&self, outputs: &[f32], teacher: &[f32]) -> f64 {
        match &self.config.head {
            Head::Classes(_) => {
                let classes = 0..teacher.len();
                let divergence = classes.map(|class| {
                    let told = surprise(teacher, class);
                    (-told).exp() * (surprise(outputs, class) - told)
                });
                divergence.sum::<f64>() / LN_2
            }
            Head::Values(values) => {
                let deviations = outputs.iter().zip(teacher).zip(values);
                let squares = deviations.map(|((y, t), v)| f64::from((y - t) / v.scale).powi(2));
                squares.sum::<f64>() / values.len().max(1) as f64
            }
        }
    }

    /// The loss of outputs, which are logits of classes or values in the user's units, and how they answer.
    pub(super) fn score<'s>(
        &self,
        found: impl IntoIterator<Item = (Vec<f32>, Answer<'s>)>,
    ) -> (f64, SensorScore) {
        let mut score = SensorScore::new(&self.config.head);
        let (mut loss, mut count) = (0.0, 0usize);
        for (outputs, answer) in found {
            match (answer, &self.config.head) {
                (Answer::Class(class), _) => {
                    loss += surprise(&outputs, class) / LN_2;
                    count += 1;
                }
                (Answer::Values(told), Head::Values(values)) => {
                    for ((output, told), value) in outputs.iter().zip(told).zip(values) {
                        loss += f64::from((output - told) / value.scale).powi(2);
                        count += 1;
                    }
                }
                (Answer::Values(_), Head::Classes(_)) => continue,
            }
            score.add(&outputs, answer);
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

//! Sequences of values with what is to be told of them, from a person's files.
//!
//! May import [`network`](crate::network), [`interchange`](crate::interchange) and what is below.

mod csv;
mod npz;
mod score;
mod task;

pub use score::{SensorScore, ValueScore, largest};
pub use task::{Answer, Task, are_numbers, task};

use crate::files::error::{Error, Result};
use crate::files::hash::sha256;
use crate::network::sensor::{Head, SensorConfig};
use std::path::Path;

/// A file of sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences {
    /// The names of the channels, where the file tells them; as many as there are channels.
    pub channels: Vec<String>,
    /// The sequences.
    pub sequences: Vec<Sequence>,
    /// What the targets are.
    pub targets: Targets,
}

/// A sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// `[T, C]`, at least one step.
    pub values: Vec<f32>,
    /// What is to be told of it.
    pub target: Target,
}

/// What is to be told of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The file does not tell.
    None,
    /// Its class.
    Class(usize),
    /// Values, `[K]` after its last step.
    Last(Vec<f32>),
    /// Values, `[T, K]`, one set a step.
    Each(Vec<f32>),
}

/// What the targets of a file are.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// There are none.
    None,
    /// Classes with their names: numbers where the file has no names.
    Classes(Vec<String>),
    /// So many values, with their names, which may be empty.
    Values(Vec<String>),
}

impl Sequence {
    /// Its steps, `[C]` each.
    pub fn steps(&self, channels: usize) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(channels)
    }
}

impl Sequences {
    /// Reads `.npz` or `.csv`, as its first bytes tell.
    ///
    /// # Errors
    /// It cannot be read, or is no such file, or a number in it is not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        Self::from_bytes(path, bytes)
    }

    /// As [`Sequences::read`], from the bytes of a file; `path` only names it in errors.
    ///
    /// # Errors
    /// As there, but that it cannot be read.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let read = match bytes.starts_with(b"PK") {
            true => npz::read(bytes),
            false => csv::read(&bytes),
        };
        let sequences = read.and_then(|read| read.checked());
        sequences.map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))
    }

    /// Steps of all sequences.
    pub fn steps(&self) -> usize {
        let steps = |sequence: &Sequence| sequence.values.len() / self.channels.len();
        self.sequences.iter().map(steps).sum()
    }

    /// How many have fewer steps.
    pub fn shorter_than(&self, steps: usize) -> usize {
        let values = steps.saturating_mul(self.channels.len());
        let sequences = self.sequences.iter();
        sequences
            .filter(|sequence| sequence.values.len() < values)
            .count()
    }

    /// A hash of every value and target, by which the same data are known again.
    pub fn hash(&self) -> String {
        let mut bytes = Vec::new();
        let mut push = |kind: u8, numbers: &[f32]| {
            bytes.push(kind);
            bytes.extend((numbers.len() as u64).to_le_bytes());
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        };
        for sequence in &self.sequences {
            push(0, &sequence.values);
            match &sequence.target {
                Target::None => push(1, &[]),
                Target::Class(class) => push(2, &[*class as f32]),
                Target::Last(values) => push(3, values),
                Target::Each(values) => push(4, values),
            }
        }
        sha256(&bytes)
    }

    /// For people: what there is.
    pub fn summary(&self) -> String {
        let kind = match &self.targets {
            Targets::None => "without targets".to_owned(),
            Targets::Classes(labels) => format!("of {} classes", labels.len()),
            Targets::Values(names) => format!("with {} values to be told", names.len()),
        };
        format!(
            "{} sequences of {} channels, {} steps, {kind}",
            self.sequences.len(),
            self.channels.len(),
            self.steps()
        )
    }

    /// Gives a network the names of channels and classes that it lacks and the data has.
    pub fn name(&self, config: &mut SensorConfig) {
        for (channel, name) in config.channels.iter_mut().zip(&self.channels) {
            if channel.name.is_empty() {
                channel.name.clone_from(name);
            }
        }
        if let (Head::Classes(own), Targets::Classes(labels)) = (&mut config.head, &self.targets)
            && own.len() == labels.len()
            && are_numbers(own)
        {
            own.clone_from(labels);
        }
    }

    fn checked(self) -> Result<Self, String> {
        if self.sequences.is_empty() {
            return Err("found no sequence, expected at least one".into());
        }
        for (index, sequence) in self.sequences.iter().enumerate() {
            let targets = match &sequence.target {
                Target::None | Target::Class(_) => &[][..],
                Target::Last(values) | Target::Each(values) => values,
            };
            if sequence.values.is_empty() {
                return Err(format!(
                    "sequence {index} has no steps, expected at least one"
                ));
            }
            let mut numbers = sequence.values.iter().chain(targets);
            if let Some(number) = numbers.find(|number| !number.is_finite()) {
                return Err(format!(
                    "found {number} in sequence {index}, expected finite numbers"
                ));
            }
        }
        Ok(self)
    }
}

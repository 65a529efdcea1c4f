//! What decides a run.

use crate::engine::optimizer::OptimizerConfig;
use crate::engine::schedule::Schedule;
use crate::files::error::{Error, Result};
use crate::files::hash::sha256;
use crate::network::sensor::{
    Cell, Channel, DenseConfig, Head, LayerConfig, OutputValue, SensorConfig,
};
use crate::sequences::{Sequence, Sequences, Target, Targets, Task, task};
use crate::text::batches::Feed;
use crate::training::metrics::Columns;
use crate::training::phase::{Phase, Source};
use crate::training::run_folder::config_text;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a network learns to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// The class of a sequence, at its last step.
    Classify,
    /// The values that the data has for a sequence, or for each of its steps.
    Regress,
    /// The channels of the next step.
    Next,
}

/// What a run of a task is unless flags say otherwise.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The recurrent layer.
    pub layer: LayerConfig,
    /// The training.
    pub phase: Phase,
}

impl TaskKind {
    /// The recurrent layer.
    pub const fn layer(self) -> LayerConfig {
        match self {
            Self::Classify => LayerConfig::new(Cell::Gru, 32),
            Self::Regress | Self::Next => LayerConfig::new(Cell::Lstm, 32),
        }
    }

    /// For this data. Little data is read more often.
    pub fn recipe(self, data: &Sequences) -> Recipe {
        /// Updates of a run, about.
        const UPDATES: f64 = 1500.0;
        const BATCH_SIZE: usize = 16;
        let batches = (data.sequences.len() as f64 / BATCH_SIZE as f64).ceil();
        let phase = Phase {
            name: "train".into(),
            source: Source::Train,
            feed: Feed::Sequences {
                batch_size: BATCH_SIZE,
            },
            epochs: (UPDATES / batches).ceil().clamp(5.0, 200.0),
            learning_rate: 1e-2,
            embedding_rate: 1.0,
            schedule: Schedule::cosine(50, 0.02),
            optimizer: OptimizerConfig {
                weight_decay: 0.01,
                ..OptimizerConfig::ADAM
            },
            grad_clip: Some(1.0),
            token_dropout: 0.0,
            drop_connect: 0.1,
            frozen_vectors: false,
            validate_every: None,
            ema: None,
            patience: None,
        };
        Recipe {
            layer: self.layer(),
            phase,
        }
    }
}

/// A file of data; equal to one of the same bytes, wherever it lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its bytes, to notice that it was changed.
    pub hash: String,
}

impl PartialEq for DataFile {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorRunConfig {
    /// What is learned.
    pub task: TaskKind,
    /// Seed of every random choice.
    pub seed: u64,
    /// The data.
    pub data: DataFile,
    /// The network.
    pub network: SensorConfig,
    /// The phase with every flag applied.
    pub phases: Vec<Phase>,
}

/// The data of a run in two parts.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// What is learned.
    pub(crate) train: Sequences,
    /// What chooses the best.
    pub(crate) validation: Sequences,
    /// What is to be told of them.
    pub(crate) task: Task,
}

/// Sequences whose steps are told one by one are cut into pieces of so many steps.
const PIECE: usize = 128;

impl SensorRunConfig {
    /// A run on data, of a network with these layers; its normalization is that of the part that is learned.
    ///
    /// # Errors
    /// The data cannot be read or does not have what the task asks for.
    pub fn new(
        task: TaskKind,
        seed: u64,
        path: &Path,
        recipe: Recipe,
        (layers, dense): (usize, Vec<DenseConfig>),
    ) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        let data = Sequences::read(path)?;
        let bad = |text: &str| Error::bad_input(format!("{}: {text}", path.display()));
        let train = split(pieces(data, task))
            .ok_or_else(|| bad("found too few sequences to hold some out, expected at least 5"))?
            .0;
        let channels = channels(&train);
        let head = match (task, &train.targets) {
            (TaskKind::Classify, Targets::Classes(labels)) => Head::Classes(labels.clone()),
            (TaskKind::Classify, _) => {
                return Err(bad("found no classes, expected them for --task classify"));
            }
            (TaskKind::Regress, Targets::Values(names)) => Head::Values(values(&train, names)),
            (TaskKind::Regress, _) => {
                return Err(bad(
                    "found no values to be told, expected them for --task regress",
                ));
            }
            (TaskKind::Next, _) => {
                Head::Values(channels.iter().map(OutputValue::of_channel).collect())
            }
        };
        let network = SensorConfig {
            channels,
            layers: vec![recipe.layer; layers],
            dense,
            head,
            window: None,
            backwards: false,
        };
        network.check()?;
        Ok(Self {
            task,
            seed,
            data: DataFile {
                path: path.to_owned(),
                hash: sha256(&bytes),
            },
            network,
            phases: vec![recipe.phase],
        })
    }

    /// Reads the data again, in its two parts.
    ///
    /// # Errors
    /// It cannot be read, or is another than before.
    pub(crate) fn parts(&self) -> Result<Parts> {
        let path = &self.data.path;
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        let found = sha256(&bytes);
        if found != self.data.hash {
            return Err(Error::bad_input(format!(
                "{} has hash {found}, expected {} as when the run began",
                path.display(),
                self.data.hash
            )));
        }
        parts_of(&self.network, Sequences::read(path)?, self.task)
            .map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))
    }

    /// What the losses of this run are in, and how many of the training's are one of it.
    pub fn loss_unit(&self) -> (&'static str, f64) {
        match &self.network.head {
            Head::Classes(_) => ("bits an answer", std::f64::consts::LN_2),
            Head::Values(_) => ("squared deviations", 1.0),
        }
    }

    /// What the rows of its metrics hold.
    pub fn columns(&self) -> Columns {
        match &self.network.head {
            Head::Classes(_) => Columns::CLASSES,
            Head::Values(_) => Columns::VALUES,
        }
    }

    /// The text of a `config.json`.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }

    /// Reads the config of the run in a folder; `None` of another kind of run.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let (path, text) = config_text(folder)?;
        Self::parse(&path, &text)
    }

    /// Reads the text of a `config.json`; `None` if it is that of another kind of run.
    ///
    /// # Errors
    /// It is damaged.
    pub fn parse(path: &Path, text: &str) -> Result<Option<Self>> {
        let value: serde_json::Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => return Ok(None),
        };
        if value.get("data").is_none() {
            return Ok(None);
        }
        let config: Self = serde_json::from_value(value).map_err(|e| {
            Error::bad_input(format!("{}: {e}, expected a run's config", path.display()))
        })?;
        config.network.check()?;
        match &config.phases[..] {
            [
                Phase {
                    feed: Feed::Sequences { batch_size: 1.. },
                    ..
                },
            ] => Ok(Some(config)),
            _ => Err(Error::bad_input(format!(
                "{}: found other phases than a run's, expected a run's config",
                path.display()
            ))),
        }
    }
}

/// Data in two parts, and what a network is to tell of them.
///
/// # Errors
/// The data do not have what the network tells, or are too few.
pub(super) fn parts_of(network: &SensorConfig, data: Sequences, kind: TaskKind) -> Result<Parts> {
    let data = pieces(data, kind);
    let task = task(network, &data, kind == TaskKind::Next)?;
    let few = "found too few sequences to hold some out, expected at least 5";
    let (train, validation) = split(data).ok_or_else(|| Error::bad_input(few))?;
    Ok(Parts {
        train,
        validation,
        task,
    })
}

/// What a run learns, what it holds out, and what is to be told of both.
///
/// # Errors
/// The data cannot be read, or are others than before.
pub fn held_out(config: &SensorRunConfig) -> Result<(Sequences, Sequences, Task)> {
    let parts = config.parts()?;
    Ok((parts.train, parts.validation, parts.task))
}

/// Of each class every fifth sequence is held out, or of all where there are no classes; `None` if none would be.
fn split(data: Sequences) -> Option<(Sequences, Sequences)> {
    let mut seen = std::collections::BTreeMap::new();
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for sequence in data.sequences {
        let class = match sequence.target {
            Target::Class(class) => class,
            _ => 0,
        };
        let number: &mut usize = seen.entry(class).or_default();
        match *number % 5 == 4 {
            true => validation.push(sequence),
            false => train.push(sequence),
        }
        *number += 1;
    }
    let part = |sequences: Vec<Sequence>| Sequences {
        channels: data.channels.clone(),
        targets: data.targets.clone(),
        sequences,
    };
    let (train, validation) = (part(train), part(validation));
    (!validation.sequences.is_empty()).then_some((train, validation))
}

/// The sequences, cut into pieces where each step is told.
fn pieces(data: Sequences, task: TaskKind) -> Sequences {
    let channels = data.channels.len();
    let cut = |sequence: Sequence| -> Vec<Sequence> {
        let steps = sequence.values.len() / channels;
        let is_cut = match &sequence.target {
            Target::Each(_) => true,
            Target::None => task == TaskKind::Next,
            Target::Class(_) | Target::Last(_) => false,
        };
        if !is_cut || steps <= PIECE {
            return vec![sequence];
        }
        let values = sequence
            .values
            .chunks(PIECE * channels)
            .map(<[f32]>::to_vec);
        let targets: Vec<Target> = match &sequence.target {
            Target::Each(targets) => {
                let width = targets.len() / steps;
                let targets = targets.chunks(PIECE * width);
                targets.map(|piece| Target::Each(piece.to_vec())).collect()
            }
            other => vec![other.clone(); steps.div_ceil(PIECE)],
        };
        let pieces = values.zip(targets);
        pieces
            .map(|(values, target)| Sequence { values, target })
            .collect()
    };
    Sequences {
        sequences: data.sequences.into_iter().flat_map(cut).collect(),
        ..data
    }
}

/// The channels with what makes their mean 0 and their deviation 1; one that never changes is only moved.
fn channels(data: &Sequences) -> Vec<Channel> {
    let count = data.channels.len();
    let named = data.channels.iter().enumerate();
    named
        .map(|(index, name)| {
            let values = data.sequences.iter().flat_map(|s| s.values.iter());
            let (mean, deviation) = moments(values.skip(index).step_by(count));
            Channel {
                name: name.clone(),
                mean,
                scale: if deviation > 0.0 {
                    1.0 / deviation
                } else {
                    1.0
                },
            }
        })
        .collect()
}

/// The values with their mean and deviation.
fn values(data: &Sequences, names: &[String]) -> Vec<OutputValue> {
    let named = names.iter().enumerate();
    named
        .map(|(index, name)| {
            let targets = data.sequences.iter().flat_map(|s| match &s.target {
                Target::Last(values) | Target::Each(values) => &values[..],
                _ => &[],
            });
            let (offset, deviation) = moments(targets.skip(index).step_by(names.len()));
            OutputValue {
                name: name.clone(),
                offset,
                scale: if deviation > 0.0 { deviation } else { 1.0 },
            }
        })
        .collect()
}

/// Mean and deviation.
fn moments<'v>(values: impl Iterator<Item = &'v f32>) -> (f32, f32) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    // Welford 1962: the sum of squares itself would lose a small deviation beside a large mean.
    for &value in values {
        count += 1.0;
        let distance = f64::from(value) - mean;
        mean += distance / count;
        squares += distance * (f64::from(value) - mean);
    }
    (mean as f32, (squares / f64::max(count, 1.0)).sqrt() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(count: usize, classes: usize) -> Sequences {
        let sequence = |n: usize| Sequence {
            values: vec![n as f32, 10.0, n as f32 + 1.0, 10.0],
            target: Target::Class(n % classes),
        };
        Sequences {
            channels: vec!["a".into(), "b".into()],
            sequences: (0..count).map(sequence).collect(),
            targets: Targets::Classes((0..classes).map(|n| n.to_string()).collect()),
        }
    }

    #[test]
    fn every_fifth_sequence_of_each_class_is_held_out() {
        let (train, validation) = split(data(20, 2)).unwrap();
        assert_eq!((train.sequences.len(), validation.sequences.len()), (16, 4));
        let of_class = |class| {
            let targets = validation.sequences.iter().map(|s| &s.target);
            targets.filter(|t| **t == Target::Class(class)).count()
        };
        assert_eq!((of_class(0), of_class(1)), (2, 2));
        assert!(split(data(8, 2)).is_none());
    }

    #[test]
    fn channels_are_normalized_by_mean_and_deviation() {
        let channels = channels(&data(2, 2));
        // Values 0, 1, 1, 2.
        assert_eq!(channels[0].mean, 1.0);
        assert!((channels[0].scale - 2f32.sqrt()).abs() < 1e-6);
        assert_eq!((channels[1].mean, channels[1].scale), (10.0, 1.0));
    }

    #[test]
    fn a_long_recording_is_cut_where_each_step_is_told() {
        let mut long = data(1, 1);
        long.sequences[0] = Sequence {
            values: (0..2 * 300).map(|x| x as f32).collect(),
            target: Target::Each((0..300).map(|x| x as f32).collect()),
        };
        let cut = pieces(long, TaskKind::Regress).sequences;
        let lengths: Vec<usize> = cut.iter().map(|s| s.values.len() / 2).collect();
        assert_eq!(lengths, [128, 128, 44]);
        assert_eq!(cut[2].values[0], 512.0);
        assert_eq!(
            cut[2].target,
            Target::Each((256..300).map(|x| x as f32).collect())
        );
    }
}

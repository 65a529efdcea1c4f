//! A checkpoint of fine-tuning: all that it takes to go on as if it had never stopped.

use super::forward::IntegerState;
use super::step::Loss;
use super::tune::Settings;
use crate::error::{Error, Result};
use crate::feed::Cursor;
use crate::lstm_op::State;
use crate::network::{LayerConfig, Network};
use crate::optimizer::Adam;
use crate::quantize::QuantizedNetwork;
use crate::random::Random;
use crate::run_folder::fnv1a;
use crate::tensors::TensorFile;
use lstm_core::Format;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The metadata key of these files.
const KEY: &str = "tuning";

/// The checkpoint of what is tuned into `out`.
pub fn path(out: &Path) -> PathBuf {
    out.with_added_extension("tuning")
}

/// What decides a tuning: it goes on with equal ones alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    #[serde(flatten)]
    settings: Settings,
    format: String,
    network: String,
    texts: Vec<String>,
}

impl Origin {
    /// Tuning of `network`, quantized to `start`, on these texts.
    pub fn new<'t>(
        settings: Settings,
        network: &Network,
        start: &QuantizedNetwork,
        texts: impl Iterator<Item = &'t [u8]>,
    ) -> Self {
        let config = serde_json::to_string(&network.config).expect("plain data");
        let parameters = network.parameters().into_iter().flatten();
        let bytes = parameters.flat_map(|x| x.to_le_bytes());
        Self {
            settings,
            format: match start.format {
                Format::Int4 => format!("int4 with a dead zone of {}", start.dead_zone),
                format => format.to_string(),
            },
            network: fnv1a(config.bytes().chain(bytes)),
            texts: texts.map(|text| fnv1a(text.iter().copied())).collect(),
        }
    }

    /// Checks that `found`, of the checkpoint `path`, is the same.
    fn check(&self, path: &Path, found: &Self) -> Result<()> {
        let [expected, found] = [self, found].map(|o| serde_json::to_value(o).expect("plain data"));
        let [Some(expected), Some(found)] = [&expected, &found].map(|value| value.as_object())
        else {
            unreachable!("a struct is an object");
        };
        let mut pairs = found.iter().zip(expected.values());
        match pairs.find(|((_, found), expected)| found != expected) {
            None => Ok(()),
            Some(((name, found), expected)) => Err(Error::bad_input(format!(
                "{}: found a fine-tuning with {} {found}, expected {expected} as now",
                path.display(),
                name.replace('_', " ")
            ))),
        }
    }
}

/// How far a tuning is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Batches done.
    pub done: u64,
    /// Sums since the last report.
    pub sum: Loss,
    /// Lowest bits per character on the validation part.
    pub best: f64,
    /// The generator.
    pub random: Random,
}

/// What is read in a text: where it stands, and the states of the network that is tuned and of its
/// teacher, both empty at the start of a pass.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Place in the text.
    pub cursor: Cursor,
    /// Of the network that is tuned, a state for each layer.
    pub states: Vec<IntegerState>,
    /// Of the teacher.
    pub teacher: Vec<State>,
}

/// All that a tuning needs to go on as if it had never stopped.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What decides it.
    pub origin: Origin,
    /// How far it is.
    pub progress: Progress,
    /// What is tuned, a vector for each parameter.
    pub parameters: Vec<Vec<f32>>,
    /// Moments and step count.
    pub adam: Adam,
    /// Each text.
    pub readings: Vec<Reading>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    origin: Origin,
    progress: Progress,
    adam_step: u64,
    cursors: Vec<Cursor>,
    /// Rows of the states of each text; 0 where it has none.
    rows: Vec<usize>,
}

/// The tensors of the states of a text: name, and numbers of a row.
fn state_tensors(source: usize, layers: &[LayerConfig]) -> Vec<[(String, usize); 4]> {
    let layers = layers.iter().enumerate();
    let tensors = layers.map(|(index, layer)| {
        [
            ("h", layer.output()),
            ("c", layer.hidden),
            ("teacher.h", layer.output()),
            ("teacher.c", layer.hidden),
        ]
        .map(|(what, width)| (format!("text.{source}.{index}.{what}"), width))
    });
    tensors.collect()
}

impl Checkpoint {
    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, path: &Path, layers: &[LayerConfig]) -> Result<()> {
        let rows = |reading: &Reading| {
            let first = reading.states.iter().zip(layers).next();
            first.map_or(0, |(state, layer)| state.h.len() / layer.output())
        };
        let header = Header {
            origin: self.origin.clone(),
            progress: self.progress.clone(),
            adam_step: self.adam.step,
            cursors: self.readings.iter().map(|r| r.cursor.clone()).collect(),
            rows: self.readings.iter().map(rows).collect(),
        };
        let mut file = TensorFile {
            metadata: serde_json::to_string(&header).expect("plain data"),
            ..Default::default()
        };
        let moments = self.adam.first.iter().zip(&self.adam.second);
        for (i, (values, (first, second))) in self.parameters.iter().zip(moments).enumerate() {
            for (what, values) in [("master", values), ("first", first), ("second", second)] {
                file.insert(format!("{what}.{i}"), &[values.len()], values);
            }
        }
        for (source, (reading, rows)) in self.readings.iter().zip(header.rows).enumerate() {
            let states = reading.states.iter().zip(&reading.teacher);
            let states = states.map(|(own, teacher)| [&own.h, &own.c, &teacher.h, &teacher.c]);
            for (names, values) in state_tensors(source, layers).iter().zip(states) {
                for ((name, width), values) in names.iter().zip(values) {
                    file.insert(name, &[rows, *width], values);
                }
            }
        }
        file.write(path, KEY)
    }

    /// Reads what [`Checkpoint::save`] wrote; `adam` says how long the parameters are.
    ///
    /// # Errors
    /// The file is missing or no such checkpoint, or of another tuning than `origin`.
    pub fn load(
        path: &Path,
        origin: &Origin,
        mut adam: Adam,
        layers: &[LayerConfig],
    ) -> Result<Self> {
        let mut file = TensorFile::read(path, KEY)?;
        let header: Header = serde_json::from_str(&file.metadata).map_err(|e| {
            Error::bad_input(format!(
                "{}: {e}, expected a checkpoint of fine-tuning",
                path.display()
            ))
        })?;
        origin.check(path, &header.origin)?;
        adam.step = header.adam_step;
        let mut parameters = Vec::new();
        let moments = adam.first.iter_mut().zip(&mut adam.second);
        for (i, (first, second)) in moments.enumerate() {
            let mut take = |what| file.take(path, &format!("{what}.{i}"), &[first.len()]);
            parameters.push(take("master")?);
            (*first, *second) = (take("first")?, take("second")?);
        }
        let mut readings = Vec::new();
        for (source, (cursor, rows)) in header.cursors.into_iter().zip(header.rows).enumerate() {
            let mut reading = Reading {
                cursor,
                ..Reading::default()
            };
            if rows > 0 {
                for names in state_tensors(source, layers) {
                    let [h, c, teacher_h, teacher_c] =
                        names.map(|(name, width)| file.take(path, &name, &[rows, width]));
                    reading.states.push(IntegerState { h: h?, c: c? });
                    let (h, c) = (teacher_h?, teacher_c?);
                    reading.teacher.push(State { h, c });
                }
            }
            readings.push(reading);
        }
        Ok(Self {
            origin: header.origin,
            progress: header.progress,
            parameters,
            adam,
            readings,
        })
    }
}

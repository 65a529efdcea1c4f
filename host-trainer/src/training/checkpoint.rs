//! A checkpoint: all that a run needs to go on as if it had never stopped.

use crate::engine::optimizer::Moment;
use crate::files::error::{Error, Result};
use crate::files::tensors::TensorFile;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::network::state::State;
use crate::text::batches::Cursor;
use crate::training::phase::Phase;
use crate::training::stage::Place;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// The metadata key of a checkpoint.
const KEY: &str = "checkpoint";

/// Lengths of the files that grow, in bytes, at a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    /// metrics.csv.
    pub metrics: u64,
    /// metrics.jsonl.
    pub metric_lines: u64,
    /// samples.txt.
    pub samples: u64,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Index of the phase.
    pub phase: usize,
    /// Updates made in this phase, one a batch.
    pub update: u64,
    /// Epochs done in this phase.
    pub epoch: u64,
    /// Seconds of training in this phase.
    pub phase_seconds: f64,
    /// Seconds of training in all.
    pub seconds: f64,
    /// Characters read in all.
    pub characters: u64,
    /// Sums of losses (nats) times weight since the last validation.
    pub loss: Loss,
    /// Sum of weights (counted characters) since the last validation.
    pub loss_weight: f64,
    /// Updates of this phase at the last validation.
    pub validated_update: u64,
    /// Lowest bits per character on the validation part.
    pub best: Option<f64>,
    /// Validations of this phase since the best.
    pub stale: u64,
    /// Lengths of the files that grow.
    pub lengths: Lengths,
    /// The generator.
    pub random: Random,
}

impl Progress {
    /// Nothing is done.
    pub fn new(random: Random) -> Self {
        Self {
            phase: 0,
            update: 0,
            epoch: 0,
            phase_seconds: 0.0,
            seconds: 0.0,
            characters: 0,
            loss: Loss::default(),
            loss_weight: 0.0,
            validated_update: 0,
            best: None,
            stale: 0,
            lengths: Lengths::default(),
            random,
        }
    }

    /// Goes to the start of the next phase.
    pub(crate) fn enter_next_phase(&mut self) {
        self.phase += 1;
        (self.update, self.epoch, self.validated_update) = (0, 0, 0);
        (self.stale, self.phase_seconds) = (0, 0.0);
    }
}

/// All that a run needs to go on as if it had never stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What decides the run.
    pub config: Value,
    /// How far it is.
    pub progress: Progress,
    /// What is learned, a vector for each parameter.
    pub parameters: Vec<Vec<f32>>,
    /// The parameters that were the best on the validation part; empty before there are any.
    pub best: Vec<Vec<f32>>,
    /// Their running average; empty where none is kept.
    pub average: Vec<Vec<f32>>,
    /// The optimizer's moments, K times as long as the parameters.
    pub moments: Vec<Vec<f32>>,
    /// The place in each text.
    pub places: Vec<Place>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    config: Value,
    progress: Progress,
    cursors: Vec<Cursor>,
}

impl Checkpoint {
    /// Writes everything to one file, whole or not at all.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.to_tensors().write(path, KEY)
    }

    /// The file.
    pub fn to_tensors(&self) -> TensorFile {
        let header = Header {
            config: self.config.clone(),
            progress: self.progress.clone(),
            cursors: self.places.iter().map(|p| p.cursor.clone()).collect(),
        };
        let mut file = TensorFile {
            metadata: serde_json::to_string(&header).expect("plain data"),
            ..Default::default()
        };
        file.insert_list("parameter", &self.parameters);
        file.insert_list("best", &self.best);
        file.insert_list("average", &self.average);
        file.insert_list("moment", &self.moments);
        for (text, place) in self.places.iter().enumerate() {
            let of = |part: fn(&State) -> &Vec<f32>| -> Vec<_> {
                place.states.iter().map(part).cloned().collect()
            };
            file.insert_list(&format!("text.{text}.h"), &of(|state| &state.h));
            file.insert_list(&format!("text.{text}.c"), &of(|state| &state.c));
        }
        file
    }

    /// Reads what [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    /// The file is missing, is no checkpoint, or holds numbers that are not finite.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_tensors(path, TensorFile::read(path, KEY)?)
    }

    /// As [`Checkpoint::load`], from the bytes of a file; `path` only names it in errors.
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        Self::from_tensors(path, TensorFile::from_bytes(path, bytes, KEY)?)
    }

    fn from_tensors(path: &Path, mut file: TensorFile) -> Result<Self> {
        let header: Header = serde_json::from_str(&file.metadata)
            .map_err(|e| refused(path, &e.to_string(), "a checkpoint"))?;
        let mut take = |name: &str| file.take_list(path, name);
        let [parameters, best, average, moments] = [
            take("parameter")?,
            take("best")?,
            take("average")?,
            take("moment")?,
        ];
        let mut places = Vec::new();
        for (text, cursor) in header.cursors.into_iter().enumerate() {
            let (h, c) = (
                take(&format!("text.{text}.h"))?,
                take(&format!("text.{text}.c"))?,
            );
            let states = h.into_iter().zip(c).map(|(h, c)| State { h, c }).collect();
            places.push(Place { cursor, states });
        }
        Ok(Self {
            config: header.config,
            progress: header.progress,
            parameters,
            best,
            average,
            moments,
            places,
        })
    }

    /// Refuses a checkpoint that no run of `config` can have written, with these phases and as many numbers in each
    /// parameter; `path` names it. The run may have been made longer since.
    ///
    /// # Errors
    /// It is such a one; the line says where they differ.
    pub fn check(
        &self,
        path: &Path,
        config: &Value,
        phases: &[Phase],
        lengths: &[usize],
    ) -> Result<()> {
        if let Some((place, found, expected)) = difference("", &self.config, config) {
            let found = format!("found a checkpoint of a run with {place} {found}");
            return Err(refused(path, &found, &expected));
        }
        let Some(phase) = phases.get(self.progress.phase) else {
            let found = format!("found phase {}", self.progress.phase);
            return Err(refused(
                path,
                &found,
                &format!("one below {}", phases.len()),
            ));
        };
        let moments = phase.optimizer.method.moments;
        for (name, vectors, times, is_kept) in [
            ("parameter", &self.parameters, 1, true),
            ("best", &self.best, 1, self.progress.best.is_some()),
            ("average", &self.average, 1, phase.ema.is_some()),
            ("moment", &self.moments, moments.len(), true),
        ] {
            let found: Vec<usize> = vectors.iter().map(Vec::len).collect();
            let lengths = if is_kept { lengths } else { &[] };
            let expected: Vec<usize> = lengths.iter().map(|n| n * times).collect();
            if found != expected {
                let found = format!("found {name} tensors of {found:?} numbers");
                return Err(refused(path, &found, &format!("{expected:?}")));
            }
        }
        for (index, (all, &length)) in self.moments.iter().zip(lengths).enumerate() {
            let squares = all.chunks_exact(length.max(1)).zip(moments);
            let squares = squares.filter(|(_, kind)| **kind == Moment::Squares);
            let mut negative = squares
                .flat_map(|(part, _)| part)
                .filter(|x| x.is_sign_negative());
            if let Some(negative) = negative.next() {
                let found = format!("found {negative} among the squares of moment.{index}");
                return Err(refused(path, &found, "no negative numbers"));
            }
        }
        Ok(())
    }
}

pub(crate) fn refused(path: &Path, found: &str, expected: &str) -> Error {
    Error::bad_input(format!("{}: {found}, expected {expected}", path.display()))
}

/// Where two configs differ, and by what, but for where texts lie, and for epochs that were added.
fn difference(place: &str, found: &Value, expected: &Value) -> Option<(String, String, String)> {
    let inner = |key: &dyn std::fmt::Display| match place {
        "" => key.to_string(),
        _ => format!("{place}.{key}"),
    };
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            let mut pairs = a.iter().zip(b.values());
            pairs.find_map(|((key, a), b)| difference(&inner(key), a, b))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| difference(&inner(&index), a, b))
        }
        _ if found == expected || place.ends_with(".path") => None,
        _ if place.ends_with(".epochs") && found.as_f64() <= expected.as_f64() => None,
        _ => Some((place.to_owned(), found.to_string(), expected.to_string())),
    }
}

//! A checkpoint: all that a run needs to go on as if it had never stopped.

use crate::engine::optimizer::{AdamConfig, AdamState};
use crate::files::error::{Error, Result};
use crate::files::tensors::TensorFile;
use crate::kernels::random::Random;
use crate::network::config::NetworkConfig;
use crate::network::parameters::Network;
use crate::network::state::{State, insert_states, state_rows, take_states};
use crate::text::batches::Cursor;
use crate::training::run_config::RunConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;

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

/// The metadata key of a checkpoint.
const KEY: &str = "checkpoint";

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
    /// Sum of loss (nats) times weight since the last validation.
    pub loss_sum: f64,
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
    /// Place in the text.
    pub cursor: Cursor,
}

/// All that a run needs to go on as if it had never stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The config of its run.
    pub run: RunConfig,
    /// How far it is.
    pub progress: Progress,
    /// The weights.
    pub network: Network,
    /// Moments and step count.
    pub adam: AdamState,
    /// The running average of the weights, a vector for each parameter; empty where none is kept.
    pub average: Vec<Vec<f32>>,
    /// State of every layer for every stream; empty for windows.
    pub states: Vec<State>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointHeader {
    run: RunConfig,
    progress: Progress,
    network: NetworkConfig,
    adam: AdamConfig,
    adam_step: u64,
    has_average: bool,
    state_rows: usize,
}

impl Checkpoint {
    /// Whether a run of this config can have written it, which may have been made longer since.
    pub fn is_of(&self, config: &RunConfig) -> bool {
        let Some(phase) = config.phases.get(self.progress.phase) else {
            return false;
        };
        let mut run = self.run.clone();
        for (own, other) in run.phases.iter_mut().zip(&config.phases) {
            own.epochs = own.epochs.max(other.epochs);
        }
        run == *config
            && self.network.config == config.network
            && self.adam.config == phase.adam
            && self.average.is_empty() == phase.ema.is_none()
    }

    /// Writes everything to one file, whole or not at all.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.to_tensors().write(path, KEY)
    }

    /// The file.
    pub fn to_tensors(&self) -> TensorFile {
        let layers = &self.network.config.layers;
        let header = CheckpointHeader {
            run: self.run.clone(),
            progress: self.progress.clone(),
            network: self.network.config.clone(),
            adam: self.adam.config,
            adam_step: self.adam.step,
            has_average: !self.average.is_empty(),
            state_rows: state_rows(&self.states, layers),
        };
        let mut file = TensorFile {
            metadata: serde_json::to_string(&header).expect("plain data"),
            ..Default::default()
        };
        self.network.to_tensors(&mut file);
        let shapes = self.network.config.shapes();
        for ((name, shape), (m, v)) in shapes
            .iter()
            .zip(self.adam.first.iter().zip(&self.adam.second))
        {
            file.insert(format!("adam.first.{name}"), shape, m);
            file.insert(format!("adam.second.{name}"), shape, v);
        }
        for ((name, shape), values) in shapes.iter().zip(&self.average) {
            file.insert(format!("average.{name}"), shape, values);
        }
        insert_states(&mut file, "state", layers, &self.states);
        file
    }

    /// Reads what [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    /// The file is missing or is no checkpoint.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_tensors(path, TensorFile::read(path, KEY)?)
    }

    /// As [`Checkpoint::load`], from the bytes of a file; `path` only names it in errors.
    ///
    /// # Errors
    /// They are no checkpoint.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        Self::from_tensors(path, TensorFile::from_bytes(path, bytes, KEY)?)
    }

    fn from_tensors(path: &Path, mut file: TensorFile) -> Result<Self> {
        let header: CheckpointHeader = serde_json::from_str(&file.metadata).map_err(|e| {
            Error::bad_input(format!("{}: {e}, expected a checkpoint", path.display()))
        })?;
        let config = header.network;
        let network = Network::from_tensors(path, config.clone(), &mut file)?;
        let lengths: Vec<usize> = network.parameters().iter().map(|p| p.len()).collect();
        let mut adam = AdamState::new(header.adam, lengths.into_iter());
        adam.step = header.adam_step;
        for (i, (name, shape)) in config.shapes().iter().enumerate() {
            adam.first[i] = file.take_finite(path, &format!("adam.first.{name}"), shape)?;
            adam.second[i] = file.take_finite(path, &format!("adam.second.{name}"), shape)?;
            if let Some(negative) = adam.second[i].iter().find(|x| x.is_sign_negative()) {
                return Err(Error::bad_input(format!(
                    "{}: tensor adam.second.{name} holds {negative}, expected no negative numbers",
                    path.display()
                )));
            }
        }
        let mut average = Vec::new();
        if header.has_average {
            for (name, shape) in config.shapes() {
                average.push(file.take_finite(path, &format!("average.{name}"), &shape)?);
            }
        }
        let rows = header.state_rows;
        let states = take_states(&mut file, path, "state", &config.layers, rows)?;
        let progress = header.progress;
        Ok(Self {
            run: header.run,
            progress,
            network,
            adam,
            average,
            states,
        })
    }
}

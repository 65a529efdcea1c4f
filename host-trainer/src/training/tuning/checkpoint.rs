//! A checkpoint of fine-tuning: all that it takes to go on as if it had never stopped.

use super::settings::Settings;
use crate::engine::optimizer::{AdamConfig, AdamState};
use crate::files::error::{Error, Result};
use crate::files::hash::sha256;
use crate::files::tensors::TensorFile;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::model::encode::{Labels, encode_quantized};
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::state::{State, insert_states, state_rows, take_states};
use crate::quantize::QuantizedNetwork;
use crate::text::batches::Cursor;
use crate::text::corpus::Corpus;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The metadata key of these files.
const KEY: &str = "tuning";

/// The checkpoint of what is tuned into `out`.
pub fn path(out: &Path) -> PathBuf {
    out.with_added_extension("checkpoint")
}

/// What decides a tuning, by name: it goes on with equals alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuningConfig(Vec<(String, String)>);

impl TuningConfig {
    /// Of tuning `network`, quantized to `start`, on these texts.
    ///
    /// # Errors
    /// `start` cannot be a model of the device.
    pub fn new(
        settings: Settings,
        network: &Network,
        start: &QuantizedNetwork,
        corpus: &Corpus,
        extra: Option<&[u8]>,
    ) -> Result<Self> {
        let parameters = network.parameters().into_iter().flatten();
        let parameters: Vec<u8> = parameters.flat_map(|x| x.to_le_bytes()).collect();
        let rows = [
            ("--format", start.format.to_string()),
            ("--dead-zone", start.dead_zone.to_string()),
            ("--epochs", settings.epochs.to_string()),
            ("--learning-rate", settings.learning_rate.to_string()),
            ("--teacher", settings.teacher.to_string()),
            ("--batch-size", settings.batch.to_string()),
            ("--seed", settings.seed.to_string()),
            ("a --corpus of hash", sha256(&corpus.tokens)),
            ("a --pretrain of hash", extra.map_or("none".into(), sha256)),
            ("a network of hash", sha256(&parameters)),
            (
                "a rounded network of hash",
                sha256(&encode_quantized(start, &Labels::default())?),
            ),
        ];
        Ok(Self(rows.map(|(name, value)| (name.into(), value)).into()))
    }

    /// Checks that `found`, of the checkpoint `path`, is the same.
    fn check(&self, path: &Path, found: &Self) -> Result<()> {
        let path = path.display();
        let names = |config: &Self| config.0.iter().map(|(name, _)| name.clone()).collect();
        let [names_found, names_expected]: [Vec<String>; 2] = [found, self].map(names);
        if names_found != names_expected {
            return Err(Error::bad_input(format!(
                "{path}: found a fine-tuning described by {names_found:?}, expected \
                 {names_expected:?}"
            )));
        }
        let mut pairs = found.0.iter().zip(&self.0);
        match pairs.find(|(found, expected)| found != expected) {
            None => Ok(()),
            Some(((name, found), (_, expected))) => Err(Error::bad_input(format!(
                "{path}: found a fine-tuning with {name} {found}, expected {expected} as now"
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

/// How far the reading of a text is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextProgress {
    /// Place in the text.
    pub cursor: Cursor,
    /// State of each layer of the network that is tuned; empty before a first batch, and for windows.
    pub states: Vec<State>,
    /// State of each layer of its teacher, likewise.
    pub teacher: Vec<State>,
}

/// All that a tuning needs to go on as if it had never stopped.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What decides it.
    pub config: TuningConfig,
    /// How far it is.
    pub progress: Progress,
    /// What is tuned, a vector for each parameter.
    pub parameters: Vec<Vec<f32>>,
    /// The same, where it scored best.
    pub best: Vec<Vec<f32>>,
    /// Moments, a step for each batch done.
    pub adam: AdamState,
    /// The reading of each text.
    pub texts: Vec<TextProgress>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    config: TuningConfig,
    progress: Progress,
    adam: AdamConfig,
    cursors: Vec<Cursor>,
    /// Rows of the states of each text; 0 where it has none.
    rows: Vec<usize>,
}

/// The names of the states of a text: its own, and its teacher's.
fn state_names(text: usize) -> [String; 2] {
    ["state", "teacher"].map(|what| format!("text.{text}.{what}"))
}

impl Checkpoint {
    /// Writes everything to one file, whole or not at all.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, path: &Path, layers: &[LayerConfig]) -> Result<()> {
        self.to_tensors(layers).write(path, KEY)
    }

    /// The file.
    pub fn to_tensors(&self, layers: &[LayerConfig]) -> TensorFile {
        let texts = self.texts.iter();
        let header = Header {
            config: self.config.clone(),
            progress: self.progress.clone(),
            adam: self.adam.config,
            cursors: texts.clone().map(|text| text.cursor.clone()).collect(),
            rows: texts.map(|text| state_rows(&text.states, layers)).collect(),
        };
        let mut file = TensorFile {
            metadata: serde_json::to_string(&header).expect("plain data"),
            ..Default::default()
        };
        for (what, vectors) in [
            ("master", &self.parameters),
            ("best", &self.best),
            ("adam.first", &self.adam.first),
            ("adam.second", &self.adam.second),
        ] {
            for (i, values) in vectors.iter().enumerate() {
                file.insert(format!("{what}.{i}"), &[values.len()], values);
            }
        }
        for (i, text) in self.texts.iter().enumerate() {
            let [own, teacher] = state_names(i);
            insert_states(&mut file, &own, layers, &text.states);
            insert_states(&mut file, &teacher, layers, &text.teacher);
        }
        file
    }

    /// Reads what [`Checkpoint::save`] wrote of a tuning of `config`, whose parameters have these
    /// lengths.
    ///
    /// # Errors
    /// The file is missing or no such checkpoint, is of another tuning, or holds numbers that are not
    /// finite.
    pub fn load(
        path: &Path,
        config: &TuningConfig,
        layers: &[LayerConfig],
        lengths: &[usize],
    ) -> Result<Self> {
        Self::from_tensors(path, TensorFile::read(path, KEY)?, config, layers, lengths)
    }

    /// As [`Checkpoint::load`], from the bytes of a file; `path` only names it in errors.
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(
        path: &Path,
        bytes: &[u8],
        config: &TuningConfig,
        layers: &[LayerConfig],
        lengths: &[usize],
    ) -> Result<Self> {
        let file = TensorFile::from_bytes(path, bytes, KEY)?;
        Self::from_tensors(path, file, config, layers, lengths)
    }

    fn from_tensors(
        path: &Path,
        mut file: TensorFile,
        config: &TuningConfig,
        layers: &[LayerConfig],
        lengths: &[usize],
    ) -> Result<Self> {
        let header: Header = serde_json::from_str(&file.metadata).map_err(|e| {
            Error::bad_input(format!(
                "{}: found {e}, expected a checkpoint of fine-tuning",
                path.display()
            ))
        })?;
        config.check(path, &header.config)?;
        let mut vectors = |what: &str| -> Result<Vec<Vec<f32>>> {
            let lengths = lengths.iter().enumerate();
            let vectors =
                lengths.map(|(i, &n)| file.take_finite(path, &format!("{what}.{i}"), &[n]));
            vectors.collect()
        };
        let (parameters, best) = (vectors("master")?, vectors("best")?);
        let adam = AdamState {
            config: header.adam,
            step: header.progress.done,
            first: vectors("adam.first")?,
            second: vectors("adam.second")?,
        };
        let mut texts = Vec::new();
        for (i, (cursor, rows)) in header.cursors.into_iter().zip(header.rows).enumerate() {
            let [own, teacher] = state_names(i);
            texts.push(TextProgress {
                cursor,
                states: take_states(&mut file, path, &own, layers, rows)?,
                teacher: take_states(&mut file, path, &teacher, layers, rows)?,
            });
        }
        Ok(Self {
            config: header.config,
            progress: header.progress,
            parameters,
            best,
            adam,
            texts,
        })
    }
}

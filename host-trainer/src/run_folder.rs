//! The folder of a training run: what was asked for, what came of it, and how to go on.

use crate::alphabet::AlphabetKind;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::network::NetworkConfig;
use crate::recipe::{Phase, RecipeName};
use crate::tensors::write_atomically;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

const CHECKPOINT: &str = "checkpoint.safetensors";
const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.csv";
const SAMPLES: &str = "samples.txt";
const BEST: &str = "best.safetensors";
const FINAL: &str = "final.safetensors";

/// A text that a run reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    /// Where it lies.
    pub path: PathBuf,
    /// FNV-1a of its tokens, to notice that it was changed.
    pub hash: String,
}

impl TextFile {
    /// Describes a text that was read from `path`.
    pub fn new(path: &Path, tokens: &[u8]) -> Self {
        let step =
            |hash: u64, &token: &u8| (hash ^ u64::from(token)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = tokens.iter().fold(0xcbf2_9ce4_8422_2325, step);
        let (path, hash) = (path.to_owned(), format!("{hash:016x}"));
        Self { path, hash }
    }
}

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The recipe that the phases come from.
    pub recipe: RecipeName,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads; another number may change the last bits of a sum.
    pub threads: usize,
    /// Time to train for; the phases' passes if `None`.
    pub minutes: Option<f64>,
    /// How the alphabet was chosen.
    pub alphabet: AlphabetKind,
    /// The corpus.
    pub corpus: TextFile,
    /// Text for pre-training.
    pub pretrain: Option<TextFile>,
    /// The network.
    pub network: NetworkConfig,
    /// The phases with every flag applied.
    pub phases: Vec<Phase>,
}

impl RunConfig {
    /// Reads the text of a `config.json`; `path` only names it in errors.
    ///
    /// # Errors
    /// It is no run's config.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|e| {
            Error::bad_input(format!("{}: {e}, expected a run's config", path.display()))
        })
    }
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Refuses a folder that exists, unless `force`; creates nothing yet.
    ///
    /// # Errors
    /// It exists.
    pub fn check_new(path: &Path, force: bool) -> Result<()> {
        if path.exists() && !(force && path.is_dir()) {
            return Err(Error::bad_input(format!(
                "{} exists, expected a new folder (--force overwrites it, --resume goes on)",
                path.display()
            )));
        }
        Ok(())
    }

    /// Creates the folder, or clears an earlier run's files from it, and writes `config.json`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn create(path: &Path, config: &RunConfig) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|e| Error::writing(path, &e))?;
        let folder = Self(path.to_owned());
        for name in [CHECKPOINT, METRICS, SAMPLES, BEST, FINAL] {
            let file = folder.0.join(name);
            if file.exists() {
                std::fs::remove_file(&file).map_err(|e| Error::writing(&file, &e))?;
            }
        }
        let text = serde_json::to_string_pretty(config).expect("plain data") + "\n";
        write_atomically(&path.join(CONFIG), text.as_bytes())?;
        Ok(folder)
    }

    /// Opens a run to go on with.
    ///
    /// # Errors
    /// There is no run, or its files do not fit each other.
    pub fn resume(path: &Path) -> Result<(Self, RunConfig, Option<Checkpoint>)> {
        let folder = Self(path.to_owned());
        let file = path.join(CONFIG);
        let text = std::fs::read_to_string(&file).map_err(|e| Error::reading(&file, &e))?;
        let config = RunConfig::parse(&file, &text)?;
        let checkpoint = path.join(CHECKPOINT);
        if !checkpoint.exists() {
            folder.truncate(METRICS, 0)?;
            folder.truncate(SAMPLES, 0)?;
            return Ok((folder, config, None));
        }
        let checkpoint = Checkpoint::load(&checkpoint)?;
        if checkpoint.network.config != config.network
            || checkpoint.progress.phase >= config.phases.len()
        {
            return Err(Error::bad_input(format!(
                "{}: found a checkpoint of another run, expected one of {CONFIG}",
                path.display()
            )));
        }
        folder.truncate(METRICS, checkpoint.progress.metrics_bytes)?;
        folder.truncate(SAMPLES, checkpoint.progress.samples_bytes)?;
        Ok((folder, config, Some(checkpoint)))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The weights of the lowest validation loss.
    pub fn best(&self) -> PathBuf {
        self.0.join(BEST)
    }

    /// The last weights.
    pub fn last(&self) -> PathBuf {
        self.0.join(FINAL)
    }

    /// Writes the checkpoint, whole or not at all.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.save(&self.0.join(CHECKPOINT))
    }

    /// Adds lines to metrics.csv; returns its length.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn add_metrics(&self, text: &str) -> Result<u64> {
        self.append(METRICS, text)
    }

    /// Adds text to samples.txt; returns its length.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn add_sample(&self, text: &str) -> Result<u64> {
        self.append(SAMPLES, text)
    }

    fn append(&self, name: &str, text: &str) -> Result<u64> {
        let path = self.0.join(name);
        let append = || {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.create(true).append(true).open(&path)?;
            file.write_all(text.as_bytes())?;
            Ok(file.metadata()?.len())
        };
        append().map_err(|e| Error::writing(&path, &e))
    }

    /// Cuts a file back to what it was at the checkpoint.
    fn truncate(&self, name: &str, bytes: u64) -> Result<()> {
        let path = self.0.join(name);
        if !path.exists() {
            return Ok(());
        }
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.and_then(|f| f.set_len(bytes))
            .map_err(|e| Error::writing(&path, &e))
    }
}

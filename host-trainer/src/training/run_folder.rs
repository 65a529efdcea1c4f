//! The folder of a training run: what was asked for, what came of it, and how to go on.
//!
//! | file | what |
//! | --- | --- |
//! | `config.json` | all that decides the run; `--resume` reads it |
//! | `config.toml` | the same as settings, for `train --config` |
//! | `metrics.csv`, `metrics.jsonl` | a row a validation |
//! | `curve.svg` | the rows as a picture |
//! | `table.md` | losses beside the notebook's own, for its two recipes |
//! | `samples.txt` | what the network wrote at each validation |
//! | `checkpoint.safetensors` | all that it takes to go on |
//! | `best.safetensors`, `final.safetensors` | networks |
//! | `report.html` | the page of the run |

use crate::files::error::{Error, Result};
use crate::files::lock::Lock;
use crate::files::output::write_atomically;
use crate::training::checkpoint::{Checkpoint, Lengths};
use crate::training::metrics::{self, Columns, Row};
use crate::training::run_config::RunConfig;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

const CHECKPOINT: &str = "checkpoint.safetensors";
const CONFIG: &str = "config.json";
const FLAGS: &str = "config.toml";
const METRICS: &str = "metrics.csv";
/// A row a validation, as JSON lines.
pub const METRIC_LINES: &str = "metrics.jsonl";
const CURVE: &str = "curve.svg";
const TABLE: &str = "table.md";
const LOCK: &str = ".lock";
const SAMPLES: &str = "samples.txt";
/// The network of the best validation.
pub const BEST: &str = "best.safetensors";
/// The network at the end.
pub const FINAL: &str = "final.safetensors";
const REPORT: &str = "report.html";
/// All of a run; the config first: without it there is no run to go on with.
const FILES: [&str; 11] = [
    CONFIG,
    FLAGS,
    CHECKPOINT,
    METRICS,
    METRIC_LINES,
    SAMPLES,
    CURVE,
    TABLE,
    BEST,
    FINAL,
    REPORT,
];

/// A run's folder, which no other trainer can have at the same time.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: Lock,
}

impl RunFolder {
    /// Refuses a folder in which anything is but, with `force`, a run; creates nothing yet.
    ///
    /// # Errors
    /// It holds something.
    pub fn check_new(path: &Path, force: bool) -> Result<()> {
        let refused = |found: &str| {
            Err(Error::bad_input(format!(
                "{} {found}, expected a new folder (--force overwrites a run, --resume goes on with it)",
                path.display()
            )))
        };
        if !path.exists() {
            return Ok(());
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            return refused("exists");
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
        // What a run that was killed at its very start leaves.
        let is_of_a_run =
            |name: &String| name == LOCK || is_temporary(name) || FILES.contains(&name.as_str());
        if names.iter().all(|name| name == LOCK) {
            Ok(())
        } else if !force {
            refused("exists")
        } else if names.iter().all(is_of_a_run) || holds_run(path) {
            Ok(())
        } else {
            refused("exists and holds no run")
        }
    }

    /// Creates the folder, or clears an earlier run's files from it, and writes a run that has not
    /// begun: the `flags` that stand for it, files that grow, its first checkpoint, and the text of its config.
    ///
    /// # Errors
    /// The disk refuses, or another trainer has the folder.
    pub fn create(
        path: &Path,
        (config, flags): (&str, &str),
        columns: &Columns,
        start: &mut Checkpoint,
    ) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|e| Error::writing(path, &e))?;
        let folder = Self::lock(path)?;
        for file in files(path) {
            if file.exists() {
                std::fs::remove_file(&file).map_err(|e| Error::writing(&file, &e))?;
            }
        }
        write_atomically(&path.join(FLAGS), flags.as_bytes())?;
        start.progress.lengths = Lengths {
            metrics: folder.append(METRICS, &columns.header())?,
            metric_lines: folder.append(METRIC_LINES, "")?,
            samples: folder.append(SAMPLES, "")?,
        };
        start.save(&folder.checkpoint())?;
        // The config last: what has one can be gone on with.
        write_atomically(&path.join(CONFIG), config.as_bytes())?;
        Ok(folder)
    }

    /// Opens a run to go on with, and changes nothing of it: see [`RunFolder::cut_back`].
    ///
    /// # Errors
    /// There is no run, a file of it is damaged, or another trainer has the folder.
    pub fn resume(path: &Path) -> Result<(Self, Checkpoint)> {
        let folder = Self::lock(path)?;
        let checkpoint = Checkpoint::load(&folder.checkpoint())?;
        Ok((folder, checkpoint))
    }

    /// Makes the run another: the same, but longer.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn lengthen(&self, config: &str, flags: &str) -> Result<()> {
        write_atomically(&self.path.join(FLAGS), flags.as_bytes())?;
        write_atomically(&self.path.join(CONFIG), config.as_bytes())
    }

    /// Takes the folder for this process, and clears away what one that was killed left half-written.
    fn lock(path: &Path) -> Result<Self> {
        let lock = Lock::take(&path.join(LOCK))?.ok_or_else(|| {
            Error::bad_input(format!(
                "{}: found another trainer at work in this folder, expected none",
                path.display()
            ))
        })?;
        let entries = std::fs::read_dir(path).map_err(|e| Error::reading(path, &e))?;
        for entry in entries.flatten() {
            if is_temporary(&entry.file_name().to_string_lossy()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let path = path.to_owned();
        Ok(Self { path, _lock: lock })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The weights of the lowest validation loss.
    pub fn best(&self) -> PathBuf {
        best(&self.path)
    }

    /// The last weights.
    pub fn last(&self) -> PathBuf {
        last(&self.path)
    }

    /// Rows of the metrics so far.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn rows(&self) -> Result<Vec<Row>> {
        read_metrics(&self.path)
    }

    /// All that it takes to go on.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// Adds a row to the metrics.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn add_row(&self, row: &Row, columns: &Columns, lengths: &mut Lengths) -> Result<()> {
        lengths.metrics = self.append(METRICS, &row.to_csv())?;
        lengths.metric_lines = self.append(METRIC_LINES, &row.to_json(columns))?;
        Ok(())
    }

    /// Adds text to samples.txt.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn add_sample(&self, text: &str, lengths: &mut Lengths) -> Result<()> {
        lengths.samples = self.append(SAMPLES, text)?;
        Ok(())
    }

    /// Renews the picture of the metrics.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_curve(&self, svg: &str) -> Result<()> {
        write_atomically(&self.path.join(CURVE), svg.as_bytes())
    }

    /// Renews the table of losses.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_table(&self, markdown: &str) -> Result<()> {
        write_atomically(&self.path.join(TABLE), markdown.as_bytes())
    }

    /// Adds to a file and syncs it, since the next checkpoint counts on it; returns its length.
    fn append(&self, name: &str, text: &str) -> Result<u64> {
        let path = self.path.join(name);
        let append = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(file.metadata()?.len())
        };
        append().map_err(|e| Error::writing(&path, &e))
    }

    /// Cuts the files that grow back to what they were at the checkpoint, or none of them.
    ///
    /// # Errors
    /// One is shorter, or the disk refuses.
    pub fn cut_back(&self, lengths: Lengths) -> Result<()> {
        let mut files = Vec::new();
        for (name, expected) in [
            (METRICS, lengths.metrics),
            (METRIC_LINES, lengths.metric_lines),
            (SAMPLES, lengths.samples),
        ] {
            let path = self.path.join(name);
            let open = || {
                let file = OpenOptions::new().write(true).open(&path)?;
                let found = file.metadata()?.len();
                Ok((file, found))
            };
            let (file, found) = open().map_err(|e| Error::reading(&path, &e))?;
            if found < expected {
                return Err(Error::bad_input(format!(
                    "{} has {found} bytes, expected at least {expected} as at the checkpoint",
                    path.display()
                )));
            }
            files.push((path, file, expected));
        }
        for (path, file, length) in files {
            let cut = file.set_len(length);
            cut.map_err(|e| Error::writing(&path, &e))?;
        }
        Ok(())
    }
}

/// Whether a file is one that [`write_atomically`] has not yet given its name.
fn is_temporary(name: &str) -> bool {
    name.starts_with(".tmp") && name.ends_with(".tmp")
}

/// Where the page of the run in a folder is written.
pub fn report(folder: &Path) -> PathBuf {
    folder.join(REPORT)
}

/// The files of the run in a folder, whether they are there or not.
pub fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    FILES.into_iter().map(|name| folder.join(name))
}

/// The weights of the lowest validation loss, of the run in a folder.
pub fn best(folder: &Path) -> PathBuf {
    folder.join(BEST)
}

/// The last weights of the run in a folder.
pub fn last(folder: &Path) -> PathBuf {
    folder.join(FINAL)
}

/// The config of the run in a folder.
///
/// # Errors
/// There is none, or it does not parse.
pub fn read_config(folder: &Path) -> Result<RunConfig> {
    let (file, text) = config_text(folder)?;
    RunConfig::parse(&file, &text)
}

/// The config of the run in a folder, of whatever kind: its file and its text.
///
/// # Errors
/// There is none.
pub(crate) fn config_text(folder: &Path) -> Result<(PathBuf, String)> {
    let file = folder.join(CONFIG);
    let text = std::fs::read_to_string(&file).map_err(|e| Error::reading(&file, &e))?;
    Ok((file, text))
}

/// Whether a folder holds a run, of whatever kind: its config has phases.
fn holds_run(folder: &Path) -> bool {
    let Ok((_, text)) = config_text(folder) else {
        return false;
    };
    let config = serde_json::from_str::<serde_json::Value>(&text);
    config.is_ok_and(|config| {
        config
            .get("phases")
            .is_some_and(serde_json::Value::is_array)
    })
}

/// The metrics of the run in a folder.
///
/// # Errors
/// They cannot be read.
pub fn read_metrics(folder: &Path) -> Result<Vec<Row>> {
    metrics::read(&folder.join(METRIC_LINES))
}

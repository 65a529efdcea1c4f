//! The flags of `quantize --qat`.

use crate::files::error::{Error, Result};
use crate::files::stdout::say;
use crate::network::parameters::Network;
use crate::quantize::QuantizedNetwork;
use crate::quantize::qat::settings::Settings;
use crate::quantize::qat::tune::{Call, tune};
use crate::text::corpus::Corpus;
use crate::training::interrupt::on_ctrl_c;
use std::path::{Path, PathBuf};

/// What belongs to `--qat`.
#[derive(Debug, clap::Args)]
pub struct TuningArgs {
    /// Then fine-tune the network in those integers, with the device's own arithmetic. --out holds
    /// the best so far, from the start on
    #[arg(long)]
    qat: bool,
    /// Go on with a fine-tuning that was stopped, from the checkpoint beside --out; the other flags as
    /// they were
    #[arg(long, requires = "qat")]
    resume: bool,
    /// The text that the network was trained on; its validation part chooses the best
    #[arg(
        long,
        value_name = "FILE",
        default_value = "data/sonnets.txt",
        requires = "qat"
    )]
    corpus: PathBuf,
    /// More text, read in turn with the corpus
    #[arg(long, value_name = "FILE", requires = "qat")]
    pretrain: Option<PathBuf>,
    /// Epochs: how often the corpus is read
    #[arg(long, value_name = "N", default_value_t = 8.0, requires = "qat")]
    epochs: f64,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = 2e-3, requires = "qat")]
    learning_rate: f64,
    /// Share of the loss that compares with the f32 network; the rest compares with the text
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, requires = "qat")]
    teacher: f32,
    /// Rows of a batch
    #[arg(long, value_name = "N", default_value_t = 64, requires = "qat")]
    batch: usize,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1, requires = "qat")]
    seed: u64,
    /// Threads. Their number changes no bit of the result [default: one a core]
    #[arg(long, value_name = "N", requires = "qat")]
    threads: Option<usize>,
}

impl TuningArgs {
    /// Whether `--qat` was given.
    pub fn is_wanted(&self) -> bool {
        self.qat
    }

    /// The texts that are read.
    pub fn texts(&self) -> impl Iterator<Item = &Path> {
        let texts = [Some(&self.corpus), self.pretrain.as_ref()];
        let texts = texts.into_iter().flatten().map(PathBuf::as_path);
        texts.filter(|_| self.qat)
    }

    /// Fine-tunes from `start` and keeps the best in `out`.
    ///
    /// # Errors
    /// A flag is out of range, a text cannot be read or is too short, the checkpoint is missing, of
    /// another tuning or not asked for, a number is not finite, or the disk refuses;
    /// [`Error::Interrupted`] by Ctrl-C.
    pub fn tune(&self, network: &Network, start: &QuantizedNetwork, out: &Path) -> Result<()> {
        let settings = self.settings()?;
        let alphabet = || network.config.alphabet();
        let corpus = Corpus::read_with(&self.corpus, alphabet())?;
        let name = |path: &Path| path.display().to_string();
        let read = |path| -> Result<_> { Ok((name(path), Corpus::read_with(path, alphabet())?)) };
        let extra = self.pretrain.as_deref().map(read).transpose()?;
        let extra = extra.as_ref();
        let extra = extra.map(|(name, corpus)| (&name[..], &corpus.tokens[..]));
        let stop = on_ctrl_c()?;
        let call = Call {
            threads: self.threads()?,
            out,
            resume: self.resume,
            stop: &stop,
        };
        let corpus = (&name(&self.corpus)[..], &corpus);
        let tuned = tune(network, start, corpus, extra, settings, call)?;
        if !tuned.is_done {
            return Err(Error::Interrupted(format!(
                "stopped after {:.1} of {} epochs; {} has the best so far: validation {:.4} \
                 bits/char; go on with --resume and the flags as they were",
                tuned.passes,
                self.epochs,
                out.display(),
                tuned.validation
            )));
        }
        say!("best: validation {:.4} bits/char", tuned.validation);
        Ok(())
    }

    fn settings(&self) -> Result<Settings> {
        for (flag, value) in [
            ("epochs", self.epochs),
            ("learning-rate", self.learning_rate),
        ] {
            if !(value > 0.0 && value < 1e9) {
                return out_of(flag, value.to_string(), "a number above 0 and below 1e9");
            }
        }
        if !(0.0..=1.0).contains(&self.teacher) {
            return out_of("teacher", self.teacher.to_string(), "0 to 1");
        }
        if !(1..=4096).contains(&self.batch) {
            return out_of("batch", self.batch.to_string(), "1 to 4096");
        }
        Ok(Settings {
            epochs: self.epochs,
            learning_rate: self.learning_rate,
            teacher: self.teacher,
            batch: self.batch,
            seed: self.seed,
        })
    }

    fn threads(&self) -> Result<usize> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self.threads.unwrap_or(cores) {
            threads @ 1..=256 => Ok(threads),
            threads => out_of("threads", threads.to_string(), "1 to 256"),
        }
    }
}

fn out_of<T>(flag: &str, found: String, expected: &str) -> Result<T> {
    Err(Error::bad_input(format!(
        "found --{flag} {found}, expected {expected}"
    )))
}

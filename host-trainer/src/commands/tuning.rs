//! The flags of `quantize --qat`.

use crate::commands::numbers::{Count, Natural, Positive, Share, Whole};
use crate::commands::text::Text;
use crate::commands::threads;
use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::network::parameters::Network;
use crate::network::sensor::SensorNetwork;
use crate::quantize::QuantizedNetwork;
use crate::sequences::Sequences;
use crate::text::corpus::Corpus;
use crate::text::text_file::TrainingText;
use crate::training::interrupt::on_ctrl_c;
use crate::training::sensor::SensorTuning;
use crate::training::trainer::Call;
use crate::training::tuning::Tuning;
use lstm_core::Format;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Epochs over a corpus where none are asked for.
const EPOCHS: f64 = 8.0;
/// Rows of a batch of text where none are asked for.
const BATCH_SIZE: usize = 64;
/// The teacher's share of the loss where none is asked for: of a text, and of data.
const TEACHER: f64 = 0.8;
const SENSOR_TEACHER: f64 = 0.5;
/// The longest that work can be lost by a kill.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

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
    /// The text that is read; its validation part chooses the best [default: the one that the network was
    /// trained on]
    #[arg(long, value_name = "FILE", requires = "qat")]
    corpus: Option<PathBuf>,
    /// More text, read in turn with the corpus
    #[arg(long, value_name = "FILE", requires = "qat")]
    pretrain: Option<PathBuf>,
    /// Epochs: how often the corpus, or the data, is read [default: 8; of data as many as a training has]
    #[arg(long, value_name = "N", requires = "qat")]
    epochs: Option<Positive>,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", default_value = "2e-3", requires = "qat")]
    learning_rate: Positive,
    /// Another network in f32 that teaches beside NETWORK, such as one that was trained alike with another seed: what they
    /// expect is averaged. May be repeated. A larger one may teach a smaller one
    #[arg(long, value_name = "FILE", requires = "qat")]
    ensemble: Vec<PathBuf>,
    /// Share of the loss that compares with the f32 network, or the ensemble; the rest compares with the text, or with what the data tell [default: 0.8; of data 0.5]
    #[arg(long, value_name = "SHARE", requires = "qat")]
    teacher: Option<Share>,
    /// With --data: what the network gives are the next step's first channels, whatever targets the data have
    #[arg(long, requires = "qat")]
    next: bool,
    /// Rows of a batch: texts, or sequences, that are read side by side [default: 64; 16 sequences]
    #[arg(long, value_name = "N", requires = "qat")]
    batch_size: Option<Count<4096>>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value = "1", requires = "qat")]
    seed: Natural,
    /// Threads. Their number changes no bit of the result [default: one a core]
    #[arg(long, value_name = "N", requires = "qat")]
    threads: Option<Count<256>>,
}

impl TuningArgs {
    /// Whether `--qat` was given.
    pub fn is_wanted(&self) -> bool {
        self.qat
    }

    /// The files that are read beside the network where that was trained on a text.
    pub fn files<'a>(
        &'a self,
        trained_on: Option<&'a TrainingText>,
    ) -> impl Iterator<Item = &'a Path> {
        let known = trained_on.map(|text| &text.file.path);
        let texts = [self.corpus.as_ref().or(known), self.pretrain.as_ref()];
        let texts = texts.into_iter().flatten().chain(&self.ensemble);
        texts.map(PathBuf::as_path).filter(|_| self.qat)
    }

    /// Fine-tunes the network of a file from `rounded` and keeps the best in `out`.
    ///
    /// # Errors
    /// A text cannot be read or is too short, the checkpoint is missing, of
    /// another tuning or not asked for, a number is not finite, or the disk refuses;
    /// it was stopped by Ctrl-C.
    pub fn tune(
        &self,
        (file, network): (&Path, &Network),
        rounded: &QuantizedNetwork,
        out: &Path,
    ) -> Result<()> {
        if self.next {
            return Err(Error::bad_input(
                "found --next for a network that reads text, expected it for one that reads values",
            ));
        }
        let alphabet = || network.config.alphabet();
        let trained_on = network.config.corpus.as_ref();
        let text = Text::read(self.corpus.as_deref(), trained_on, file, alphabet())?;
        if self.corpus.is_none() {
            tell!("{text}");
        }
        let read = |path: &Path| Corpus::read_with(path, alphabet());
        let pretrain = self.pretrain.as_deref();
        let extra = pretrain.map(read).transpose()?;
        let extra = extra.as_ref().map(|corpus| &corpus.tokens[..]);
        let load = |path: &PathBuf| Ok((path.display().to_string(), Network::load(path)?));
        let ensemble: Vec<(String, Network)> =
            self.ensemble.iter().map(load).collect::<Result<_>>()?;
        let tuning = Tuning {
            network,
            ensemble: &ensemble,
            rounded,
            corpus: (&text.path, &text.corpus),
            extra: pretrain.zip(extra),
            epochs: self.epochs.map_or(EPOCHS, f64::from),
            learning_rate: self.learning_rate.into(),
            teacher: self.teacher.map_or(TEACHER, f64::from),
            batch_size: self.batch_size.map_or(BATCH_SIZE, Whole::size),
            seed: self.seed.count(),
            out,
            resume: self.resume,
        };
        tuning.run(Call {
            threads: threads(self.threads),
            checkpoint_every: CHECKPOINT_EVERY,
            stop: on_ctrl_c()?,
        })
    }

    /// Fine-tunes a network that reads values by these data to a format with this dead zone; the best model is kept in a
    /// file.
    ///
    /// # Errors
    /// A flag is of texts alone; else as [`TuningArgs::tune`].
    pub fn tune_values(
        &self,
        (network, data): (&SensorNetwork, &Sequences),
        format: (Format, u8),
        (out, name): (&Path, &str),
    ) -> Result<()> {
        if self.corpus.is_some() || self.pretrain.is_some() || !self.ensemble.is_empty() {
            return Err(Error::bad_input(
                "found --corpus, --pretrain or --ensemble for a network that reads values, expected them for one that reads text",
            ));
        }
        let tuning = SensorTuning {
            network,
            data,
            next: self.next,
            format,
            epochs: self.epochs.map(f64::from),
            learning_rate: self.learning_rate.into(),
            teacher: self.teacher.map_or(SENSOR_TEACHER, f64::from),
            batch_size: self.batch_size.map(Whole::size),
            seed: self.seed.count(),
            out,
            name,
            resume: self.resume,
        };
        tuning.run(Call {
            threads: threads(self.threads),
            checkpoint_every: CHECKPOINT_EVERY,
            stop: on_ctrl_c()?,
        })?;
        tell!("wrote {}", out.display());
        Ok(())
    }
}

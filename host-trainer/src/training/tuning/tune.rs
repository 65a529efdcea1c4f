//! The loop of quantization-aware fine-tuning.

use super::checkpoint::{self, Checkpoint, Progress, TuningConfig};
use super::learner::{ADAM, Learner};
use super::settings::Settings;
use super::source::Source;
use crate::engine::schedule::Schedule;
use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::model::encode::{Labels, encode_quantized};
use crate::model::file::ModelFile;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::score::Extent;
use crate::quantize::QuantizedNetwork;
use crate::text::corpus::{Corpus, Split};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What belongs to one call of the program, and decides none of the result.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    /// Threads.
    pub threads: usize,
    /// Where the best is kept. Its checkpoint lies beside it until all is done.
    pub out: &'c Path,
    /// Whether to go on from that checkpoint.
    pub resume: bool,
    /// Set from outside to end the work.
    pub stop: &'c AtomicBool,
}

/// The longest that work can be lost by a kill.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
const SCHEDULE: Schedule = Schedule::cosine(30, 0.02);

/// Bits per character of a quantized network on a part of a text, by the device's engine.
fn score(network: &QuantizedNetwork, corpus: &Corpus, split: Split) -> Result<f64> {
    let file = ModelFile::from_bytes(&encode_quantized(network, &Labels::default())?);
    let scores = file.score(network.config.window, corpus, &[split], Extent::Sample)?;
    Ok(scores[0].bits_per_char)
}

/// What came of tuning.
#[derive(Clone, Copy, Debug)]
pub struct Tuned {
    /// Bits per character of the best on the validation part.
    pub validation: f64,
    /// Epochs that were done.
    pub epochs: f64,
    /// Whether those are all.
    pub is_done: bool,
}

/// Tunes from `start`, over the training part of `corpus` and in turn over `extra`, until all is done
/// or the call's `stop` is set; prints a line every half epoch. The call's `out` gets what scores best on
/// the validation part, whenever something does: the start first. A checkpoint beside it is written at
/// the start, every 30 seconds, and at an early end; it goes when all is done.
///
/// # Errors
/// A text is too short, there is no checkpoint to go on from, one of another tuning, or one that nobody
/// asked for, tuning led out of the device's ranges or to what is not finite, or the disk refuses.
pub fn tune(
    network: &Network,
    start: &QuantizedNetwork,
    (name, corpus): (&str, &Corpus),
    extra: Option<(&str, &[u8])>,
    settings: Settings,
    call: Call<'_>,
) -> Result<Tuned> {
    let part = format!("the training part of {name}");
    let train = (&part[..], corpus.split(Split::Train));
    let texts: Vec<_> = std::iter::once(train).chain(extra).collect();
    let mut tuning = Tuning::new(network, start, corpus, &texts, settings, call)?;
    if call.resume {
        tuning.resume(start)?;
    }
    let names: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
    tell!("fine-tuning on {}", names.join(" and "));
    for (name, source) in names.iter().zip(&tuning.sources) {
        let (asked, found) = (settings.batch, source.feeder.batch_size());
        if found < asked {
            tell!("{name} is long enough for {found} rows a batch, not for {asked}");
        }
    }
    if call.resume {
        tell!(
            "going on after epoch {:.1}, best so far: validation {:.4} bits/char",
            tuning.epochs(),
            tuning.progress.best
        );
    } else {
        tuning.begin(start)?;
    }
    let clock = Instant::now();
    let before = tuning.progress.done;
    while tuning.progress.done < tuning.total && !call.stop.load(Ordering::SeqCst) {
        tuning.update()?;
        let done = tuning.progress.done;
        if done.is_multiple_of(tuning.report_every) || done == tuning.total {
            let pace = clock.elapsed().as_secs_f64() / (done - before) as f64;
            tuning.report(pace * (tuning.total - done) as f64)?;
        }
        if tuning.saved.elapsed() >= CHECKPOINT_EVERY {
            tuning.save()?;
        }
    }
    tuning.end()
}

/// A tuning under way.
struct Tuning<'t> {
    settings: Settings,
    call: Call<'t>,
    corpus: &'t Corpus,
    layers: &'t [LayerConfig],
    config: TuningConfig,
    /// The checkpoint, and when it was written.
    path: PathBuf,
    saved: Instant,
    sources: Vec<Source<'t>>,
    learner: Learner,
    /// The masters that scored best.
    best: Vec<Vec<f32>>,
    progress: Progress,
    /// Batches in an epoch over all texts.
    epoch_length: usize,
    /// Batches in all.
    total: u64,
    /// Batches from report to report.
    report_every: u64,
}

impl<'t> Tuning<'t> {
    fn new(
        network: &'t Network,
        start: &QuantizedNetwork,
        corpus: &'t Corpus,
        texts: &[(&str, &'t [u8])],
        settings: Settings,
        call: Call<'t>,
    ) -> Result<Self> {
        let path = checkpoint::path(call.out);
        let shown = path.display();
        match (call.resume, path.exists()) {
            (false, true) => {
                return Err(Error::bad_input(format!(
                    "found {shown} of a fine-tuning that was stopped, expected no such file: \
                     --resume goes on with it; remove it to begin anew"
                )));
            }
            (true, false) => {
                return Err(Error::bad_input(format!(
                    "found no {shown}, expected one to --resume from: a fine-tuning that came to its \
                     end leaves none"
                )));
            }
            _ => {}
        }
        let mut random = Random::new(settings.seed);
        let sources = texts
            .iter()
            .map(|&text| Source::new(network, text, settings.batch, &mut random));
        let sources = sources.collect::<Result<Vec<_>>>()?;
        let learner = Learner::new(network, start, call.threads)?;
        let epoch_length = sources[0].batches(texts[0].1) * sources.len();
        Ok(Self {
            settings,
            call,
            corpus,
            layers: &network.config.layers,
            config: TuningConfig::new(
                settings,
                network,
                start,
                corpus,
                texts.get(1).map(|(_, text)| *text),
            )?,
            path,
            saved: Instant::now(),
            sources,
            best: learner.masters.parameters()?,
            learner,
            progress: Progress {
                done: 0,
                sum: Loss::default(),
                best: f64::INFINITY,
                random,
            },
            epoch_length,
            total: (settings.epochs * epoch_length as f64).ceil() as u64,
            report_every: (epoch_length as u64).div_ceil(2),
        })
    }

    /// Keeps the start, which is the best so far.
    fn begin(&mut self, start: &QuantizedNetwork) -> Result<()> {
        self.progress.best = score(start, self.corpus, Split::Validation)?;
        start.save(self.call.out)?;
        self.save()?;
        tell!(
            "rounded only: validation {:.4} bits/char",
            self.progress.best
        );
        Ok(())
    }

    /// Goes to where the checkpoint was, and keeps what was the best then.
    fn resume(&mut self, start: &QuantizedNetwork) -> Result<()> {
        let lengths = self.learner.lengths();
        let found = Checkpoint::load(&self.path, &self.config, self.layers, &lengths)?;
        let refused = |found: &str, expected: &str| {
            let path = self.path.display();
            let line = format!("{path}: found {found}, expected {expected}");
            Err(Error::bad_input(line))
        };
        let (done, total) = (found.progress.done, self.total);
        if done > total {
            return refused(&format!("update {done}"), &format!("{total} at most"));
        }
        if found.adam.config != ADAM {
            return refused("another version's settings of Adam", &format!("{ADAM:?}"));
        }
        let (texts, sources) = (found.texts.len(), self.sources.len());
        if texts != sources {
            return refused(&format!("{texts} texts"), &sources.to_string());
        }
        let mut texts = self.sources.iter_mut().zip(found.texts);
        if !texts.all(|(source, text)| source.go_to(text, self.layers)) {
            return refused("a place that is not in the texts", "one that is");
        }
        self.progress = found.progress;
        // The first masters may round to a neighbour of an integer of the start.
        if found.best == self.best {
            start.save(self.call.out)?;
        } else {
            let masters = &self.learner.masters;
            masters.set_parameters(&found.best)?;
            masters.quantized(&masters.round()?).save(self.call.out)?;
            self.best = found.best;
        }
        self.learner.resume(&found.parameters, &found.adam)
    }

    /// Epochs that were done.
    fn epochs(&self) -> f64 {
        self.progress.done as f64 / self.epoch_length as f64
    }

    /// One batch: forward, backward, update.
    fn update(&mut self) -> Result<()> {
        let (done, total) = (self.progress.done, self.total);
        let turn = (done % self.sources.len() as u64) as usize;
        let source = &mut self.sources[turn];
        let batch = source.next_batch(self.layers, &mut self.progress.random);
        let factor = SCHEDULE.factor(done, done as f64 / total as f64);
        let rate = self.settings.learning_rate * factor;
        let share = self.settings.teacher;
        let (loss, norm) = self.learner.learn(source, &batch, share, rate)?;
        if !norm.is_finite() {
            return Err(Error::failed(format!(
                "found a gradient norm of {norm} at update {} of {total}, expected a finite number; \
                 the best so far is kept; remove {} and begin anew with a lower --learning-rate",
                done + 1,
                self.path.display()
            )));
        }
        self.progress.sum.text += loss.text;
        self.progress.sum.teacher += loss.teacher;
        self.progress.done += 1;
        Ok(())
    }

    /// Scores the integers, keeps them if they are the best, and prints a line.
    fn report(&mut self, seconds_left: f64) -> Result<()> {
        let masters = &self.learner.masters;
        let quantized = masters.quantized(&self.learner.integers);
        let validation = score(&quantized, self.corpus, Split::Validation)?;
        let progress = &mut self.progress;
        let steps = match progress.done % self.report_every {
            0 => self.report_every,
            steps => steps,
        };
        let bits = |nats: f64| nats / steps as f64 / std::f64::consts::LN_2;
        let is_best = validation < progress.best;
        tell!(
            "epoch {:.1} of {}: train {:.4}, from the teacher {:.4}, validation {validation:.4} \
             bits/char{}, {}:{:02} left",
            progress.done as f64 / self.epoch_length as f64,
            self.settings.epochs,
            bits(progress.sum.text),
            bits(progress.sum.teacher),
            if is_best { " *" } else { "" },
            seconds_left as u64 / 60,
            seconds_left as u64 % 60,
        );
        progress.sum = Loss::default();
        if is_best {
            progress.best = validation;
            self.best = masters.parameters()?;
            quantized.save(self.call.out)?;
        }
        Ok(())
    }

    /// Writes the checkpoint.
    fn save(&mut self) -> Result<()> {
        let checkpoint = Checkpoint {
            config: self.config.clone(),
            progress: self.progress.clone(),
            parameters: self.learner.masters.parameters()?,
            best: self.best.clone(),
            adam: self.learner.adam()?,
            texts: self.sources.iter().map(Source::progress).collect(),
        };
        checkpoint.save(&self.path, self.layers)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Leaves a checkpoint where something is left to do, and none where nothing is.
    fn end(mut self) -> Result<Tuned> {
        let is_done = self.progress.done == self.total;
        if !is_done {
            self.save()?;
        } else if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(Error::failed(format!(
                "cannot remove {}: {error}",
                self.path.display()
            )));
        }
        Ok(Tuned {
            validation: self.progress.best,
            epochs: self.epochs(),
            is_done,
        })
    }
}

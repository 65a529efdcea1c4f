//! The loop of quantization-aware fine-tuning.

use super::forward::IntegerState;
use super::masters::Masters;
use super::step::{Engine, Loss};
use super::teacher::Teacher;
use crate::corpus::{Corpus, Split};
use crate::error::{Error, Result};
use crate::export::{Labels, encode_quantized};
use crate::feed::Feeder;
use crate::model_file::ModelFile;
use crate::network::Network;
use crate::optimizer::{Adam, AdamConfig, ParameterGroup, Schedule, clip_by_global_norm};
use crate::output::say;
use crate::quantize::QuantizedNetwork;
use crate::random::Random;
use crate::recipe::Feed;
use crate::step::{Batch, LossOn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How to tune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Passes over the training part.
    pub epochs: f64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Share of the teacher in the loss, 0 to 1.
    pub teacher: f32,
    /// Rows of a batch.
    pub batch: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
}

/// Characters of each row of a batch.
const STEPS: usize = 64;
const ADAM: AdamConfig = AdamConfig {
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    weight_decay: 0.0,
};
const SCHEDULE: Schedule = Schedule::Cosine {
    warm_up: 30,
    floor: 0.02,
};

/// Bits per character of a quantized network on a part of a text, by the device's engine.
fn score(network: &QuantizedNetwork, corpus: &Corpus, split: Split) -> Result<f64> {
    let file = ModelFile::from_bytes(&encode_quantized(network, &Labels::default())?);
    let scores = file.score(network.config.window, corpus, &[split])?;
    Ok(scores[0].bits_per_char)
}

/// A text, where its reading stands, and the teacher that reads along.
struct Source<'t> {
    feeder: Feeder<'t>,
    states: Vec<IntegerState>,
    teacher: Teacher<'t>,
}

impl<'t> Source<'t> {
    fn new(
        network: &'t Network,
        (name, text): (&str, &'t [u8]),
        batch: usize,
        random: &mut Random,
    ) -> Result<Self> {
        // In the context that it was trained on.
        let feed = match network.config.window {
            None => Feed::Streams {
                rows: batch,
                steps: STEPS,
                jitter: true,
            },
            Some(steps) => Feed::Windows {
                rows: batch,
                steps,
                loss_on: LossOn::LastStep,
            },
        };
        let window = feed.steps();
        if text.len() <= window {
            return Err(Error::bad_input(format!(
                "found {} characters in {name}, expected at least {} (a window of {window} and the \
                 character after it)",
                text.len(),
                window + 1
            )));
        }
        Ok(Self {
            feeder: Feeder::new(text, feed, random),
            states: Vec::new(),
            teacher: Teacher::new(network),
        })
    }

    /// Batches in a pass.
    fn batches(&self, text: &[u8]) -> usize {
        let rows = self.feeder.rows();
        match self.feeder.is_stateful() {
            true => (text.len() / rows / STEPS).max(1),
            false => self.feeder.pass_length().div_ceil(rows),
        }
    }

    /// The next batch; at the end of a pass the text starts anew, and so do the states.
    fn next_batch(&mut self, masters: &Masters, random: &mut Random) -> Batch {
        if !self.feeder.is_stateful() {
            self.states.clear();
            self.teacher.reset();
        }
        loop {
            if let Some(batch) = self.feeder.next_batch(random) {
                if self.states.is_empty() {
                    self.states = masters.zero_states(batch.rows);
                }
                return batch;
            }
            self.feeder.start_pass(random);
            self.states.clear();
            self.teacher.reset();
        }
    }
}

/// What came of tuning.
#[derive(Clone, Copy, Debug)]
pub struct Tuned {
    /// Bits per character of the best on the validation part.
    pub validation: f64,
    /// Passes that were made.
    pub passes: f64,
    /// Whether those are all.
    pub is_done: bool,
}

/// Tunes from `start`, over the training part of `corpus` and in turn over `extra`, until `stop` is
/// set; prints a line every half pass. `keep` gets what scores best on the validation part, whenever
/// something does: the start first.
///
/// # Errors
/// A text is too short, tuning led out of the device's ranges or to what is not finite, or `keep`
/// refuses.
pub fn tune(
    network: &Network,
    start: &QuantizedNetwork,
    (name, corpus): (&str, &Corpus),
    extra: Option<(&str, &[u8])>,
    settings: Settings,
    stop: &AtomicBool,
    keep: &mut dyn FnMut(&QuantizedNetwork) -> Result<()>,
) -> Result<Tuned> {
    let random = &mut Random::new(settings.seed);
    let train = corpus.split(Split::Train);
    let part = format!("the training part of {name}");
    let texts: Vec<_> = std::iter::once((&part[..], train)).chain(extra).collect();
    let sources = texts
        .iter()
        .map(|&text| Source::new(network, text, settings.batch, random));
    let mut sources = sources.collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
    say!("fine-tuning on {}", names.join(" and "));
    for (name, source) in names.iter().zip(&sources) {
        let (asked, found) = (settings.batch, source.feeder.rows());
        if found < asked {
            say!("{name} is long enough for {found} rows a batch, not for {asked}");
        }
    }
    let mut masters = Masters::new(network, start);
    let mut integers = masters.round();
    let lengths: Vec<usize> = masters.parameters_mut().iter().map(|p| p.len()).collect();
    let groups = vec![ParameterGroup::PLAIN; lengths.len()];
    let mut adam = Adam::new(ADAM, lengths.into_iter());
    let mut engine = Engine::new(settings.threads);
    let pass = sources[0].batches(train) * sources.len();
    let total = (settings.epochs * pass as f64).ceil() as u64;
    let report = (pass as u64).div_ceil(2);
    let mut best = score(start, corpus, Split::Validation)?;
    keep(start)?;
    say!("rounded only: validation {best:.4} bits/char");
    let mut sum = Loss::default();
    let clock = Instant::now();
    let turns = sources.len() as u64;
    let mut done = 0;
    while done < total && !stop.load(Ordering::SeqCst) {
        let source = &mut sources[(done % turns) as usize];
        let batch = source.next_batch(&masters, random);
        let teacher = source.teacher.logits(&batch, settings.threads);
        let (loss, mut gradients) = engine.loss_and_gradients(
            &masters,
            &integers,
            (&batch, source.feeder.loss_on()),
            &mut source.states,
            (&teacher, settings.teacher),
        );
        let norm = clip_by_global_norm(&mut gradients, 1.0);
        if !norm.is_finite() {
            return Err(Error::failed(format!(
                "found a gradient norm of {norm} at step {} of {total}, expected a finite number; \
                 the best so far is kept; a lower --learning-rate may help",
                done + 1
            )));
        }
        let rate = settings.learning_rate * SCHEDULE.factor(done, done as f64 / total as f64);
        adam.update(&mut masters.parameters_mut(), &gradients, &groups, rate);
        integers = masters.round();
        sum.text += loss.text;
        sum.teacher += loss.teacher;
        done += 1;
        let since_report = done % report;
        if since_report != 0 && done != total {
            continue;
        }
        let quantized = masters.quantized(&integers);
        let validation = score(&quantized, corpus, Split::Validation)?;
        let steps = match since_report {
            0 => report,
            steps => steps,
        };
        let bits = |nats: f64| nats / steps as f64 / std::f64::consts::LN_2;
        let left = clock.elapsed().as_secs_f64() * (total - done) as f64 / done as f64;
        say!(
            "epoch {:.1} of {}: train {:.4}, from the teacher {:.4}, validation {validation:.4} \
             bits/char{}, {}:{:02} left",
            done as f64 / pass as f64,
            settings.epochs,
            bits(sum.text),
            bits(sum.teacher),
            if validation < best { " *" } else { "" },
            left as u64 / 60,
            left as u64 % 60,
        );
        sum = Loss::default();
        if validation < best {
            best = validation;
            keep(&quantized)?;
        }
    }
    Ok(Tuned {
        validation: best,
        passes: done as f64 / pass as f64,
        is_done: done == total,
    })
}

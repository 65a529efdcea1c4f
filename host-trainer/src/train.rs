//! `train`: from a text to a network.

mod display;
mod dropout;
mod settings;
mod texts;

use crate::checkpoint::{Checkpoint, Progress};
use crate::corpus::Split;
use crate::error::{Error, Result};
use crate::evaluate::{print_scores, score_split};
use crate::feed::Feeder;
use crate::fused::Engine;
use crate::graph;
use crate::network::{LayerConfig, Network};
use crate::optimizer::{Adam, clip_by_global_norm};
use crate::predictor::{NetworkPredictor, Predictor, Windowed};
use crate::random::Random;
use crate::recipe::{Feed, Phase, RecipeName};
use crate::run_folder::{RunConfig, RunFolder};
use crate::sample;
use crate::step::{LossOn, zero_states};
use candle_core::Device;
use display::Display;
use dropout::{drop_connect, drop_tokens};
use settings::{configure, folder_name, layer};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use texts::Texts;

pub use settings::Args;

/// Seconds between two checkpoints.
const CHECKPOINT_SECONDS: u64 = 30;
/// Characters in a sample.
const SAMPLE: usize = 100;

/// Trains, from the start or from a checkpoint, and reports.
///
/// # Errors
/// The input cannot be used, the disk refuses, the loss is not finite, or the user stopped it.
pub fn run(args: &Args) -> Result<()> {
    let device = args.device.open()?;
    let recipe: RecipeName = args.recipe.parse()?;
    let layer = layer(args, recipe);
    let default = || PathBuf::from(format!("runs/{}-{}", recipe.name(), folder_name(layer)));
    let path = args.out.clone().unwrap_or_else(default);
    let (folder, config, checkpoint, texts);
    if args.resume {
        (folder, config, checkpoint) = RunFolder::resume(&path)?;
        texts = Texts::read(&config)?;
    } else {
        RunFolder::check_new(&path, args.force)?;
        (config, texts) = configure(args, recipe, layer)?;
        folder = RunFolder::create(&path, &config)?;
        checkpoint = None;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    let mut trainer = Trainer::new(&config, &texts, &folder, checkpoint, &stop)?;
    trainer.device = device;
    trainer.train()
}

/// A run under way.
struct Trainer<'r> {
    config: &'r RunConfig,
    texts: &'r Texts,
    folder: &'r RunFolder,
    stop: &'r AtomicBool,
    engine: Engine,
    /// Computes instead of the engine.
    device: Option<Device>,
    feeder: Feeder<'r>,
    /// All that a checkpoint holds.
    now: Checkpoint,
    decays: Vec<bool>,
    display: Display,
    saved: Instant,
}

impl<'r> Trainer<'r> {
    fn new(
        config: &'r RunConfig,
        texts: &'r Texts,
        folder: &'r RunFolder,
        checkpoint: Option<Checkpoint>,
        stop: &'r AtomicBool,
    ) -> Result<Self> {
        let is_fresh = checkpoint.is_none();
        let (feeder, now) = match checkpoint {
            Some(now) => {
                let phase = &config.phases[now.progress.phase];
                let cursor = now.progress.cursor.clone();
                (
                    Feeder::resume(texts.source(phase.source), phase.feed, cursor),
                    now,
                )
            }
            None => {
                let mut random = Random::new(config.seed);
                let network = Network::new(config.network.clone(), &mut random)?;
                let phase = &config.phases[0];
                let feeder = Feeder::new(texts.source(phase.source), phase.feed, &mut random);
                let progress = Progress {
                    phase: 0,
                    step: 0,
                    pass: 0,
                    phase_seconds: 0.0,
                    seconds: 0.0,
                    characters: 0,
                    loss_sum: 0.0,
                    loss_weight: 0.0,
                    reported_step: 0,
                    best: None,
                    metrics_bytes: 0,
                    samples_bytes: 0,
                    cursor: feeder.cursor().clone(),
                    random,
                };
                let adam = fresh_adam(phase, &network);
                let states = Vec::new();
                (
                    feeder,
                    Checkpoint {
                        progress,
                        network,
                        adam,
                        states,
                    },
                )
            }
        };
        let is_matrix = |(_, shape): (String, Vec<usize>)| shape.len() > 1;
        let mut trainer = Self {
            engine: Engine::new(config.threads),
            device: None,
            decays: config.network.shapes().into_iter().map(is_matrix).collect(),
            display: Display::new(now.progress.characters, now.progress.seconds),
            saved: Instant::now(),
            config,
            texts,
            folder,
            stop,
            feeder,
            now,
        };
        trainer.introduce();
        if is_fresh {
            trainer.now.progress.metrics_bytes = folder.add_metrics(
                "phase,step,pass,characters,seconds,learning_rate,train_nats,validation_bits_per_char\n",
            )?;
            if config.recipe == RecipeName::ManyToMany {
                trainer.write_sample()?;
            }
        }
        Ok(trainer)
    }

    /// Says what is about to be trained.
    fn introduce(&self) {
        let network = &self.config.network;
        let layers: Vec<String> = network.layers.iter().map(LayerConfig::to_string).collect();
        println!(
            "{}: {} symbols, embedding {}, {}, {} parameters; {} characters; {} thread(s); {}",
            self.config.recipe.name(),
            network.vocabulary(),
            network.embedding,
            layers.join(" + "),
            network.parameter_count(),
            self.texts.corpus.tokens.len(),
            self.config.threads,
            self.folder.path().display()
        );
        if self.now.progress.step > 0 {
            println!("going on after step {}", self.now.progress.step);
        }
    }

    fn train(mut self) -> Result<()> {
        loop {
            let mut clock = Instant::now();
            while self.phase_progress() < 1.0 {
                if self.stop.load(Ordering::SeqCst) {
                    return self.interrupted();
                }
                self.step()?;
                let pass_ends = self.feeder.pass_progress() >= 1.0;
                if pass_ends {
                    self.now.progress.pass += 1;
                    self.feeder.start_pass(&mut self.now.progress.random);
                    self.now.states.clear();
                }
                let due = match self.phase().report_every {
                    Some(steps) => self.now.progress.step.is_multiple_of(steps),
                    None => pass_ends,
                };
                if due {
                    self.report()?;
                }
                let seconds = clock.elapsed().as_secs_f64();
                clock = Instant::now();
                self.now.progress.seconds += seconds;
                self.now.progress.phase_seconds += seconds;
                if self.saved.elapsed().as_secs() >= CHECKPOINT_SECONDS {
                    self.save()?;
                }
                let rate = self.learning_rate();
                self.display.show(
                    &self.now.progress,
                    rate,
                    self.total_progress(),
                    self.phase(),
                );
            }
            if self.now.progress.reported_step != self.now.progress.step {
                self.report()?;
            }
            if self.now.progress.phase + 1 == self.config.phases.len() {
                return self.finish();
            }
            self.next_phase();
        }
    }

    fn phase(&self) -> &'r Phase {
        &self.config.phases[self.now.progress.phase]
    }

    /// How much of the phase is done, 0 to 1: by time where time is set, else by passes.
    fn phase_progress(&self) -> f64 {
        let progress = &self.now.progress;
        match self.config.minutes {
            Some(minutes) => {
                let share = self.share(progress.phase);
                progress.phase_seconds / (60.0 * minutes * share)
            }
            None => (progress.pass as f64 + self.feeder.pass_progress()) / self.phase().passes,
        }
    }

    /// How much of the run is done, 0 to 1.
    fn total_progress(&self) -> f64 {
        let current = self.now.progress.phase;
        let before: f64 = (0..current).map(|i| self.share(i)).sum();
        before + self.share(current) * self.phase_progress().min(1.0)
    }

    /// The part of the run's characters that phase `index` reads.
    fn share(&self, index: usize) -> f64 {
        let characters = |phase: &Phase| {
            let width = match phase.feed {
                Feed::Windows { steps, .. } => steps,
                Feed::Streams { .. } => 1,
            };
            phase.passes * (self.texts.source(phase.source).len() * width) as f64
        };
        let total: f64 = self.config.phases.iter().map(characters).sum();
        characters(&self.config.phases[index]) / total
    }

    fn learning_rate(&self) -> f64 {
        let phase = self.phase();
        let factor = phase
            .schedule
            .factor(self.now.progress.step, self.phase_progress());
        phase.learning_rate * factor
    }

    /// One batch: forward, backward, update.
    fn step(&mut self) -> Result<()> {
        let phase = self.phase();
        let rate = self.learning_rate();
        let now = &mut self.now;
        let random = &mut now.progress.random;
        let Some(mut batch) = self.feeder.next_batch(random) else {
            unreachable!("a pass is left as soon as it ends");
        };
        let loss_on = self.feeder.loss_on();
        if !self.feeder.is_stateful() || now.states.is_empty() {
            now.states = zero_states(&now.network, batch.rows);
        }
        drop_tokens(
            &mut batch,
            phase.token_dropout,
            now.network.config.vocabulary(),
            random,
        );
        let masks = drop_connect(&now.network, phase.drop_connect, random);
        let (network, states) = (&now.network, &mut now.states);
        let mut computed;
        let (loss, gradients) = match &self.device {
            None => (self.engine).loss_and_gradients(network, &batch, loss_on, states, &masks)?,
            Some(device) => {
                computed =
                    graph::loss_and_gradients(device, network, &batch, loss_on, states, &masks)?;
                (computed.0, &mut computed.1[..])
            }
        };
        if !self.feeder.is_stateful() {
            now.states.clear();
        }
        let norm = clip_by_global_norm(gradients, phase.clip.unwrap_or(f64::INFINITY));
        if !loss.is_finite() || !norm.is_finite() {
            return Err(Error::failed(format!(
                "loss {loss} and gradient norm {norm} at step {} of {}, expected finite numbers \
                 (a lower --learning-rate may help)",
                now.progress.step + 1,
                phase.name
            )));
        }
        now.adam.update(
            &mut now.network.parameters_mut(),
            gradients,
            &self.decays,
            rate,
        );
        let counted = match loss_on {
            LossOn::LastStep => batch.rows,
            LossOn::EveryStep => batch.rows * batch.steps,
        };
        now.progress.loss_sum += loss * counted as f64;
        now.progress.loss_weight += counted as f64;
        now.progress.characters += (batch.rows * batch.steps) as u64;
        now.progress.step += 1;
        Ok(())
    }

    /// Validates, keeps the best weights, writes a row of metrics and a sample.
    fn report(&mut self) -> Result<()> {
        let rate = self.learning_rate();
        let mut predictor = self.in_context(NetworkPredictor::new(&self.now.network));
        let validation = score_split(&mut *predictor, &self.texts.corpus, Split::Validation);
        let validation = validation.bits_per_char;
        drop(predictor);
        let passes = self.now.progress.pass as f64 + self.feeder.pass_progress();
        let progress = &mut self.now.progress;
        let nats = progress.loss_sum / progress.loss_weight.max(1.0);
        (progress.loss_sum, progress.loss_weight) = (0.0, 0.0);
        progress.reported_step = progress.step;
        let is_best = progress.best.is_none_or(|best| validation < best);
        if is_best {
            progress.best = Some(validation);
            self.now.network.save(&self.folder.best())?;
        }
        let progress = &mut self.now.progress;
        let phase = &self.config.phases[progress.phase];
        progress.metrics_bytes = self.folder.add_metrics(&format!(
            "{},{},{passes:.3},{},{:.1},{rate:.3e},{nats:.5},{validation:.5}\n",
            phase.name, progress.step, progress.characters, progress.seconds
        ))?;
        let line = match self.config.recipe.notebook_losses() {
            Some(losses) if progress.pass >= 1 => {
                let own = losses.get(progress.pass as usize - 1);
                let own = own.map_or(String::new(), |l| {
                    format!(" (the notebook's own run: {l:.4})")
                });
                format!("epoch {passes:.0}/{:.0}: loss {nats:.4}{own}", phase.passes)
            }
            _ => format!(
                "{} pass {passes:.2}: train {:.4}, validation {validation:.4} bits/char{}",
                phase.name,
                nats / std::f64::consts::LN_2,
                if is_best { " *" } else { "" }
            ),
        };
        self.display.print(&line);
        self.write_sample()
    }

    /// The predictor with the context that its network was trained on: windows for the
    /// many-to-one network, the whole text before for all others.
    fn in_context<'p>(&self, predictor: NetworkPredictor<'p>) -> Box<dyn Predictor + 'p> {
        match self.phase().feed {
            Feed::Windows {
                steps,
                loss_on: LossOn::LastStep,
                ..
            } => Box::new(Windowed::new(predictor, steps)),
            _ => Box::new(predictor),
        }
    }

    /// Writes a sample the recipe's way, to the terminal and to samples.txt.
    fn write_sample(&mut self) -> Result<()> {
        let progress = &self.now.progress;
        let stream = ((progress.phase as u64) << 48) | (progress.step << 1) | 1;
        let random = &mut Random::fork(self.config.seed, stream);
        let (network, corpus) = (&self.now.network, &self.texts.corpus);
        let decode = |tokens: &[u8]| corpus.alphabet.decode(tokens);
        let mut text = String::new();
        match self.config.recipe {
            RecipeName::ManyToOne => {
                let windows = corpus.tokens.len() - 40;
                let start = random.below(windows);
                let window = &corpus.tokens[start..][..40];
                let next = (start + 1).min(windows - 1);
                let written = sample::by_window(network, window, SAMPLE, random);
                let truth = decode(&corpus.tokens[next..][..40]);
                let (thin, thick) = ("-".repeat(20), "=".repeat(40));
                let _ = write!(text, "{}\n{thin}\n{truth}\n{thick}", decode(&written));
            }
            RecipeName::ManyToMany => {
                let letter = [random.below(network.config.vocabulary()) as u8];
                let written = sample::by_state(network, &letter, SAMPLE - 1, 1.0, random);
                let thick = "=".repeat(100);
                let _ = write!(text, "{}{}\n{thick}", decode(&letter), decode(&written));
            }
            RecipeName::Sonnets | RecipeName::Best | RecipeName::Small | RecipeName::Micro => {
                let prompt = corpus.before(Split::Validation, SAMPLE);
                let written = sample::by_state(network, prompt, SAMPLE, 0.8, random);
                let _ = write!(text, "  {}", decode(&written).replace('\n', "\n  "));
            }
        }
        self.display.print(&text);
        let heading = format!("# {} step {}\n", self.phase().name, progress.step);
        self.now.progress.samples_bytes = self.folder.add_sample(&(heading + &text + "\n"))?;
        Ok(())
    }

    fn next_phase(&mut self) {
        let index = self.now.progress.phase + 1;
        let phase = &self.config.phases[index];
        let now = &mut self.now;
        let text = self.texts.source(phase.source);
        self.feeder = Feeder::new(text, phase.feed, &mut now.progress.random);
        now.adam = fresh_adam(phase, &now.network);
        now.states.clear();
        let progress = &mut now.progress;
        (
            progress.phase,
            progress.step,
            progress.pass,
            progress.reported_step,
        ) = (index, 0, 0, 0);
        progress.phase_seconds = 0.0;
    }

    fn save(&mut self) -> Result<()> {
        self.now.progress.cursor = self.feeder.cursor().clone();
        self.folder.save(&self.now)?;
        self.saved = Instant::now();
        Ok(())
    }

    fn interrupted(mut self) -> Result<()> {
        self.save()?;
        self.display.finish();
        Err(Error::Interrupted(format!(
            "stopped after step {}; go on with: host-trainer train --resume --out {}",
            self.now.progress.step,
            self.folder.path().display()
        )))
    }

    /// Writes the last weights and prints the closing report.
    fn finish(mut self) -> Result<()> {
        self.now.network.save(&self.folder.last())?;
        self.save()?;
        self.display.finish();
        let progress = &self.now.progress;
        println!(
            "trained {:.1} s, {} characters, {:.0} a second",
            progress.seconds,
            progress.characters,
            progress.characters as f64 / progress.seconds.max(1e-9)
        );
        let is_notebook = self.config.recipe.notebook_losses().is_some();
        let (path, what) = if is_notebook {
            (
                self.folder.last(),
                "last weights; all three parts were trained on, as in the notebook",
            )
        } else {
            (self.folder.best(), "weights of the best validation")
        };
        println!("{} ({what}):", path.display());
        let network = Network::load(&path)?;
        let predictor = NetworkPredictor::new(&network);
        print_scores(
            &mut *self.in_context(predictor),
            &self.texts.corpus,
            &Split::ALL,
        );
        Ok(())
    }
}

fn fresh_adam(phase: &Phase, network: &Network) -> Adam {
    let lengths: Vec<usize> = network.parameters().iter().map(|p| p.len()).collect();
    Adam::new(phase.adam, lengths.into_iter())
}

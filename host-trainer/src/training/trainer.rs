//! A run under way: the loop over batches, and what it saves.

use crate::engine::optimizer::AdamState;
use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::state::{state_rows, zero_states};
use crate::text::batches::{Feeder, LossOn};
use crate::training::average;
use crate::training::checkpoint::{Checkpoint, Lengths, Progress};
use crate::training::display::Display;
use crate::training::dropout::{drop_connect, drop_tokens};
use crate::training::learner::{Learner, Update};
use crate::training::metrics::Row;
use crate::training::phase::Phase;
use crate::training::recipe::Sample;
use crate::training::run_config::RunConfig;
use crate::training::run_folder::RunFolder;
use crate::training::texts::Texts;
use candle_core::Device;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What belongs to one call of the program, and decides none of the result.
pub(crate) struct Call {
    pub(crate) threads: usize,
    /// What computes.
    pub(crate) device: Device,
    pub(crate) checkpoint_every: Duration,
    /// Set from outside to end the run.
    pub(crate) stop: Arc<AtomicBool>,
}

/// A run under way.
pub(crate) struct Trainer<'r> {
    pub(crate) config: &'r RunConfig,
    pub(crate) texts: &'r Texts,
    pub(crate) folder: &'r RunFolder,
    call: Call,
    pub(crate) learner: Learner,
    pub(crate) feeder: Feeder<'r>,
    /// All that a checkpoint holds; what is learned as it was at the last report or checkpoint.
    pub(crate) now: Checkpoint,
    /// The reports so far.
    pub(crate) rows: Vec<Row>,
    pub(crate) display: Display,
    /// When the last checkpoint was written, and its phase and update.
    saved: (Instant, (usize, u64)),
}

/// A run that has not begun.
///
/// # Errors
/// The network has another shape than it may have.
pub(crate) fn start(config: &RunConfig, texts: &Texts) -> Result<Checkpoint> {
    let mut random = Random::new(config.seed);
    let network = match &config.from {
        None => Network::new(config.network.clone(), &mut random)?,
        Some(file) => {
            let network = Network::load(&file.path)?;
            network.with_alphabet(config.network.clone(), &mut random)?
        }
    };
    let phase = &config.phases[0];
    let feeder = Feeder::new(texts.source(phase.source), phase.feed, &mut random);
    Ok(Checkpoint {
        run: config.clone(),
        progress: Progress {
            phase: 0,
            update: 0,
            epoch: 0,
            phase_seconds: 0.0,
            seconds: 0.0,
            characters: 0,
            loss_sum: 0.0,
            loss_weight: 0.0,
            validated_update: 0,
            best: None,
            stale: 0,
            lengths: Lengths::default(),
            cursor: feeder.cursor().clone(),
            random,
        },
        adam: fresh_adam(phase, &network),
        average: average::start(phase, &network),
        states: Vec::new(),
        network,
    })
}

impl<'r> Trainer<'r> {
    /// Goes on from a checkpoint, which may be of the start.
    ///
    /// # Errors
    /// It does not fit the texts, or the files that it counts on.
    pub(crate) fn new(
        config: &'r RunConfig,
        texts: &'r Texts,
        folder: &'r RunFolder,
        now: Checkpoint,
        call: Call,
    ) -> Result<Self> {
        let progress = &now.progress;
        let phase = &config.phases[progress.phase];
        let text = texts.source(phase.source);
        let rows = state_rows(&now.states, &config.network.layers);
        let fits = |feeder: &Feeder| feeder.epoch_progress() < 1.0 && feeder.carries(rows);
        let feeder = Feeder::resume(text, phase.feed, progress.cursor.clone())
            .filter(fits)
            .ok_or_else(|| folder.has_another_checkpoint())?;
        folder.cut_back(progress.lengths)?;
        let mut trainer = Self {
            learner: Learner::new(&now, &call.device, call.threads)?,
            display: Display::new(progress.characters, progress.seconds),
            saved: (Instant::now(), (progress.phase, progress.update)),
            rows: folder.rows()?,
            config,
            texts,
            folder,
            call,
            feeder,
            now,
        };
        trainer.introduce();
        // The notebook samples before the first epoch too.
        if config.recipe.sample == Sample::Letter && trainer.now.progress.lengths.samples == 0 {
            trainer.write_sample()?;
        }
        Ok(trainer)
    }

    /// Says what is about to be trained.
    fn introduce(&self) {
        let network = &self.config.network;
        let layers: Vec<String> = network.layers.iter().map(LayerConfig::to_string).collect();
        tell!(
            "{}: {} symbols, embedding {}, {}, {} parameters; {} characters; batch size {}; {} \
             thread(s); {}",
            self.config.recipe.name,
            network.vocabulary(),
            network.embedding,
            layers.join(" + "),
            network.parameter_count(),
            self.texts.corpus.tokens.len(),
            self.feeder.batch_size(),
            self.call.threads,
            self.folder.path().display()
        );
        if self.now.progress.update > 0 {
            tell!("going on after update {}", self.now.progress.update);
        }
        self.tell_missing_rows();
    }

    /// Says so where the text of the phase is too short for as many rows as were asked for.
    pub(crate) fn tell_missing_rows(&self) {
        let (asked, found) = (self.phase().feed.batch_size(), self.feeder.batch_size());
        if found < asked {
            tell!(
                "{}: the text is long enough for {found} rows a batch, not for {asked}",
                self.phase().name
            );
        }
    }

    pub(crate) fn train(mut self) -> Result<()> {
        loop {
            let mut clock = Instant::now();
            while !self.phase_is_over() {
                if self.call.stop.load(Ordering::SeqCst) {
                    return self.interrupted();
                }
                self.update()?;
                let epoch_ends = self.feeder.epoch_progress() >= 1.0;
                if epoch_ends {
                    self.now.progress.epoch += 1;
                    self.feeder.start_epoch(&mut self.now.progress.random);
                    self.now.states.clear();
                }
                let due = match self.phase().validate_every {
                    Some(updates) => self.now.progress.update.is_multiple_of(updates),
                    None => epoch_ends,
                };
                if due {
                    self.report()?;
                }
                let seconds = clock.elapsed().as_secs_f64();
                clock = Instant::now();
                self.now.progress.seconds += seconds;
                self.now.progress.phase_seconds += seconds;
                if self.saved.0.elapsed() >= self.call.checkpoint_every {
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
            if self.now.progress.validated_update != self.now.progress.update {
                self.report()?;
            }
            if self.now.progress.phase + 1 == self.config.phases.len() {
                return self.finish();
            }
            self.next_phase()?;
        }
    }

    /// One batch: forward, backward, update.
    fn update(&mut self) -> Result<()> {
        let phase = self.phase();
        let rate = self.learning_rate();
        let now = &mut self.now;
        let random = &mut now.progress.random;
        let Some(mut batch) = self.feeder.next_batch(random) else {
            unreachable!("an epoch is left as soon as it ends");
        };
        let loss_on = self.feeder.loss_on();
        if !self.feeder.is_stateful() || now.states.is_empty() {
            now.states = zero_states(&self.config.network.layers, batch.rows);
        }
        drop_tokens(
            &mut batch,
            phase.token_dropout,
            self.config.network.vocabulary(),
            random,
        );
        let masks = drop_connect(&self.config.network, phase.drop_connect, random);
        let update = Update {
            rate,
            embedding_rate: phase.embedding_rate,
            clip: phase.grad_clip.unwrap_or(f64::INFINITY),
            average: (phase.ema).map(|decay| average::share(decay, now.progress.update + 1)),
        };
        let states = &mut now.states;
        let (loss, norm) = (self.learner).learn((&batch, loss_on), states, &masks, update)?;
        if !self.feeder.is_stateful() {
            now.states.clear();
        }
        if !loss.is_finite() || !norm.is_finite() {
            return Err(self.not_finite(&format!("loss {loss} and gradient norm {norm}")));
        }
        let counted = match loss_on {
            LossOn::LastStep => batch.rows,
            LossOn::EveryStep => batch.rows * batch.steps,
        };
        now.progress.loss_sum += loss * counted as f64;
        now.progress.loss_weight += counted as f64;
        now.progress.characters += (batch.rows * batch.steps) as u64;
        now.progress.update += 1;
        Ok(())
    }

    /// Writes a checkpoint, unless the weights are such that nothing could come of it.
    fn save(&mut self) -> Result<()> {
        self.learner.save_to(&mut self.now)?;
        let finite = |p: &[f32]| p.iter().all(|x| x.is_finite());
        if !self.now.network.parameters().into_iter().all(finite) {
            return Err(self.not_finite("weights that are not finite"));
        }
        self.now.progress.cursor = self.feeder.cursor().clone();
        self.folder.save(&self.now)?;
        let progress = &self.now.progress;
        self.saved = (Instant::now(), (progress.phase, progress.update));
        Ok(())
    }

    /// Says that the numbers have left their range, and what is still good.
    pub(crate) fn not_finite(&self, found: &str) -> Error {
        let (phase, update) = self.saved.1;
        Error::failed(format!(
            "found {found} at update {} of {}, expected finite numbers; the last good checkpoint, of \
             update {update} of {}, is kept; start anew with a lower --learning-rate or --grad-clip",
            self.now.progress.update + 1,
            self.phase().name,
            self.config.phases[phase].name
        ))
    }

    fn interrupted(mut self) -> Result<()> {
        self.save()?;
        self.display.finish();
        Err(Error::Interrupted(format!(
            "stopped after update {}; go on with: host-trainer train --resume --out {}",
            self.now.progress.update,
            self.folder.path().display()
        )))
    }

    /// Writes the last weights and prints the closing report.
    fn finish(mut self) -> Result<()> {
        self.learner.network()?.save(&self.folder.last())?;
        self.save()?;
        self.display.finish();
        // Nothing is left to save: from here on Ctrl-C ends the program at once.
        self.call.stop.store(true, Ordering::SeqCst);
        self.close()
    }
}

pub(crate) fn fresh_adam(phase: &Phase, network: &Network) -> AdamState {
    let lengths: Vec<usize> = network.parameters().iter().map(|p| p.len()).collect();
    AdamState::new(phase.adam, lengths.into_iter())
}

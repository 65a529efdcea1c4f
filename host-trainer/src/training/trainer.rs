//! The one loop over batches: of a training, and of a fine-tuning in integers.

use crate::engine::average::{self, Average};
use crate::engine::clipping::clip_by_global_norm;
use crate::engine::optimizer::Optimizer;
use crate::engine::variables::set_values;
use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::kernels::panels::ROW_BLOCK;
use crate::kernels::pool::Pool;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::training::checkpoint::{Checkpoint, Progress, refused};
use crate::training::display::Display;
use crate::training::metrics::{Row, absurd, most_plausible};
use crate::training::phase::Phase;
use crate::training::run_folder::RunFolder;
use crate::training::stage::{Reading, Stage};
use crate::training::task::{Report, Task, Turn};
use candle_nn::Optimizer as _;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What belongs to one call of the program, and decides none of the result.
#[derive(Clone, Debug)]
pub struct Call {
    /// Threads.
    pub threads: usize,
    /// The longest that work can be lost by a kill, but for an update.
    pub checkpoint_every: Duration,
    /// Set from outside to end the run.
    pub stop: Arc<AtomicBool>,
}

/// What decides how a run goes.
pub(crate) struct Plan<'t> {
    /// All that decides it, as a checkpoint holds it.
    pub(crate) config: Value,
    /// Time to train for; the phases' epochs if `None`.
    pub(crate) minutes: Option<f64>,
    /// One or more.
    pub(crate) stages: Vec<Stage<'t>>,
}

impl Plan<'_> {
    /// The checkpoint of a run that has not begun.
    pub(crate) fn start(&self, parameters: Vec<Vec<f32>>, mut random: Random) -> Checkpoint {
        let stage = &self.stages[0];
        let readings = stage.begin(&mut random);
        let moments = stage.phase.optimizer.method.moments.len();
        let moments = parameters.iter().map(|p| vec![0.0; moments * p.len()]);
        Checkpoint {
            config: self.config.clone(),
            progress: Progress::new(random),
            best: Vec::new(),
            average: average_at_start(stage.phase, &parameters),
            moments: moments.collect(),
            places: readings.iter().map(Reading::place).collect(),
            parameters,
        }
    }
}

/// The running average before it has run: the parameters; nothing where none is kept.
fn average_at_start(phase: &Phase, parameters: &[Vec<f32>]) -> Vec<Vec<f32>> {
    match phase.ema {
        Some(_) => parameters.to_vec(),
        None => Vec::new(),
    }
}

fn is_finite(loss: Loss, norm: f64) -> bool {
    [loss.text, loss.teacher, norm]
        .into_iter()
        .all(f64::is_finite)
}

/// A run under way.
pub(crate) struct Trainer<'t, T> {
    pub(crate) plan: Plan<'t>,
    pub(crate) task: T,
    pub(crate) call: Call,
    pub(crate) pool: Pool,
    optimizer: Optimizer,
    average: Average,
    pub(super) readings: Vec<Reading>,
    /// All that a checkpoint holds; what is learned as it was at the last checkpoint.
    pub(crate) now: Checkpoint,
    /// The checkpoint's file; when it was last written, and after which phase and update.
    path: PathBuf,
    saved: (Instant, (usize, u64)),
    display: Display,
}

impl<'t, T: Task> Trainer<'t, T> {
    /// Goes on from a checkpoint, which may be of the start; nothing is written yet.
    ///
    /// # Errors
    /// It is of another run, or holds what none can have written.
    pub(crate) fn new(
        plan: Plan<'t>,
        task: T,
        path: PathBuf,
        mut now: Checkpoint,
        call: Call,
    ) -> Result<Self> {
        let vars = task.vars();
        let lengths: Vec<usize> = vars.iter().map(|var| var.elem_count()).collect();
        let phases: Vec<Phase> = plan.stages.iter().map(|s| s.phase.clone()).collect();
        now.check(&path, &plan.config, &phases, &lengths)?;
        now.config = plan.config.clone();
        let progress = &now.progress;
        let stage = &plan.stages[progress.phase];
        let (epoch, most) = (progress.epoch, stage.phase.epochs.ceil());
        if plan.minutes.is_none() && epoch as f64 > most {
            let found = format!("found {epoch} epochs done");
            return Err(refused(&path, &found, &format!("{most} at most")));
        }
        let readings = stage.resume(&now.places, task.layers()).ok_or_else(|| {
            refused(
                &path,
                "found a place that is not in the texts",
                "one that is",
            )
        })?;
        set_values(vars, &now.parameters)?;
        let (vars, config) = (vars.to_vec(), stage.phase.optimizer);
        Ok(Self {
            average: Average::new(&vars, &now.average)?,
            optimizer: Optimizer::resume(vars, config, progress.update, &now.moments)?,
            pool: Pool::new(call.threads)?,
            display: Display::new(progress.characters, progress.seconds),
            saved: (Instant::now(), (progress.phase, progress.update)),
            plan,
            task,
            call,
            readings,
            now,
            path,
        })
    }

    /// Writes what was the best at the checkpoint: what lies there may be older, or newer.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn keep_best(&self) -> Result<()> {
        match self.now.progress.best {
            Some(_) => self.task.keep(&self.now.best),
            None => Ok(()),
        }
    }

    /// Trains to the end, or until it is to stop, and leaves a checkpoint; tells whether it came to the end.
    ///
    /// # Errors
    /// A number is not finite, or the disk refuses.
    pub(crate) fn train(&mut self) -> Result<bool> {
        self.stage().tell_missing_rows(&self.readings);
        self.tell_idle_threads();
        self.pool.clone().run(|| self.train_in_pool())
    }

    fn train_in_pool(&mut self) -> Result<bool> {
        loop {
            let mut clock = Instant::now();
            while !self.phase_is_over() {
                if self.call.stop.load(Ordering::SeqCst) {
                    self.end()?;
                    return Ok(false);
                }
                let epoch_ends = self.update()?;
                let due = match self.phase().validate_every {
                    Some(updates) => self.now.progress.update.is_multiple_of(updates),
                    None => epoch_ends,
                };
                if due {
                    self.validate()?;
                }
                let seconds = clock.elapsed().as_secs_f64();
                clock = Instant::now();
                self.now.progress.seconds += seconds;
                self.now.progress.phase_seconds += seconds;
                if self.saved.0.elapsed() >= self.call.checkpoint_every {
                    self.save()?;
                }
                let (rate, done) = (self.learning_rate(), self.total_progress());
                let (progress, phase) = (
                    &self.now.progress,
                    self.plan.stages[self.now.progress.phase].phase,
                );
                let task = &self.task;
                self.display
                    .show(progress, (rate, done), phase, |speed| task.speed(speed));
            }
            if self.now.progress.validated_update != self.now.progress.update {
                self.validate()?;
            }
            if self.now.progress.phase + 1 == self.plan.stages.len() {
                self.end()?;
                return Ok(true);
            }
            self.next_phase()?;
        }
    }

    /// As [`Trainer::train`], of a run in this folder.
    ///
    /// # Errors
    /// As there; [`Error::Interrupted`] if it is to stop.
    pub(crate) fn train_in(&mut self, folder: &RunFolder) -> Result<()> {
        match self.train()? {
            true => Ok(()),
            false => Err(Error::Interrupted(format!(
                "stopped after update {}; go on with: host-trainer train --resume --out {}",
                self.now.progress.update,
                folder.path().display()
            ))),
        }
    }

    /// One batch: forward, backward, update; tells whether an epoch ended with it.
    fn update(&mut self) -> Result<bool> {
        let (phase, rate) = (self.phase(), self.learning_rate());
        let progress = &mut self.now.progress;
        let number = (progress.update % self.readings.len() as u64) as usize;
        let reading = &mut self.readings[number];
        let turn = Turn {
            number,
            tokens: self.plan.stages[progress.phase].materials[number]
                .content
                .tokens(),
            span: reading.next_span(self.task.layers(), &mut progress.random),
        };
        let (read, counted) = (self.task.read(&turn.span), phase.feed.weight(&turn.span));
        let (task, optimizer, average) = (&mut self.task, &mut self.optimizer, &mut self.average);
        let (random, states) = (&mut progress.random, &mut reading.states);
        let (node, loss) = task.loss(turn, states, phase, random)?;
        let mut gradients = node.backward()?;
        let limit = phase.grad_clip.unwrap_or(f64::INFINITY);
        let norm = clip_by_global_norm(&mut gradients, task.vars(), limit)?;
        if !is_finite(loss, norm) {
            let loss = loss.text;
            return Err(self.not_finite(&format!("loss {loss} and gradient norm {norm}")));
        }
        optimizer.set_learning_rate(rate);
        // The embedding is the first parameter.
        optimizer.set_rate(0, phase.embedding_rate);
        optimizer.step(&gradients)?;
        if let Some(decay) = phase.ema {
            average.update(task.vars(), average::share(decay, progress.update + 1))?;
        }
        progress.loss.text += loss.text * counted as f64;
        progress.loss.teacher += loss.teacher * counted as f64;
        progress.loss_weight += counted as f64;
        progress.characters += read as u64;
        progress.update += 1;
        let epoch_ends = reading.turn_page(&mut progress.random) && number == 0;
        progress.epoch += u64::from(epoch_ends);
        Ok(epoch_ends)
    }

    /// Scores the parameters and their average, keeps what is the best so far, and reports.
    fn validate(&mut self) -> Result<()> {
        let phase = self.phase();
        let (parameters, average) = (self.task.parameters()?, self.average.values()?);
        let score = |numbers: &[Vec<f32>]| self.task.validate(numbers, phase);
        let validation = score(&parameters)?;
        let averaged = (!average.is_empty()).then(|| score(&average)).transpose()?;
        if !validation.is_finite() {
            return Err(self.not_finite("a validation that is not finite"));
        }
        let (epoch, learning_rate) = (self.epochs(), self.learning_rate());
        let progress = &mut self.now.progress;
        let (found, candidate) = match averaged {
            Some(averaged) if averaged < validation => (averaged, &average),
            _ => (validation, &parameters),
        };
        let symbols = self.task.num_symbols();
        let is_absurd = found > most_plausible(symbols);
        let is_best = !is_absurd && progress.best.is_none_or(|best| found < best);
        if is_best {
            self.task.keep(candidate)?;
            (progress.best, progress.stale) = (Some(found), 0);
            self.now.best.clone_from(candidate);
        } else {
            progress.stale += 1;
        }
        let weight = progress.loss_weight.max(1.0);
        let report = Report {
            row: Row {
                phase: phase.name.clone(),
                update: progress.update,
                epoch,
                characters: progress.characters,
                seconds: progress.seconds,
                learning_rate,
                train_nats: progress.loss.text / weight,
                validation_bits_per_char: validation,
                average_bits_per_char: averaged,
            },
            teacher_nats: progress.loss.teacher / weight,
            is_best,
        };
        (progress.loss, progress.loss_weight) = (Loss::default(), 0.0);
        progress.validated_update = progress.update;
        let text = self.task.report(&report, &parameters, phase, progress)?;
        self.display.print(&text);
        if is_absurd {
            self.display
                .print(&absurd(found, symbols, self.task.units()));
        }
        Ok(())
    }

    /// Writes a checkpoint, unless the parameters are such that nothing could come of it.
    fn save(&mut self) -> Result<()> {
        self.now.parameters = self.task.parameters()?;
        self.now.average = self.average.values()?;
        self.now.moments = self.optimizer.moments()?;
        self.now.places = self.readings.iter().map(Reading::place).collect();
        if !self.now.parameters.iter().flatten().all(|x| x.is_finite()) {
            return Err(self.not_finite("weights that are not finite"));
        }
        self.now.save(&self.path)?;
        let progress = &self.now.progress;
        self.saved = (Instant::now(), (progress.phase, progress.update));
        Ok(())
    }

    /// Says so where a batch has too few rows for all threads.
    fn tell_idle_threads(&self) {
        let (rows, threads) = (self.batch_size(), self.pool.threads());
        let busy = rows.div_ceil(ROW_BLOCK);
        if busy < threads && !self.task.layers().is_empty() {
            tell!(
                "a batch of {rows} rows has work for {busy} of {threads} threads in its layers, {ROW_BLOCK} \
                 rows each"
            );
        }
    }

    fn end(&mut self) -> Result<()> {
        self.save()?;
        self.display.finish();
        Ok(())
    }

    /// Goes to the next phase, with moments and an average of its own.
    fn next_phase(&mut self) -> Result<()> {
        self.now.progress.enter_next_phase();
        let stage = &self.plan.stages[self.now.progress.phase];
        self.readings = stage.begin(&mut self.now.progress.random);
        stage.tell_missing_rows(&self.readings);
        let vars = self.task.vars();
        self.optimizer = Optimizer::new(vars.to_vec(), stage.phase.optimizer)?;
        let average = average_at_start(stage.phase, &self.task.parameters()?);
        self.average = Average::new(vars, &average)?;
        Ok(())
    }

    /// Says that the numbers have left their range, and what is still good.
    fn not_finite(&self, found: &str) -> Error {
        let (phase, update) = self.saved.1;
        Error::failed(format!(
            "found {found} at update {} of {}, expected finite numbers; the last good checkpoint, of \
             update {update} of {}, is kept: {}; begin anew with a lower --learning-rate",
            self.now.progress.update + 1,
            self.phase().name,
            self.plan.stages[phase].phase.name,
            self.path.display()
        ))
    }
}

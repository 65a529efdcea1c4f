//! Where in the run a trainer is, and how fast it learns there.

use crate::files::error::Result;
use crate::text::batches::{Feed, Feeder};
use crate::training::average;
use crate::training::phase::Phase;
use crate::training::trainer::{Trainer, fresh_adam};

impl<'r> Trainer<'r> {
    pub(crate) fn phase(&self) -> &'r Phase {
        &self.config.phases[self.now.progress.phase]
    }

    /// How much of the phase is done, 0 to 1: by time where time is set, else by epochs.
    pub(crate) fn phase_progress(&self) -> f64 {
        let progress = &self.now.progress;
        match self.config.minutes {
            Some(minutes) => {
                let share = self.share(progress.phase);
                progress.phase_seconds / (60.0 * minutes * share)
            }
            None => (progress.epoch as f64 + self.feeder.epoch_progress()) / self.phase().epochs,
        }
    }

    /// Whether the phase is done, or more of it is not worth it.
    pub(crate) fn phase_is_over(&self) -> bool {
        self.phase_progress() >= 1.0 || self.is_out_of_patience()
    }

    /// Whether the validation has not become better for too long.
    pub(crate) fn is_out_of_patience(&self) -> bool {
        let patience = self.phase().patience;
        patience.is_some_and(|reports| self.now.progress.stale >= reports)
    }

    /// How much of the run is done, 0 to 1.
    pub(crate) fn total_progress(&self) -> f64 {
        let current = self.now.progress.phase;
        let before: f64 = (0..current).map(|i| self.share(i)).sum();
        before + self.share(current) * self.phase_progress().min(1.0)
    }

    /// The part of the run's characters that phase `index` reads.
    pub(crate) fn share(&self, index: usize) -> f64 {
        let characters = |phase: &Phase| {
            let width = match phase.feed {
                Feed::Windows {
                    sequence_length, ..
                } => sequence_length,
                Feed::Streams { .. } => 1,
            };
            phase.epochs * (self.texts.source(phase.source).len() * width) as f64
        };
        let total: f64 = self.config.phases.iter().map(characters).sum();
        characters(&self.config.phases[index]) / total
    }

    pub(crate) fn learning_rate(&self) -> f64 {
        let phase = self.phase();
        let factor = phase
            .schedule
            .factor(self.now.progress.update, self.phase_progress());
        phase.learning_rate * factor
    }

    pub(crate) fn next_phase(&mut self) -> Result<()> {
        self.learner.save_to(&mut self.now)?;
        let index = self.now.progress.phase + 1;
        let phase = &self.config.phases[index];
        let now = &mut self.now;
        let text = self.texts.source(phase.source);
        self.feeder = Feeder::new(text, phase.feed, &mut now.progress.random);
        now.adam = fresh_adam(phase, &now.network);
        now.average = average::start(phase, &now.network);
        self.learner.begin(&now.adam, &now.average)?;
        now.states.clear();
        let progress = &mut now.progress;
        (
            progress.phase,
            progress.update,
            progress.epoch,
            progress.validated_update,
            progress.stale,
        ) = (index, 0, 0, 0, 0);
        progress.phase_seconds = 0.0;
        self.tell_missing_rows();
        Ok(())
    }
}

//! Where in the run a trainer is, and how fast it learns there.

use crate::training::phase::Phase;
use crate::training::stage::Stage;
use crate::training::trainer::Trainer;

impl<'t, T> Trainer<'t, T> {
    pub(crate) fn stage(&self) -> &Stage<'t> {
        &self.plan.stages[self.now.progress.phase]
    }

    /// Rows of a full batch of the first text.
    pub(crate) fn batch_size(&self) -> usize {
        self.readings[0].feeder.batch_size()
    }

    pub(crate) fn phase(&self) -> &'t Phase {
        self.stage().phase
    }

    /// Epochs of the phase that are done.
    pub(crate) fn epochs(&self) -> f64 {
        self.now.progress.epoch as f64 + self.readings[0].feeder.epoch_progress()
    }

    /// How much of the phase is done, 0 to 1: by time where time is set, else by epochs.
    pub(crate) fn phase_progress(&self) -> f64 {
        let progress = &self.now.progress;
        match self.plan.minutes {
            Some(minutes) => {
                let share = self.share(progress.phase);
                progress.phase_seconds / (60.0 * minutes * share)
            }
            None => self.epochs() / self.phase().epochs,
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
    fn share(&self, index: usize) -> f64 {
        let total: f64 = self.plan.stages.iter().map(Stage::characters).sum();
        self.plan.stages[index].characters() / total
    }

    pub(crate) fn learning_rate(&self) -> f64 {
        let (phase, progress) = (self.phase(), self.phase_progress());
        let factor = phase.schedule.factor(self.now.progress.update, progress);
        phase.learning_rate * factor
    }
}

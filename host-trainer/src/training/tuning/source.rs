//! A text that is read in tuning.

use super::checkpoint::TextProgress;
use crate::files::error::{Error, Result};
use crate::kernels::random::Random;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::state::{State, state_rows, zero_states};
use crate::quantize::qat::teacher::Teacher;
use crate::text::batches::{Batch, Feed, Feeder, LossOn};

/// Characters of each row of a batch.
const STEPS: usize = 64;

/// A text, where its reading stands, and the teacher that reads along.
pub(super) struct Source<'t> {
    pub(super) feeder: Feeder<'t>,
    pub(super) states: Vec<State>,
    pub(super) teacher: Teacher,
}

impl<'t> Source<'t> {
    /// From the start of the text.
    ///
    /// # Errors
    /// The text is too short.
    pub(super) fn new(
        network: &Network,
        (name, text): (&str, &'t [u8]),
        batch: usize,
        random: &mut Random,
    ) -> Result<Self> {
        // In the context that it was trained on.
        let feed = match network.config.window {
            None => Feed::Streams {
                batch_size: batch,
                sequence_length: STEPS,
                jitter: true,
            },
            Some(window) => Feed::Windows {
                batch_size: batch,
                sequence_length: window,
                loss_on: LossOn::LastStep,
            },
        };
        let window = feed.sequence_length();
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
            teacher: Teacher::new(network)?,
        })
    }

    /// What a checkpoint holds of it.
    pub(super) fn progress(&self) -> TextProgress {
        let mut progress = TextProgress {
            cursor: self.feeder.cursor().clone(),
            ..TextProgress::default()
        };
        if self.feeder.is_stateful() {
            progress.states.clone_from(&self.states);
            progress.teacher.clone_from(&self.teacher.states);
        }
        progress
    }

    /// Goes to where a checkpoint was; tells whether that is a place in this text.
    pub(super) fn go_to(&mut self, progress: TextProgress, layers: &[LayerConfig]) -> bool {
        (self.states, self.teacher.states) = (progress.states, progress.teacher);
        let rows = state_rows(&self.states, layers);
        self.feeder.go_to(progress.cursor) && self.feeder.carries(rows)
    }

    /// Batches in an epoch.
    pub(super) fn batches(&self, text: &[u8]) -> usize {
        let rows = self.feeder.batch_size();
        if self.feeder.is_stateful() {
            (text.len() / rows / STEPS).max(1)
        } else {
            self.feeder.epoch_length().div_ceil(rows)
        }
    }

    /// The next batch; at the end of an epoch the text starts anew, and so do the states.
    pub(super) fn next_batch(&mut self, layers: &[LayerConfig], random: &mut Random) -> Batch {
        if !self.feeder.is_stateful() {
            self.states.clear();
            self.teacher.reset();
        }
        loop {
            if let Some(batch) = self.feeder.next_batch(random) {
                if self.states.is_empty() {
                    self.states = zero_states(layers, batch.rows);
                }
                return batch;
            }
            self.feeder.start_epoch(random);
            self.states.clear();
            self.teacher.reset();
        }
    }
}

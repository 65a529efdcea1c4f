//! What a run reads: the texts of each phase, and where the reading of a text stands.

use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::network::config::LayerConfig;
use crate::network::state::{State, zero_states};
use crate::text::batches::{Batch, Cursor, Feed, Feeder};
use crate::training::phase::Phase;

/// A text that is trained on.
#[derive(Clone, Debug)]
pub struct Text<'t> {
    /// What it is called in lines about it.
    pub name: String,
    /// Its characters.
    pub tokens: &'t [u8],
}

impl Text<'_> {
    /// Refuses a text that is not longer than one window.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, feed: Feed) -> Result<()> {
        let (found, window) = (self.tokens.len(), feed.sequence_length());
        if found > window {
            return Ok(());
        }
        Err(Error::bad_input(format!(
            "{} has {found} characters, expected at least {} (a window of {window} and the character \
             after it)",
            self.name,
            window + 1
        )))
    }
}

/// A phase and its texts, which are read in turn, a batch of each. An epoch is one of the first.
#[derive(Clone, Debug)]
pub struct Stage<'t> {
    /// The phase.
    pub phase: &'t Phase,
    /// One or more, longer than a window.
    pub texts: Vec<Text<'t>>,
}

impl<'t> Stage<'t> {
    /// Begins to read each text.
    pub(crate) fn begin(&self, random: &mut Random) -> Vec<Reading<'t>> {
        let reading = |text: &Text<'t>| Reading {
            feeder: Feeder::new(text.tokens, self.phase.feed, random),
            states: Vec::new(),
        };
        self.texts.iter().map(reading).collect()
    }

    /// Goes on reading; `None` if a place is not in its text, or has other states than `layers` carry.
    pub(crate) fn resume(
        &self,
        places: &[Place],
        layers: &[LayerConfig],
    ) -> Option<Vec<Reading<'t>>> {
        let reading = |(text, place): (&Text<'t>, &Place)| {
            let feeder = Feeder::resume(text.tokens, self.phase.feed, place.cursor.clone())?;
            let states = match feeder.carried_rows() {
                0 => Vec::new(),
                rows => zero_states(layers, rows),
            };
            let lengths = |states: &[State]| -> Vec<_> {
                states.iter().map(|s| (s.h.len(), s.c.len())).collect()
            };
            let fits = feeder.epoch_progress() < 1.0 && lengths(&states) == lengths(&place.states);
            let states = place.states.clone();
            fits.then_some(Reading { feeder, states })
        };
        let readings: Option<Vec<_>> = self.texts.iter().zip(places).map(reading).collect();
        readings.filter(|_| self.texts.len() == places.len())
    }

    /// Characters that it reads in all.
    pub(crate) fn characters(&self) -> f64 {
        let width = match self.phase.feed {
            Feed::Windows {
                sequence_length, ..
            } => sequence_length,
            Feed::Streams { .. } => 1,
        };
        let read = self.texts[0].tokens.len() * width * self.texts.len();
        self.phase.epochs * read as f64
    }

    /// Says so where a text is too short for as many rows as were asked for.
    pub(crate) fn tell_missing_rows(&self, readings: &[Reading<'_>]) {
        let asked = self.phase.feed.batch_size();
        for (text, reading) in self.texts.iter().zip(readings) {
            let (name, found) = (&text.name, reading.feeder.batch_size());
            if found < asked {
                tell!("{name} is long enough for {found} rows a batch, not for {asked}");
            }
        }
    }
}

/// A text under way.
pub(crate) struct Reading<'t> {
    pub(crate) feeder: Feeder<'t>,
    /// Of each layer; empty where the next batch starts from zero.
    pub(crate) states: Vec<State>,
}

/// What a checkpoint holds of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Place in the text.
    pub cursor: Cursor,
    /// State of each layer there; empty for windows, and at the start of an epoch.
    pub states: Vec<State>,
}

impl Reading<'_> {
    pub(crate) fn place(&self) -> Place {
        Place {
            cursor: self.feeder.cursor().clone(),
            states: self.states.clone(),
        }
    }

    /// The next batch, and the states that it starts from.
    pub(crate) fn next_batch(&mut self, layers: &[LayerConfig], random: &mut Random) -> Batch {
        let Some(batch) = self.feeder.next_batch(random) else {
            unreachable!("an epoch is left as soon as it ends");
        };
        if self.states.is_empty() {
            self.states = zero_states(layers, batch.rows);
        }
        batch
    }

    /// Leaves an epoch that is over, and the states that go no further; tells whether it was over.
    pub(crate) fn turn_page(&mut self, random: &mut Random) -> bool {
        let is_over = self.feeder.epoch_progress() >= 1.0;
        if is_over {
            self.feeder.start_epoch(random);
        }
        if is_over || !self.feeder.is_stateful() {
            self.states.clear();
        }
        is_over
    }
}

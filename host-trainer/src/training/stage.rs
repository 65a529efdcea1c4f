//! What a run reads: the material of each phase, and where the reading of it stands.

use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::network::config::LayerConfig;
use crate::network::state::{State, zero_states};
use crate::text::batches::{Cursor, Feed, Feeder, Span};
use crate::training::phase::Phase;

/// What is trained on.
#[derive(Clone, Debug)]
pub struct Material<'t> {
    /// What it is called in lines about it.
    pub name: String,
    /// What it is.
    pub content: Content<'t>,
}

/// A text, or sequences of values.
#[derive(Clone, Copy, Debug)]
pub enum Content<'t> {
    /// Characters as tokens.
    Text(&'t [u8]),
    /// So many sequences, which the task has.
    Sequences(usize),
}

impl<'t> Content<'t> {
    /// Characters, or sequences.
    pub fn length(self) -> usize {
        match self {
            Self::Text(tokens) => tokens.len(),
            Self::Sequences(count) => count,
        }
    }

    /// The tokens of a text; none of sequences.
    pub fn tokens(self) -> &'t [u8] {
        match self {
            Self::Text(tokens) => tokens,
            Self::Sequences(_) => &[],
        }
    }
}

impl Material<'_> {
    /// Refuses a text that is not longer than one window.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, feed: Feed) -> Result<()> {
        let (found, window) = (self.content.length(), feed.sequence_length());
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

/// A phase and its material, which is read in turn, a batch of each. An epoch is one of the first.
#[derive(Clone, Debug)]
pub struct Stage<'t> {
    /// The phase.
    pub phase: &'t Phase,
    /// One or more; texts are longer than a window.
    pub materials: Vec<Material<'t>>,
}

impl Stage<'_> {
    /// Begins to read each.
    pub(crate) fn begin(&self, random: &mut Random) -> Vec<Reading> {
        let reading = |material: &Material<'_>| Reading {
            feeder: Feeder::new(material.content.length(), self.phase.feed, random),
            states: Vec::new(),
        };
        self.materials.iter().map(reading).collect()
    }

    /// Goes on reading; `None` if a place is not in its material, or has other states than `layers` carry.
    pub(crate) fn resume(&self, places: &[Place], layers: &[LayerConfig]) -> Option<Vec<Reading>> {
        let reading = |(material, place): (&Material<'_>, &Place)| {
            let length = material.content.length();
            let feeder = Feeder::resume(length, self.phase.feed, place.cursor.clone())?;
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
        let readings: Option<Vec<_>> = self.materials.iter().zip(places).map(reading).collect();
        readings.filter(|_| self.materials.len() == places.len())
    }

    /// Characters, or sequences, that it reads in all.
    pub(crate) fn characters(&self) -> f64 {
        let width = match self.phase.feed {
            Feed::Windows {
                sequence_length, ..
            } => sequence_length,
            Feed::Streams { .. } | Feed::Sequences { .. } => 1,
        };
        let read = self.materials[0].content.length() * width * self.materials.len();
        self.phase.epochs * read as f64
    }

    /// Says so where a text is too short for as many rows as were asked for.
    pub(crate) fn tell_missing_rows(&self, readings: &[Reading]) {
        let asked = self.phase.feed.batch_size();
        for (material, reading) in self.materials.iter().zip(readings) {
            let (name, found) = (&material.name, reading.feeder.batch_size());
            if found < asked {
                tell!("{name} is long enough for {found} rows a batch, not for {asked}");
            }
        }
    }
}

/// Material under way.
pub(crate) struct Reading {
    pub(crate) feeder: Feeder,
    /// Of each layer; empty where the next batch starts from zero.
    pub(crate) states: Vec<State>,
}

/// What a checkpoint holds of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Place in the material.
    pub cursor: Cursor,
    /// State of each layer there; empty for windows and sequences, and at the start of an epoch.
    pub states: Vec<State>,
}

impl Reading {
    pub(crate) fn place(&self) -> Place {
        Place {
            cursor: self.feeder.cursor().clone(),
            states: self.states.clone(),
        }
    }

    /// Where the next batch is, and the states that it starts from.
    pub(crate) fn next_span(&mut self, layers: &[LayerConfig], random: &mut Random) -> Span {
        let Some(span) = self.feeder.next_span(random) else {
            unreachable!("an epoch is left as soon as it ends");
        };
        if self.states.is_empty() {
            self.states = zero_states(layers, span.starts.len());
        }
        span
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

//! Cutting what is read into batches, from a cursor that a checkpoint can hold.

use crate::kernels::random::Random;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the rows of a batch begin, and how far they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of each row: a place in a text, which goes on at its start after its end; or the number of a sequence.
    pub starts: Vec<usize>,
    /// Characters of each row, T; 1 for sequences, which have lengths of their own.
    pub steps: usize,
}

/// Some texts side by side, with the character that follows each position.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Steps, T.
    pub steps: usize,
    /// Rows, B.
    pub rows: usize,
    /// `[T, B]`.
    pub inputs: Arc<[u8]>,
    /// `[T, B]`, the inputs one step later.
    pub targets: Arc<[u8]>,
    /// Where each row begins in the text, which goes on at its start after its end; empty if the batch is not of one text.
    pub starts: Vec<usize>,
}

impl Batch {
    /// The targets of the steps that count, one after the other.
    pub fn counted_targets(&self, loss_on: LossOn) -> &[u8] {
        match loss_on {
            LossOn::EveryStep => &self.targets,
            LossOn::LastStep => &self.targets[self.targets.len() - self.rows..],
        }
    }

    /// Reads `rows` texts of `steps + 1` characters: `at(row, step)`.
    pub fn gather(rows: usize, steps: usize, at: impl Fn(usize, usize) -> u8) -> Self {
        let shifted = |by: usize| {
            let cell = |i: usize| at(i % rows, i / rows + by);
            (0..rows * steps).map(cell).collect()
        };
        let (inputs, targets) = (shifted(0), shifted(1));
        Self {
            steps,
            rows,
            inputs,
            targets,
            starts: Vec::new(),
        }
    }

    /// Reads `steps + 1` characters of a text from each of these places.
    pub fn at(text: &[u8], starts: Vec<usize>, steps: usize) -> Self {
        let at = |row: usize, step| text[(starts[row] + step) % text.len()];
        let batch = Self::gather(starts.len(), steps, at);
        Self { starts, ..batch }
    }
}

/// Which steps of a window count in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossOn {
    /// Only the last: the many-to-one network.
    LastStep,
    /// All of them: the many-to-many network.
    EveryStep,
}

/// How a text, or sequences, become batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// Every window of `steps` characters (stride 1) once an epoch, shuffled, from a zero state; the
    /// last batch of an epoch is as small as what is left.
    Windows {
        /// Windows a batch.
        batch_size: usize,
        /// Characters a window.
        sequence_length: usize,
        /// What counts in the loss.
        loss_on: LossOn,
    },
    /// The text as `rows` streams side by side, `steps` characters at a time, with the state
    /// carried from batch to batch (truncated backpropagation through time). Each epoch starts at
    /// another place of the text.
    Streams {
        /// Streams a batch.
        batch_size: usize,
        /// Characters a batch and stream.
        sequence_length: usize,
        /// Whether one batch in ten is half as long, so that the cuts move.
        jitter: bool,
    },
    /// Every sequence once an epoch, shuffled, from a zero state; the last batch of an epoch is as small as
    /// what is left.
    Sequences {
        /// Sequences a batch.
        batch_size: usize,
    },
}

impl Feed {
    /// Rows of a batch.
    pub fn batch_size(self) -> usize {
        match self {
            Self::Windows { batch_size, .. }
            | Self::Streams { batch_size, .. }
            | Self::Sequences { batch_size } => batch_size,
        }
    }

    /// As [`Feed::batch_size`], to be changed.
    pub fn batch_size_mut(&mut self) -> &mut usize {
        match self {
            Self::Windows { batch_size, .. }
            | Self::Streams { batch_size, .. }
            | Self::Sequences { batch_size } => batch_size,
        }
    }

    /// The characters that a network trained so is to be given each time, from a zero state, if it
    /// never saw a carried one.
    pub fn window(self) -> Option<usize> {
        match self {
            Self::Windows {
                sequence_length,
                loss_on: LossOn::LastStep,
                ..
            } => Some(sequence_length),
            _ => None,
        }
    }

    /// Whether every row is a window of a text, which starts from a zero state.
    pub fn is_windows(self) -> bool {
        matches!(self, Self::Windows { .. })
    }

    /// Which steps count in the loss of a text.
    pub fn loss_on(self) -> LossOn {
        match self {
            Self::Windows { loss_on, .. } => loss_on,
            Self::Streams { .. } | Self::Sequences { .. } => LossOn::EveryStep,
        }
    }

    /// What a batch counts in a mean over batches: its characters that count in the loss, or its sequences.
    pub fn weight(self, span: &Span) -> usize {
        match self.loss_on() {
            LossOn::LastStep => span.starts.len(),
            LossOn::EveryStep => span.starts.len() * span.steps,
        }
    }

    /// As [`Feed::sequence_length`], to be changed; `None` for sequences.
    pub fn sequence_length_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Windows {
                sequence_length, ..
            }
            | Self::Streams {
                sequence_length, ..
            } => Some(sequence_length),
            Self::Sequences { .. } => None,
        }
    }

    /// Characters of a text that a window or batch reads in each row; 1 for sequences.
    pub fn sequence_length(self) -> usize {
        match self {
            Self::Windows {
                sequence_length, ..
            }
            | Self::Streams {
                sequence_length, ..
            } => sequence_length,
            Self::Sequences { .. } => 1,
        }
    }
}

/// Where in an epoch the training is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Windows, sequences, or characters of each stream, that were read in this epoch.
    pub position: usize,
    /// Streams: where in the text this epoch starts.
    pub offset: usize,
    /// Windows, sequences: the generator before it put those of this epoch in order.
    pub shuffle: Option<Random>,
}

/// Batches of one text, or of sequences.
#[derive(Debug)]
pub struct Feeder {
    /// Characters of the text, or sequences.
    length: usize,
    feed: Feed,
    cursor: Cursor,
    /// Start of every window, or number of every sequence, in the order of this epoch.
    order: Vec<u32>,
}

impl Feeder {
    /// Starts a first epoch of a text of so many characters, more than a window, or of so many sequences. A text too short
    /// for so many streams gets fewer.
    pub fn new(length: usize, mut feed: Feed, random: &mut Random) -> Self {
        let longest = length / (feed.sequence_length() + 1);
        if let Feed::Streams { batch_size, .. } = &mut feed {
            *batch_size = (*batch_size).min(longest).max(1);
        }
        let cursor = Cursor {
            position: 0,
            offset: 0,
            shuffle: None,
        };
        let mut feeder = Self {
            length,
            feed,
            cursor,
            order: Vec::new(),
        };
        feeder.start_epoch(random);
        feeder
    }

    /// Goes on from a saved cursor, which may be at the end of an epoch; `None` if it is no place in one
    /// over so much.
    pub fn resume(length: usize, feed: Feed, cursor: Cursor) -> Option<Self> {
        let mut feeder = Self::new(length, feed, &mut Random::new(0));
        feeder.go_to(cursor).then_some(feeder)
    }

    /// As [`Feeder::resume`]; tells whether it is such a place.
    pub fn go_to(&mut self, cursor: Cursor) -> bool {
        if cursor.position > self.epoch_length() || cursor.offset >= self.length {
            return false;
        }
        self.order = match (self.feed, cursor.shuffle.clone()) {
            (Feed::Windows { .. } | Feed::Sequences { .. }, Some(mut random)) => {
                self.shuffled(&mut random)
            }
            (Feed::Streams { .. }, None) => Vec::new(),
            _ => return false,
        };
        self.cursor = cursor;
        true
    }

    /// Where the feeder is.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Rows of a full batch.
    pub fn batch_size(&self) -> usize {
        self.feed.batch_size()
    }

    /// Whether the state is carried from batch to batch.
    pub fn is_stateful(&self) -> bool {
        matches!(self.feed, Feed::Streams { .. })
    }

    /// Rows of the state that goes with this place; 0 for none.
    pub fn carried_rows(&self) -> usize {
        match self.is_stateful() && self.cursor.position > 0 {
            true => self.batch_size(),
            false => 0,
        }
    }

    /// Batches in an epoch, if none is shorter.
    pub fn batches(&self) -> usize {
        self.epoch_length().div_ceil(match self.feed {
            Feed::Windows { batch_size, .. } | Feed::Sequences { batch_size } => batch_size,
            Feed::Streams {
                sequence_length, ..
            } => sequence_length,
        })
    }

    /// How much of this epoch is done, 0 to 1.
    pub fn epoch_progress(&self) -> f64 {
        self.cursor.position as f64 / self.epoch_length() as f64
    }

    /// Starts an epoch: a new order, or a new place in the text.
    pub fn start_epoch(&mut self, random: &mut Random) {
        self.cursor.position = 0;
        match self.feed {
            Feed::Windows { .. } | Feed::Sequences { .. } => {
                self.cursor.shuffle = Some(random.clone());
                self.order = self.shuffled(random);
            }
            Feed::Streams { .. } => self.cursor.offset = random.below(self.length),
        }
    }

    /// The next batch of this epoch; `None` at its end.
    pub fn next_span(&mut self, random: &mut Random) -> Option<Span> {
        let left = self.epoch_length() - self.cursor.position;
        if left == 0 {
            return None;
        }
        let (length, start) = (self.length, self.cursor.position);
        Some(match self.feed {
            Feed::Windows {
                batch_size: rows, ..
            }
            | Feed::Sequences { batch_size: rows } => {
                let rows = rows.min(left);
                self.cursor.position += rows;
                let order = &self.order[start..][..rows];
                let starts = order.iter().map(|&start| start as usize);
                Span {
                    starts: starts.collect(),
                    steps: self.feed.sequence_length(),
                }
            }
            Feed::Streams {
                batch_size: rows,
                sequence_length: steps,
                jitter,
            } => {
                let short = jitter && random.uniform() >= 0.9;
                let steps = if short { steps.div_ceil(2) } else { steps };
                let steps = steps.min(left);
                self.cursor.position += steps;
                let first = self.cursor.offset + start;
                let starts = (0..rows).map(|r| (first + r * (length / rows)) % length);
                Span {
                    starts: starts.collect(),
                    steps,
                }
            }
        })
    }

    /// Windows, sequences, or characters of each stream, in one epoch.
    pub fn epoch_length(&self) -> usize {
        match self.feed {
            Feed::Windows {
                sequence_length, ..
            } => self.length - sequence_length,
            Feed::Sequences { .. } => self.length,
            Feed::Streams { batch_size, .. } => (self.length / batch_size - 1).max(1),
        }
    }

    fn shuffled(&self, random: &mut Random) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.epoch_length() as u32).collect();
        random.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_of_windows_takes_each_once_and_keeps_the_rest() {
        let text: Vec<u8> = (0..100).collect();
        let random = &mut Random::new(1);
        let feed = Feed::Windows {
            batch_size: 32,
            sequence_length: 10,
            loss_on: LossOn::LastStep,
        };
        let mut feeder = Feeder::new(text.len(), feed, random);
        let mut starts = Vec::new();
        let mut sizes = Vec::new();
        while let Some(span) = feeder.next_span(random) {
            let batch = Batch::at(&text, span.starts, span.steps);
            sizes.push(batch.rows);
            for r in 0..batch.rows {
                starts.push(batch.inputs[r]);
                assert_eq!(batch.targets[9 * batch.rows + r], batch.inputs[r] + 10);
            }
        }
        assert_eq!(sizes, [32, 32, 26]);
        assert!(starts.windows(2).any(|w| w[0] > w[1]), "shuffled");
        starts.sort_unstable();
        assert_eq!(starts, (0..90).collect::<Vec<u8>>());
    }

    #[test]
    fn an_epoch_of_sequences_takes_each_once() {
        let random = &mut Random::new(1);
        let feed = Feed::Sequences { batch_size: 32 };
        let mut feeder = Feeder::new(70, feed, random);
        let mut numbers = Vec::new();
        let mut weights = Vec::new();
        while let Some(span) = feeder.next_span(random) {
            weights.push(feed.weight(&span));
            numbers.extend(span.starts);
        }
        assert_eq!(weights, [32, 32, 6]);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..70).collect::<Vec<_>>());
    }

    #[test]
    fn streams_go_on_where_the_last_batch_ended() {
        let text: Vec<u8> = (0..200).collect();
        let random = &mut Random::new(1);
        let feed = Feed::Streams {
            batch_size: 4,
            sequence_length: 16,
            jitter: true,
        };
        let mut feeder = Feeder::new(text.len(), feed, random);
        let mut streams = vec![Vec::new(); 4];
        while let Some(span) = feeder.next_span(random) {
            let batch = Batch::at(&text, span.starts, span.steps);
            for (i, &token) in batch.inputs.iter().enumerate() {
                streams[i % 4].push(token);
            }
        }
        for stream in streams {
            assert_eq!(stream.len(), 49);
            assert!(stream.windows(2).all(|w| w[1] == (w[0] + 1) % 200));
        }
    }

    #[test]
    fn a_saved_cursor_gives_the_same_batches() {
        let windows = Feed::Windows {
            batch_size: 8,
            sequence_length: 10,
            loss_on: LossOn::EveryStep,
        };
        let streams = Feed::Streams {
            batch_size: 4,
            sequence_length: 5,
            jitter: true,
        };
        let sequences = Feed::Sequences { batch_size: 7 };
        for feed in [windows, streams, sequences] {
            let random = &mut Random::new(3);
            let mut feeder = Feeder::new(120, feed, random);
            feeder.next_span(random);
            let mut again = Feeder::resume(120, feed, feeder.cursor().clone()).unwrap();
            let same = &mut random.clone();
            while let Some(span) = feeder.next_span(random) {
                assert_eq!(span, again.next_span(same).unwrap());
            }
            assert!(again.next_span(same).is_none());
        }
    }

    #[test]
    fn a_short_text_gets_fewer_streams() {
        let random = &mut Random::new(3);
        let feed = Feed::Streams {
            batch_size: 32,
            sequence_length: 64,
            jitter: false,
        };
        let mut feeder = Feeder::new(70, feed, random);
        assert_eq!(feeder.next_span(random).unwrap().starts.len(), 1);
    }
}

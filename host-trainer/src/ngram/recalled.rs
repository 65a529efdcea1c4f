//! What a memory holds of a batch.

use crate::ngram::{CrossFittedReader, MemoryReader};
use crate::text::batches::{Batch, LossOn};
use lstm_core::export::ngram::History;
use rayon::prelude::*;

/// What was looked up at every step of a batch of T steps and B rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// Rows of the vectors of 2, 3 and 4 characters, `[T B]`; empty where a length has none.
    pub vectors: [Vec<u32>; 3],
    /// Costs of the back-off table in quarters of a bit, `[N, V]`, of the N steps that count; empty without a table.
    pub costs: Vec<u8>,
    /// The number of the longest context found at those steps, `[N]`; empty without a table.
    pub longest: Vec<u32>,
}

/// A memory, and how it knows a text that is trained on.
#[derive(Clone, Debug)]
pub struct Recall<'t> {
    /// The memory.
    pub memory: MemoryReader<'t>,
    /// The tables for each part of the text, and the number of the text among theirs; the memory's own table if `None`.
    pub cross_fitted: Option<(&'t CrossFittedReader<'t>, usize)>,
    /// The text.
    pub text: &'t [u8],
    /// Number of symbols, V.
    pub num_symbols: usize,
}

impl Recall<'_> {
    /// Looks up what stands before every character of a batch of this text. With `windows`, nothing stands before its
    /// first step.
    pub fn batch(&self, batch: &Batch, loss_on: LossOn, windows: bool) -> Recalled {
        let first = match loss_on {
            LossOn::EveryStep => 0,
            LossOn::LastStep => batch.steps.saturating_sub(1),
        };
        Recalled {
            vectors: self.vectors(batch, windows),
            ..self.costs(batch, first, windows)
        }
    }

    /// The rows of the vectors alone, `[T B]` of each length.
    pub(crate) fn vectors(&self, batch: &Batch, windows: bool) -> [Vec<u32>; 3] {
        let config = self.memory.config();
        if !config.has_vectors() {
            return [const { Vec::new() }; 3];
        }
        let rows = |at| {
            let history = self.history(batch, at, windows);
            self.memory.rows(&history).map(|row| row as u32)
        };
        let all = 0..batch.steps * batch.rows;
        let rows: Vec<[u32; 3]> = all.into_par_iter().map(rows).collect();
        std::array::from_fn(|i| match config.vectors[i] {
            0 => Vec::new(),
            _ => rows.iter().map(|row| row[i]).collect(),
        })
    }

    fn costs(&self, batch: &Batch, first: usize, windows: bool) -> Recalled {
        if self.memory.config().table.is_none() {
            return Recalled::default();
        }
        let count = (batch.steps - first) * batch.rows;
        let mut costs = vec![0; count * self.num_symbols];
        let lines = costs.par_chunks_mut(self.num_symbols).enumerate();
        let longest = lines.map(|(at, costs)| {
            let at = first * batch.rows + at;
            let history = self.history(batch, at, windows);
            let found = match self.cross_fitted {
                None => self.memory.costs(&history, costs),
                Some((reader, text)) => {
                    let next = batch.starts[at % batch.rows] + at / batch.rows + 1;
                    reader.costs(text, next % self.text.len(), &history, costs)
                }
            };
            found as u32
        });
        Recalled {
            longest: longest.collect(),
            costs,
            ..Recalled::default()
        }
    }

    /// The newest tokens at place `at` of `[T B]`; with windows, none from before its row's first step.
    fn history(&self, batch: &Batch, at: usize, windows: bool) -> History {
        let (t, length) = (at / batch.rows, self.text.len());
        let place = batch.starts[at % batch.rows] + t;
        std::array::from_fn(|age| match windows && age > t {
            true => 0,
            false => self.text[(place + length - age % length) % length],
        })
    }
}

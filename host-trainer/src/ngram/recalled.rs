//! What a memory holds of a batch.

use crate::ngram::{CrossFittedReader, MemoryReader, NgramConfig};
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
        let config = self.memory.config();
        let first = match loss_on {
            LossOn::EveryStep => 0,
            LossOn::LastStep => batch.steps.saturating_sub(1),
        };
        let history = |at: usize| {
            let (t, row) = (at / batch.rows, at % batch.rows);
            self.history(
                batch.starts[row] + t,
                if windows { t + 1 } else { usize::MAX },
            )
        };
        Recalled {
            vectors: self.vectors(config, batch.steps * batch.rows, history),
            ..self.costs(config, batch, first, history)
        }
    }

    fn vectors(
        &self,
        config: NgramConfig,
        count: usize,
        history: impl Fn(usize) -> History + Sync,
    ) -> [Vec<u32>; 3] {
        if !config.has_vectors() {
            return [const { Vec::new() }; 3];
        }
        let rows = |at| self.memory.rows(&history(at)).map(|row| row as u32);
        let rows: Vec<[u32; 3]> = (0..count).into_par_iter().map(rows).collect();
        std::array::from_fn(|i| match config.vectors[i] {
            0 => Vec::new(),
            _ => rows.iter().map(|row| row[i]).collect(),
        })
    }

    fn costs(
        &self,
        config: NgramConfig,
        batch: &Batch,
        first: usize,
        history: impl Fn(usize) -> History + Sync,
    ) -> Recalled {
        if config.table.is_none() {
            return Recalled::default();
        }
        let count = (batch.steps - first) * batch.rows;
        let mut costs = vec![0; count * self.num_symbols];
        let lines = costs.par_chunks_mut(self.num_symbols).enumerate();
        let longest = lines.map(|(at, costs)| {
            let at = first * batch.rows + at;
            let history = history(at);
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

    /// The newest tokens at a place of the text, at most so many.
    fn history(&self, place: usize, most: usize) -> History {
        let length = self.text.len();
        std::array::from_fn(|age| match age < most {
            true => self.text[(place + length - age % length) % length],
            false => 0,
        })
    }
}

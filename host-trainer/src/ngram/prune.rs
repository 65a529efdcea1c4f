//! Counts become a back-off table: contexts with the costs of what follows them, pruned to what pays for
//! its place.
//!
//! The probability of a token w after the m tokens h comes from its count x there, the count c of h, and the
//! probability p' after h without its oldest token, by absolute discounting with interpolation (Ney, Essen and
//! Kneser 1994; below the empty context stands the uniform distribution):
//!
//! ```text
//! p(w) = (x - d) / c + b p'(w)       b = (sum of d over all tokens) / c
//! ```
//!
//! where d, at most x, depends on m and on how often w was met there ([`Discounts`]). An occurrence in a text of weight k
//! counts k times in x and c, but was met once: d is the same share of x as it would be without weights. Where d is x,
//! p(w) = b p'(w): nothing is stored for w, which backs off (Katz 1987) at the cost of b.
//!
//! A context is kept if what it saves is worth its place, as in weighted difference pruning (Seymore and
//! Rosenfeld 1996). The bits that it saves in the text that it was counted in, less what was discounted,
//!
//! ```text
//! sum over w of (x - d) log2(p(w) / p'(w))  +  c b log2(b) (1 - sum of p'(w) over the seen w)
//! ```
//!
//! must be more than a threshold for each of its entries. (To count its own place as some entries more gave worse
//! tables of the same size.) Where a context is left out, p' stands for p, also in the contexts that are longer than it.

use crate::files::error::{Error, Result};
use crate::files::progress::Progress;
use crate::kernels::pool::in_pool;
use crate::ngram::discounts::{Discount, Discounts};
use crate::ngram::occurrences::{Occurrence, Occurrences};
use crate::text::alphabet::MAX_SYMBOLS;
use lstm_core::export::{HISTORY, MAX_BACKOFF, MAX_BACKOFF_LENGTHS};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Contexts that were met less often are left out, whatever their weight.
const LEAST_COUNT: usize = 3;

/// How a table is made from counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pruning {
    /// Tokens of the longest contexts.
    pub(crate) max_length: usize,
    /// Bits that an entry must save.
    pub(crate) threshold: f32,
    pub(crate) discounts: Discounts,
}

/// Shows how far long work is, and ends it when it is to stop.
pub(crate) struct Watch<'a> {
    progress: Progress,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Watch<'a> {
    /// Of so many characters.
    pub(crate) fn new(
        done: &'static str,
        characters: usize,
        is_stopped: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            progress: Progress::new(done, characters),
            is_stopped,
        }
    }

    /// So many more are done.
    ///
    /// # Errors
    /// The work is to stop.
    fn done(&self, characters: usize) -> Result<()> {
        self.progress.add(characters);
        match (self.is_stopped)() {
            true => Err(Error::Interrupted("stopped while counting".into())),
            false => Ok(()),
        }
    }
}

/// A context that is kept. Costs are in quarters of a bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// Its tokens, the newest first, and older ones, which mean nothing.
    pub(crate) tokens: [u8; HISTORY],
    /// Of every token that is not in `entries`, besides its cost in shorter contexts; at most 63.
    pub(crate) backoff: u8,
    /// Tokens in ascending order, and their costs, at most 63.
    pub(crate) entries: Vec<(u8, u8)>,
}

/// A back-off table. All costs are in quarters of a bit: -4 log2 of a probability.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PrunedTable {
    /// Symbols of the alphabet.
    pub(crate) num_symbols: usize,
    /// Length of the contexts that are all kept.
    pub(crate) dense: usize,
    /// Of each such context, the cost of each symbol: `[V^dense][V]`. The newest token is the last digit of
    /// a context's number.
    pub(crate) costs: Vec<u8>,
    /// The contexts that are kept, of `dense` + 1, `dense` + 2, .. tokens up to the longest that was asked for.
    pub(crate) contexts: Vec<Vec<Context>>,
}

/// The length of the contexts that are all kept: as long as they take at most 32 KB, or 16 KB if they are
/// of one token.
pub fn dense_length(num_symbols: usize) -> usize {
    match num_symbols {
        ..=32 => 2,
        33..=128 => 1,
        _ => 0,
    }
}

/// A probability as a cost.
fn cost(probability: f32, most: u8) -> u8 {
    (-4.0 * probability.log2())
        .round()
        .clamp(0.0, f32::from(most)) as u8
}

impl PrunedTable {
    /// Counts and prunes.
    ///
    /// # Errors
    /// It was stopped; the contexts are too short or too long.
    pub(crate) fn new(
        occurrences: &Occurrences,
        pruning: &Pruning,
        watch: &Watch<'_>,
    ) -> Result<Self> {
        let num_symbols = occurrences.num_symbols();
        let dense = dense_length(num_symbols);
        let most = HISTORY.min(dense + MAX_BACKOFF_LENGTHS);
        if !(dense..=most).contains(&pruning.max_length) {
            return Err(Error::bad_input(format!(
                "found contexts of {} characters for a back-off table, expected {dense} to {most}",
                pruning.max_length
            )));
        }
        let builder = Builder {
            occurrences,
            num_symbols,
            dense,
            pruning,
            watch,
        };
        let uniform = [1.0 / num_symbols as f32; MAX_SYMBOLS];
        let kept = in_pool(|| builder.visit_dense(occurrences.sorted(), 0, 0, &uniform))??;
        let mut costs = vec![0; num_symbols.pow(dense as u32 + 1)];
        for (index, row) in &kept.dense {
            costs[index * num_symbols..][..num_symbols].copy_from_slice(row);
        }
        let mut contexts = kept.contexts;
        contexts.resize_with(pruning.max_length - dense, Vec::new);
        Ok(Self {
            num_symbols,
            dense,
            costs,
            contexts,
        })
    }
}

struct Builder<'a> {
    occurrences: &'a Occurrences,
    num_symbols: usize,
    dense: usize,
    pruning: &'a Pruning,
    watch: &'a Watch<'a>,
}

type Probabilities = [f32; MAX_SYMBOLS];

/// What follows a context, and how often.
struct Counts {
    /// How often each symbol was met.
    met: [u32; MAX_SYMBOLS],
    /// The same by the weights of the texts: x of the formula.
    weighed: [u32; MAX_SYMBOLS],
    total: u32,
    discount: Discount,
}

/// The probabilities after a context.
struct Smoothed {
    probabilities: Probabilities,
    /// b of the formula.
    backoff: f32,
}

/// What is kept of some contexts.
#[derive(Default)]
struct Kept {
    /// Numbers of contexts of the dense length, and the costs after them.
    dense: Vec<(usize, Vec<u8>)>,
    /// By length, from that after the dense one.
    contexts: Vec<Vec<Context>>,
}

impl Kept {
    /// The contexts of one length.
    fn of_length(&mut self, index: usize) -> &mut Vec<Context> {
        if self.contexts.len() <= index {
            self.contexts.resize_with(index + 1, Vec::new);
        }
        &mut self.contexts[index]
    }

    fn append(&mut self, other: Self) {
        self.dense.extend(other.dense);
        for (index, contexts) in other.contexts.into_iter().enumerate() {
            self.of_length(index).extend(contexts);
        }
    }
}

impl Builder<'_> {
    /// Goes through a context of `length` tokens, after which all of `run` stands, and through the longer
    /// ones that end with it. `shorter` are the probabilities after it without its oldest token.
    fn visit(&self, run: &[Occurrence], length: usize, shorter: &Probabilities) -> Result<Kept> {
        let mut kept = Kept::default();
        if run.len() < LEAST_COUNT {
            return Ok(kept);
        }
        let total = run.iter().map(|&x| self.occurrences.weight(x)).sum();
        if (total as f32) < self.pruning.threshold {
            return Ok(kept);
        }
        let counts = self.counts(run, length, total);
        let own = counts.smoothed(shorter, self.num_symbols);
        if !self.is_worth(&counts, &own, shorter) {
            kept.append(self.visit_longer(run, length, shorter)?);
            return Ok(kept);
        }
        let context = Context {
            tokens: run[0].history(),
            backoff: cost(own.backoff, MAX_BACKOFF),
            entries: self.entries(&counts, &own),
        };
        kept.of_length(length - self.dense - 1).push(context);
        kept.append(self.visit_longer(run, length, &own.probabilities)?);
        Ok(kept)
    }

    /// Goes through the contexts that end with one of `length` tokens and are longer; `own` are the
    /// probabilities after that one.
    fn visit_longer(&self, run: &[Occurrence], length: usize, own: &Probabilities) -> Result<Kept> {
        let mut kept = Kept::default();
        if length < self.pruning.max_length {
            for run in run.chunk_by(|&a, &b| a.shares_context(b, length + 1)) {
                kept.append(self.visit(run, length + 1, own)?);
            }
        }
        Ok(kept)
    }

    /// As [`Builder::visit`], of a context that is not too long to be kept in any case. It is number `index` of
    /// its length.
    fn visit_dense(
        &self,
        run: &[Occurrence],
        length: usize,
        index: usize,
        shorter: &Probabilities,
    ) -> Result<Kept> {
        let total = run.iter().map(|&x| self.occurrences.weight(x)).sum();
        let own = match total {
            0 => *shorter,
            total => {
                self.counts(run, length, total)
                    .smoothed(shorter, self.num_symbols)
                    .probabilities
            }
        };
        if length == self.dense {
            let mut kept = self.visit_longer(run, length, &own)?;
            self.watch.done(run.len())?;
            let row = own[..self.num_symbols].iter().map(|&p| cost(p, u8::MAX));
            kept.dense.push((index, row.collect()));
            return Ok(kept);
        }
        let mut runs = vec![&run[..0]; self.num_symbols];
        for run in run.chunk_by(|&a, &b| a.shares_context(b, length + 1)) {
            runs[usize::from(run[0].before(length))] = run;
        }
        let place = self.num_symbols.pow(length as u32);
        let visit = |(token, run)| self.visit_dense(run, length + 1, index + token * place, &own);
        let longer: Result<Vec<Kept>> = runs.into_par_iter().enumerate().map(visit).collect();
        let mut kept = Kept::default();
        longer?.into_iter().for_each(|longer| kept.append(longer));
        Ok(kept)
    }

    fn counts(&self, run: &[Occurrence], length: usize, total: u32) -> Counts {
        let (mut met, mut weighed) = ([0; MAX_SYMBOLS], [0; MAX_SYMBOLS]);
        for &occurrence in run {
            let symbol = usize::from(occurrence.token());
            met[symbol] += 1;
            weighed[symbol] += self.occurrences.weight(occurrence);
        }
        Counts {
            met,
            weighed,
            total,
            discount: self.pruning.discounts.of_length(length),
        }
    }

    /// What is stored of a context.
    fn entries(&self, counts: &Counts, own: &Smoothed) -> Vec<(u8, u8)> {
        let stored = counts.seen().filter(|seen| seen.left > 0.0);
        let entry = |seen: Seen| {
            let cost = cost(own.probabilities[seen.symbol], MAX_BACKOFF);
            (seen.symbol as u8, cost)
        };
        stored.map(entry).collect()
    }

    /// Whether a context is kept.
    fn is_worth(&self, counts: &Counts, own: &Smoothed, shorter: &Probabilities) -> bool {
        let (mut saved, mut covered, mut entries) = (0.0, 0.0, 0.0);
        for seen in counts.seen() {
            covered += shorter[seen.symbol];
            if seen.left > 0.0 {
                let ratio = own.probabilities[seen.symbol] / shorter[seen.symbol];
                saved += seen.left * ratio.log2();
                entries += 1.0;
            }
        }
        let backed_off = own.backoff * counts.total as f32;
        saved += backed_off * own.backoff.log2() * (1.0 - covered).clamp(0.0, 1.0);
        saved > self.pruning.threshold * entries
    }
}

/// A token that was seen after a context.
struct Seen {
    symbol: usize,
    /// What is left of its count without the discount.
    left: f32,
    /// What is taken off.
    off: f32,
}

impl Counts {
    fn seen(&self) -> impl Iterator<Item = Seen> {
        let counts = self.met.iter().zip(&self.weighed).enumerate();
        let counts = counts.filter(|(_, (met, weighed))| **met > 0 && **weighed > 0);
        counts.map(|(symbol, (&met, &weighed))| {
            let share = self.discount.of(met) / met as f32;
            let off = weighed as f32 * share;
            let left = weighed as f32 - off;
            Seen { symbol, left, off }
        })
    }

    fn smoothed(&self, shorter: &Probabilities, num_symbols: usize) -> Smoothed {
        let total = self.total as f32;
        let backoff = self.seen().map(|seen| seen.off).sum::<f32>() / total;
        let mut probabilities = [0.0; MAX_SYMBOLS];
        for (own, p) in probabilities.iter_mut().zip(shorter).take(num_symbols) {
            *own = backoff * p;
        }
        for seen in self.seen() {
            probabilities[seen.symbol] += seen.left / total;
        }
        Smoothed {
            probabilities,
            backoff,
        }
    }
}

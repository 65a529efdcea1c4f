//! Tables for training: each part of the texts sees counts of the other parts alone.
//!
//! A table knows the text that it was counted in too well: a network that learned beside it would trust it
//! more than it may on a text that is new. (On English verse the costs of its own text are 0.27 bits a character too
//! low, and still 0.22 if only the occurrence at hand is taken out, for pruning saw it too.) So the texts are cut
//! into [`PARTS`] parts, and each is read with a table of the others: cross-fitting (Chernozhukov et al. 2018), as
//! in stacking (Wolpert 1992).

use crate::files::error::{Error, Result};
use crate::ngram::backoff_table::{BackoffTable, data_bytes};
use crate::ngram::discounts::Discounts;
use crate::ngram::occurrences::{Occurrences, PARTS, Text, part_of};
use crate::ngram::prune::{PrunedTable, Pruning, Watch};
use lstm_core::export::ngram::{Backoff, History};

/// How large a table becomes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// Each entry saves more bits than this in the texts.
    Threshold(f32),
    /// The data of its section take at most so many bytes, with a dense layer of so many padded columns.
    Bytes {
        /// The most bytes.
        most: usize,
        /// The columns.
        columns: usize,
    },
}

/// How tables are made.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// Tokens of the longest contexts.
    pub max_length: usize,
    /// How large the table of all parts becomes; the others are pruned alike.
    pub size: Size,
}

/// The table of some texts, and for each of their parts a table of the other parts.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossFitted {
    /// Tokens of each text.
    pub(crate) lengths: Vec<usize>,
    /// Bits that an entry must save.
    pub(crate) threshold: f32,
    pub(crate) whole: BackoffTable,
    pub(crate) others: Vec<BackoffTable>,
}

impl CrossFitted {
    /// Counts the texts, chooses the threshold, and makes the nine tables. The number of threads changes no
    /// bit. `is_stopped` is asked now and then.
    ///
    /// # Errors
    /// It was stopped; the texts cannot be counted ([`Occurrences::new`]); the settings allow no table.
    pub fn build(
        num_symbols: usize,
        texts: &[Text<'_>],
        settings: Settings,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        let occurrences = Occurrences::new(num_symbols, texts)?;
        Self::of(&occurrences, texts, settings, is_stopped)
    }

    pub(crate) fn of(
        occurrences: &Occurrences,
        texts: &[Text<'_>],
        settings: Settings,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        let mut pruning = Pruning {
            max_length: settings.max_length,
            threshold: 0.0,
            discounts: Discounts::new(occurrences, settings.max_length)?,
        };
        let whole = match settings.size {
            Size::Threshold(threshold) => {
                pruning.threshold = threshold;
                let watch = Watch::new("counted", occurrences.len(), is_stopped);
                PrunedTable::new(occurrences, &pruning, &watch)?
            }
            Size::Bytes { most, columns } => {
                let watch = Watch::new("counted", TRIALS * occurrences.len(), is_stopped);
                let bytes = |table: &PrunedTable| data_bytes(table, columns);
                fit(occurrences, &mut pruning, most, bytes, &watch)?
            }
        };
        let whole = BackoffTable::new(&whole)?;
        let watch = Watch::new("counted", (PARTS - 1) * occurrences.len(), is_stopped);
        let other = |part| {
            let others = occurrences.without(part);
            BackoffTable::new(&PrunedTable::new(&others, &pruning, &watch)?)
        };
        Ok(Self {
            lengths: texts.iter().map(|text| text.tokens.len()).collect(),
            threshold: pruning.threshold,
            whole,
            others: (0..PARTS).map(other).collect::<Result<_>>()?,
        })
    }

    /// The table of all parts: for the device, and for texts that were not counted.
    pub fn whole(&self) -> &BackoffTable {
        &self.whole
    }

    /// Bits that an entry saves at least.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The tables, ready for look-ups.
    ///
    /// # Errors
    /// None for tables that were made here.
    pub fn reader(&self) -> Result<CrossFittedReader<'_>> {
        let others = self.others.iter().map(BackoffTable::reader);
        Ok(CrossFittedReader {
            lengths: &self.lengths,
            whole: self.whole.reader()?,
            others: others.collect::<Result<_>>()?,
        })
    }
}

/// Looks up costs. [`CrossFitted::reader`] makes one.
#[derive(Clone, Debug)]
pub struct CrossFittedReader<'t> {
    lengths: &'t [usize],
    whole: Backoff<'t>,
    others: Vec<Backoff<'t>>,
}

impl CrossFittedReader<'_> {
    /// Writes the costs `[V]` of the token at a position of a text that was counted, in quarter bits, by the table
    /// that has not counted its part; `history` is what stands before it. Gives the number of the longest
    /// length found, counted from 1, or 0.
    ///
    /// # Panics
    /// There is no such text.
    pub fn costs(
        &self,
        text: usize,
        position: usize,
        history: &History,
        costs: &mut [u8],
    ) -> usize {
        let part = part_of(self.lengths[text], position);
        self.others[part].costs(history, costs)
    }

    /// As [`CrossFittedReader::costs`], in a text that was not counted.
    pub fn unseen(&self, history: &History, costs: &mut [u8]) -> usize {
        self.whole.costs(history, costs)
    }
}

/// Tables that are tried for a size, at most.
const TRIALS: usize = 14;

/// Sets the lowest threshold whose table takes at most so many bytes, to some 1 %, and gives that table.
fn fit(
    occurrences: &Occurrences,
    pruning: &mut Pruning,
    most: usize,
    bytes: impl Fn(&PrunedTable) -> Option<usize>,
    watch: &Watch<'_>,
) -> Result<PrunedTable> {
    /// The powers of two between which the threshold is sought: below the least, every context that was seen some
    /// times pays; above the largest, none.
    const POWERS: (f32, f32) = (-3.0, 32.0);
    let mut try_power = |power: f32| {
        pruning.threshold = power.exp2();
        let table = PrunedTable::new(occurrences, pruning, watch)?;
        Ok::<_, Error>((bytes(&table), table))
    };
    let (mut too_low, mut enough) = POWERS;
    let (found, mut best) = try_power(enough)?;
    if found.is_none_or(|bytes| bytes > most) {
        return Err(Error::bad_input(format!(
            "found {most} bytes for a back-off table, expected at least {}",
            found.unwrap_or(usize::MAX)
        )));
    }
    // Where the sizes of interest are.
    let mut power = 2.0f32;
    for _ in 1..TRIALS {
        let (found, table) = try_power(power)?;
        match found.filter(|&bytes| bytes <= most) {
            Some(bytes) => {
                (enough, best) = (power, table);
                if bytes >= most - most / 100 {
                    break;
                }
            }
            None => too_low = power,
        }
        let middle = (too_low + enough) / 2.0;
        power = middle.clamp(power - 2.0, power + 2.0);
    }
    pruning.threshold = enough.exp2();
    Ok(best)
}

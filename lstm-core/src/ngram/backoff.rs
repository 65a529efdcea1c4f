//! A back-off table: what each symbol costs after the last tokens.

use super::bits::Bits;
use super::hash::{PerfectHash, extend};
use super::{History, take, values};
use crate::format::{BLOCK_ROWS, MAX_BACKOFF_LENGTHS, MAX_SYMBOLS, Row, round_up};

/// The low bits of a slot say where its row is, the others are its tag.
const OFFSET_BITS: u32 = 20;
/// The offset of a slot that has no row.
pub(super) const EMPTY: u32 = (1 << OFFSET_BITS) - 1;
/// Bits of a cost in a row.
const COST_BITS: u32 = 6;

/// A model's table of costs, borrowed from its file.
#[derive(Clone, Copy, Debug)]
pub struct Backoff<'m> {
    pub(super) salt: u32,
    pub(super) num_symbols: u16,
    pub(super) columns: u16,
    pub(super) dense: u8,
    /// Of the lengths `dense + 1` and so on; zeros behind the last.
    pub(super) slots: [u16; MAX_BACKOFF_LENGTHS],
    pub(super) coefficients: [i16; MAX_BACKOFF_LENGTHS + 1],
    pub(super) data: &'m [u32],
}

impl<'m> Backoff<'m> {
    /// Writes what each symbol costs after the last tokens, in quarter bits, and gives the number of
    /// the longest length found: 1 is `dense + 1` tokens, 0 stands for none. `costs` is `[V]`.
    pub fn costs(&self, history: &History, costs: &mut [u8]) -> usize {
        let found = self.find(history);
        found.each(|symbol, cost| {
            if let Some(place) = costs.get_mut(symbol) {
                *place = cost;
            }
        });
        found.longest
    }

    /// Takes the costs of all symbols off their logits, Q12. `hidden` is the hidden state that the
    /// dense layer reads.
    pub(crate) fn apply(&self, history: &History, hidden: &[i8], logits: &mut [i32]) {
        let found = self.find(history);
        let coefficient = self.coefficients.get(found.longest);
        let coefficient = coefficient.copied().unwrap_or_default();
        let factor = values::factor(values::coefficient(coefficient, self.gate(hidden)));
        found.each(|symbol, cost| {
            if let Some(logit) = logits.get_mut(symbol) {
                *logit = values::logit(*logit, cost, factor);
            }
        });
    }

    /// The arrays at the start of the data.
    pub(super) fn arrays(&self) -> Arrays<'m> {
        let mut rest = self.data;
        let gate_row = take(&mut rest, BLOCK_ROWS * Row::BYTES / 4);
        let gate_weights = take(&mut rest, self.columns.into());
        let costs = take(&mut rest, self.cost_bytes().div_ceil(4));
        Arrays {
            gate_row,
            gate_weights,
            costs,
            rest,
        }
    }

    /// A cost for each symbol in each context of `dense` tokens.
    pub(super) fn cost_bytes(&self) -> usize {
        (0..self.dense).fold(self.num_symbols.into(), |bytes, _| {
            bytes * usize::from(self.num_symbols)
        })
    }

    /// Where the costs after the last tokens stand.
    pub(super) fn find(&self, history: &History) -> Found<'m> {
        let arrays = self.arrays();
        let mut rest = arrays.rest;
        let mut found = Found {
            offsets: [EMPTY; MAX_BACKOFF_LENGTHS],
            longest: 0,
            num_symbols: self.num_symbols.into(),
            costs: &[],
            rows: &[],
        };
        let (dense, others) = history
            .split_at_checked(self.dense.into())
            .unwrap_or_default();
        let (mut x, mut line) = (self.salt, 0);
        for &token in dense {
            x = extend(x, token);
        }
        for &token in dense.iter().rev() {
            line = line * found.num_symbols + usize::from(token);
        }
        let from = line * found.num_symbols;
        let costs: &[u8] = bytemuck::cast_slice(arrays.costs);
        let costs = costs.get(from..from + found.num_symbols);
        found.costs = costs.unwrap_or_default();
        let lengths = others.iter().zip(&self.slots).zip(&mut found.offsets);
        for (n, ((&token, &slots), offset)) in lengths.enumerate() {
            x = extend(x, token);
            if slots == 0 {
                continue;
            }
            let (map, slots) = self::slots(slots, &mut rest);
            let (slot, y) = map.place(x);
            let word = slots.get(slot).copied().map_or(EMPTY, u32::from_le);
            if word >> OFFSET_BITS == y & ((1 << (32 - OFFSET_BITS)) - 1) && word & EMPTY != EMPTY {
                *offset = word & EMPTY;
                found.longest = n + 1;
            }
        }
        found.rows = rest;
        found
    }

    /// The gate's sum over a hidden state, Q18.
    fn gate(&self, hidden: &[i8]) -> i32 {
        let arrays = self.arrays();
        let Some(&[bias, scales, ..]) = arrays.gate_row.first_chunk::<2>() else {
            return 0;
        };
        let row = Row::from_words([bias, scales]);
        let groups = arrays.gate_weights.as_chunks::<BLOCK_ROWS>().0;
        let mut dot = 0i32;
        for (columns, [word, ..]) in hidden.chunks(4).zip(groups) {
            for (&h, weight) in columns.iter().zip(weights(*word)) {
                dot = dot.wrapping_add(i32::from(h) * i32::from(weight));
            }
        }
        dot.wrapping_mul(row.weight_scale.into())
            .wrapping_add(row.bias)
    }
}

/// Four weights in columns that follow each other.
pub(super) fn weights(word: u32) -> [i8; 4] {
    // Those in even columns are stored with an offset.
    let word = u32::from_le(word) ^ 0x0080_0080;
    word.to_le_bytes().map(|byte| byte as i8)
}

/// The arrays at the start of a table.
pub(super) struct Arrays<'m> {
    pub(super) gate_row: &'m [u32],
    pub(super) gate_weights: &'m [u32],
    pub(super) costs: &'m [u32],
    /// Those of the lengths, then the rows.
    pub(super) rest: &'m [u32],
}

/// The map of a length of so many slots, and what is in them, taken off the start of `data`.
#[inline(always)]
pub(super) fn slots<'m>(slots: u16, data: &mut &'m [u32]) -> (PerfectHash<'m>, &'m [u32]) {
    let map = PerfectHash::take(slots, data);
    (map, take(data, slots.into()))
}

/// The costs after some tokens.
pub(super) struct Found<'m> {
    /// Of the row of each length, in bytes.
    offsets: [u32; MAX_BACKOFF_LENGTHS],
    /// The number of the longest length that has a row, counted from 1.
    longest: usize,
    num_symbols: usize,
    /// Of all symbols, after the fewest tokens.
    costs: &'m [u8],
    rows: &'m [u32],
}

impl Found<'_> {
    /// Each symbol once with its cost: from the longest row found to the shortest those that no
    /// longer one has, each with the back-offs of the longer ones; then all others.
    #[inline(always)]
    fn each(&self, mut visit: impl FnMut(usize, u8)) {
        let mut symbols = Symbols::new();
        let mut backoff = 0u8;
        let width = symbol_bits(self.num_symbols);
        for &offset in self.offsets.iter().take(self.longest).rev() {
            if offset == EMPTY {
                continue;
            }
            let mut row = RowReader::at(self.rows, offset, width);
            for _ in 0..row.entries {
                let (symbol, cost) = row.next();
                if symbols.insert(symbol) {
                    visit(symbol, backoff.saturating_add(cost));
                }
            }
            backoff = backoff.saturating_add(row.backoff);
        }
        symbols.others(self.costs, |symbol, cost| {
            visit(symbol, backoff.saturating_add(cost));
        });
    }
}

/// Bits of a symbol in a row.
pub(super) const fn symbol_bits(num_symbols: usize) -> u32 {
    match num_symbols {
        0..=2 => 1,
        _ => (num_symbols - 1).ilog2() + 1,
    }
}

/// Bytes of a row with so many entries.
pub(super) const fn row_bytes(entries: usize, symbol_bits: u32) -> usize {
    2 + round_up(entries * (symbol_bits + COST_BITS) as usize, 8) / 8
}

/// Reads a row.
pub(super) struct RowReader<'m> {
    pub(super) entries: usize,
    /// In quarter bits.
    pub(super) backoff: u8,
    bits: Bits<'m>,
    symbol_bits: u32,
}

impl<'m> RowReader<'m> {
    #[inline(always)]
    pub(super) fn at(rows: &'m [u32], offset: u32, symbol_bits: u32) -> Self {
        let mut bits = Bits::at(rows, offset as usize);
        RowReader {
            entries: bits.next(8) as usize + 1,
            backoff: bits.next(8) as u8,
            bits,
            symbol_bits,
        }
    }

    /// The next symbol and its cost in quarter bits.
    #[inline(always)]
    pub(super) fn next(&mut self) -> (usize, u8) {
        let entry = self.bits.next(self.symbol_bits + COST_BITS);
        let symbol = entry & ((1 << self.symbol_bits) - 1);
        (symbol as usize, (entry >> self.symbol_bits) as u8)
    }

    /// The bits behind the last entry.
    pub(super) fn padding(mut self) -> u32 {
        self.bits.rest_of_byte()
    }
}

/// A set of symbols.
pub(super) struct Symbols([u32; MAX_SYMBOLS / 32]);

impl Symbols {
    pub(super) fn new() -> Self {
        Symbols([0; MAX_SYMBOLS / 32])
    }

    /// Whether the symbol was not in the set.
    #[inline(always)]
    pub(super) fn insert(&mut self, symbol: usize) -> bool {
        let Some(word) = self.0.get_mut(symbol / 32) else {
            return false;
        };
        let bit = 1 << (symbol % 32);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Each symbol that is not in the set, with its cost.
    #[inline(always)]
    fn others(&self, costs: &[u8], mut visit: impl FnMut(usize, u8)) {
        for (group, (&word, costs)) in self.0.iter().zip(costs.chunks(32)).enumerate() {
            let mut word = word;
            for (i, &cost) in costs.iter().enumerate() {
                if word & 1 == 0 {
                    visit(32 * group + i, cost);
                }
                word >>= 1;
            }
        }
    }
}

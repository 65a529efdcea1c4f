//! A back-off table: what each symbol costs after the last tokens.

use core::ops::Range;

use super::bits::Bits;
use super::hash::{PerfectHash, extend};
use super::{History, values};
#[cfg(feature = "export")]
use crate::bytes::split;
#[cfg(feature = "export")]
use crate::format::MAX_SYMBOLS;
use crate::format::{BLOCK_ROWS, MAX_BACKOFF_LENGTHS, Row, round_up};

/// The low bits of a slot say where its row is, the others are its tag.
const OFFSET_BITS: u32 = 20;
/// The offset of a slot that has no row.
pub(super) const EMPTY: u32 = (1 << OFFSET_BITS) - 1;
/// The bits of a tag.
const TAG: u32 = (1 << (32 - OFFSET_BITS)) - 1;
/// Words of the parameters of the gate's block of rows.
const GATE_ROW_WORDS: usize = BLOCK_ROWS * Row::BYTES / 4;
/// Bits of a cost in a row.
const COST_BITS: u32 = 6;

/// A model's table of costs, borrowed from its file.
#[derive(Clone, Copy, Debug)]
pub struct Backoff<'m> {
    pub(super) salt: u32,
    pub(super) num_symbols: u16,
    pub(super) columns: u16,
    pub(super) dense: u8,
    /// Of a symbol in a row.
    pub(super) symbol_bits: u8,
    /// Where the arrays of the lengths start in the data, in words: behind the costs.
    pub(super) lengths_start: u32,
    /// Where the rows start in the data, in bytes: behind the last length.
    pub(super) rows_start: u32,
    /// Of the lengths `dense + 1` and so on; zeros behind the last.
    pub(super) slots: [u16; MAX_BACKOFF_LENGTHS],
    pub(super) coefficients: [i16; MAX_BACKOFF_LENGTHS + 1],
    pub(super) data: &'m [u32],
}

impl<'m> Backoff<'m> {
    /// Writes what each symbol costs after the last tokens, in quarter bits, and gives the number of
    /// the longest length found: 1 is `dense + 1` tokens, 0 stands for none. `costs` is `[V]`.
    #[cfg(feature = "export")]
    pub fn costs(&self, history: &History, costs: &mut [u8]) -> usize {
        let mut words = [0; MAX_SYMBOLS];
        let (words, _) = split(&mut words, costs.len());
        let longest = self.write_costs(history, words);
        for (to, &from) in costs.iter_mut().zip(words.iter()) {
            *to = values::cost(from);
        }
        longest
    }

    /// Writes what each symbol costs, for [`values::cost`], and gives what a quarter bit takes off a
    /// logit, as [`values::factor`]. `hidden` is the hidden state that the dense layer reads; `costs` is
    /// `[V]`.
    pub(crate) fn weigh(&self, history: &History, hidden: &[i8], costs: &mut [i32]) -> i32 {
        let longest = self.write_costs(history, costs);
        let coefficient = self.coefficients.get(longest).copied().unwrap_or_default();
        values::factor(values::coefficient(coefficient, self.gate(hidden)))
    }

    /// As [`Backoff::costs`], but for the saturation.
    fn write_costs(&self, history: &History, costs: &mut [i32]) -> usize {
        let mut rows = [0; MAX_BACKOFF_LENGTHS];
        let found = self.find(history, &mut rows);
        let rows = rows.get(..found.count).unwrap_or_default();
        let bytes: &[u8] = bytemuck::cast_slice(self.data);
        // All rows send back to the costs of all symbols, the longer rows to each.
        let backoff_of = |&row: &u32| bytes.get(row as usize + 1).map_or(0, |&b| i32::from(b));
        let mut backoff = rows.iter().map(backoff_of).sum();
        let line = bytes.get(found.line..).unwrap_or_default();
        for (to, &cost) in costs.iter_mut().zip(line) {
            *to = i32::from(cost) + backoff;
        }
        // From the shortest to the longest, which counts.
        for &start in rows {
            write_row(self.data, start, self.symbol_bits.into(), &mut backoff, costs);
        }
        found.longest
    }

    /// Where the weights of the gate are in the data, in words.
    pub(super) fn gate_weights(&self) -> Range<usize> {
        GATE_ROW_WORDS..self.costs_start()
    }

    /// Where the costs start in the data, in words: behind the gate.
    #[inline(always)]
    pub(super) fn costs_start(&self) -> usize {
        GATE_ROW_WORDS + usize::from(self.columns)
    }

    /// A cost for each symbol in each context of `dense` tokens.
    pub(super) fn cost_bytes(&self) -> usize {
        usize::from(self.num_symbols).pow(u32::from(self.dense) + 1)
    }

    /// The costs after the last tokens. `rows` become the bytes of the data where the rows of the
    /// lengths start that have one, from the shortest.
    #[inline(never)]
    fn find(&self, history: &History, rows: &mut [u32; MAX_BACKOFF_LENGTHS]) -> Found {
        let (mut x, mut line, mut place) = (self.salt, 0, 1);
        let mut tokens = history.iter();
        for &token in tokens.by_ref().take(self.dense.into()) {
            x = extend(x, token);
            line += place * usize::from(token);
            place *= usize::from(self.num_symbols);
        }
        let (mut count, mut longest) = (0, 0);
        let mut start = self.lengths_start as usize;
        for (n, (&slots, &token)) in self.slots.iter().zip(tokens).enumerate() {
            x = extend(x, token);
            if slots == 0 {
                continue;
            }
            let map = PerfectHash::at(start, slots);
            start = map.end() + map.slots();
            let (slot, y) = map.place(self.data, x);
            let word = self.data.get(map.end() + slot).copied();
            let word = word.map_or(EMPTY, u32::from_le);
            if word >> OFFSET_BITS == y & TAG && word & EMPTY != EMPTY {
                if let Some(row) = rows.get_mut(count) {
                    *row = self.rows_start + (word & EMPTY);
                }
                count += 1;
                longest = n + 1;
            }
        }
        Found {
            count,
            longest,
            line: 4 * self.costs_start() + line * usize::from(self.num_symbols),
        }
    }

    /// The gate's sum over a hidden state, Q18.
    #[inline(never)]
    fn gate(&self, hidden: &[i8]) -> i32 {
        let Some(&[bias, scales]) = self.data.first_chunk() else {
            return 0;
        };
        let row = Row::from_words([bias, scales]);
        let weights = self.data.get(GATE_ROW_WORDS..).unwrap_or_default();
        let groups = weights.as_chunks::<BLOCK_ROWS>().0;
        let mut dot = 0i32;
        let (whole, rest) = hidden.as_chunks();
        for (&[h0, h1, h2, h3], &[word, ..]) in whole.iter().zip(groups) {
            let [w0, w1, w2, w3] = weights_of(word);
            dot = dot.wrapping_add(i32::from(h0) * w0);
            dot = dot.wrapping_add(i32::from(h1) * w1);
            dot = dot.wrapping_add(i32::from(h2) * w2);
            dot = dot.wrapping_add(i32::from(h3) * w3);
        }
        if let Some(&[word, ..]) = groups.get(whole.len()) {
            for (&h, weight) in rest.iter().zip(weights_of(word)) {
                dot = dot.wrapping_add(i32::from(h) * weight);
            }
        }
        dot.wrapping_mul(row.weight_scale.into())
            .wrapping_add(row.bias)
    }
}

/// Four weights in columns that follow each other.
#[inline(always)]
pub(super) fn weights_of(word: u32) -> [i32; 4] {
    // Those in even columns are stored with an offset.
    let word = (u32::from_le(word) ^ 0x0080_0080) as i32;
    [
        word << 24 >> 24,
        word << 16 >> 24,
        word << 8 >> 24,
        word >> 24,
    ]
}

/// Writes the costs of a row's symbols. `backoff` is what this row and the longer ones send back with,
/// and becomes that of the longer ones alone.
// With its registers for the bits.
#[inline(never)]
fn write_row(data: &[u32], start: u32, symbol_bits: u32, backoff: &mut i32, costs: &mut [i32]) {
    let mut row = RowReader::at(data, start, symbol_bits);
    *backoff -= i32::from(row.backoff);
    let backoff = *backoff;
    for _ in 0..row.entries {
        let (symbol, cost) = row.next();
        if let Some(place) = costs.get_mut(symbol) {
            *place = i32::from(cost) + backoff;
        }
    }
}

/// The costs after some tokens.
struct Found {
    /// Of the rows.
    count: usize,
    /// The number of the longest length that has a row, counted from 1.
    longest: usize,
    /// Where the costs of all symbols after the fewest tokens start in the data, in bytes.
    line: usize,
}

/// Bits of a symbol in a row.
pub(super) const fn symbol_bits(num_symbols: usize) -> u32 {
    match num_symbols {
        0..=2 => 1,
        _ => usize::BITS - (num_symbols - 1).leading_zeros(),
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
    /// The row that starts at a byte of the data.
    #[inline(always)]
    pub(super) fn at(data: &'m [u32], start: u32, symbol_bits: u32) -> Self {
        let mut bits = Bits::at(data, start as usize);
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
        const COST: u32 = (1 << COST_BITS) - 1;
        let ahead = self.bits.peek(self.symbol_bits + COST_BITS);
        let symbol = ahead & ((1 << self.symbol_bits) - 1);
        let cost = ahead >> self.symbol_bits & COST;
        self.bits.skip(self.symbol_bits + COST_BITS);
        (symbol as usize, cost as u8)
    }

    /// The bits behind the last entry.
    pub(super) fn padding(mut self) -> u32 {
        self.bits.rest_of_byte()
    }
}

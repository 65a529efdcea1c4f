//! A back-off table: what each symbol costs after the last tokens.

use core::convert::Infallible;
use core::ops::Range;

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
        let backoff = rows.iter().map(backoff_of).sum();
        let line = bytes.get(found.line..).unwrap_or_default();
        for (to, &cost) in costs.iter_mut().zip(line) {
            *to = i32::from(cost) + backoff;
        }
        self.write_rows(rows, backoff, costs);
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

    /// Writes the costs of the symbols of rows, from the shortest to the longest, which counts. `backoff`
    /// is what all of them send back with.
    // With its registers for the bits.
    #[inline(never)]
    fn write_rows(&self, rows: &[u32], mut backoff: i32, costs: &mut [i32]) {
        for &start in rows {
            let row = RowReader::at(self.data, start, self.symbol_bits.into());
            backoff -= i32::from(row.backoff);
            let Ok(_) = row.each(|symbol, cost| {
                if let Some(place) = costs.get_mut(symbol) {
                    *place = i32::from(cost) + backoff;
                }
                Ok::<_, Infallible>(())
            });
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
    /// The first byte of the symbols and costs, where it is the upper one of a half word.
    first: Option<u8>,
    /// The half words behind that.
    halves: &'m [u16],
    symbol_bits: u32,
}

impl<'m> RowReader<'m> {
    /// The row that starts at a byte of the data.
    #[inline(always)]
    pub(super) fn at(data: &'m [u32], start: u32, symbol_bits: u32) -> Self {
        let start = start as usize;
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let row = bytes.get(start..).and_then(|row| row.first_chunk());
        let &[entries, backoff, first] = row.unwrap_or(&[0; 3]);
        let halves: &[u16] = bytemuck::cast_slice(data);
        RowReader {
            entries: usize::from(entries) + 1,
            backoff,
            first: (start % 2 == 1).then_some(first),
            halves: halves.get(start.div_ceil(2) + 1..).unwrap_or_default(),
            symbol_bits,
        }
    }

    /// Gives each symbol with its cost in quarter bits, until `visit` fails. At last come the bits that
    /// fill up the row's last byte.
    #[inline(always)]
    pub(super) fn each<E>(
        self,
        mut visit: impl FnMut(usize, u8) -> Result<(), E>,
    ) -> Result<u32, E> {
        const COST: u32 = (1 << COST_BITS) - 1;
        let bits = self.symbol_bits + COST_BITS;
        let symbol = (1 << self.symbol_bits) - 1;
        // The bits that have been read, the next one lowest, and 2 to their number.
        let (mut ahead, mut unit) = match self.first {
            Some(first) => (u32::from(first), 1u32 << 8),
            None => (0, 1),
        };
        let mut left = self.entries;
        let mut halves = self.halves.iter();
        loop {
            while unit >> bits != 0 {
                visit(
                    (ahead & symbol) as usize,
                    (ahead >> self.symbol_bits & COST) as u8,
                )?;
                ahead >>= bits;
                unit >>= bits;
                left -= 1;
                if left == 0 {
                    return Ok(ahead & ((1 << (unit.trailing_zeros() % 8)) - 1));
                }
            }
            let Some(&half) = halves.next() else {
                return Ok(0);
            };
            ahead += u32::from(u16::from_le(half)) * unit;
            unit <<= 16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A row's bytes, written bit by bit.
    fn row(symbol_bits: u32, backoff: u8, entries: &[(usize, u8)], filling: bool) -> Vec<u8> {
        let mut bits = Vec::new();
        let mut push = |number: usize, width: u32| bits.extend((0..width).map(|i| number >> i & 1));
        push(entries.len() - 1, 8);
        push(backoff.into(), 8);
        for &(symbol, cost) in entries {
            push(symbol, symbol_bits);
            push(cost.into(), COST_BITS);
        }
        bits.resize(round_up(bits.len(), 8), filling.into());
        let bytes = bits
            .chunks(8)
            .map(|byte| byte.iter().rev().fold(0, |b, &bit| 2 * b + bit));
        bytes.map(|byte| byte as u8).collect()
    }

    #[test]
    fn rows_are_read_from_any_byte_in_any_width() {
        for symbol_bits in 1..=8 {
            let step = if cfg!(miri) { 7 } else { 1 };
            for count in (1..=20usize.min(1 << symbol_bits)).step_by(step) {
                let entries: Vec<_> = (0..count)
                    .map(|i| ((i * 37 + 5) % (1 << symbol_bits), (i * 29 + 3) as u8 % 64))
                    .collect();
                for (start, filling) in (0..8).flat_map(|start| [(start, false), (start, true)]) {
                    let row = row(symbol_bits, 41, &entries, filling);
                    assert_eq!(row.len(), row_bytes(count, symbol_bits));
                    let mut data = [0xffff_ffffu32; 16];
                    let bytes = bytemuck::cast_slice_mut::<_, u8>(&mut data);
                    bytes[start..start + row.len()].copy_from_slice(&row);
                    let end = (start + row.len()).div_ceil(4);
                    let reader = RowReader::at(&data[..end], start as u32, symbol_bits);
                    assert_eq!((reader.entries, reader.backoff), (count, 41));
                    let mut found = Vec::new();
                    let padding = reader.each(|symbol, cost| {
                        found.push((symbol, cost));
                        Ok::<_, Infallible>(())
                    });
                    assert_eq!(found, entries, "{symbol_bits} {start}");
                    let used = 8 - count * (symbol_bits + COST_BITS) as usize % 8;
                    let expected = u32::from(filling) * ((1 << (used % 8)) - 1);
                    assert_eq!(padding, Ok(expected), "{symbol_bits} {start}");
                }
            }
        }
    }

    /// A row whose end would lie behind the data, as only a file that is refused has.
    #[test]
    fn a_row_is_read_no_further_than_the_data() {
        for words in 0..3 {
            let data = [u32::MAX; 3];
            for start in 0..=4 * words as u32 {
                let mut entries = 0;
                let row = RowReader::at(&data[..words], start, 8);
                let padding = row.each(|_, _| {
                    entries += 1;
                    Ok::<_, Infallible>(())
                });
                assert_eq!(padding, Ok(0));
                assert!(14 * entries <= 32 * words);
            }
        }
    }
}

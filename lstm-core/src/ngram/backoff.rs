//! A back-off table: what each symbol costs after the last tokens.

use core::convert::Infallible;
use core::ops::Range;
use core::slice;

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
    /// Where the arrays of the lengths start in the data, in words: after the costs.
    pub(super) lengths_start: u32,
    /// Where the rows start in the data, in bytes: after the last length.
    pub(super) rows_start: u32,
    /// How many lengths there may be: `dense + 1` and so on.
    pub(super) lengths: u8,
    /// Of each length; zeros after the last.
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
        let (longest, backoff) = self.write_costs(history, words);
        for (to, &from) in costs.iter_mut().zip(words.iter()) {
            *to = values::cost(from + backoff);
        }
        longest
    }

    /// Writes what each symbol costs, as [`Costs::logit`] takes it. `hidden` is the hidden state that the
    /// dense layer reads; `costs` is `[V]`.
    pub(crate) fn weigh(&self, history: &History, hidden: &[i8], costs: &mut [i32]) -> Costs {
        let (longest, backoff) = self.write_costs(history, costs);
        let coefficient = self.coefficients.get(longest).copied().unwrap_or_default();
        let k = values::coefficient(coefficient, self.gate(hidden));
        let factor = values::factor(k);
        Costs { factor, backoff }
    }

    /// Where the weights of the gate are in the data, in words.
    pub(super) fn gate_weights(&self) -> Range<usize> {
        GATE_ROW_WORDS..self.costs_start()
    }

    /// Where the costs start in the data, in words: after the gate.
    #[inline(always)]
    pub(super) fn costs_start(&self) -> usize {
        GATE_ROW_WORDS + usize::from(self.columns)
    }

    /// A cost for each symbol in each context of `dense` tokens.
    pub(super) fn cost_bytes(&self) -> usize {
        usize::from(self.num_symbols).pow(u32::from(self.dense) + 1)
    }

    /// Writes what each symbol costs, less what all rows found send back with.
    /// Gives the number of the longest length found, and that sum.
    #[inline(never)]
    fn write_costs(&self, history: &History, costs: &mut [i32]) -> (usize, i32) {
        let (mut x, mut line, mut place) = (self.salt, 0, 1);
        let mut tokens = history.iter();
        for &token in tokens.by_ref().take(self.dense.into()) {
            x = extend(x, token);
            line += place * usize::from(token);
            place *= usize::from(self.num_symbols);
        }
        let line = 4 * self.costs_start() + line * usize::from(self.num_symbols);
        let bytes: &[u8] = bytemuck::cast_slice(self.data);
        let line = bytes.get(line..).unwrap_or_default();
        for (to, &cost) in costs.iter_mut().zip(line) {
            *to = i32::from(cost);
        }
        let mut found = Found {
            longest: 0,
            backoff: 0,
            costs,
        };
        let mut start = self.lengths_start as usize;
        let slots = self.slots.get(..self.lengths.into()).unwrap_or_default();
        for (n, (&slots, &token)) in slots.iter().zip(tokens).enumerate() {
            x = extend(x, token);
            if slots > 0 {
                let map = PerfectHash::at(start, slots);
                start = map.end() + map.slots();
                let place = map.place(self.data, x);
                let word = place.and_then(|(slot, y)| {
                    // Without its tag, if that is the one of the context.
                    let &word = self.data.get(map.end() + slot)?;
                    Some(u32::from_le(word) ^ y << OFFSET_BITS)
                });
                if let Some(row) = word
                    && row < EMPTY
                {
                    found.add_row(self, n, row);
                }
            }
        }
        (found.longest, found.backoff)
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

/// What a table says of the symbols after some tokens, but for what each costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// As [`values::factor`].
    factor: i32,
    /// What all rows send back with, in quarter bits.
    backoff: i32,
}

impl Costs {
    /// A logit, Q12, less what its symbol costs: `cost` is what was written for it.
    #[inline(always)]
    pub(crate) fn logit(self, logit: i32, cost: i32) -> i32 {
        values::logit(logit, values::cost(cost + self.backoff), self.factor)
    }
}

/// The rows found so far, from the shortest length.
struct Found<'c> {
    /// The number of the longest length, counted from 1.
    longest: usize,
    /// What all of them send back with.
    backoff: i32,
    /// What each symbol costs, less that.
    costs: &'c mut [i32],
}

impl Found<'_> {
    /// Writes the costs of the symbols in a row, which starts so many bytes after the start of the rows.
    // Apart, with registers of its own for the bits.
    #[inline(never)]
    fn add_row(&mut self, table: &Backoff<'_>, length: usize, start: u32) {
        let row = RowReader::at(table.data, table.rows_start + start);
        self.backoff += i32::from(row.backoff);
        self.longest = length + 1;
        // A small CPU has few registers: where the bits are constants, they take none. So the alphabets of 17 to 64
        // symbols have loops of their own.
        match table.symbol_bits {
            5 => self.add_entries(row, 5),
            6 => self.add_entries(row, 6),
            bits => self.add_entries(row, bits),
        }
    }

    #[inline(always)]
    fn add_entries(&mut self, row: RowReader<'_>, symbol_bits: u8) {
        let (costs, backoff) = (&mut *self.costs, self.backoff);
        let Ok(_) = row.each(symbol_bits, |symbol, cost| {
            if let Some(place) = costs.get_mut(symbol) {
                *place = i32::from(cost) - backoff;
            }
            Ok::<_, Infallible>(())
        });
    }
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
    /// The words after the one that has been read last.
    words: slice::Iter<'m, u32>,
    /// What is left of that, the next bit lowest, then zeros.
    ahead: u32,
    /// How many bits these are.
    count: u32,
}

impl<'m> RowReader<'m> {
    /// The row that starts at a byte of the data.
    #[inline(always)]
    pub(super) fn at(data: &'m [u32], start: u32) -> Self {
        let start = start as usize;
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let head = bytes.get(start..).and_then(|row| row.first_chunk());
        let &[entries, backoff] = head.unwrap_or(&[0; 2]);
        let start = start + 2;
        let mut words = data.get(start / 4..).unwrap_or_default().iter();
        let (ahead, count) = match words.next() {
            Some(&word) => {
                let before = start as u32 % 4 * 8;
                (u32::from_le(word) >> before, 32 - before)
            }
            None => (0, 0),
        };
        RowReader {
            entries: usize::from(entries) + 1,
            backoff,
            words,
            ahead,
            count,
        }
    }

    /// Gives each symbol, of so many bits, with its cost in quarter bits, until `visit` fails. At last come the
    /// bits that fill up the row's last byte.
    #[inline(always)]
    pub(super) fn each<E>(
        self,
        symbol_bits: u8,
        mut visit: impl FnMut(usize, u8) -> Result<(), E>,
    ) -> Result<u32, E> {
        const COST: u32 = (1 << COST_BITS) - 1;
        // At most 8: the mask saves those of the shifts.
        let symbol_bits = u32::from(symbol_bits) & 0xf;
        let bits = symbol_bits + COST_BITS;
        let symbol = (1 << symbol_bits) - 1;
        let mut visit = |entry: u32| {
            visit(
                (entry & symbol) as usize,
                (entry >> symbol_bits & COST) as u8,
            )
        };
        let (mut ahead, mut count, mut left) = (self.ahead, self.count, self.entries);
        let mut words = self.words;
        loop {
            while count >= bits {
                visit(ahead)?;
                ahead >>= bits;
                count -= bits;
                left -= 1;
                if left == 0 {
                    return Ok(ahead & ((1 << (count % 8)) - 1));
                }
            }
            // The next entry goes on in the next word.
            let Some(&word) = words.next() else {
                return Ok(0);
            };
            let word = u32::from_le(word);
            visit(ahead | word << count)?;
            ahead = word >> (bits - count);
            count += 32 - bits;
            left -= 1;
            if left == 0 {
                return Ok(ahead & ((1 << (count % 8)) - 1));
            }
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
                    let reader = RowReader::at(&data[..end], start as u32);
                    assert_eq!((reader.entries, reader.backoff), (count, 41));
                    let mut found = Vec::new();
                    let padding = reader.each(symbol_bits as u8, |symbol, cost| {
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

    /// A row whose end would lie after the data, as only a file that is refused has.
    #[test]
    fn a_row_is_read_no_further_than_the_data() {
        for words in 0..3 {
            let data = [u32::MAX; 3];
            for start in 0..=4 * words as u32 {
                let mut entries = 0;
                let row = RowReader::at(&data[..words], start);
                let padding = row.each(8, |_, _| {
                    entries += 1;
                    Ok::<_, Infallible>(())
                });
                assert_eq!(padding, Ok(0));
                assert!(14 * entries <= 32 * words);
            }
        }
    }
}

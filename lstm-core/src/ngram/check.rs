//! What a look-up relies on.

use core::ops::Range;

use super::backoff::{EMPTY, RowReader, row_bytes, symbol_bits, weights_of};
use super::embeddings::Length;
use super::hash::{PerfectHash, buckets};
use super::{Backoff, Embeddings};
use crate::format::{
    ARRAY_ALIGN, BLOCK_ROWS, BackoffSection, EmbeddingsSection, HISTORY, MAX_BACKOFF,
    MAX_BACKOFF_LENGTHS, MAX_DENSE, MAX_ROW_BYTES, MAX_SHIFT, MAX_SYMBOLS, ModelError, Row,
};

impl<'m> Embeddings<'m> {
    /// The vectors of a section, for a first layer whose hidden state has `width` elements.
    ///
    /// # Errors
    ///
    /// [`ModelError::Shift`], [`ModelError::NgramData`], [`ModelError::Alignment`],
    /// [`ModelError::NgramPadding`].
    pub fn new(width: usize, section: &EmbeddingsSection<'m>) -> Result<Self, ModelError> {
        if section.shift > MAX_SHIFT {
            return Err(ModelError::Shift {
                found: section.shift,
            });
        }
        let mut embeddings = Embeddings {
            salt: section.salt,
            shift: section.shift,
            width: width as u16,
            slots: section.slots,
            data: &[],
        };
        let words = embeddings
            .lengths_of_data()
            .last()
            .map_or(0, |length| length.end);
        embeddings.data = aligned_words(section.data, words)?;
        embeddings.check_padding()?;
        Ok(embeddings)
    }

    /// The lengths that there are.
    fn lengths_of_data(&self) -> impl Iterator<Item = Length> {
        let (words, mut start) = (self.vector_words(), 0);
        let lengths = self.slots.into_iter().filter(|&slots| slots > 0);
        lengths.map(move |slots| {
            let length = Length::at(start, slots, words);
            start = length.end;
            length
        })
    }

    fn check_padding(&self) -> Result<(), ModelError> {
        // The numbers of a vector's last word that are none of its elements, 8 each.
        let used = usize::from(self.width) % 8;
        let filling = 0x8888_8888 & !mask(used);
        for length in self.lengths_of_data() {
            let map = length.map;
            check_padding(self.data, map.displacements(), 2 * buckets(map.slots()))?;
            check_padding(self.data, length.tags..length.vectors, 2 * map.slots())?;
            let vectors = words_at(self.data, length.vectors..length.end);
            for vector in vectors.chunks(self.vector_words().max(1)) {
                let last = vector.last().copied().map_or(0, u32::from_le);
                if used > 0 && last & !mask(used) != filling {
                    let found = (last & !mask(used) ^ filling).to_le_bytes();
                    let found = found.into_iter().find(|&byte| byte != 0);
                    return Err(ModelError::NgramPadding {
                        found: found.unwrap_or_default(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The bits of the first numbers of a word of a vector.
fn mask(count: usize) -> u32 {
    let bits = |i: usize| 0xf << (8 * (i % 4) + 4 * (i / 4));
    (0..count).fold(0, |mask, i| mask | bits(i))
}

impl<'m> Backoff<'m> {
    /// The table of a section, for so many symbols and a dense layer of so many columns, padded.
    ///
    /// # Errors
    ///
    /// [`ModelError::Dense`], [`ModelError::Lengths`], [`ModelError::Coefficients`],
    /// [`ModelError::RowBytes`], [`ModelError::NgramData`], [`ModelError::Alignment`],
    /// [`ModelError::NgramPadding`], [`ModelError::Gate`]; then for the first row that is wrong
    /// [`ModelError::RowEnd`], [`ModelError::RowEntries`], [`ModelError::RowBackoff`],
    /// [`ModelError::RowSymbol`], [`ModelError::RowRepetition`], [`ModelError::NgramPadding`].
    pub fn new(
        num_symbols: usize,
        columns: usize,
        section: &BackoffSection<'m>,
    ) -> Result<Self, ModelError> {
        if section.dense > MAX_DENSE {
            return Err(ModelError::Dense {
                found: section.dense,
            });
        }
        let longest = usize::from(section.dense) + section.slots.len();
        if longest > HISTORY {
            return Err(ModelError::Lengths { found: longest });
        }
        let (found, expected) = (section.coefficients.len(), section.slots.len() + 1);
        if found != expected {
            return Err(ModelError::Coefficients { found, expected });
        }
        if section.row_bytes > MAX_ROW_BYTES {
            return Err(ModelError::RowBytes {
                found: section.row_bytes,
            });
        }
        let mut backoff = Backoff {
            salt: section.salt,
            num_symbols: num_symbols as u16,
            columns: columns as u16,
            dense: section.dense,
            symbol_bits: symbol_bits(num_symbols) as u8,
            lengths_start: 0,
            rows_start: 0,
            lengths: section.slots.len() as u8,
            slots: [0; MAX_BACKOFF_LENGTHS],
            coefficients: [0; MAX_BACKOFF_LENGTHS + 1],
            data: &[],
        };
        for (to, &from) in backoff.slots.iter_mut().zip(section.slots.iter()) {
            *to = from;
        }
        let coefficients = backoff.coefficients.iter_mut();
        for (to, &from) in coefficients.zip(section.coefficients.iter()) {
            *to = from;
        }
        let row_bytes = section.row_bytes as usize;
        let costs_end = backoff.costs_start() + backoff.cost_bytes().div_ceil(4);
        backoff.lengths_start = costs_end as u32;
        let rows_start = backoff.rows_start();
        backoff.rows_start = 4 * rows_start as u32;
        let words = rows_start + row_bytes.div_ceil(4);
        backoff.data = aligned_words(section.data, words)?;
        backoff.check_arrays(row_bytes)?;
        backoff.check_gate()?;
        backoff.check_rows(row_bytes)?;
        Ok(backoff)
    }

    /// The slots of each length that there is.
    fn lengths(&self) -> impl Iterator<Item = u16> {
        self.slots.into_iter().filter(|&slots| slots > 0)
    }

    /// The maps of the lengths, each with the words of its slots.
    fn maps(&self) -> impl Iterator<Item = (PerfectHash, Range<usize>)> {
        let mut start = self.lengths_start as usize;
        self.lengths().map(move |slots| {
            let map = PerfectHash::at(start, slots);
            start = map.end() + map.slots();
            (map, map.end()..start)
        })
    }

    /// Where the rows start in the data, in words.
    fn rows_start(&self) -> usize {
        let last = self.maps().last();
        last.map_or(self.lengths_start as usize, |(_, slots)| slots.end)
    }

    fn check_arrays(&self, row_bytes: usize) -> Result<(), ModelError> {
        let costs = self.costs_start()..self.lengths_start as usize;
        check_padding(self.data, costs, self.cost_bytes())?;
        for (map, _) in self.maps() {
            check_padding(self.data, map.displacements(), 2 * buckets(map.slots()))?;
        }
        check_padding(self.data, self.rows_start()..self.data.len(), row_bytes)
    }

    /// Checks that the gate's sum cannot leave 32 bits.
    fn check_gate(&self) -> Result<(), ModelError> {
        let parameters = self.data.first_chunk().copied().unwrap_or_default();
        let gate = words_at(self.data, self.gate_weights());
        let groups = gate.as_chunks::<BLOCK_ROWS>().0.iter();
        let weights = groups.flat_map(|[word, ..]| weights_of(*word));
        let sum_abs = weights.map(|weight| weight.unsigned_abs()).sum();
        match Row::from_words(parameters).in_range(sum_abs) {
            true => Ok(()),
            false => Err(ModelError::Gate),
        }
    }

    /// Checks the row of every slot.
    fn check_rows(&self, row_bytes: usize) -> Result<(), ModelError> {
        // They are the last of the data, whose length was checked.
        let end = self.data.len();
        let rows = words_at(self.data, end.saturating_sub(row_bytes.div_ceil(4))..end);
        for (_, slots) in self.maps() {
            let slots = words_at(self.data, slots).iter();
            let offsets = slots.map(|&word| u32::from_le(word) & EMPTY);
            for offset in offsets.filter(|&offset| offset != EMPTY) {
                check_row(rows, row_bytes, offset, self.num_symbols.into())?;
            }
        }
        Ok(())
    }
}

/// Checks the row at an offset in bytes; all rows together take `row_bytes`.
fn check_row(
    rows: &[u32],
    expected: usize,
    offset: u32,
    num_symbols: usize,
) -> Result<(), ModelError> {
    let width = symbol_bits(num_symbols);
    let row = RowReader::at(rows, offset);
    let found = offset as usize + row_bytes(row.entries, width);
    if found > expected {
        return Err(ModelError::RowEnd { found, expected });
    }
    let (found, expected) = (row.entries, num_symbols);
    if found > expected {
        return Err(ModelError::RowEntries { found, expected });
    }
    if row.backoff > MAX_BACKOFF {
        return Err(ModelError::RowBackoff { found: row.backoff });
    }
    let mut symbols = Symbols([0; MAX_SYMBOLS / 32]);
    let padding = row.each(width as u8, |found, _| {
        if found >= expected {
            return Err(ModelError::RowSymbol { found, expected });
        }
        match symbols.insert(found) {
            true => Ok(()),
            false => Err(ModelError::RowRepetition { found }),
        }
    })?;
    match padding {
        0 => Ok(()),
        found => Err(ModelError::NgramPadding { found: found as u8 }),
    }
}

/// The data of a section as words, where they are as many as expected and aligned.
fn aligned_words(data: &[u8], expected: usize) -> Result<&[u32], ModelError> {
    let (found, expected) = (data.len(), 4 * expected);
    if found != expected {
        return Err(ModelError::NgramData { found, expected });
    }
    bytemuck::try_cast_slice(data).map_err(|_| ModelError::Alignment {
        found: data.as_ptr().addr() % ARRAY_ALIGN,
    })
}

/// An array of the data.
fn words_at(data: &[u32], array: Range<usize>) -> &[u32] {
    data.get(array).unwrap_or_default()
}

/// Checks that an array is filled up with zeros after so many bytes.
fn check_padding(data: &[u32], array: Range<usize>, bytes: usize) -> Result<(), ModelError> {
    let array: &[u8] = bytemuck::cast_slice(words_at(data, array));
    let mut padding = array.iter().skip(bytes);
    match padding.find(|&&byte| byte != 0) {
        None => Ok(()),
        Some(&found) => Err(ModelError::NgramPadding { found }),
    }
}

/// A set of symbols.
struct Symbols([u32; MAX_SYMBOLS / 32]);

impl Symbols {
    /// Whether the symbol was not in the set.
    fn insert(&mut self, symbol: usize) -> bool {
        let Some(word) = self.0.get_mut(symbol / 32) else {
            return false;
        };
        let bit = 1 << (symbol % 32);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

//! What a look-up relies on.

use super::backoff::{EMPTY, RowReader, Symbols, row_bytes, slots, symbol_bits, weights};
use super::hash::{PerfectHash, half_words};
use super::{Backoff, Embeddings, take};
use crate::format::{
    ARRAY_ALIGN, BLOCK_ROWS, BackoffSection, EmbeddingsSection, HISTORY, MAX_BACKOFF,
    MAX_BACKOFF_LENGTHS, MAX_DENSE, MAX_ROW_BYTES, MAX_SHIFT, ModelError, Row,
};
use crate::ngram::hash::buckets;

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
        let words = width.div_ceil(8);
        let lengths = section.slots.iter().map(|&slots| usize::from(slots));
        let lengths = lengths.filter(|&slots| slots > 0);
        let length = |s| PerfectHash::words(s) + half_words(s) + (s + 1) * words;
        let data = aligned_words(section.data, lengths.clone().map(length).sum())?;
        let mut rest = data;
        for slots in lengths {
            check_padding(
                take(&mut rest, PerfectHash::words(slots)),
                2 * buckets(slots),
            )?;
            check_padding(take(&mut rest, half_words(slots)), 2 * slots)?;
            take(&mut rest, (slots + 1) * words);
        }
        Ok(Embeddings {
            salt: section.salt,
            shift: section.shift,
            width: width as u16,
            slots: section.slots,
            data,
        })
    }
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
        backoff.data = aligned_words(section.data, backoff.words(row_bytes))?;
        backoff.check_arrays(row_bytes)?;
        backoff.check_gate()?;
        backoff.check_rows(row_bytes)?;
        Ok(backoff)
    }

    /// The slots of each length that there is.
    fn lengths(&self) -> impl Iterator<Item = u16> {
        self.slots.into_iter().filter(|&slots| slots > 0)
    }

    /// Words of the data.
    fn words(&self, row_bytes: usize) -> usize {
        let lengths = self.lengths().map(usize::from);
        BLOCK_ROWS * Row::BYTES / 4
            + usize::from(self.columns)
            + self.cost_bytes().div_ceil(4)
            + lengths.map(|s| PerfectHash::words(s) + s).sum::<usize>()
            + row_bytes.div_ceil(4)
    }

    fn check_arrays(&self, row_bytes: usize) -> Result<(), ModelError> {
        let arrays = self.arrays();
        check_padding(arrays.costs, self.cost_bytes())?;
        let mut rest = arrays.rest;
        for slots in self.lengths().map(usize::from) {
            check_padding(
                take(&mut rest, PerfectHash::words(slots)),
                2 * buckets(slots),
            )?;
            take(&mut rest, slots);
        }
        check_padding(rest, row_bytes)
    }

    /// Checks that the gate's sum cannot leave 32 bits.
    fn check_gate(&self) -> Result<(), ModelError> {
        let arrays = self.arrays();
        let parameters = arrays.gate_row.first_chunk().copied().unwrap_or_default();
        let groups = arrays.gate_weights.as_chunks::<BLOCK_ROWS>().0.iter();
        let weights = groups.flat_map(|[word, ..]| weights(*word));
        let sum_abs = weights.map(|weight| u32::from(weight.unsigned_abs())).sum();
        match Row::from_words(parameters).in_range(sum_abs) {
            true => Ok(()),
            false => Err(ModelError::Gate),
        }
    }

    /// Checks the row of every slot.
    fn check_rows(&self, row_bytes: usize) -> Result<(), ModelError> {
        let mut rest = self.arrays().rest;
        let mut rows = rest;
        for slots in self.lengths().map(usize::from) {
            take(&mut rows, PerfectHash::words(slots) + slots);
        }
        for length in self.lengths() {
            let (_, slots) = slots(length, &mut rest);
            let offsets = slots.iter().map(|&word| u32::from_le(word) & EMPTY);
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
    let mut row = RowReader::at(rows, offset, width);
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
    let mut symbols = Symbols::new();
    for _ in 0..row.entries {
        let (found, _) = row.next();
        if found >= expected {
            return Err(ModelError::RowSymbol { found, expected });
        }
        if !symbols.insert(found) {
            return Err(ModelError::RowRepetition { found });
        }
    }
    match row.padding() {
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

/// Checks that an array of so many bytes is filled up with zeros.
fn check_padding(array: &[u32], bytes: usize) -> Result<(), ModelError> {
    let array: &[u8] = bytemuck::cast_slice(array);
    let mut padding = array.iter().skip(bytes);
    match padding.find(|&&byte| byte != 0) {
        None => Ok(()),
        Some(&found) => Err(ModelError::NgramPadding { found }),
    }
}

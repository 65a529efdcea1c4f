//! A back-off table in the bytes of a `.lstm` file.

use crate::files::error::{Error, Result};
use crate::ngram::perfect_hash::{perfect_hashes, slots_for};
use crate::ngram::prune::{Context, PrunedTable, dense_length};
use lstm_core::ModelError;
use lstm_core::export::ngram::{Backoff, buckets, hash};
use lstm_core::export::{BLOCK_ROWS, BackoffSection, List, MAX_ROW_BYTES, Row, encode_weight};
use std::collections::HashMap;

/// Words of the parameters of the gate's block of rows.
const GATE_ROW_WORDS: usize = BLOCK_ROWS * Row::BYTES / 4;
/// The offset in a slot that has no row, and no tag.
const EMPTY: u32 = 0xf_ffff;
/// Bits of a cost.
const COST_BITS: usize = 6;

/// What a network learns of how to use a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// What a cost counts where no row is found, then where the longest one found is of each length; Q12.
    pub coefficients: Vec<i16>,
    /// The row of the dense layer that is added to the coefficient.
    pub row: Row,
    /// Its weights, as many as the padded columns of the dense layer.
    pub weights: Vec<i8>,
}

/// A back-off table as the device reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackoffTable {
    num_symbols: usize,
    salt: u32,
    dense: u8,
    /// Of each length above `dense`.
    slots: Vec<u16>,
    row_bytes: u32,
    /// The section's data with a gate of no columns.
    words: Vec<u32>,
}

impl BackoffTable {
    /// Encodes a table.
    ///
    /// # Errors
    /// It is larger than a section can be.
    pub(crate) fn new(table: &PrunedTable) -> Result<Self> {
        let count: Vec<usize> = table.contexts.iter().map(Vec::len).collect();
        let (salt, maps) = perfect_hashes(&count, |i, salt| {
            let length = table.dense + 1 + i;
            let tokens = table.contexts[i]
                .iter()
                .map(|context| &context.tokens[..length]);
            tokens.map(|tokens| hash(salt, tokens)).collect()
        })?;
        let rows = Rows::new(table);
        let row_bytes = rows.bytes.len();
        let row_bytes = u32::try_from(row_bytes)
            .ok()
            .filter(|&n| n <= MAX_ROW_BYTES);
        let row_bytes = row_bytes.ok_or_else(|| {
            Error::bad_input(format!(
                "found rows of {} bytes in a back-off table, expected at most {MAX_ROW_BYTES}",
                rows.bytes.len()
            ))
        })?;
        let mut words = vec![0; GATE_ROW_WORDS];
        append(&mut words, &table.costs);
        let mut offsets = rows.offsets.iter();
        for map in &maps {
            let displacements = map.displacements.iter().flat_map(|d| d.to_le_bytes());
            append(&mut words, &displacements.collect::<Vec<u8>>());
            let mut slots = vec![EMPTY; map.slots];
            for (&(slot, y), &offset) in map.places.iter().zip(&mut offsets) {
                slots[slot] = y << 20 | offset;
            }
            words.extend(slots.into_iter().map(u32::to_le));
        }
        append(&mut words, &rows.bytes);
        Ok(Self {
            num_symbols: table.num_symbols,
            salt,
            dense: table.dense as u8,
            slots: maps.iter().map(|map| map.slots as u16).collect(),
            row_bytes,
            words,
        })
    }

    pub(crate) fn num_symbols(&self) -> usize {
        self.num_symbols
    }

    /// The section's data with a gate of no columns.
    pub(crate) fn words(&self) -> &[u32] {
        &self.words
    }

    /// Coefficients that go with it: one for each length of its rows, and one more.
    pub fn coefficients(&self) -> usize {
        self.slots.len() + 1
    }

    /// Slots of all lengths: a fiftieth more than contexts.
    pub fn slots(&self) -> usize {
        self.slots.iter().copied().map(usize::from).sum()
    }

    /// Bytes of the section's data for a dense layer of so many padded columns.
    pub fn data_bytes(&self, columns: usize) -> usize {
        4 * (self.words.len() + columns)
    }

    /// The device's own look-up, for [`Backoff::costs`].
    ///
    /// # Errors
    /// None for a table that was made here.
    pub fn reader(&self) -> Result<Backoff<'_>> {
        let coefficients = vec![0; self.coefficients()];
        let section = self.section(&coefficients, bytemuck::cast_slice(&self.words));
        Ok(Backoff::new(self.num_symbols, 0, &section)?)
    }

    /// The data of its section in a file, with a gate: pass them to [`BackoffTable::section`].
    pub fn data(&self, gate: &Gate) -> Vec<u32> {
        let mut data = Vec::new();
        append(&mut data, &gate.row.to_bytes());
        data.resize(GATE_ROW_WORDS, 0);
        let encode = |(column, &weight): (usize, &i8)| encode_weight(weight, column);
        let weights: Vec<u8> = gate.weights.iter().enumerate().map(encode).collect();
        let zeros: [u8; 4] = std::array::from_fn(|column| encode_weight(0, column));
        for columns in weights.chunks(4) {
            append(&mut data, columns);
            for _ in 1..BLOCK_ROWS {
                append(&mut data, &zeros);
            }
        }
        data.extend(&self.words[GATE_ROW_WORDS..]);
        data
    }

    /// Its section in a file. Coefficients of another number than [`BackoffTable::coefficients`] are refused when the
    /// model is read.
    pub fn section<'d>(&self, coefficients: &[i16], data: &'d [u8]) -> BackoffSection<'d> {
        BackoffSection {
            salt: self.salt,
            dense: self.dense,
            slots: List::new(&self.slots).unwrap_or_default(),
            coefficients: List::new(coefficients).unwrap_or_default(),
            row_bytes: self.row_bytes,
            padding: &[],
            data,
        }
    }

    /// From a section whose gate has no columns.
    ///
    /// # Errors
    /// As at the load of a model.
    pub(crate) fn from_section(
        num_symbols: usize,
        section: &BackoffSection<'_>,
    ) -> Result<Self, ModelError> {
        let mut words = Vec::new();
        append(&mut words, section.data);
        let checked = BackoffSection {
            data: bytemuck::cast_slice(&words),
            ..section.clone()
        };
        Backoff::new(num_symbols, 0, &checked)?;
        Ok(Self {
            num_symbols,
            salt: section.salt,
            dense: section.dense,
            slots: section.slots.to_vec(),
            row_bytes: section.row_bytes,
            words,
        })
    }
}

/// The fewest bytes that the data of a table take with a dense layer of so many padded columns.
pub fn least_bytes(num_symbols: usize, columns: usize) -> usize {
    let dense = u32::try_from(dense_length(num_symbols)).unwrap_or(0);
    let costs = num_symbols.pow(dense + 1);
    4 * (GATE_ROW_WORDS + columns + costs.div_ceil(4))
}

/// Bytes that the data of a table take with a dense layer of so many padded columns; `None` if it is larger than a
/// section can be.
pub(crate) fn data_bytes(table: &PrunedTable, columns: usize) -> Option<usize> {
    let rows = Rows::new(table).bytes.len();
    if rows > MAX_ROW_BYTES as usize {
        return None;
    }
    let mut words = GATE_ROW_WORDS + columns + table.costs.len().div_ceil(4) + rows.div_ceil(4);
    for contexts in &table.contexts {
        let slots = slots_for(contexts.len())?;
        words += buckets(slots).div_ceil(2) + slots;
    }
    Some(4 * words)
}

/// Appends an array, padded with zeros.
pub(crate) fn append(words: &mut Vec<u32>, bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<4>();
    words.extend(whole.iter().map(|&bytes| u32::from_ne_bytes(bytes)));
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        words.push(u32::from_ne_bytes(last));
    }
}

/// The rows of all contexts, each that occurs more than once stored once.
#[derive(Default)]
struct Rows {
    bytes: Vec<u8>,
    /// Of each context, length by length.
    offsets: Vec<u32>,
}

impl Rows {
    fn new(table: &PrunedTable) -> Self {
        let mut rows = Self::default();
        let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
        let bits = symbol_bits(table.num_symbols);
        for context in table.contexts.iter().flatten() {
            let row = encode_row(context, bits);
            let end = rows.bytes.len();
            let offset = *known.entry(row).or_insert_with_key(|row| {
                rows.bytes.extend(row);
                // Beyond what fits, the length is refused.
                u32::try_from(end).unwrap_or(EMPTY)
            });
            rows.offsets.push(offset);
        }
        rows
    }
}

/// Bits of a symbol in a row.
fn symbol_bits(num_symbols: usize) -> usize {
    (usize::BITS - (num_symbols - 1).leading_zeros()).max(1) as usize
}

fn encode_row(context: &Context, symbol_bits: usize) -> Vec<u8> {
    let mut row = vec![(context.entries.len() - 1) as u8, context.backoff];
    let (mut pending, mut count) = (0u32, 0);
    for &(symbol, cost) in &context.entries {
        let entry = u32::from(symbol) | u32::from(cost) << symbol_bits;
        pending |= entry << count;
        count += symbol_bits + COST_BITS;
        while count >= 8 {
            row.push(pending as u8);
            pending >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        row.push(pending as u8);
    }
    row
}

//! What the kernels of small CPUs share: how their assembly is called.
#![allow(unsafe_code, reason = "the kernels are assembly")]

mod int4;
mod int8;
#[cfg(all(lstm_units, feature = "int8"))]
mod units;

pub(super) use int4::{Int4, Int4Assembly};
#[cfg(any(lstm_kernel = "cortex_m0", lstm_kernel = "cortex_m3"))]
pub(super) use int8::added;
#[cfg(target_arch = "arm")]
pub(super) use int8::pack_groups;
#[cfg(lstm_kernel = "riscv32")]
pub(super) use int8::pack_words;
pub(super) use int8::{Int8, Int8Assembly};
#[cfg(all(lstm_units, feature = "int8"))]
pub(crate) use units::{cifg_units, lstm_units};

use core::ops::Range;

use super::{Room, Rows};
use crate::format::{BLOCK_ROWS, INT4_ROWS, WeightFormat};

/// What the assembly is to compute, and where it is; the assembly knows the offsets.
#[repr(C)]
pub(crate) struct Call {
    /// The packed columns, or the list of the live ones; 0.
    input: *const u32,
    /// A row's sum of products begins here; 4.
    start: i32,
    /// The end of the columns or of the list; 8.
    input_end: *const u32,
    /// The parameters of the next row, on a multiple of 4; 12.
    rows: *const [u32; 2],
    /// The table's entry for the next row, on a multiple of 4 for the first; null where there is no table; 16.
    entries: *const u8,
    /// Where the next row's sum goes, on a multiple of 16 for the first; 20.
    sums: *mut [i32; BLOCK_ROWS],
    /// The end of the sums; 24.
    sums_end: *mut [i32; BLOCK_ROWS],
    /// Bytes of a block of weights; 28.
    block_bytes: usize,
}

/// Assembly that writes the sums of the rows of the blocks at `weights`, each with the row's
/// parameters and its entry of the table, as far as `call` says. Of a last block of 16 rows it may
/// write all, and takes the parameters and entries of those that there are.
///
/// # Safety
///
/// There are as many parameters and, if any, entries as sums, at least four, a multiple of four, and blocks
/// of weights for all; the columns are a positive multiple of
/// [`SENSOR_COLUMN_ALIGN`](crate::format::SENSOR_COLUMN_ALIGN), a list is one that was packed for as many columns
/// as a block has; weights, input, rows and entries begin on a multiple of 4, the sums on a multiple of 16,
/// with room for whole blocks.
pub(crate) type Assembly = unsafe extern "C" fn(weights: *const u8, call: &mut Call);

/// The sums of a batch of rows.
///
/// # Safety
///
/// `input` is what the assembly takes for the columns of the matrix: as many, packed, or a list that
/// was packed for as many.
// Inlined, so that the assembly is called by its name, and an estimate of the stack can follow.
#[inline(always)]
unsafe fn rows<'b>(
    assembly: Assembly,
    rows: &Rows<'_>,
    input: Range<*const u32>,
    start: i32,
    first: usize,
    mut batch: Room<'b, i32>,
) -> &'b [[i32; BLOCK_ROWS]] {
    let matrix = rows.matrix;
    let range = first..matrix.parameters().len().min(first + batch.blocks());
    let filled = range.len();
    // In words, blocks of four rows, or of 16 in two words a column.
    let (block, blocks, block_words) = match matrix.format {
        WeightFormat::Int4 => {
            let together = INT4_ROWS / BLOCK_ROWS;
            (
                first / together,
                filled.div_ceil(together),
                2 * matrix.columns,
            )
        }
        WeightFormat::F32 | WeightFormat::Int8 => (first, filled, matrix.columns),
    };
    let weights = matrix
        .weights
        .get(block * block_words..)
        .unwrap_or_default();
    let parameters = matrix.parameters().get(range.clone()).unwrap_or_default();
    let entries = match rows.entries {
        [] => core::ptr::null(),
        entries => match entries.get(range) {
            Some(entries) => entries.as_ptr().cast(),
            None => return &[],
        },
    };
    if filled == 0 || parameters.len() != filled || weights.len() < blocks * block_words {
        return &[];
    }
    let sums = batch.as_mut_ptr();
    let mut call = Call {
        input: input.start,
        start,
        input_end: input.end,
        rows: parameters.as_ptr().cast(),
        entries,
        sums,
        sums_end: sums.wrapping_add(filled),
        block_bytes: 4 * block_words,
    };
    // SAFETY: parameters, entries, sums and whole blocks of weights were counted; the input is the
    // caller's. Weights and rows are words, and so is the scratch in which the input lies; a batch is
    // aligned to 16 and has room for whole blocks of 16 rows. The assembly writes all of the sums.
    unsafe {
        assembly(weights.as_ptr().cast(), &mut call);
        batch.written(filled)
    }
}

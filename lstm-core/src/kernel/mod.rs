//! The sums of the rows of the integer formats: dot products, and what is added to them.
//!
//! `portable.rs` is the definition, and is always built. A CPU's kernel is a file beside it, which
//! `build.rs` chooses, with two types of the same names, `Int8` and `Int4`. It equals the definition
//! bit for bit.

#[cfg_attr(
    not(lstm_kernel = "portable"),
    allow(dead_code, reason = "the definition is always built")
)]
pub(crate) mod portable;

#[cfg(not(lstm_kernel = "portable"))]
#[cfg_attr(lstm_kernel = "aarch64", path = "aarch64.rs")]
#[cfg_attr(lstm_kernel = "cortex_m0", path = "cortex_m0.rs")]
#[cfg_attr(lstm_kernel = "cortex_m3", path = "cortex_m3.rs")]
#[cfg_attr(lstm_kernel = "cortex_m4", path = "cortex_m4.rs")]
#[cfg_attr(lstm_kernel = "riscv32", path = "riscv32.rs")]
#[cfg_attr(lstm_kernel = "x86_64", path = "x86_64.rs")]
mod cpu;
#[cfg(lstm_kernel = "portable")]
use portable as cpu;

mod batch;
// What kernels share: the assembly of small CPUs, and the vectors of large ones.
#[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
mod assembly;
#[cfg(any(lstm_kernel = "cortex_m3", lstm_kernel = "cortex_m4"))]
mod thumb2;
#[cfg(any(lstm_kernel = "aarch64", lstm_kernel = "x86_64"))]
mod vector;

#[cfg(all(lstm_units, feature = "int8"))]
pub(crate) use assembly::{cifg_units, lstm_units};
pub(crate) use batch::{Batch, MAX_BATCH, Room};
#[cfg(all(lstm_kernel = "cortex_m4", feature = "int8"))]
pub(crate) use cpu::product_of_lower_halves;
#[cfg(all(lstm_kernel = "cortex_m0", feature = "int8"))]
pub(crate) use cpu::sigmoid_q12;
#[cfg(lstm_kernel = "portable")]
pub(crate) use cpu::sums_of_entries;
#[cfg(all(lstm_kernel = "cortex_m4", feature = "ngram"))]
pub(crate) use cpu::symmetric_sum;
pub(crate) use cpu::{Int4, Int8};

use crate::format::{BLOCK_ROWS, Row};
use crate::layout::Matrix;

/// The rows of an integer matrix, and the folded table's entries for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) matrix: &'a Matrix<'a>,
    /// Block by block; empty where there is no table.
    pub(crate) entries: &'a [[u8; BLOCK_ROWS]],
}

/// The dot products of one weight format on one CPU.
pub(crate) trait Kernel {
    /// Bytes of scratch for each [`COLUMN_ALIGN`](crate::format::COLUMN_ALIGN) columns.
    const SCRATCH_BYTES: usize;

    /// Columns as the dot products read them, in the scratch into which they were packed, with all
    /// that the dot products need to know besides.
    type Packed<'a>: Copy;

    /// Packs the columns of a matrix, then zeros up to its padded width.
    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Self::Packed<'a>;

    /// The sums of the rows over the packed columns, in Q18, a block of four rows after the other:
    /// from the block `first` on, a multiple of what `batch` has room for, as many as that;
    /// none after the last block. None overflows: [`Row::in_range`] was checked when the file was
    /// read.
    fn rows<'b>(
        rows: &Rows<'_>,
        packed: Self::Packed<'_>,
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]];
}

/// The sums of the rows of a matrix without columns: the entries of the table, scaled, and the biases.
#[cfg(not(lstm_kernel = "portable"))]
pub(crate) fn sums_of_entries<'b>(
    rows: &Rows<'_>,
    first: usize,
    batch: Room<'b, i32>,
) -> &'b [[i32; BLOCK_ROWS]] {
    sums(rows, core::iter::repeat([0; BLOCK_ROWS]), first, batch)
}

/// Makes the sums of a batch from its dot products, block by block.
#[inline(always)]
fn sums<'b>(
    rows: &Rows<'_>,
    dots: impl Iterator<Item = [i32; BLOCK_ROWS]>,
    first: usize,
    batch: Room<'b, i32>,
) -> &'b [[i32; BLOCK_ROWS]] {
    let parameters = rows.matrix.parameters().get(first..).unwrap_or_default();
    let mut entries = rows.entries.get(first..).unwrap_or_default().iter();
    batch.fill(parameters.iter().zip(dots).map(|(parameters, mut sums)| {
        let entries = entries.next().unwrap_or(&[0; BLOCK_ROWS]);
        for ((sum, &parameters), &entry) in sums.iter_mut().zip(parameters).zip(entries) {
            let row = Row::from_words(parameters);
            *sum = sum
                .wrapping_mul(row.weight_scale.into())
                .wrapping_add(i32::from(entry as i8).wrapping_mul(row.table_scale.into()))
                .wrapping_add(row.bias);
        }
        sums
    }))
}

#[cfg(test)]
mod tests;

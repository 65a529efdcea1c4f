//! Every CPU: the definition of the dot products, in plain Rust.
#![deny(clippy::float_arithmetic)]

use super::{Batch, Kernel, Rows, sums};
use crate::bytes::prefix;
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, INT4_ROWS};
use crate::layout::Matrix;

/// 8-bit weights. A block is `[columns / 4][4 rows][4 columns]`.
pub(crate) struct Int8;

/// Columns, and what takes the offset of 128 off the weights of even columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    columns: &'a [i8],
    correction: i32,
}

impl Kernel for Int8 {
    const SCRATCH_BYTES: usize = COLUMN_ALIGN;
    type Packed<'a> = Columns<'a>;

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Columns<'a> {
        let packed = prefix(scratch, matrix.columns);
        fill(packed, columns.iter().copied());
        let pairs = packed.as_chunks::<2>().0;
        let even: i32 = pairs.iter().map(|&[even, _]| i32::from(even)).sum();
        Columns {
            columns: packed,
            correction: 128 * even,
        }
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: Columns<'_>,
        first: usize,
        batch: &'b mut Batch<i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        let block_bytes = BLOCK_ROWS * rows.matrix.columns.max(1);
        let blocks = rows.matrix.weight_bytes().chunks_exact(block_bytes);
        let dots = blocks.skip(first).map(|block| int8_dots(block, packed));
        sums(rows, dots, first, batch)
    }
}

fn int8_dots(block: &[u8], packed: Columns<'_>) -> [i32; BLOCK_ROWS] {
    let mut dots = [-packed.correction; BLOCK_ROWS];
    let groups = block.as_chunks::<16>().0.iter();
    for (group, x) in groups.zip(packed.columns.as_chunks::<4>().0) {
        let [x0, x1, x2, x3] = x.map(i32::from);
        for (dot, &[w0, w1, w2, w3]) in dots.iter_mut().zip(group.as_chunks::<4>().0) {
            *dot += i32::from(w0) * x0
                + i32::from(w1 as i8) * x1
                + i32::from(w2) * x2
                + i32::from(w3 as i8) * x3;
        }
    }
    dots
}

/// 4-bit weights. A block of 16 rows is `[columns][2]` words of 32 bits: bits `4 k` of a word hold
/// row `2 k` of its eight rows, bits `16 + 4 k` row `2 k + 1`, each with an offset of 8.
pub(crate) struct Int4;

impl Kernel for Int4 {
    const SCRATCH_BYTES: usize = COLUMN_ALIGN;
    /// Columns, 0 where they are in their dead zone.
    type Packed<'a> = &'a [i8];

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> &'a [i8] {
        let packed = prefix(scratch, matrix.columns);
        fill(packed, matrix.dead_zones.counted(columns));
        packed
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: &[i8],
        first: usize,
        batch: &'b mut Batch<i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        let block_bytes = INT4_ROWS / 2 * rows.matrix.columns.max(1);
        let blocks = rows.matrix.weight_bytes().chunks_exact(block_bytes);
        let blocks = blocks.skip(first * BLOCK_ROWS / INT4_ROWS);
        let dots = blocks.flat_map(|block| int4_dots(block, packed));
        sums(rows, dots, first, batch)
    }
}

fn int4_dots(block: &[u8], packed: &[i8]) -> [[i32; BLOCK_ROWS]; INT4_ROWS / BLOCK_ROWS] {
    let mut dots = [[0; BLOCK_ROWS]; INT4_ROWS / BLOCK_ROWS];
    for (column, &x) in block.as_chunks().0.iter().zip(packed) {
        let rows = dots.as_flattened_mut().iter_mut();
        for (dot, weight) in rows.zip(int4_column(column)) {
            *dot += weight * i32::from(x);
        }
    }
    dots
}

/// The weights of a column of a block, row by row.
fn int4_column(column: &[u8; 8]) -> [i32; INT4_ROWS] {
    let mut rows = [0; INT4_ROWS];
    let words = column.as_chunks::<4>().0;
    for (rows, word) in rows.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        let mut word = u32::from_le_bytes(*word);
        for [low, high] in rows.as_chunks_mut().0 {
            *low = (word & 0xf) as i32 - 8;
            *high = (word >> 16 & 0xf) as i32 - 8;
            word >>= 4;
        }
    }
    rows
}

/// Writes the columns, then zeros.
fn fill(packed: &mut [i8], columns: impl Iterator<Item = i8>) {
    for (packed, value) in packed.iter_mut().zip(columns.chain(core::iter::repeat(0))) {
        *packed = value;
    }
}

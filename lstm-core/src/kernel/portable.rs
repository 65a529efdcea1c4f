//! Every CPU: the definition of the dot products, in plain Rust.
#![deny(clippy::float_arithmetic)]

use super::{Kernel, Room, Rows, sums};
use crate::bytes::{prefix, split};
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, INT4_ROWS};
use crate::layout::{DeadZones, Matrix};

/// Columns, and what takes the offset of 128 off the 8-bit weights of even columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    columns: &'a [i8],
    correction: i32,
}

/// The dot products of a block of four rows of a matrix.
type Dots = fn(&Matrix<'_>, Columns<'_>, usize) -> [i32; BLOCK_ROWS];

/// The sums of both formats, whose dot products are in a pointer so that this code is there once.
#[inline(never)]
fn sums_of<'b>(
    dots: Dots,
    rows: &Rows<'_>,
    packed: Columns<'_>,
    first: usize,
    batch: Room<'b, i32>,
) -> &'b [[i32; BLOCK_ROWS]] {
    let dots = (first..).map(|block| dots(rows.matrix, packed, block));
    sums(rows, dots, first, batch)
}

/// The sums of a matrix without columns.
#[cfg(lstm_kernel = "portable")]
pub(crate) fn sums_of_entries<'b>(
    rows: &Rows<'_>,
    first: usize,
    batch: Room<'b, i32>,
) -> &'b [[i32; BLOCK_ROWS]] {
    let none = Columns {
        columns: &[],
        correction: 0,
    };
    sums_of(|_, _, _| [0; BLOCK_ROWS], rows, none, first, batch)
}

/// 8-bit weights. A block is `[columns / 4][4 rows][4 columns]`.
pub(crate) struct Int8;

impl Kernel for Int8 {
    const SCRATCH_BYTES: usize = COLUMN_ALIGN;
    type Packed<'a> = Columns<'a>;

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Columns<'a> {
        let packed = pack(matrix, columns, scratch);
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
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        sums_of(int8_dots, rows, packed, first, batch)
    }
}

fn int8_dots(matrix: &Matrix<'_>, packed: Columns<'_>, block: usize) -> [i32; BLOCK_ROWS] {
    let mut dots = [-packed.correction; BLOCK_ROWS];
    let groups = weights_from(matrix, block * BLOCK_ROWS).as_chunks::<16>().0;
    for (group, x) in groups.iter().zip(packed.columns.as_chunks::<4>().0) {
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
    type Packed<'a> = Columns<'a>;

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Columns<'a> {
        let packed = pack(matrix, columns, scratch);
        let DeadZones { below, zones } = matrix.dead_zones;
        let (first, second) = split(packed, below);
        for (part, zone) in [first, second].into_iter().zip(zones) {
            for x in part.iter_mut().filter(|x| x.unsigned_abs() < zone) {
                *x = 0;
            }
        }
        Columns {
            columns: packed,
            correction: 0,
        }
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: Columns<'_>,
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        sums_of(int4_dots, rows, packed, first, batch)
    }
}

fn int4_dots(matrix: &Matrix<'_>, packed: Columns<'_>, block: usize) -> [i32; BLOCK_ROWS] {
    let first = block * BLOCK_ROWS % INT4_ROWS;
    let words = weights_from(matrix, (block * BLOCK_ROWS - first) / 2)
        .as_chunks::<8>()
        .0;
    core::array::from_fn(|row| {
        let row = first + row;
        // Of eight rows the even ones are in the lower half of a word.
        let shift = 32 * (row / 8) + 4 * (row % 8 / 2) + 16 * (row % 2);
        let weights = words
            .iter()
            .map(|&words| u64::from_le_bytes(words) >> shift & 0xf);
        let columns = packed.columns.iter().copied().map(i32::from);
        weights
            .zip(columns)
            .map(|(weight, x)| (weight as i32 - 8) * x)
            .sum()
    })
}

/// The bytes of the weights from the row on, a byte for each weight (a half in int4).
fn weights_from<'m>(matrix: &Matrix<'m>, row: usize) -> &'m [u8] {
    matrix
        .weight_bytes()
        .get(row * matrix.columns..)
        .unwrap_or_default()
}

/// Writes the columns, then zeros up to the padded width of the matrix.
fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> &'a mut [i8] {
    let packed = prefix(scratch, matrix.columns);
    let (values, zeros) = split(packed, columns.len());
    for (packed, value) in values.iter_mut().zip(columns) {
        *packed = *value;
    }
    zeros.fill(0);
    packed
}

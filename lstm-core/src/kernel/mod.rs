//! The sums of the rows of the integer formats: dot products, and what is added to them.
//!
//! `portable.rs` is the definition, and is always built. A CPU's kernel is a file beside it with
//! the same names and signatures (modules `int8` and `int4`, each with `Input`, `pack` and
//! `for_each_batch`; `int4` with `input_len` too), chosen by one line of `choose!`, and equal to it
//! bit for bit. A build with `RUSTFLAGS='--cfg lstm_core_kernel="portable"'` takes the definition.

#[cfg_attr(
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "riscv32"
    ),
    allow(dead_code, reason = "the definition is always built")
)]
pub(crate) mod portable;

#[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
mod blocks;
#[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
mod live;
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(lstm_core_kernel = "portable")
))]
mod nonzero;
#[cfg(any(thumb = "v7m", thumb = "v7em"))]
mod thumb2;

/// Takes the first kernel whose condition holds, or the portable one.
macro_rules! choose {
    ($($condition:meta => $kernel:ident;)*) => {
        choose!(@ [] $($condition => $kernel;)*);
    };
    (@ [$($before:meta,)*] $condition:meta => $kernel:ident; $($rest:tt)*) => {
        #[cfg(all($condition, not(any(lstm_core_kernel = "portable", $($before),*))))]
        mod $kernel;
        #[cfg(all($condition, not(any(lstm_core_kernel = "portable", $($before),*))))]
        pub(crate) use $kernel::{int4, int8};
        choose!(@ [$($before,)* $condition,] $($rest)*);
    };
    (@ [$($before:meta,)*]) => {
        #[cfg(any(lstm_core_kernel = "portable", not(any($($before),*))))]
        pub(crate) use portable::{int4, int8};
    };
}

choose! {
    all(target_arch = "x86_64", target_feature = "sse2") => x86_64;
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little") => aarch64;
    thumb = "v7em" => cortex_m4;
    thumb = "v7m" => cortex_m3;
    thumb = "v6m" => cortex_m0;
    target_arch = "riscv32" => riscv32;
}

#[cfg(all(thumb = "v6m", feature = "int8"))]
pub(crate) use cortex_m0::sigmoid_q12;

use crate::arith::Each;
use crate::format::{BLOCK_ROWS, INT4_ROWS, Row, WeightFormat};
use crate::model::Matrix;
use crate::session::prefix;

/// Blocks whose dot products a kernel hands over at a time: a multiple of 3, for the cells whose
/// units take three blocks, and of 4, for int4 has blocks of 16 rows.
pub(crate) const BATCH: usize = 24;

/// The rows of an integer matrix, and the folded table's entries for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) matrix: &'a Matrix<'a>,
    /// Block by block; empty where there is no table.
    pub(crate) entries: &'a [[u8; BLOCK_ROWS]],
}

impl<'a> Rows<'a> {
    /// The weights, block by block.
    fn weights(&self) -> &'a [u8] {
        bytemuck::cast_slice(self.matrix.weights)
    }

    /// The parameters of the rows, [`Row`] by `Row`, block by block.
    fn parameters(&self) -> &'a [[[u32; 2]; BLOCK_ROWS]] {
        self.matrix.rows.as_chunks().0.as_chunks().0
    }
}

/// Lays out the columns of a matrix, then zeros, as its dot products read them, in the first of the
/// words; returns what the dot products need to know besides.
pub(crate) fn pack(matrix: &Matrix<'_>, columns: &[i8], input: &mut [u32]) -> i32 {
    match matrix.format {
        #[cfg(feature = "int4")]
        WeightFormat::Int4 => {
            let input = prefix(input, int4::input_len(matrix.columns));
            int4::pack(columns, matrix.dead_zones, input)
        }
        _ => int8::pack(columns, prefix(input, matrix.columns)),
    }
}

/// Calls `each` with the sums of the rows over the packed columns, a block of four rows after the
/// other, [`BATCH`] blocks at a time.
pub(crate) fn for_each_batch(
    rows: &Rows<'_>,
    input: &[u32],
    correction: i32,
    each: &mut Each<'_, i32>,
) {
    /// The packed columns of a matrix.
    fn packed<T: bytemuck::Pod>(input: &[u32], columns: usize) -> &[T] {
        let input = bytemuck::cast_slice(input);
        input.get(..columns).unwrap_or_default()
    }
    let columns = rows.matrix.columns;
    match rows.matrix.format {
        #[cfg(feature = "int4")]
        WeightFormat::Int4 => {
            let input = packed(input, int4::input_len(columns));
            int4::for_each_batch(rows, input, correction, each);
        }
        _ => int8::for_each_batch(rows, packed(input, columns), correction, each),
    }
}

/// Hands over the sums of the rows, from dot products that come block by block, in batches of
/// [`BATCH`]; the last may be smaller. The sums are in Q18; none overflows, for [`Row::in_range`]
/// was checked when the file was read.
#[cfg_attr(
    any(target_arch = "arm", target_arch = "riscv32"),
    allow(dead_code, reason = "the kernels there fill batches themselves")
)]
#[inline(always)]
fn batches(
    rows: &Rows<'_>,
    mut dots: impl Iterator<Item = [i32; BLOCK_ROWS]>,
    mut each: impl FnMut(&[[i32; BLOCK_ROWS]]),
) {
    let mut entries = rows.entries.iter();
    let mut parameters = rows.parameters().iter();
    let mut batch = [[0; BLOCK_ROWS]; BATCH];
    loop {
        let mut filled = 0;
        for ((sums, parameters), dots) in
            batch.iter_mut().zip(parameters.by_ref()).zip(dots.by_ref())
        {
            let entries = entries.next().unwrap_or(&[0; BLOCK_ROWS]);
            let sum = |r: usize| {
                let row = Row::from_words(parameters[r]);
                let entry = i32::from(entries[r] as i8);
                dots[r]
                    .wrapping_mul(row.weight_scale.into())
                    .wrapping_add(entry.wrapping_mul(row.table_scale.into()))
                    .wrapping_add(row.bias)
            };
            *sums = [sum(0), sum(1), sum(2), sum(3)];
            filled += 1;
        }
        match batch.get(..filled) {
            Some(filled @ [_, ..]) => each(filled),
            _ => break,
        }
    }
}

/// The sum of the absolute weights of a row of the first block of `weights`, over so many columns.
pub(crate) fn sum_abs(format: WeightFormat, weights: &[u32], columns: usize, row: usize) -> u32 {
    let is_int4 = format == WeightFormat::Int4;
    // Two words a column in int4; four columns a word in int8.
    let (mut at, step, words) = match is_int4 {
        true => (row / 8, 2, columns),
        false => (row, BLOCK_ROWS, columns / 4),
    };
    let mut sum = 0;
    for _ in 0..words {
        let mut word = u32::from_le(weights.get(at).copied().unwrap_or_default());
        at += step;
        if is_int4 {
            word >>= 4 * (row % 8 / 2) + 16 * (row % 2);
            sum += (word & 0xf).abs_diff(8);
        } else {
            // Now all four are in two's complement.
            word ^= 0x0080_0080;
            while word != 0 {
                sum += u32::from((word as i8).unsigned_abs());
                word >>= 8;
            }
        }
    }
    sum
}

/// The weights of a column of an int4 block, row by row.
fn int4_column(column: &[u8; 8]) -> [i32; INT4_ROWS] {
    let mut rows = [0; INT4_ROWS];
    for (rows, word) in rows
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(column.as_chunks::<4>().0)
    {
        let mut word = u32::from_le_bytes(*word);
        for [low, high] in rows.as_chunks_mut().0 {
            *low = (word & 0xf) as i32 - 8;
            *high = (word >> 16 & 0xf) as i32 - 8;
            word >>= 4;
        }
    }
    rows
}

/// The columns of an int4 matrix that count as 0: those whose absolute value is below a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadZones {
    /// How many columns come from the layer below.
    pub(crate) below: usize,
    /// The numbers for those columns, and for the others.
    pub(crate) zones: [u8; 2],
}

impl DeadZones {
    /// All columns count as they are.
    pub(crate) const NONE: Self = DeadZones {
        below: 0,
        zones: [0; 2],
    };

    /// The columns in two parts, each with its number.
    fn parts(self, columns: &[i8]) -> [(&[i8], u8); 2] {
        let (below, own) = columns.split_at(self.below.min(columns.len()));
        let [first, second] = self.zones;
        [(below, first), (own, second)]
    }

    /// The columns, 0 where they are in their dead zone.
    fn counted(self, columns: &[i8]) -> impl Iterator<Item = i8> {
        fn part(columns: &[i8], zone: u8) -> impl Iterator<Item = i8> {
            let columns = columns.iter().copied();
            columns.map(move |x| if x.unsigned_abs() < zone { 0 } else { x })
        }
        let [(below, first), (own, second)] = self.parts(columns);
        part(below, first).chain(part(own, second))
    }
}

/// The columns, then zeros.
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(lstm_core_kernel = "portable")
))]
fn copy_columns<T: From<i8>>(columns: &[i8], input: &mut [T]) {
    let (copied, padding) = input.split_at_mut(columns.len().min(input.len()));
    for (input, &value) in copied.iter_mut().zip(columns) {
        *input = value.into();
    }
    for input in padding {
        *input = 0.into();
    }
}

#[cfg(test)]
mod tests;

//! Compares kernels that this computer can run with the portable ones.

use std::vec;
use std::vec::Vec;

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::{Batch, Kernel, Rows, portable};
use crate::format::{
    BLOCK_ROWS, COLUMN_ALIGN, MAX_HIDDEN, SENSOR_COLUMN_ALIGN, WeightFormat, int4_words, round_up,
};
use crate::layout::{DeadZones, Matrix};

/// The sums of a matrix of rows with the parameters 0, 1, 0: the dot products.
pub(super) type Product = fn(&Matrix<'_>, &[i8]) -> Vec<[i32; BLOCK_ROWS]>;

/// Packs the columns and multiplies, as a step does.
pub(super) fn product<K: Kernel>(matrix: &Matrix<'_>, hidden: &[i8]) -> Vec<[i32; BLOCK_ROWS]> {
    // Not zeros, so that `pack` has to write each.
    let mut scratch =
        vec![0x6363_6363; matrix.columns.div_ceil(COLUMN_ALIGN) * K::SCRATCH_BYTES / 4];
    let packed = K::pack(matrix, hidden, &mut scratch);
    let rows = Rows {
        matrix,
        entries: &[],
    };
    let mut batch = Batch::new();
    let mut sums = Vec::new();
    loop {
        let found = K::rows(&rows, packed, sums.len(), batch.whole());
        if found.is_empty() {
            return sums;
        }
        sums.extend_from_slice(found);
    }
}

/// A matrix of so many columns whose sums are the dot products, so many blocks of four rows.
fn unit_matrix(
    format: WeightFormat,
    weights: &[u32],
    columns: usize,
    blocks: usize,
    dead_zones: DeadZones,
) -> Matrix<'_> {
    static ONES: [[u32; 2]; BLOCK_ROWS * 128] = [[0, 1u32.to_le()]; BLOCK_ROWS * 128];
    Matrix {
        rows: ONES[..BLOCK_ROWS * blocks].as_flattened(),
        weights,
        format,
        columns,
        dead_zones,
    }
}

/// Pairs of neighbouring bytes that are extreme: int8 stores 127, -127 and -128 as `ff 7f`, `01 81`
/// and `00 80`; int4 stores 7 and -8 as `ff ff` and `00 00`.
const EXTREMES: [[u8; 2]; 5] = [
    [0xff, 0x7f],
    [0x01, 0x81],
    [0x00, 0x80],
    [0xff, 0xff],
    [0x00, 0x00],
];

struct Random(Xoshiro128PlusPlus);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u32() as usize % n
    }

    /// Pairs that are all the same extreme, or any extremes, or any bytes.
    fn weights(&mut self, bytes: usize) -> Vec<u32> {
        let filling = self.below(EXTREMES.len() + 2);
        let mut pair = || match EXTREMES.get(filling) {
            Some(&pair) => pair,
            None if filling == EXTREMES.len() => EXTREMES[self.below(EXTREMES.len())],
            None => [self.below(256) as u8, self.below(256) as u8],
        };
        let mut word = || {
            let ([b0, b1], [b2, b3]) = (pair(), pair());
            u32::from_le_bytes([b0, b1, b2, b3]).to_le()
        };
        (0..bytes / 4).map(|_| word()).collect()
    }

    /// All 127, or all -127, or either, or anything from -127 to 127, or small, or such values among
    /// zeros, or zeros.
    fn hidden(&mut self, len: usize) -> Vec<i8> {
        let filling = self.below(6);
        let zeros = [0, 0, 1, 4, 7, 8][self.below(6)];
        let mut value = || match filling {
            _ if self.below(8) < zeros => 0,
            0 => 127,
            1 => -127,
            2 => [127, -127][self.below(2)],
            3 => (self.below(41) as i16 - 20) as i8,
            _ => (self.below(255) as i16 - 127) as i8,
        };
        (0..len).map(|_| value()).collect()
    }
}

/// Compares the dot products of a kernel with the portable ones.
pub(super) fn compare(format: WeightFormat, kernel: Product) {
    let portable: Product = match format {
        WeightFormat::Int4 => product::<portable::Int4>,
        _ => product::<portable::Int8>,
    };
    let mut random = Random(Xoshiro128PlusPlus::seed_from_u64(1));
    let steps = 2 * MAX_HIDDEN / SENSOR_COLUMN_ALIGN;
    // Each number of columns, and small ones more often. Miri takes too long for all that.
    let [each, small, narrow] = if cfg!(miri) {
        [1, 10, 10]
    } else {
        [steps, 3000, 96]
    };
    for fours in (1..=each).chain((0..small).map(|n| 1 + n % narrow)) {
        let columns = SENSOR_COLUMN_ALIGN * fours;
        let blocks =
            random.below(if cfg!(miri) { 6 } else { 11 }) * [1, 1, 1, 4, 4, 9][random.below(6)];
        let rows = round_up(blocks * BLOCK_ROWS, format.block_rows());
        let weights = random.weights(rows * columns * format.bits() / 8);
        let used = columns - random.below(COLUMN_ALIGN.min(columns));
        let hidden = random.hidden(used);
        let mut zone = || [0, 1, 8, 127][random.below(4)];
        let zones = [zone(), zone()];
        let below = [0, used / 2, random.below(used + 1)][random.below(3)];
        let zones = DeadZones { below, zones };
        let matrix = &unit_matrix(format, &weights, columns, blocks, zones);
        let expected = portable(matrix, &hidden);
        assert_eq!(expected.len(), blocks);
        let found = kernel(matrix, &hidden);
        assert_eq!(
            found, expected,
            "{format:?}, {used} of {columns} columns, {zones:?}"
        );
    }
}

#[test]
fn the_kernel_of_8_bits_gives_the_portable_numbers() {
    compare(WeightFormat::Int8, product::<super::Int8>);
}

#[test]
fn the_kernel_of_4_bits_gives_the_portable_numbers() {
    compare(WeightFormat::Int4, product::<super::Int4>);
}

/// Columns that were packed for another matrix: with more columns, or with fewer.
fn other_columns<K: Kernel>(format: WeightFormat) {
    let weights = vec![0x7f7f_7f7f; INT4_OR_8_WORDS];
    let mut scratch = vec![0; 600 * 5];
    for (packed_for, columns) in [(608, 32), (32, 608), (36, 4), (4, 36)] {
        let wide = unit_matrix(format, &[], packed_for, 4, DeadZones::NONE);
        let packed = K::pack(&wide, &vec![1; packed_for], &mut scratch);
        let matrix = &unit_matrix(
            format,
            &weights[..16 * columns / 4],
            columns,
            4,
            DeadZones::NONE,
        );
        let rows = Rows {
            matrix,
            entries: &[],
        };
        // The numbers mean nothing; no memory beyond the matrix may be read.
        K::rows(&rows, packed, 0, Batch::new().whole());
    }
}

/// Words of 16 rows of 608 columns.
const INT4_OR_8_WORDS: usize = 16 * 608 / 4;

/// Miri would notice a read beyond.
#[test]
fn columns_of_another_matrix_are_safe() {
    other_columns::<super::Int8>(WeightFormat::Int8);
    other_columns::<super::Int4>(WeightFormat::Int4);
    other_columns::<portable::Int8>(WeightFormat::Int8);
    other_columns::<portable::Int4>(WeightFormat::Int4);
}

/// The definition, in other words: of each row over the columns that count.
#[test]
fn the_portable_numbers_of_4_bits_are_the_definition() {
    let mut random = Random(Xoshiro128PlusPlus::seed_from_u64(2));
    for n in (0..200).step_by(if cfg!(miri) { 40 } else { 1 }) {
        let (rows, columns) = (BLOCK_ROWS * (1 + n % 9), 1 + random.below(70));
        let plain: Vec<i8> = (0..rows * columns)
            .map(|_| random.below(16) as i8 - 8)
            .collect();
        let align = [SENSOR_COLUMN_ALIGN, COLUMN_ALIGN][n % 2];
        let weight = |row: usize, column: usize| plain[row * columns + column];
        let words = int4_words(rows, columns, align, weight);
        let weights: Vec<u32> = words.map(u32::to_le).collect();
        let (padded, blocks) = (round_up(columns, align), rows / BLOCK_ROWS);
        let hidden = random.hidden(columns);
        let below = random.below(columns + 1);
        let zones = [random.below(128) as u8, 0];
        let dead_zones = DeadZones { below, zones };
        let matrix = &unit_matrix(WeightFormat::Int4, &weights, padded, blocks, dead_zones);
        let found = product::<portable::Int4>(matrix, &hidden);
        let count = |(k, &x): (usize, &i8)| {
            let zone = zones[usize::from(k >= below)];
            let x = i32::from(x);
            if x.abs() < zone.into() { 0 } else { x }
        };
        let x: Vec<i32> = hidden.iter().enumerate().map(count).collect();
        let dot = |row: &[i8]| {
            row.iter()
                .zip(&x)
                .map(|(&w, x)| i32::from(w) * x)
                .sum::<i32>()
        };
        let expected: Vec<i32> = plain.chunks(columns).map(dot).collect();
        assert_eq!(found.as_flattened(), expected);
    }
}

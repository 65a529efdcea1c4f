//! Compares kernels that this computer can run with the portable ones.

use super::{DeadZones, Matrix, Rows, portable};
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, MAX_HIDDEN, WeightFormat, int4_words, round_up};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::vec::Vec;

/// The dot products of blocks of four rows with these columns, then zeros.
type Dots = dyn Fn(&Rows<'_>, &[i8], DeadZones) -> Vec<[i32; BLOCK_ROWS]>;

/// A matrix of so many columns whose sums are the dot products, so many blocks of four rows.
fn unit_matrix(format: WeightFormat, weights: &[u32], columns: usize, blocks: usize) -> Matrix<'_> {
    static ONES: [[u32; 2]; BLOCK_ROWS * 64] = [[0, 1u32.to_le()]; BLOCK_ROWS * 64];
    Matrix {
        rows: ONES[..BLOCK_ROWS * blocks].as_flattened(),
        weights,
        format,
        columns,
        dead_zones: DeadZones::NONE,
    }
}

/// Packs the columns and multiplies, as a step does: the module of a kernel, and where it is not
/// `for_each_batch`, its function that gives the dot products block by block.
macro_rules! kernel {
    (int8 $($kernel:ident)::+ $(, $dots:expr)?) => {
        kernel!(@ $($kernel)::+, same, |pack, columns, _, input| pack(columns, input) $(, $dots)?)
    };
    (int4 $($kernel:ident)::+ $(, $dots:expr)?) => {
        kernel!(
            @ $($kernel)::+, $($kernel::)+input_len,
            |pack, columns, zones, input| pack(columns, zones, input) $(, $dots)?
        )
    };
    (
        @ $($kernel:ident)::+, $input_len:path,
        |$pack:ident, $columns:ident, $zones:pat_param, $input:ident| $packed:expr
        $(, $dots:expr)?
    ) => {
        move |rows: &Rows<'_>, $columns: &[i8], $zones: DeadZones| {
            use $($kernel)::+ as kernel;
            let mut input: Vec<kernel::Input> =
                std::vec![bytemuck::Zeroable::zeroed(); $input_len(rows.matrix.columns)];
            // Not zeros, so that `pack` has to write each.
            bytemuck::cast_slice_mut::<_, u8>(&mut input).fill(99);
            let packed = {
                let ($pack, $input) = (kernel::pack, &mut input[..]);
                $packed
            };
            kernel!(@ dots kernel, rows, &input, packed $(, $dots)?)
        }
    };
    (@ dots $kernel:ident, $rows:expr, $input:expr, $packed:expr) => {{
        let mut sums = Vec::new();
        $kernel::for_each_batch($rows, $input, $packed, &mut |batch| sums.extend_from_slice(batch));
        sums
    }};
    (@ dots $kernel:ident, $rows:expr, $input:expr, $packed:expr, $dots:expr) => {
        $dots($rows, $input, $packed)
    };
}

pub(super) fn same<T>(value: T) -> T {
    value
}

#[cfg(target_arch = "x86_64")]
pub(super) use kernel;

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

/// Compares the dot products of some kernels with the portable ones.
pub(super) fn compare(format: WeightFormat, kernels: &[&Dots]) {
    let portable: &Dots = match format {
        WeightFormat::Int4 => &kernel!(int4 portable::int4),
        _ => &kernel!(int8 portable::int8),
    };
    let mut random = Random(Xoshiro128PlusPlus::seed_from_u64(1));
    let steps = 2 * MAX_HIDDEN / COLUMN_ALIGN;
    // Each number of columns twice, and small ones more often. Miri takes too long for all that.
    let [each, small, narrow] = if cfg!(miri) {
        [1, 6, 3]
    } else {
        [steps, 2000, 12]
    };
    let sizes = (1..=each).chain(1..=each);
    for turns in sizes.chain((0..small).map(|n| 1 + n % narrow)) {
        let columns = COLUMN_ALIGN * turns;
        let blocks = random.below(if cfg!(miri) { 6 } else { 11 }) * [1, 4][random.below(2)];
        let rows = round_up(blocks * BLOCK_ROWS, format.block_rows());
        let weights = random.weights(rows * columns * format.bits() / 8);
        let matrix = &unit_matrix(format, &weights, columns, blocks);
        let rows = Rows {
            matrix,
            entries: &[],
        };
        let used = columns - random.below(COLUMN_ALIGN);
        let hidden = random.hidden(used);
        let mut zone = || [0, 1, 8, 127][random.below(4)];
        let zones = [zone(), zone()];
        let below = [0, used / 2, random.below(used + 1)][random.below(3)];
        let zones = DeadZones { below, zones };
        let expected = portable(&rows, &hidden, zones);
        assert_eq!(expected.len(), blocks);
        for (kernel, dots) in kernels.iter().enumerate() {
            let found = dots(&rows, &hidden, zones);
            assert_eq!(
                found, expected,
                "{format:?}, kernel {kernel}, {used} of {columns} columns, {zones:?}"
            );
        }
    }
}

#[test]
fn the_kernel_of_8_bits_gives_the_portable_numbers() {
    compare(WeightFormat::Int8, &[&kernel!(int8 super::int8)]);
}

#[test]
fn the_kernel_of_4_bits_gives_the_portable_numbers() {
    compare(WeightFormat::Int4, &[&kernel!(int4 super::int4)]);
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
        let words = int4_words(rows, columns, |row, column| plain[row * columns + column]);
        let weights: Vec<u32> = words.map(u32::to_le).collect();
        let (padded, blocks) = (round_up(columns, COLUMN_ALIGN), rows / BLOCK_ROWS);
        let matrix = &unit_matrix(WeightFormat::Int4, &weights, padded, blocks);
        let hidden = random.hidden(columns);
        let below = random.below(columns + 1);
        let zones = [random.below(128) as u8, 0];
        let found = kernel!(int4 portable::int4)(
            &Rows {
                matrix,
                entries: &[],
            },
            &hidden,
            DeadZones { below, zones },
        );
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

//! Compares kernels that this computer can run with the portable ones.

use super::portable;
use crate::file::{BLOCK_ROWS, COLUMN_ALIGN, MAX_HIDDEN, WeightFormat};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::vec::Vec;

/// The dot products of whole blocks with so many columns: these, then zeros.
type Dots = dyn Fn(&[u8], usize, &[i8]) -> Vec<[i32; BLOCK_ROWS]>;

/// Rows whose sums are the dot products.
fn unit_rows(weights: &[u8]) -> super::Rows<'_> {
    static ONES: [[[u32; 2]; BLOCK_ROWS]; 64] = [[[0, 1u32.to_le()]; BLOCK_ROWS]; 64];
    super::Rows {
        format: WeightFormat::default(),
        columns: 0,
        weights,
        parameters: &ONES,
        entries: &[],
    }
}

/// Packs the columns and multiplies, as a step does: the module of a kernel, and where it is not
/// `for_each_batch`, its function that gives the dot products block by block.
macro_rules! kernel {
    ($kernel:path) => {
        |weights: &[u8], columns: usize, hidden: &[i8]| {
            use $kernel as kernel;
            // Not zeros, so that `pack` has to write each.
            let mut input = std::vec![kernel::Input::from(99i8); columns];
            let correction = kernel::pack(hidden, &mut input);
            let mut sums = Vec::new();
            kernel::for_each_batch(&unit_rows(weights), &input, correction, |batch| {
                sums.extend_from_slice(batch);
            });
            sums
        }
    };
    ($kernel:path, $dots:expr) => {
        move |weights: &[u8], columns: usize, hidden: &[i8]| {
            use $kernel as kernel;
            let mut input = std::vec![kernel::Input::from(99i8); columns];
            let correction = kernel::pack(hidden, &mut input);
            $dots(weights, &input, correction).collect()
        }
    };
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
    fn weights(&mut self, bytes: usize) -> Vec<u8> {
        let filling = self.below(EXTREMES.len() + 2);
        let mut pair = || match EXTREMES.get(filling) {
            Some(&pair) => pair,
            None if filling == EXTREMES.len() => EXTREMES[self.below(EXTREMES.len())],
            None => [self.below(256) as u8, self.below(256) as u8],
        };
        (0..bytes / 2).flat_map(|_| pair()).collect()
    }

    /// All 127, or all -127, or either, or anything from -127 to 127.
    fn hidden(&mut self, len: usize) -> Vec<i8> {
        let filling = self.below(4);
        let mut value = || match filling {
            0 => 127,
            1 => -127,
            2 => [127, -127][self.below(2)],
            _ => (self.below(255) as i16 - 127) as i8,
        };
        (0..len).map(|_| value()).collect()
    }
}

/// Compares the dot products of some kernels with the portable ones.
pub(super) fn compare(format: WeightFormat, kernels: &[&Dots]) {
    let portable: &Dots = match format {
        WeightFormat::Int4 => &kernel!(portable::int4),
        _ => &kernel!(portable::int8),
    };
    let mut random = Random(Xoshiro128PlusPlus::seed_from_u64(1));
    let steps = 2 * MAX_HIDDEN / COLUMN_ALIGN;
    // Each number of columns twice, and small ones more often. Miri takes too long for all that.
    let (each, small) = if cfg!(miri) { (1, 7) } else { (steps, 2000) };
    let sizes = (1..=each).chain(1..=each);
    for turns in sizes.chain((0..small).map(|n| 1 + n % 12)) {
        let columns = COLUMN_ALIGN * turns;
        let blocks = random.below(if cfg!(miri) { 6 } else { 11 });
        let weights = random.weights(blocks * BLOCK_ROWS * columns * format.bits() / 8);
        let used = columns - random.below(COLUMN_ALIGN);
        let hidden = random.hidden(used);
        let expected = portable(&weights, columns, &hidden);
        assert_eq!(expected.len(), blocks);
        for (kernel, dots) in kernels.iter().enumerate() {
            let found = dots(&weights, columns, &hidden);
            assert_eq!(
                found, expected,
                "{format:?}, kernel {kernel}, {columns} columns, {used} used"
            );
        }
    }
}

#[test]
fn the_kernel_of_8_bits_gives_the_portable_numbers() {
    compare(WeightFormat::Int8, &[&kernel!(super::int8)]);
}

#[test]
fn the_kernel_of_4_bits_gives_the_portable_numbers() {
    compare(WeightFormat::Int4, &[&kernel!(super::int4)]);
}

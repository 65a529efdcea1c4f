//! Compares the dot products, the sigmoid, the equations of the cells and the sums of bytes of this CPU with the
//! portable ones, bit for bit.
//!
//! Prints `kernel-test 12345 cases equal`, or the first difference, and then exits with 1.

#![no_std]
#![no_main]

use firmware_bench::entry;
use lstm_core::Aligned;

#[cfg(feature = "ngram")]
use lstm_core::kernel_test::BYTE_SUMS;
use lstm_core::kernel_test::{
    BLOCK_ROWS, Case, KERNELS, Kernel, SENSOR_COLUMN_ALIGN, SIGMOIDS, Sums, UNITS, Units, round_up,
};
use semihosting::{println, process};

/// More columns could overflow the sums of a row whose weights are all extreme. A model with such a
/// row is refused.
const MAX_COLUMNS: usize = 512;
/// More than two batches of any kernel.
const MAX_BLOCKS: usize = 51;
/// The largest block: a byte a weight.
const MAX_BLOCK_BYTES: usize = MAX_COLUMNS * BLOCK_ROWS;

/// Pairs of neighbouring bytes that are extreme in a format: int8 stores 127, -127 and -128 as
/// `ff 7f`, `01 81` and `00 80`; int4 stores 7 and -8 as `ff ff` and `00 00`.
const EXTREMES: [[u8; 2]; 5] = [
    [0xff, 0x7f],
    [0x01, 0x81],
    [0x00, 0x80],
    [0xff, 0xff],
    [0x00, 0x00],
];
/// Rounds over all shapes.
const ROUNDS: usize = 1;
/// Columns that fill up a matrix, at most.
const MOST_PADDING: usize = 32;
/// Hidden states lie in `-LIMIT..=LIMIT`.
const LIMIT: i8 = 127;
/// Fillings of the columns.
const FILLINGS: usize = 7;
const DEAD_ZONES: [u8; 4] = [0, 1, 8, 127];

/// Compares the kernels.
#[entry]
fn main() -> ! {
    let mut test = Test {
        random: 1,
        weights: Aligned([0; MAX_BLOCKS * MAX_BLOCK_BYTES]),
        columns: [0; MAX_COLUMNS],
        cases: 0,
    };
    for kernel in KERNELS {
        test.mismatch(kernel);
        for _ in 0..ROUNDS {
            for columns in (SENSOR_COLUMN_ALIGN..=MAX_COLUMNS).step_by(SENSOR_COLUMN_ALIGN) {
                test.shape(kernel, columns);
            }
        }
    }
    let ends = [i32::MIN, i32::MIN + 1, i32::MAX - 1, i32::MAX];
    for z in ends.into_iter().chain(-0x8800..0x8800) {
        let [found, expected] = SIGMOIDS.map(|sigmoid| sigmoid(z));
        if found != expected {
            println!("kernel-test sigmoid of {z}: found {found}, expected {expected}");
            process::exit(1)
        }
    }
    for units in UNITS {
        test.units(units);
    }
    #[cfg(feature = "ngram")]
    test.byte_sums();
    println!("kernel-test {} cases equal", test.cases);
    process::exit(0)
}

struct Test {
    random: u32,
    weights: Aligned<[u8; MAX_BLOCKS * MAX_BLOCK_BYTES]>,
    columns: [i8; MAX_COLUMNS],
    cases: u32,
}

/// The most units whose sums a batch holds in the order of an LSTM: blocks.
const MAX_UNITS: usize = 24;

impl Test {
    /// Any number of units, and fewer sums than there are units: the others stay as they are.
    fn units(&mut self, [cpu, portable]: [Units; 2]) {
        for round in 0..2000 {
            let blocks = self.below(MAX_UNITS + 1);
            let units = self.below(MAX_UNITS + 9);
            // Of all sizes; with the ends of 32 bits now and then.
            let cut = round % 32;
            let sums = [(); MAX_UNITS].map(|()| {
                [(); BLOCK_ROWS].map(|()| match self.below(64) {
                    0 => i32::MAX,
                    1 => i32::MIN,
                    _ => (self.next() << 16 ^ self.next()) as i32 >> cut,
                })
            });
            let hidden = [(); MAX_UNITS + 8].map(|()| self.next() as i8);
            let cell_state = [(); MAX_UNITS + 8].map(|()| self.next() as i16);
            let stepped = |step: Units| {
                let (mut hidden, mut cell_state) = (hidden, cell_state);
                step(
                    &sums[..blocks],
                    &mut hidden[..units],
                    &mut cell_state[..units],
                );
                (hidden, cell_state)
            };
            let (found, expected) = (stepped(cpu), stepped(portable));
            if found != expected {
                println!(
                    "kernel-test units {cell_state:?}, {:?}: found {found:?}, expected {expected:?}",
                    &sums[..blocks]
                );
                process::exit(1)
            }
            self.cases += 1;
        }
    }

    /// Every pair of bytes, in each place of a word, between others.
    #[cfg(feature = "ngram")]
    fn byte_sums(&mut self) {
        for [x, y] in (0..=u16::MAX).map(u16::to_le_bytes) {
            let place = 8 * (u32::from(x) + u32::from(y)) % 32;
            let word =
                |byte: u8, others: u32| (others & !0xff | u32::from(byte)).rotate_left(place);
            let [a, b] = [x, y].map(|byte| word(byte, self.next() << 8 | self.next()));
            let [found, expected] = BYTE_SUMS.map(|sum| sum(a, b));
            if found != expected {
                println!(
                    "kernel-test bytes of {a:08x} and {b:08x}: found {found:08x}, expected {expected:08x}"
                );
                process::exit(1)
            }
        }
    }

    /// Every filling of weights and columns, with and without padding.
    fn shape(&mut self, kernel: &Kernel, columns: usize) {
        for weights in 0..EXTREMES.len() + 2 {
            self.fill_weights(weights);
            for filling in 0..FILLINGS {
                self.fill_columns(filling);
                for used in [columns, columns - self.below(MOST_PADDING.min(columns))] {
                    // Many only now and then: they take long.
                    let most = [3, MAX_BLOCKS][usize::from(self.below(8) == 0)];
                    let blocks = 1 + self.below(most);
                    self.compare(kernel, columns, blocks, used);
                }
            }
        }
    }

    /// Columns that were packed for a matrix with more columns, or with fewer, reach no assembly.
    fn mismatch(&mut self, kernel: &Kernel) {
        self.fill_columns(0);
        for (columns, packed_for) in [(32, 512), (512, 32), (32, 36), (36, 32), (4, 8)] {
            let rows = kernel.format.block_rows();
            let case = Case {
                format: kernel.format,
                weights: &self.weights.0[..rows * columns * kernel.format.bits() / 8],
                blocks: rows / BLOCK_ROWS,
                columns,
                hidden: &self.columns[..packed_for],
                has_entries: true,
                below: 0,
                dead_zones: [0; 2],
            };
            let found = (kernel.mismatched)(&case, packed_for);
            if found != 0 {
                println!(
                    "kernel-test {:?}: {columns} columns were multiplied with {packed_for}",
                    kernel.format
                );
                process::exit(1)
            }
        }
    }

    fn compare(&mut self, kernel: &Kernel, columns: usize, blocks: usize, used: usize) {
        let rows = round_up(blocks * BLOCK_ROWS, kernel.format.block_rows());
        let below = self.below(used + 1);
        let has_entries = self.below(2) == 0;
        let dead_zones = [(); 2].map(|()| DEAD_ZONES[self.below(DEAD_ZONES.len())]);
        let case = Case {
            format: kernel.format,
            weights: &self.weights.0[..rows * columns * kernel.format.bits() / 8],
            blocks,
            columns,
            hidden: &self.columns[..used],
            has_entries,
            below,
            dead_zones,
        };
        let sums = |sums_of: Sums| {
            // Room for one more than there are.
            let mut sums = [[0; BLOCK_ROWS]; MAX_BLOCKS + 1];
            let count = sums_of(&case, &mut sums);
            (count, sums)
        };
        let (found, expected) = (sums(kernel.cpu), sums(kernel.portable));
        if found != expected || found.0 != blocks {
            println!(
                "kernel-test {:?}, {case:?}: found {found:?}, expected {expected:?}",
                kernel.format
            );
            process::exit(1)
        }
        self.cases += 1;
    }

    fn fill_weights(&mut self, filling: usize) {
        for i in 0..self.weights.0.len() / 2 {
            let random = self.next();
            let pair = match EXTREMES.get(filling) {
                Some(&pair) => pair,
                None if filling == EXTREMES.len() => EXTREMES[random as usize % EXTREMES.len()],
                None => [random as u8, (random >> 8) as u8],
            };
            self.weights.0[2 * i..2 * i + 2].copy_from_slice(&pair);
        }
    }

    fn fill_columns(&mut self, filling: usize) {
        for i in 0..self.columns.len() {
            let random = self.next() as i8;
            self.columns[i] = match filling {
                0 => LIMIT,
                1 => -LIMIT,
                2 if random < 0 => -LIMIT,
                2 => LIMIT,
                // Few that count; nearly all; small ones; none.
                3 if random % 4 != 0 => 0,
                4 if random % 16 == 0 => 0,
                5 => random % 16,
                6 => 0,
                _ => random.max(-LIMIT),
            };
        }
    }

    /// A random number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    /// Marsaglia's xorshift, the upper half.
    fn next(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random >> 16
    }
}

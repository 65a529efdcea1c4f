//! The dot products of each weight format, this CPU's and the portable ones, for the test that
//! compares them on the CPU itself. Not part of the interface.

use crate::file::{BLOCK_ROWS, MAX_HIDDEN, WeightFormat};
use crate::kernel;

/// The dot products of whole blocks of four rows, as they stand in the file and on a multiple of 16
/// in memory, with so many columns: those of `hidden`, then zeros. Fills `sums` from
/// its start and returns how many blocks there were.
pub type Dots =
    fn(weights: &[u8], columns: usize, hidden: &[i8], sums: &mut [[i32; BLOCK_ROWS]]) -> usize;

/// One weight format in two kernels.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// How the weights are stored.
    pub format: WeightFormat,
    /// This CPU's kernel.
    pub arch: Dots,
    /// The definition.
    pub portable: Dots,
}

/// Rows of these weights with parameters of all kinds, and entries that are as good as random.
fn rows(weights: &[u8], block_bytes: usize) -> kernel::Rows<'_> {
    const BLOCKS: usize = 64;
    static PARAMETERS: [[[u32; 2]; BLOCK_ROWS]; BLOCKS] = {
        let mut parameters = [[[0; 2]; BLOCK_ROWS]; BLOCKS];
        let mut i = 0;
        while i < BLOCKS * BLOCK_ROWS {
            let bias = (i as u32).wrapping_mul(7919).wrapping_sub(1_000_000);
            let scales = (1 + i as u32 * 29 % 97) | (i as u32 * 257 % 0x10000) << 16;
            parameters[i / BLOCK_ROWS][i % BLOCK_ROWS] = [bias.to_le(), scales.to_le()];
            i += 1;
        }
        parameters
    };
    let blocks = weights.len() / block_bytes.max(1);
    kernel::Rows {
        format: WeightFormat::default(),
        columns: 0,
        weights,
        parameters: PARAMETERS.get(..blocks).unwrap_or_default(),
        entries: weights.as_chunks().0,
    }
}

/// Packs the columns and multiplies, as a step does.
macro_rules! dots {
    ($kernel:path, $format:expr) => {
        |weights, columns, hidden, sums| {
            use $kernel as kernel;
            let mut scratch = [0u32; 2 * MAX_HIDDEN];
            let input = bytemuck::cast_slice_mut::<u32, kernel::Input>(&mut scratch);
            let input = input.get_mut(..columns).unwrap_or_default();
            let correction = kernel::pack(hidden, input);
            let mut sums = sums.iter_mut();
            let mut count = 0;
            let block_bytes = columns * BLOCK_ROWS * $format.bits() / 8;
            kernel::for_each_batch(&rows(weights, block_bytes), input, correction, |batch| {
                for (dots, sums) in batch.iter().zip(sums.by_ref()) {
                    *sums = *dots;
                    count += 1;
                }
            });
            count
        }
    };
}

/// Every weight format that has kernels.
pub const KERNELS: &[Kernel] = &[
    Kernel {
        format: WeightFormat::Int8,
        arch: dots!(kernel::int8, WeightFormat::Int8),
        portable: dots!(kernel::portable::int8, WeightFormat::Int8),
    },
    Kernel {
        format: WeightFormat::Int4,
        arch: dots!(kernel::int4, WeightFormat::Int4),
        portable: dots!(kernel::portable::int4, WeightFormat::Int4),
    },
];

/// The sigmoid of this CPU and the portable one: Q12, Q15.
pub const SIGMOIDS: [fn(i32) -> i32; 2] = [
    crate::numbers::sigmoid_q12,
    crate::numbers::portable_sigmoid_q12,
];

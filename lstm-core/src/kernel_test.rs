//! The dot products of each weight format, this CPU's and the portable ones, for the test that
//! compares them on the CPU itself. Not part of the interface.

use crate::format::{BLOCK_ROWS, MAX_HIDDEN, WeightFormat};
use crate::kernel::{self, DeadZones, Rows};
use crate::model::Matrix;

/// A matrix and what it is multiplied with.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The weights as they stand in the file, on a multiple of 16 in memory.
    pub weights: &'a [u8],
    /// Blocks of four rows.
    pub blocks: usize,
    /// Columns: those of `hidden`, then zeros.
    pub columns: usize,
    /// The values of the columns.
    pub hidden: &'a [i8],
    /// How many of them are from the layer below.
    pub below: usize,
    /// The dead zones of those, and of the others.
    pub dead_zones: [u8; 2],
}

/// The sums of the rows: fills `sums` from its start and returns how many blocks there were.
pub type Dots = fn(case: &Case<'_>, sums: &mut [[i32; BLOCK_ROWS]]) -> usize;

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

/// The matrix, with row parameters of all kinds.
fn matrix<'a>(case: &Case<'a>) -> Matrix<'a> {
    const ROWS: usize = 64 * BLOCK_ROWS;
    static PARAMETERS: [[u32; 2]; ROWS] = {
        let mut parameters = [[0; 2]; ROWS];
        let mut i = 0;
        while i < ROWS {
            let bias = (i as u32).wrapping_mul(7919).wrapping_sub(1_000_000);
            let scales = (1 + i as u32 * 29 % 97) | (i as u32 * 257 % 0x10000) << 16;
            parameters[i] = [bias.to_le(), scales.to_le()];
            i += 1;
        }
        parameters
    };
    let rows = PARAMETERS.get(..case.blocks * BLOCK_ROWS);
    Matrix {
        rows: rows.unwrap_or_default().as_flattened(),
        weights: bytemuck::try_cast_slice(case.weights).unwrap_or_default(),
        format: WeightFormat::default(),
        columns: case.columns,
        dead_zones: DeadZones::NONE,
    }
}

/// Packs the columns and multiplies, as a step does.
macro_rules! dots {
    (int8 $($kernel:ident)::+) => {
        dots!(@ $($kernel)::+, |columns| columns, |case, input| pack(case.hidden, input))
    };
    (int4 $($kernel:ident)::+) => {
        dots!(@ $($kernel)::+, $($kernel::)+input_len, |case, input| pack(
            case.hidden,
            DeadZones {
                below: case.below,
                zones: case.dead_zones,
            },
            input,
        ))
    };
    (@ $($kernel:ident)::+, $input_len:expr, |$case:ident, $input:ident| $pack:expr) => {
        |$case, sums| {
            use $($kernel)::+::{Input, for_each_batch, pack};
            let mut scratch = [0u32; 2 * MAX_HIDDEN];
            let input = bytemuck::cast_slice_mut::<u32, Input>(&mut scratch);
            let $input = input.get_mut(..$input_len($case.columns)).unwrap_or_default();
            let packed = $pack;
            let mut sums = sums.iter_mut();
            let mut count = 0;
            let rows = Rows {
                matrix: &matrix($case),
                // As good as random.
                entries: $case.weights.as_chunks().0,
            };
            for_each_batch(&rows, $input, packed, &mut |batch| {
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
        arch: dots!(int8 kernel::int8),
        portable: dots!(int8 kernel::portable::int8),
    },
    Kernel {
        format: WeightFormat::Int4,
        arch: dots!(int4 kernel::int4),
        portable: dots!(int4 kernel::portable::int4),
    },
];

/// The sigmoid of this CPU and the portable one: Q12, Q15.
pub const SIGMOIDS: [fn(i32) -> i32; 2] = [
    crate::arith::sigmoid_q12,
    crate::arith::portable_sigmoid_q12,
];

//! The sums of the rows of each weight format, by this CPU's kernel and by the portable one, for the
//! test that compares them on the CPU itself. Not part of the interface.

use crate::arith::Integer;
use crate::cell::{Cell, Cifg, Lstm, forward};
use crate::format::COLUMN_ALIGN;
use crate::format::MAX_HIDDEN;
pub use crate::format::{BLOCK_ROWS, SENSOR_COLUMN_ALIGN, WeightFormat, round_up};
use crate::kernel::{self, Batch, Rows, portable};
use crate::layout::{DeadZones, Matrix};

/// A matrix and what it is multiplied with.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// How the weights are stored.
    pub format: WeightFormat,
    /// The weights as they stand in the file, on a multiple of 16 in memory.
    pub weights: &'a [u8],
    /// Blocks of four rows.
    pub blocks: usize,
    /// Columns: those of `hidden`, then zeros.
    pub columns: usize,
    /// The values of the columns.
    pub hidden: &'a [i8],
    /// Whether the rows have entries of a table.
    pub has_entries: bool,
    /// How many of them are from the layer below.
    pub below: usize,
    /// The dead zones of those, and of the others.
    pub dead_zones: [u8; 2],
}

/// The sums of the rows: fills `sums` from its start and returns how many blocks there were.
pub type Sums = fn(case: &Case<'_>, sums: &mut [[i32; BLOCK_ROWS]]) -> usize;

/// One weight format in two kernels.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// How the weights are stored.
    pub format: WeightFormat,
    /// This CPU's kernel.
    pub cpu: Sums,
    /// The definition.
    pub portable: Sums,
    /// How many blocks this CPU's kernel computes with columns that were packed for a matrix of so
    /// many: the assembly must not see them.
    pub mismatched: fn(case: &Case<'_>, packed_for: usize) -> usize,
}

/// Every weight format that has kernels.
pub const KERNELS: &[Kernel] = &[
    Kernel {
        format: WeightFormat::Int8,
        cpu: sums_of::<kernel::Int8>,
        portable: sums_of::<portable::Int8>,
        mismatched: mismatched::<kernel::Int8>,
    },
    Kernel {
        format: WeightFormat::Int4,
        cpu: sums_of::<kernel::Int4>,
        portable: sums_of::<portable::Int4>,
        mismatched: mismatched::<kernel::Int4>,
    },
];

/// The sigmoid of this CPU and the portable one: Q12, Q15.
pub const SIGMOIDS: [fn(i32) -> i32; 2] = [
    crate::arith::sigmoid_q12,
    crate::arith::portable_sigmoid_q12,
];

/// Units taken one step on: the sums of the rows of their gates, their hidden and their cell states.
pub type Units = fn(&[[i32; BLOCK_ROWS]], &mut [i8], &mut [i16]);

/// The equations of the LSTM and of the CIFG, each by this CPU and by the portable code.
pub const UNITS: [[Units; 2]; 2] = [
    [forward::<Integer, Lstm>, Lstm::step::<Integer>],
    [forward::<Integer, Cifg>, Cifg::step::<Integer>],
];

/// The sums of four bytes in two's complement, from -127 to 127, by this CPU and by the portable code.
#[cfg(feature = "ngram")]
pub const BYTE_SUMS: [fn(u32, u32) -> u32; 2] = [
    crate::ngram::symmetric_sum,
    crate::ngram::portable_symmetric_sum,
];

fn mismatched<K: kernel::Kernel>(case: &Case<'_>, packed_for: usize) -> usize {
    let mut scratch = [0; SCRATCH_WORDS];
    let matrix = &matrix(case);
    let other = Matrix {
        columns: packed_for,
        ..*matrix
    };
    let packed = K::pack(&other, case.hidden, &mut scratch);
    let rows = Rows {
        matrix,
        entries: &[],
    };
    K::rows(&rows, packed, 0, Batch::new().whole()).len()
}

/// The most that a kernel needs: 136 bytes for 32 columns.
const SCRATCH_WORDS: usize = (MAX_HIDDEN / COLUMN_ALIGN) * (136 / 4);

/// Packs the columns and multiplies, as a step does.
fn sums_of<K: kernel::Kernel>(case: &Case<'_>, sums: &mut [[i32; BLOCK_ROWS]]) -> usize {
    let mut scratch = [0; SCRATCH_WORDS];
    let matrix = &matrix(case);
    let rows = Rows {
        matrix,
        // As good as random.
        entries: match case.has_entries {
            true => case.weights.as_chunks().0,
            false => &[],
        },
    };
    let packed = K::pack(matrix, case.hidden, &mut scratch);
    let mut batch = Batch::new();
    let mut count = 0;
    loop {
        let found = K::rows(&rows, packed, count, batch.whole());
        if found.is_empty() {
            return count;
        }
        let sums = sums.get_mut(count..).unwrap_or_default();
        for (sums, found) in sums.iter_mut().zip(found) {
            *sums = *found;
        }
        count += found.len();
    }
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
        format: case.format,
        rows: rows.unwrap_or_default().as_flattened(),
        weights: bytemuck::try_cast_slice(case.weights).unwrap_or_default(),
        columns: case.columns,
        dead_zones: DeadZones {
            below: case.below,
            zones: case.dead_zones,
        },
    }
}

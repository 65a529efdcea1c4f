//! The dot products of each weight format, this CPU's and the portable ones, for the test that
//! compares them on the CPU itself. Not part of the interface.

use crate::file::{BLOCK_ROWS, MAX_HIDDEN, WeightFormat};
use crate::kernel;

/// The dot products of a block of four rows, as it stands in the file and on a multiple of 16 in
/// memory, with its columns: the layer below, the own hidden state, zeros.
pub type Dot = fn(block: &[u8], below: &[i8], own: &[i8]) -> [i32; BLOCK_ROWS];

/// One weight format in two kernels.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// The name of the weight format.
    pub name: &'static str,
    /// How the weights of a block are stored.
    pub format: WeightFormat,
    /// This CPU's kernel.
    pub arch: Dot,
    /// The definition.
    pub portable: Dot,
}

/// Packs the columns and multiplies, as a step does.
macro_rules! dot {
    ($kernel:path, $format:expr) => {
        |block, below, own| {
            use $kernel as kernel;
            let columns = block.len() * 8 / ($format.bits() * BLOCK_ROWS);
            let mut scratch = [0u32; 2 * MAX_HIDDEN];
            let input = bytemuck::cast_slice_mut::<u32, kernel::Input>(&mut scratch);
            let input = input.get_mut(..columns).unwrap_or_default();
            let correction = kernel::pack(below, own, input);
            let mut dots = kernel::dots(block, input, correction);
            dots.next().unwrap_or_default()
        }
    };
}

/// Every weight format that has kernels.
pub const KERNELS: &[Kernel] = &[
    Kernel {
        name: "int8",
        format: WeightFormat::Int8,
        arch: dot!(kernel::int8, WeightFormat::Int8),
        portable: dot!(kernel::portable::int8, WeightFormat::Int8),
    },
    Kernel {
        name: "int4",
        format: WeightFormat::Int4,
        arch: dot!(kernel::int4, WeightFormat::Int4),
        portable: dot!(kernel::portable::int4, WeightFormat::Int4),
    },
];

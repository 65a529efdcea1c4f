use core::marker::PhantomData;

use super::Assembly;
use crate::bytes::prefix;
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, SENSOR_COLUMN_ALIGN, WeightFormat};
use crate::kernel::{Kernel, Room, Rows};
use crate::layout::Matrix;

/// What a CPU's file says of its assembly for 8-bit weights.
pub(crate) trait Int8Assembly {
    /// A packed column.
    type Element: bytemuck::Pod;

    /// Packs the columns, then zeros. Returns what takes the offset of 128 off the weights of even
    /// columns.
    fn pack(columns: &[i8], packed: &mut [Self::Element]) -> i32;

    /// Computes the rows' sums.
    const ROWS: Assembly;
}

/// The kernel for 8-bit weights of a CPU.
pub(crate) struct Int8<C>(PhantomData<C>);

/// Packed columns, and where a dot product starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a, E> {
    columns: &'a [E],
    start: i32,
}

impl<C: Int8Assembly> Kernel for Int8<C> {
    const SCRATCH_BYTES: usize = COLUMN_ALIGN * size_of::<C::Element>();
    type Packed<'a> = Columns<'a, C::Element>;

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Self::Packed<'a> {
        let packed = prefix(scratch, matrix.columns);
        let start = -C::pack(columns, packed);
        Columns {
            columns: packed,
            start,
        }
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: Self::Packed<'_>,
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        let columns = packed.columns;
        if rows.matrix.format != WeightFormat::Int8
            || columns.len() != rows.matrix.columns
            || columns.is_empty()
            || !columns.len().is_multiple_of(SENSOR_COLUMN_ALIGN)
        {
            return &[];
        }
        let range = columns.as_ptr_range();
        let input = range.start.cast()..range.end.cast();
        // SAFETY: the columns were counted.
        unsafe { super::rows(C::ROWS, rows, input, packed.start, first, batch) }
    }
}

/// Packs groups of four columns, the last filled with zeros, into groups of `N` elements; then groups
/// of zeros.
#[inline(always)]
pub(in crate::kernel) fn pack_groups<E, const N: usize>(
    columns: &[i8],
    packed: &mut [E],
    mut pack: impl FnMut(&[i8; 4]) -> [E; N],
) {
    let (whole, rest) = columns.as_chunks();
    let (groups, _) = packed.as_chunks_mut();
    for (group, columns) in groups.iter_mut().zip(whole) {
        *group = pack(columns);
    }
    let rest = |n: usize| rest.get(n).copied().unwrap_or(0);
    let mut last = [rest(0), rest(1), rest(2), 0];
    for group in groups.get_mut(whole.len()..).unwrap_or_default() {
        *group = pack(&core::mem::take(&mut last));
    }
}

/// What is added to the product of two weights `b0 + 2^16 b2` with this factor: it takes the offset of
/// 128 off both, and brings half of the lower 16 bits.
#[cfg(any(lstm_kernel = "cortex_m0", lstm_kernel = "cortex_m3"))]
pub(in crate::kernel) fn added(factor: i32) -> i32 {
    0x8000_i32.wrapping_sub(factor.wrapping_mul(0x0080_0080))
}

/// Packs columns into words, and returns the correction for the offset of 128 of even columns.
#[cfg(lstm_kernel = "riscv32")]
pub(in crate::kernel) fn pack_words(columns: &[i8], packed: &mut [i32]) -> i32 {
    let mut even = 0;
    pack_groups(columns, packed, |&[x0, x1, x2, x3]| {
        let x = [x0.into(), x1.into(), x2.into(), x3.into()];
        even += x[0] + x[2];
        x
    });
    128 * even
}

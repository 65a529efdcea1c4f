//! What the kernels of small CPUs share: the walk over blocks and over groups of columns.
#![allow(unsafe_code, reason = "the kernels are assembly")]

use super::{BATCH, Rows};
use crate::file::COLUMN_ALIGN;
use crate::session::split;
use core::mem::MaybeUninit;

/// What a kernel is to compute, and where it is; the assembly knows the offsets.
#[repr(C)]
pub(super) struct Batch<X> {
    /// The packed columns; 0.
    input: *const X,
    /// A row's sum of products begins here; 4.
    start: i32,
    /// The end of the columns; 8.
    input_end: *const X,
    /// The parameters of the next row, on a multiple of 4; 12.
    rows: *const [u32; 2],
    /// The table's entry for the next row; 16.
    entries: *const u8,
    /// Where the next row's sum goes, on a multiple of 16 for the first; 20.
    sums: *mut [i32; 4],
    /// The end of the sums; 24.
    sums_end: *mut [i32; 4],
}

/// A kernel: writes the sums of the rows of the blocks at `weights`, each with the row's parameters
/// and its entry of the table, as far as `batch` says; returns the end of those blocks.
///
/// # Safety
///
/// There are as many blocks of weights, parameters and entries as sums, at least one; the number of
/// columns is a positive multiple of [`COLUMN_ALIGN`]; weights, columns and rows begin on a multiple
/// of 4, the sums on a multiple of 16.
pub(super) type Kernel<X> =
    unsafe extern "C" fn(weights: *const u8, batch: &mut Batch<X>) -> *const u8;

/// The sums of a batch.
#[repr(align(16))]
struct Sums([MaybeUninit<[i32; 4]>; BATCH]);

/// Calls `each` with the sums of the rows over the packed columns, a batch at a time. A call of the
/// kernel takes a batch of blocks, which spreads the cost of the call, and of the registers that
/// the caller has to put away, over as many units.
#[inline(always)]
pub(super) fn for_each_batch<X>(
    kernel: Kernel<X>,
    rows: &Rows<'_>,
    bits: usize,
    input: &[X],
    start: i32,
    mut each: impl FnMut(&[[i32; 4]]),
) {
    /// The entries where there is no table.
    static ZEROS: [[u8; 4]; BATCH] = [[0; 4]; BATCH];
    let columns = input.len();
    if !columns.is_multiple_of(COLUMN_ALIGN) {
        return;
    }
    let mut left = rows.parameters.len();
    let mut entries = rows.entries;
    if !entries.is_empty() {
        left = left.min(entries.len());
    }
    if rows.weights.len() < left * (columns * bits / 2) {
        return;
    }
    let mut weights = rows.weights.as_ptr();
    let columns = input.as_ptr_range();
    let mut sums = Sums([MaybeUninit::uninit(); BATCH]);
    let first = sums.0.as_mut_ptr().cast::<[i32; 4]>();
    let mut batch = Batch {
        input: columns.start,
        start,
        input_end: columns.end,
        rows: rows.parameters.as_ptr().cast(),
        entries: entries.as_ptr().cast(),
        sums: first,
        sums_end: first,
    };
    while left != 0 {
        let filled = left.min(BATCH);
        if rows.entries.is_empty() {
            entries = &ZEROS;
            batch.entries = entries.as_ptr().cast();
        }
        batch.sums = first;
        batch.sums_end = first.wrapping_add(filled);
        // SAFETY: whole blocks of weights, parameters and entries were counted and the columns
        // checked. A model checks that its data begins on a multiple of 4, the columns lie in a
        // workspace, which is made of words, and `Sums` is aligned to 16 and has room for `filled`
        // sums, which the kernel writes.
        let sums = unsafe {
            weights = kernel(weights, &mut batch);
            core::slice::from_raw_parts(first, filled)
        };
        each(sums);
        left -= filled;
    }
}

/// Packs groups of four columns, the last filled with zeros, into groups of `N` elements; the other
/// elements become zeros.
#[inline(always)]
pub(super) fn pack_groups<X: Copy + Default, const N: usize>(
    columns: &[i8],
    input: &mut [X],
    mut pack: impl FnMut(&[i8; 4]) -> [X; N],
) {
    let (whole, rest) = columns.as_chunks::<4>();
    let (packed, padding) = split(input.as_chunks_mut::<N>().0, whole.len());
    for (columns, group) in whole.iter().zip(packed) {
        *group = pack(columns);
    }
    let rest = |n: usize| rest.get(n).copied().unwrap_or(0);
    if let Some((group, padding)) = padding.split_first_mut() {
        *group = pack(&[rest(0), rest(1), rest(2), 0]);
        for group in padding {
            *group = [X::default(); N];
        }
    }
}

/// Packs columns into words, and returns the correction for the offset of 128 of even columns.
#[cfg(any(thumb = "v6m", target_arch = "riscv32"))]
pub(super) fn pack_words(columns: &[i8], input: &mut [i32]) -> i32 {
    let mut even = 0;
    pack_groups(columns, input, |&[x0, x1, x2, x3]| {
        let x = [x0.into(), x1.into(), x2.into(), x3.into()];
        even += x[0] + x[2];
        x
    });
    128 * even
}

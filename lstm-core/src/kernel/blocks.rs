//! What the kernels of small CPUs share: the walk over blocks and over groups of columns.
#![allow(unsafe_code, reason = "the kernels are assembly")]

use super::BATCH;
use crate::file::COLUMN_ALIGN;
use core::mem::MaybeUninit;

/// A kernel: writes the dot products of the blocks at `weights` with the columns from `input` to
/// `input_end`, plus `start`, to `sums` up to `sums_end`; returns the end of those blocks.
///
/// # Safety
///
/// There are as many blocks as sums, at least one; the number of columns is a positive multiple of
/// [`COLUMN_ALIGN`]; weights and columns begin on a multiple of 4, the sums on a multiple of 16.
pub(super) type Kernel<X> = unsafe extern "C" fn(
    weights: *const u8,
    input: *const X,
    input_end: *const X,
    start: i32,
    sums: *mut [i32; 4],
    sums_end: *mut [i32; 4],
) -> *const u8;

/// A matrix and the kernel for it. A call of the kernel takes a batch of blocks, which spreads the
/// cost of the call, and of the registers that the caller has to put away, over as many units.
pub(super) struct Rows<'a, X> {
    pub(super) kernel: Kernel<X>,
    /// Bits of a weight.
    pub(super) bits: usize,
    /// The weights, block by block.
    pub(super) weights: &'a [u8],
}

/// The dot products of a batch.
#[repr(align(16))]
struct Batch([MaybeUninit<[i32; 4]>; BATCH]);

impl<X> Rows<'_, X> {
    /// Calls `each` with the dot products with the packed columns, plus `start`.
    #[inline(always)]
    pub(super) fn for_each_batch(
        &self,
        input: &[X],
        columns: usize,
        start: i32,
        mut each: impl FnMut(&[[i32; 4]]),
    ) {
        if !columns.is_multiple_of(COLUMN_ALIGN) {
            return;
        }
        let mut left = self.weights.len().checked_div(columns * self.bits / 2);
        let mut weights = self.weights.as_ptr();
        let columns = input.as_ptr_range();
        let mut batch = Batch([MaybeUninit::uninit(); BATCH]);
        while let Some(blocks @ 1..) = left {
            let filled = blocks.min(BATCH);
            let sums = batch.0.as_mut_ptr().cast::<[i32; 4]>();
            // SAFETY: the whole blocks were counted and the columns checked. A model checks that its
            // data begins on a multiple of 4, the columns lie in a workspace, which is made of words,
            // and a `Batch` is aligned to 16 and has room for `filled` sums, which the kernel writes.
            let sums = unsafe {
                let end = sums.add(filled);
                weights = (self.kernel)(weights, columns.start, columns.end, start, sums, end);
                core::slice::from_raw_parts(sums, filled)
            };
            each(sums);
            left = Some(blocks - filled);
        }
    }
}

/// Packs groups of four columns into groups of `N` elements; the rest become zeros.
#[inline(always)]
pub(super) fn pack_groups<X: Copy + Default, const N: usize>(
    below: &[i8],
    own: &[i8],
    input: &mut [X],
    mut pack: impl FnMut([i8; 4]) -> [X; N],
) {
    let mut groups = input.as_chunks_mut::<N>().0.iter_mut();
    for_each_group(below, own, &mut |columns| {
        if let Some(group) = groups.next() {
            *group = pack(columns);
        }
    });
    for group in groups {
        *group = [X::default(); N];
    }
}

/// Packs pairs of columns into words `x0 * 2^16 + x1`, seen as halves.
///
/// The product of such a word with a pair of weights `w0 + w1 * 2^16` is
/// `w0 x1 + 2^16 (w0 x0 + w1 x1)` modulo `2^32`.
#[cfg(not(thumb = "v7em"))]
pub(super) fn pack_crossed_pairs(below: &[i8], own: &[i8], input: &mut [i16]) -> i32 {
    let mut sum = 0;
    pack_groups(below, own, input, |x| {
        let [x0, x1, x2, x3] = x.map(i16::from);
        sum += i32::from(x0 + x1 + x2 + x3);
        [x1, x0 + (x1 >> 15), x3, x2 + (x3 >> 15)]
    });
    8 * sum
}

/// Calls `put` with each four columns of (layer below, own hidden state), the last filled with
/// zeros.
fn for_each_group(below: &[i8], own: &[i8], put: &mut impl FnMut([i8; 4])) {
    let (below, uneven) = below.as_chunks::<4>();
    for group in below {
        put(*group);
    }
    if uneven.is_empty() {
        let (own, rest) = own.as_chunks::<4>();
        for group in own {
            put(*group);
        }
        if !rest.is_empty() {
            put(first4(rest.iter().copied()));
        }
    } else {
        let mut columns = uneven.iter().chain(own).copied().peekable();
        while columns.peek().is_some() {
            put(first4(columns.by_ref()));
        }
    }
}

fn first4(mut columns: impl Iterator<Item = i8>) -> [i8; 4] {
    [(); 4].map(|()| columns.next().unwrap_or(0))
}

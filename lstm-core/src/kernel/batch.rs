//! Room for the sums of a batch of rows.
#![allow(
    unsafe_code,
    reason = "to fill it with zeros first would take as long as a small layer"
)]

use core::mem::MaybeUninit;

use crate::format::{BLOCK_ROWS, INT4_ROWS};

/// The most blocks of four rows whose sums are computed at a time. A half of it is a multiple of 3,
/// for the cells whose units take three blocks; of 4, for int4 has blocks of 16 rows; and on a large CPU
/// of 16, for its vectors take four of those.
pub(crate) const MAX_BATCH: usize = if cfg!(target_os = "none") { 24 } else { 96 };

const HALF: usize = MAX_BATCH / 2;
const _: () = assert!(HALF.is_multiple_of(3) && (HALF * BLOCK_ROWS).is_multiple_of(INT4_ROWS));

/// Sums of at most [`MAX_BATCH`] blocks, which a kernel writes.
#[repr(C, align(16))]
pub(crate) struct Batch<T>([MaybeUninit<[T; BLOCK_ROWS]>; MAX_BATCH]);

impl<T> Batch<T> {
    /// Holds nothing.
    pub(crate) fn new() -> Self {
        Batch([const { MaybeUninit::uninit() }; MAX_BATCH])
    }

    /// All of it.
    pub(crate) fn whole(&mut self) -> Room<'_, T> {
        Room(&mut self.0)
    }

    /// Two halves, for the sums of two matrices.
    #[cfg(feature = "gru")]
    pub(crate) fn halves(&mut self) -> [Room<'_, T>; 2] {
        let (first, second) = self.0.split_at_mut(HALF);
        [Room(first), Room(second)]
    }
}

/// Where a kernel writes sums: a [`Batch`], or a half of one.
pub(crate) struct Room<'b, T>(&'b mut [MaybeUninit<[T; BLOCK_ROWS]>]);

impl<'b, T> Room<'b, T> {
    /// Writes sums from the start on, as many as there is room for, and gives them.
    #[inline(always)]
    pub(crate) fn fill(self, sums: impl Iterator<Item = [T; BLOCK_ROWS]>) -> &'b [[T; BLOCK_ROWS]] {
        let mut filled = 0;
        for (place, sums) in self.0.iter_mut().zip(sums) {
            place.write(sums);
            filled += 1;
        }
        // SAFETY: so many were written.
        unsafe { self.written(filled) }
    }

    /// Blocks that there is room for.
    #[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
    pub(super) fn blocks(&self) -> usize {
        self.0.len()
    }

    /// Where the assembly writes.
    #[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
    pub(super) fn as_mut_ptr(&mut self) -> *mut [T; BLOCK_ROWS] {
        self.0.as_mut_ptr().cast()
    }

    /// The first blocks.
    ///
    /// # Safety
    ///
    /// So many, and at most as many as there is room for, have been written.
    pub(super) unsafe fn written(self, blocks: usize) -> &'b [[T; BLOCK_ROWS]] {
        let sums = self.0.as_ptr().cast();
        // SAFETY: the caller's; a `MaybeUninit` has the layout of its content.
        unsafe { core::slice::from_raw_parts(sums, blocks) }
    }
}

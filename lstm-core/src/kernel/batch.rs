//! Room for the sums of a batch of rows.
#![allow(
    unsafe_code,
    reason = "to fill it with zeros first would take as long as a small layer"
)]

use core::mem::MaybeUninit;

use crate::format::{BLOCK_ROWS, INT4_ROWS};

/// The most blocks of four rows whose sums are computed at a time: a multiple of 3, for the cells
/// whose units take three blocks; of 4, for int4 has blocks of 16 rows; and of 16, for the vectors
/// of a large CPU take four of those.
pub(crate) const MAX_BATCH: usize = if cfg!(target_os = "none") { 24 } else { 48 };

const _: () =
    assert!(MAX_BATCH.is_multiple_of(3) && (MAX_BATCH * BLOCK_ROWS).is_multiple_of(INT4_ROWS));

/// Sums of at most [`MAX_BATCH`] blocks, which a kernel writes.
#[repr(C, align(16))]
pub(crate) struct Batch<T>([MaybeUninit<[T; BLOCK_ROWS]>; MAX_BATCH]);

impl<T> Batch<T> {
    /// Holds nothing.
    pub(crate) fn new() -> Self {
        Batch([const { MaybeUninit::uninit() }; MAX_BATCH])
    }

    /// Writes sums from the start on, as many as there is room for, and gives them.
    #[inline(always)]
    pub(crate) fn fill(
        &mut self,
        sums: impl Iterator<Item = [T; BLOCK_ROWS]>,
    ) -> &[[T; BLOCK_ROWS]] {
        let mut filled = 0;
        for (place, sums) in self.0.iter_mut().zip(sums) {
            place.write(sums);
            filled += 1;
        }
        // SAFETY: so many were written.
        unsafe { self.written(filled) }
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
    /// So many, and at most [`MAX_BATCH`], have been written.
    pub(super) unsafe fn written(&self, blocks: usize) -> &[[T; BLOCK_ROWS]] {
        let sums = self.0.as_ptr().cast();
        // SAFETY: the caller's; a `MaybeUninit` has the layout of its content.
        unsafe { core::slice::from_raw_parts(sums, blocks) }
    }
}

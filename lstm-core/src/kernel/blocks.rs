//! What the kernels of small CPUs share: the walk over blocks and over groups of columns.
#![allow(unsafe_code, reason = "the kernels are assembly")]

use super::{BATCH, Rows};
use crate::arith::Each;
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, INT4_ROWS, WeightFormat};
use core::mem::MaybeUninit;
use core::ops::Range;

/// What a kernel is to compute, and where it is; the assembly knows the offsets.
#[repr(C)]
pub(super) struct Batch {
    /// The packed columns, or the list of the live ones; 0.
    input: *const u32,
    /// A row's sum of products begins here; 4.
    start: i32,
    /// The end of the columns or of the list; 8.
    input_end: *const u32,
    /// The parameters of the next row, on a multiple of 4; 12.
    rows: *const [u32; 2],
    /// The table's entry for the next row; 16.
    entries: *const u8,
    /// Where the next row's sum goes, on a multiple of 16 for the first; 20.
    sums: *mut [i32; BLOCK_ROWS],
    /// The end of the sums; 24.
    sums_end: *mut [i32; BLOCK_ROWS],
    /// Bytes of a block of weights; 28.
    block_bytes: usize,
}

/// A kernel: writes the sums of the rows of the blocks at `weights`, each with the row's parameters
/// and its entry of the table, as far as `batch` says; returns the end of those blocks. Of a last
/// block of 16 rows it may write all, and takes the parameters and entries of those that there are.
///
/// # Safety
///
/// There are as many parameters and entries as sums, at least four, a multiple of four, and blocks
/// of weights for all; the columns are a positive multiple of [`COLUMN_ALIGN`], a list is one that
/// was packed for as many columns as a block has; weights, input and rows begin on a multiple of 4,
/// the sums on a multiple of 16, with room for whole blocks.
pub(super) type Kernel = unsafe extern "C" fn(weights: *const u8, batch: &mut Batch) -> *const u8;

/// The sums of a batch.
#[repr(align(16))]
struct Sums([MaybeUninit<[i32; BLOCK_ROWS]>; BATCH]);

/// A batch, and half of one, holds whole blocks of 16 rows and whole units of three blocks.
const _: () =
    assert!((BATCH / 2 * BLOCK_ROWS).is_multiple_of(INT4_ROWS) && (BATCH / 2).is_multiple_of(3));

/// Calls `each` with the sums of the rows of an int8 matrix over the packed columns, a batch at a
/// time.
#[inline(always)]
pub(super) fn for_each_int8_batch<X>(
    kernel: Kernel,
    rows: &Rows<'_>,
    input: &[X],
    start: i32,
    each: &mut Each<'_, i32>,
) {
    let columns = rows.matrix.columns;
    if input.len() == columns && columns.is_multiple_of(COLUMN_ALIGN) {
        let range = input.as_ptr_range();
        let range = range.start.cast()..range.end.cast();
        // SAFETY: the columns were checked.
        unsafe { for_each_batch(kernel, WeightFormat::Int8, rows, range, start, each) }
    }
}

/// Calls `each` with the sums of the rows over the packed columns, a batch at a time. A call of the
/// kernel takes a batch of blocks, which spreads the cost of the call, and of the registers that
/// the caller has to put away, over as many units.
///
/// # Safety
///
/// `input` is what the kernel takes for the columns of the matrix: as many, packed, or a list.
#[inline(always)]
pub(super) unsafe fn for_each_batch(
    kernel: Kernel,
    format: WeightFormat,
    rows: &Rows<'_>,
    input: Range<*const u32>,
    start: i32,
    each: &mut Each<'_, i32>,
) {
    let call = Call {
        kernel,
        input,
        start,
        is_int4: format == WeightFormat::Int4,
    };
    // SAFETY: as the caller says.
    unsafe { call.run(rows, each) }
}

/// A kernel with its input.
struct Call {
    kernel: Kernel,
    input: Range<*const u32>,
    start: i32,
    is_int4: bool,
}

impl Call {
    /// Runs the kernel over all rows.
    ///
    /// # Safety
    ///
    /// The input is what the kernel takes for the columns of the matrix.
    #[inline(never)]
    unsafe fn run(&self, rows: &Rows<'_>, each: &mut Each<'_, i32>) {
        /// The entries where there is no table, of a smaller batch.
        static ZEROS: [[u8; BLOCK_ROWS]; BATCH / 2] = [[0; BLOCK_ROWS]; BATCH / 2];
        let parameters = rows.parameters();
        let mut left = parameters.len();
        let mut most = ZEROS.len();
        if !rows.entries.is_empty() {
            left = left.min(rows.entries.len());
            most = BATCH;
        }
        // In words, blocks of four rows, or of 16 in two words a column.
        let columns = rows.matrix.columns;
        let (blocks, block_words) = match self.is_int4 {
            false => (left, columns),
            true => (left.div_ceil(INT4_ROWS / BLOCK_ROWS), 2 * columns),
        };
        if columns == 0 || rows.matrix.weights.len() < blocks * block_words {
            return;
        }
        let mut weights = rows.weights().as_ptr();
        let mut sums = Sums([MaybeUninit::uninit(); BATCH]);
        let first = sums.0.as_mut_ptr().cast::<[i32; BLOCK_ROWS]>();
        let mut batch = Batch {
            input: self.input.start,
            start: self.start,
            input_end: self.input.end,
            rows: parameters.as_ptr().cast(),
            entries: rows.entries.as_ptr().cast(),
            sums: first,
            sums_end: first,
            block_bytes: 4 * block_words,
        };
        while left != 0 {
            let filled = left.min(most);
            if rows.entries.is_empty() {
                batch.entries = ZEROS.as_ptr().cast();
            }
            batch.sums = first;
            batch.sums_end = first.wrapping_add(filled);
            // SAFETY: whole blocks of weights, and as many parameters and entries as sums, were counted;
            // the input is the caller's. A model checks that its data begins on a multiple of 4, the
            // input lies in a workspace, which is made of words, and `Sums` is aligned to 16 and has room
            // for the blocks, whose `filled` sums the kernel writes.
            let sums = unsafe {
                weights = (self.kernel)(weights, &mut batch);
                core::slice::from_raw_parts(first, filled)
            };
            each(sums);
            left -= filled;
        }
    }
}

/// Packs groups of four columns, the last filled with zeros, into groups of `N` elements; then groups
/// of zeros.
#[inline(always)]
pub(super) fn pack_groups<X, const N: usize>(
    columns: &[i8],
    input: &mut [X],
    mut pack: impl FnMut(&[i8; 4]) -> [X; N],
) {
    let (whole, rest) = columns.as_chunks();
    let mut whole = whole.iter();
    let rest = |n: usize| rest.get(n).copied().unwrap_or(0);
    let mut last = [rest(0), rest(1), rest(2), 0];
    for group in input.as_chunks_mut().0 {
        *group = pack(&match whole.next() {
            Some(columns) => *columns,
            None => core::mem::take(&mut last),
        });
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

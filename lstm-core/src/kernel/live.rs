//! What the 4-bit kernels of small CPUs share: the list of the live columns, and the walk over blocks
//! of 16 rows.
//!
//! A column whose `x` is 0, or in the dead zone, adds nothing, and is not in the list. A kernel
//! multiplies `x` with a pair of weights `n0 + 2^16 n1` at once, `n = w + 8`, and adds up a *group*
//! of columns before it takes the two sums apart. The sums of a group start at
//! `-8 (1 + 2^16) sum(x)`, which makes them those of `w`, and a group ends before the sum of its
//! `|x|` can pass 4095: so they are at most `8 * 4095 < 2^15`, and fit 16 bits.
#![allow(unsafe_code, reason = "the kernels are assembly")]

use super::{BATCH, DeadZones, Rows};
use crate::file::{BLOCK_ROWS, COLUMN_ALIGN, INT4_ROWS, round_up};
use core::mem::MaybeUninit;

/// A word of the list. A group is a head of two words, then a multiple of [`QUAD`] columns, the last
/// of the list filled up with zeros. A column is `x` in the lower half and 8 times its number in the
/// upper. The head is where the sums of the group start, then the bytes of its columns.
pub(crate) type Input = u32;

/// The kernels for Thumb-2 want the last `x` of each quad doubled, plus 1 where it ends its group;
/// and in the second word of the head, 1 if every column of the matrix is in the list.
const THUMB2: bool = cfg!(any(thumb = "v7m", thumb = "v7em"));

/// Columns that a kernel takes in a turn.
const QUAD: usize = 4;
/// Words of the head of a group.
const HEAD: usize = 2;
/// The most that the sum of `|x|` over a group may be, before its last quad.
const MAX_BEFORE: u32 = 4095 - 127 * QUAD as u32;

/// Words of the list: each group but the last has at least 32 columns.
pub(crate) const fn input_len(columns: usize) -> usize {
    columns + HEAD * columns.div_ceil(COLUMN_ALIGN)
}

/// The list under construction.
struct List<'a> {
    words: &'a mut [u32],
    /// The end of the list.
    end: usize,
    /// The head of the open group, which is empty if it ends at `end`.
    head: usize,
    groups: i32,
    sum: i32,
    sum_abs: u32,
}

impl List<'_> {
    fn set(&mut self, at: usize, word: u32) {
        if let Some(place) = self.words.get_mut(at) {
            *place = word;
        }
    }

    /// Adds a column, `offset` bytes from the block's start.
    #[inline(always)]
    fn push(&mut self, x: i8, offset: u32, is_dense: bool) {
        let x = i32::from(x);
        self.sum += x;
        self.sum_abs += x.unsigned_abs();
        let at = self.end;
        self.end += 1;
        let is_last = (self.end - self.head - HEAD).is_multiple_of(QUAD);
        let factor = if THUMB2 && is_last { 2 } else { 1 };
        self.set(at, offset << 16 | (factor * x) as u32 & 0xffff);
        if is_last && self.sum_abs > MAX_BEFORE {
            self.close(is_dense);
        }
    }

    /// Adds columns of zeros: those up to the padded end if every column is in the list, and then as
    /// many as make whole quads. A kernel takes one group at least, with one quad.
    #[inline(never)]
    fn fill_up(&mut self, mut offset: u32, end: u32, is_dense: bool) {
        while is_dense && offset < end
            || self.end == HEAD
            || !(self.end - self.head - HEAD).is_multiple_of(QUAD)
        {
            self.push_zero(if is_dense { offset } else { 0 }, is_dense);
            offset += 8;
        }
    }

    #[inline(never)]
    fn push_zero(&mut self, offset: u32, is_dense: bool) {
        self.push(0, offset, is_dense);
    }

    /// Ends the group with its last quad.
    #[inline(never)]
    fn close(&mut self, is_dense: bool) {
        let (head, end) = (self.head, self.end);
        // -8 (1 + 2^16) sum(x), and half of the lower sum's range: no borrow from the upper one.
        let start = (-0x0008_0008 * self.sum).wrapping_add(0x8000);
        self.set(head, start as u32);
        let second = match THUMB2 {
            true => u32::from(is_dense),
            false => 4 * (end - head - HEAD) as u32,
        };
        self.set(head + 1, second);
        if THUMB2 && let Some(last) = self.words.get_mut(end - 1) {
            *last |= 1;
        }
        self.groups += 1;
        self.head = end;
        self.end += HEAD;
        self.sum = 0;
        self.sum_abs = 0;
    }
}

/// As [`super::portable::int4::pack`]; gives the words of the list plus 2^16 times its groups.
#[inline(never)]
pub(crate) fn pack(columns: &[i8], zones: DeadZones, input: &mut [Input]) -> i32 {
    let padded = round_up(columns.len(), COLUMN_ALIGN);
    let mut list = List {
        words: input,
        end: HEAD,
        head: 0,
        groups: 0,
        sum: 0,
        sum_abs: 0,
    };
    // The kernels for Thumb-2 are faster, a column in nine, where they need not look up the columns.
    // A live column lies outside of `-reach..=reach`; one of 0 is not live in any zone.
    let parts = zones.parts(columns);
    let parts = parts.map(|(part, zone)| (part, u32::from(zone.max(1)) - 1));
    let is_live = |x: i8, reach: u32| (x as u32).wrapping_add(reach) > 2 * reach;
    let is_dense = THUMB2 && {
        let mut live = 0;
        for &(part, reach) in &parts {
            for &x in part {
                live += usize::from(is_live(x, reach));
            }
        }
        9 * live >= 8 * padded
    };
    let mut offset = 0;
    for &(part, reach) in &parts {
        for &x in part {
            if is_live(x, reach) {
                list.push(x, offset, is_dense);
            } else if is_dense {
                list.push_zero(offset, is_dense);
            }
            offset += 8;
        }
    }
    list.fill_up(offset, 8 * padded as u32, is_dense);
    if list.end != list.head + HEAD {
        list.close(is_dense);
    }
    (list.head as i32) | list.groups << 16
}

/// What a kernel is to compute, and where it is; the assembly knows the offsets.
#[repr(C)]
pub(super) struct Batch {
    /// The list; 0.
    list: *const u32,
    /// Minus the halves of the lower sums' ranges, of all groups; 4.
    start: i32,
    /// The end of the list; 8.
    list_end: *const u32,
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
/// and its entry of the table, as far as `batch` says; returns the end of those blocks. Of the last
/// block it may write all 16 rows, and takes the parameters and entries of those that there are.
///
/// # Safety
///
/// There are as many parameters and entries as sums, at least four, a multiple of four, and blocks
/// of weights for all; the list is one that [`pack`] made for as many columns as a block has;
/// weights, list and rows begin on a multiple of 4, the sums on a multiple of 16.
pub(super) type Kernel = unsafe extern "C" fn(weights: *const u8, batch: &mut Batch) -> *const u8;

/// The sums of a batch, room for whole blocks.
#[repr(align(16))]
struct Sums([MaybeUninit<[i32; BLOCK_ROWS]>; BATCH]);

const _: () = assert!((BATCH * BLOCK_ROWS).is_multiple_of(INT4_ROWS));

/// As [`super::portable::int4::for_each_batch`].
#[inline(always)]
pub(super) fn for_each_batch(
    kernel: Kernel,
    rows: &Rows<'_>,
    input: &[Input],
    packed: i32,
    mut each: impl FnMut(&[[i32; BLOCK_ROWS]]),
) {
    /// The entries where there is no table.
    static ZEROS: [[u8; BLOCK_ROWS]; BATCH] = [[0; BLOCK_ROWS]; BATCH];
    const BLOCKS: usize = INT4_ROWS / BLOCK_ROWS;
    let (words, groups) = ((packed & 0xffff) as usize, packed >> 16);
    let Some(list) = input.get(..words) else {
        return;
    };
    let block_bytes = 8 * rows.columns;
    let mut left = rows.parameters.len();
    let mut entries = rows.entries;
    if !entries.is_empty() {
        left = left.min(entries.len());
    }
    if rows.weights.len() < left.div_ceil(BLOCKS) * block_bytes {
        return;
    }
    let mut weights = rows.weights.as_ptr();
    let list = list.as_ptr_range();
    let mut sums = Sums([MaybeUninit::uninit(); BATCH]);
    let first = sums.0.as_mut_ptr().cast::<[i32; BLOCK_ROWS]>();
    let mut batch = Batch {
        list: list.start,
        start: -0x8000 * groups,
        list_end: list.end,
        rows: rows.parameters.as_ptr().cast(),
        entries: entries.as_ptr().cast(),
        sums: first,
        sums_end: first,
        block_bytes,
    };
    while left != 0 {
        let filled = left.min(BATCH);
        if rows.entries.is_empty() {
            entries = &ZEROS;
            batch.entries = entries.as_ptr().cast();
        }
        batch.sums = first;
        batch.sums_end = first.wrapping_add(filled);
        // SAFETY: whole blocks of weights, and as many parameters and entries as sums, were counted;
        // `packed` is what `pack` gave for this list. A model checks that its data begins on a
        // multiple of 4, the list lies in a workspace, which is made of words, and `Sums` is aligned
        // to 16 and has room for the blocks, whose `filled` sums the kernel writes.
        let sums = unsafe {
            weights = kernel(weights, &mut batch);
            core::slice::from_raw_parts(first, filled)
        };
        each(sums);
        left -= filled;
    }
}

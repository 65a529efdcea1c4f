//! The 4-bit kernels: the list of the live columns.
//!
//! A column whose `x` is 0, or in the dead zone, adds nothing, and is not in the list. The assembly
//! multiplies `x` with a pair of weights `n0 + 2^16 n1` at once, `n = w + 8`, and adds up a *group*
//! of columns before it takes the two sums apart. The sums of a group start at
//! `-8 (1 + 2^16) sum(x)`, which makes them those of `w`, and a group ends before the sum of its
//! `|x|` can pass 4095: so they are at most `8 * 4095 < 2^15`, and fit 16 bits.

use core::marker::PhantomData;

use super::Assembly;
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, SENSOR_COLUMN_ALIGN, WeightFormat};
use crate::kernel::{Kernel, Room, Rows};
use crate::layout::Matrix;

/// What a CPU's file says of its assembly for 4-bit weights.
pub(crate) trait Int4Assembly {
    /// Computes the rows' sums.
    const ROWS: Assembly;
}

/// The kernel for 4-bit weights of a CPU.
pub(crate) struct Int4<C>(PhantomData<C>);

/// A list of live columns. It can be made by [`Kernel::pack`] alone, so its columns lie in every
/// block of a matrix with as many columns as the list was packed for.
///
/// A group is a head of two words, then a multiple of [`QUAD`] columns, the last of the list filled
/// up with zeros. A column is `x` in the lower half of a word and 8 times its number in the upper. The
/// head is where the sums of the group start, then the bytes of its columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    words: &'a [u32],
    /// Where a dot product starts.
    start: i32,
    /// The padded columns of the matrix that it was packed for.
    columns: usize,
}

/// The assembly for Thumb-2 wants the last `x` of each quad doubled, plus 1 where it ends its group;
/// and in the second word of the head, 1 if every column of the matrix is in the list.
const THUMB2: bool = cfg!(any(lstm_kernel = "cortex_m3", lstm_kernel = "cortex_m4"));

/// Columns that the assembly takes in a turn.
const QUAD: usize = 4;
/// Words of the head of a group.
const HEAD: usize = 2;
/// The most that the sum of `|x|` over a group may be, before its last quad. So each group but the
/// last has at least 32 columns.
const MAX_BEFORE: u32 = 4095 - 127 * QUAD as u32;

impl<C: Int4Assembly> Kernel for Int4<C> {
    const SCRATCH_BYTES: usize = 4 * (COLUMN_ALIGN + HEAD);
    type Packed<'a> = List<'a>;

    #[inline(never)]
    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> List<'a> {
        Writer::write(matrix, columns, scratch)
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: List<'_>,
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        if rows.matrix.format != WeightFormat::Int4
            || packed.columns != rows.matrix.columns
            || packed.columns == 0
            || !packed.columns.is_multiple_of(SENSOR_COLUMN_ALIGN)
            || packed.words.is_empty()
        {
            return &[];
        }
        let input = packed.words.as_ptr_range();
        // SAFETY: the list was packed for as many columns as the matrix has.
        unsafe { super::rows(C::ROWS, rows, input, packed.start, first, batch) }
    }
}

/// A list in the making.
struct Writer<'a> {
    words: &'a mut [u32],
    /// The end of the list.
    end: usize,
    /// The head of the open group, which is empty if it ends at `end`.
    head: usize,
    groups: i32,
    sum: i32,
    sum_abs: u32,
    /// Whether every column of the matrix is to be in the list.
    is_dense: bool,
}

impl<'a> Writer<'a> {
    fn write(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> List<'a> {
        let padded = matrix.columns;
        let columns = columns.get(..padded).unwrap_or(columns);
        // A live column lies outside of `-reach..=reach`; one of 0 is not live in any zone.
        let parts = matrix.dead_zones.parts(columns);
        let parts = parts.map(|(part, zone)| (part, u32::from(zone.max(1)) - 1));
        let is_live = |x: i8, reach: u32| (x as u32).wrapping_add(reach) > 2 * reach;
        let mut list = Writer {
            words: scratch,
            end: HEAD,
            head: 0,
            groups: 0,
            sum: 0,
            sum_abs: 0,
            is_dense: THUMB2 && Self::is_worth_being_dense(padded, &parts, is_live),
        };
        let mut offset = 0;
        for &(part, reach) in &parts {
            for &x in part {
                let is_live = is_live(x, reach);
                if is_live || list.is_dense() {
                    list.push(if is_live { x } else { 0 }, offset);
                }
                offset += 8;
            }
        }
        list.fill_up(offset, padded);
        let Writer {
            words,
            head: end,
            groups,
            ..
        } = list;
        List {
            // Empty where the scratch was too small.
            words: words.get(..end).unwrap_or_default(),
            start: -0x8000 * groups,
            columns: padded,
        }
    }

    /// Whether at most an eleventh of the columns is not live; mostly that is known after a few. The
    /// assembly for Thumb-2 is faster, a column in eleven, where it need not look up the columns.
    fn is_worth_being_dense(
        padded: usize,
        parts: &[(&[i8], u32); 2],
        is_live: impl Fn(i8, u32) -> bool,
    ) -> bool {
        let used = parts[0].0.len() + parts[1].0.len();
        let mut surplus = padded as i32 - 11 * padded.saturating_sub(used) as i32;
        parts.iter().all(|&(part, reach)| {
            part.iter().all(|&x| {
                if !is_live(x, reach) {
                    surplus -= 11;
                }
                surplus >= 0
            })
        })
    }

    /// Known to the compiler where it is never so.
    #[inline(always)]
    fn is_dense(&self) -> bool {
        THUMB2 && self.is_dense
    }

    fn set(&mut self, at: usize, word: u32) {
        if let Some(place) = self.words.get_mut(at) {
            *place = word;
        }
    }

    /// Adds a column, `offset` bytes from the block's start.
    #[inline(always)]
    fn push(&mut self, x: i8, offset: u32) {
        let x = i32::from(x);
        self.sum += x;
        self.sum_abs += x.unsigned_abs();
        let at = self.end;
        self.end += 1;
        let is_last = (self.end - self.head - HEAD).is_multiple_of(QUAD);
        let factor = if THUMB2 && is_last { 2 } else { 1 };
        self.set(at, offset << 16 | (factor * x) as u32 & 0xffff);
        if is_last && self.sum_abs > MAX_BEFORE {
            self.close();
        }
    }

    /// Adds columns of zeros: those up to the padded end if every column is in the list, and then as
    /// many as make whole quads. The assembly takes one group at least, with one quad.
    fn fill_up(&mut self, mut offset: u32, padded: usize) {
        while self.is_dense() && offset < 8 * padded as u32
            || self.end == HEAD
            || !(self.end - self.head - HEAD).is_multiple_of(QUAD)
        {
            self.set(self.end, if self.is_dense() { offset << 16 } else { 0 });
            self.end += 1;
            offset += 8;
        }
        if self.end != self.head + HEAD {
            self.close();
        }
    }

    /// Ends the group with its last quad.
    #[inline(never)]
    fn close(&mut self) {
        let (head, end) = (self.head, self.end);
        // -8 (1 + 2^16) sum(x), and half of the lower sum's range: no borrow from the upper one.
        let start = (-0x0008_0008 * self.sum).wrapping_add(0x8000);
        self.set(head, start as u32);
        let second = match THUMB2 {
            true => u32::from(self.is_dense()),
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

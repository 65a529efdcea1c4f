//! What the 4-bit kernels of small CPUs share: the list of the live columns.
//!
//! A column whose `x` is 0, or in the dead zone, adds nothing, and is not in the list. A kernel
//! multiplies `x` with a pair of weights `n0 + 2^16 n1` at once, `n = w + 8`, and adds up a *group*
//! of columns before it takes the two sums apart. The sums of a group start at
//! `-8 (1 + 2^16) sum(x)`, which makes them those of `w`, and a group ends before the sum of its
//! `|x|` can pass 4095: so they are at most `8 * 4095 < 2^15`, and fit 16 bits.
#![allow(unsafe_code, reason = "the kernels are assembly")]

use super::blocks::{self, Kernel};
use super::{DeadZones, Rows};
use crate::arith::Each;
use crate::format::{COLUMN_ALIGN, WeightFormat, round_up};

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
    columns + HEAD * (round_up(columns, COLUMN_ALIGN) / COLUMN_ALIGN)
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
    // They are so if at most a ninth is not live; mostly that is known after a few columns.
    let mut surplus = padded as i32 - 9 * (padded - columns.len()) as i32;
    let is_dense = THUMB2
        && parts.iter().all(|&(part, reach)| {
            part.iter().all(|&x| {
                if !is_live(x, reach) {
                    surplus -= 9;
                }
                surplus >= 0
            })
        });
    let mut offset = 0;
    for &(part, reach) in &parts {
        for &x in part {
            let is_live = is_live(x, reach);
            if is_live || is_dense {
                list.push(if is_live { x } else { 0 }, offset, is_dense);
            }
            offset += 8;
        }
    }
    // Columns of zeros: those up to the padded end if every column is in the list, and then as many
    // as make whole quads. A kernel takes one group at least, with one quad.
    while is_dense && offset < 8 * padded as u32
        || list.end == HEAD
        || !(list.end - list.head - HEAD).is_multiple_of(QUAD)
    {
        list.set(list.end, if is_dense { offset << 16 } else { 0 });
        list.end += 1;
        offset += 8;
    }
    if list.end != list.head + HEAD {
        list.close(is_dense);
    }
    (list.head as i32) | list.groups << 16
}

/// As [`super::portable::int4::for_each_batch`].
#[inline(always)]
pub(super) fn for_each_batch(
    kernel: Kernel,
    rows: &Rows<'_>,
    input: &[Input],
    packed: i32,
    each: &mut Each<'_, i32>,
) {
    let (words, groups) = ((packed & 0xffff) as usize, packed >> 16);
    if let Some(list) = input.get(..words) {
        let start = -0x8000 * groups;
        // SAFETY: `packed` is what `pack` gave for this list.
        unsafe {
            blocks::for_each_batch(
                kernel,
                WeightFormat::Int4,
                rows,
                list.as_ptr_range(),
                start,
                each,
            );
        }
    }
}

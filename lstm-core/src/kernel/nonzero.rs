//! What the 4-bit kernels of desktops share: the list of the columns that are not zero.

use super::{DeadZones, Rows};

/// A column: `x` in the lower half, its number in the upper.
pub(crate) type Input = u32;

/// Elements of so many packed columns.
pub(crate) const fn input_len(columns: usize) -> usize {
    columns
}

/// As [`super::portable::int4::pack`]; gives the length of the list, an even number.
pub(crate) fn pack(columns: &[i8], zones: DeadZones, input: &mut [Input]) -> i32 {
    let mut len = 0;
    for (column, x) in (0..).zip(zones.counted(columns)) {
        // Written either way, which is faster than a branch; a zero is overwritten by the next.
        if let Some(place) = input.get_mut(len) {
            *place = column << 16 | u32::from(x as u16);
        }
        len += usize::from(x != 0);
    }
    if !len.is_multiple_of(2)
        && let Some(place) = input.get_mut(len)
    {
        *place = 0;
        len += 1;
    }
    len as i32
}

/// A list whose columns lie in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live<'a> {
    /// Pairs of columns.
    pairs: &'a [[u32; 2]],
}

impl<'a> Live<'a> {
    /// Pairs of `(x, column)`, `N` at a time; the last may be fewer.
    #[inline(always)]
    pub(super) fn pairs(self, n: usize) -> impl Iterator<Item = &'a [[u32; 2]]> {
        self.pairs.chunks(n)
    }
}

/// The dot products of a matrix, four rows after the other, by a function that takes `N` blocks of
/// 16 rows at once, what their sums start at, and a list whose columns are below the blocks' length.
#[inline(always)]
pub(super) fn dots<const N: usize, const ROWS4: usize>(
    rows: &Rows<'_>,
    input: &[Input],
    len: i32,
    dot: impl Fn([&[[u8; 8]]; N], Live<'_>, i32) -> [[i32; 4]; ROWS4],
) -> impl Iterator<Item = [i32; 4]> {
    const { assert!(ROWS4 == 4 * N) };
    let live = input.get(..len as usize).unwrap_or_default();
    let in_range = |&element: &u32| column(element).1 < rows.matrix.columns;
    let pairs = match live.iter().all(in_range) {
        true => live.as_chunks().0,
        false => &[],
    };
    // Takes off the offset of 8 of the weights.
    let start = -8 * live.iter().map(|&x| i32::from(column(x).0)).sum::<i32>();
    let columns = rows.matrix.columns.max(1);
    let mut blocks = rows.weights().as_chunks().0.chunks_exact(columns);
    let end = 4 * blocks.len();
    let mut sums = [[0; 4]; ROWS4];
    (0..end).map(move |row4| {
        let place = row4 % ROWS4;
        if place == 0 {
            // Where fewer are left, the first stands in for the missing ones.
            let first = blocks.next().unwrap_or_default();
            let mut next = || blocks.next().unwrap_or(first);
            let mut taken = [first; N];
            taken.iter_mut().skip(1).for_each(|block| *block = next());
            sums = dot(taken, Live { pairs }, start);
        }
        sums[place]
    })
}

/// `x` and the column of an element of the list.
#[inline(always)]
pub(super) fn column(element: u32) -> (i16, usize) {
    (element as i16, (element >> 16) as usize)
}

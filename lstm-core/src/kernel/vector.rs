//! What the kernels with vectors share.

use super::Rows;
use crate::bytes::{prefix, split};
use crate::format::BLOCK_ROWS;
use crate::layout::Matrix;

/// The columns of a matrix, then zeros up to a multiple of `N`, in the first words of the scratch.
pub(super) fn copy_columns<'a, T: bytemuck::Pod + From<i8>, const N: usize>(
    matrix: &Matrix<'_>,
    columns: &[i8],
    scratch: &'a mut [u32],
) -> &'a mut [T] {
    let packed = prefix(scratch, matrix.columns.next_multiple_of(N));
    let (copied, padding) = split(packed, columns.len());
    for (packed, &value) in copied.iter_mut().zip(columns) {
        *packed = value.into();
    }
    padding.fill(0.into());
    packed
}

/// The blocks of four rows of an int8 matrix.
pub(super) fn blocks<'a>(matrix: &Matrix<'a>) -> core::slice::ChunksExact<'a, u8> {
    let block_bytes = BLOCK_ROWS * matrix.columns.max(1);
    matrix.weight_bytes().chunks_exact(block_bytes)
}

/// The weights of the last columns of a block, which fill no turn, with others after them, for columns that are
/// zero.
#[inline(always)]
pub(super) fn last_turn<const N: usize>(block: &[u8]) -> [u8; N] {
    let mut last = [0; N];
    for (to, from) in last.iter_mut().zip(block.as_chunks::<N>().1) {
        *to = *from;
    }
    last
}

/// The columns of an int4 matrix that do not count as 0. It can be made by [`List::pack`] alone, so
/// its columns lie in every block of a matrix that [`List::fits`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    /// Pairs of elements: `x` in the lower half of each, its column in the upper. A zero may fill up
    /// the last pair.
    pairs: &'a [[u32; 2]],
    /// The padded columns of the matrix.
    columns: usize,
    /// What takes the offset of 8 off the weights: a dot product starts here.
    start: i32,
}

/// Bytes of scratch for an element.
pub(super) const ELEMENT_BYTES: usize = 4;

impl<'a> List<'a> {
    pub(super) fn pack(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Self {
        let (scratch, _) = split(scratch, matrix.columns);
        let (mut len, mut sum) = (0, 0);
        // Not more than there is scratch for: each is below `matrix.columns`.
        let columns = (0..scratch.len() as u32).zip(matrix.dead_zones.counted(columns));
        for (column, x) in columns {
            // Written either way, which is faster than a branch; a zero is overwritten by the next.
            if let Some(place) = scratch.get_mut(len) {
                *place = column << 16 | u32::from(x as u16);
            }
            len += usize::from(x != 0);
            sum += i32::from(x);
        }
        if !len.is_multiple_of(2)
            && let Some(place) = scratch.get_mut(len)
        {
            *place = 0;
            len += 1;
        }
        List {
            pairs: scratch.get(..len).unwrap_or_default().as_chunks().0,
            columns: matrix.columns,
            start: -8 * sum,
        }
    }

    /// Whether the columns lie in the blocks of this matrix.
    fn fits(self, matrix: &Matrix<'_>) -> bool {
        self.columns == matrix.columns
    }

    /// Where a dot product starts.
    pub(super) fn start(self) -> i32 {
        self.start
    }

    /// Pairs of elements, `n` at a time; the last may be fewer.
    #[inline(always)]
    pub(super) fn pairs(self, n: usize) -> impl Iterator<Item = &'a [[u32; 2]]> {
        self.pairs.chunks(n)
    }
}

/// `x` and the column of an element of a list.
#[inline(always)]
pub(super) fn column(element: u32) -> (i16, usize) {
    (element as i16, (element >> 16) as usize)
}

/// Blocks of 16 rows whose dot products are computed at once.
pub(super) const BLOCKS: usize = 4;

/// The blocks of a list's own matrix: each holds all columns of the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks<'a> {
    blocks: [&'a [[u8; 8]]; BLOCKS],
    list: List<'a>,
}

impl<'a> Blocks<'a> {
    /// The blocks, `[columns]` of eight bytes each: 16 weights of 4 bits.
    pub(super) fn blocks(self) -> [&'a [[u8; 8]]; BLOCKS] {
        self.blocks
    }

    /// The list.
    pub(super) fn list(self) -> List<'a> {
        self.list
    }
}

/// The dot products of a matrix from a block of four rows on, by a function that takes [`BLOCKS`]
/// blocks of 16 rows at once.
#[inline(always)]
pub(super) fn dots<'a>(
    rows: &Rows<'a>,
    list: List<'a>,
    first: usize,
    dot: impl Fn(Blocks<'a>) -> [[i32; BLOCK_ROWS]; 4 * BLOCKS],
) -> impl Iterator<Item = [i32; BLOCK_ROWS]> {
    let weights: &[[u8; 8]] = match list.fits(rows.matrix) {
        true => rows.matrix.weight_bytes().as_chunks().0,
        false => &[],
    };
    let mut blocks = weights.chunks_exact(rows.matrix.columns.max(1));
    if let Some(before) = (first / 4).checked_sub(1) {
        blocks.nth(before);
    }
    let mut sums = [[0; BLOCK_ROWS]; 4 * BLOCKS];
    (0..4 * blocks.len()).map(move |row4| {
        let place = row4 % sums.len();
        if place == 0 {
            // Where fewer are left, the first stands in for the missing ones.
            let first = blocks.next().unwrap_or_default();
            let mut taken = [first; BLOCKS];
            for block in taken.iter_mut().skip(1) {
                *block = blocks.next().unwrap_or(first);
            }
            sums = dot(Blocks {
                blocks: taken,
                list,
            });
        }
        sums[place]
    })
}

//! Every CPU: the definition of the dot products, in plain Rust.
#![deny(clippy::float_arithmetic)]

/// 8-bit weights.
pub(crate) mod int8 {
    use super::super::Rows;
    use crate::arith::Each;

    /// A column as the dot products read it.
    pub(crate) type Input = i8;

    /// Lays out the columns, then zeros. Returns the correction
    /// for the offset of 128 with which the weights of even columns are stored.
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        super::copy_columns(columns, input);
        let pairs = input.as_chunks::<2>().0;
        128 * pairs.iter().map(|&[even, _]| i32::from(even)).sum::<i32>()
    }

    /// Calls `each` with the sums of the rows over the packed columns, a block of four rows after
    /// the other, [`BATCH`](super::super::BATCH) blocks at a time.
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        correction: i32,
        each: &mut Each<'_, i32>,
    ) {
        super::super::batches(rows, dots(rows.weights(), input, correction), each);
    }

    /// The dot products of the rows with the packed columns, a block of four rows after the other.
    /// A block is `[columns / 4][4 rows][4 columns]`.
    pub(crate) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::blocks(weights, 4 * input.len()).map(move |block| dot(block, input, correction))
    }

    fn dot(block: &[u8], input: &[Input], correction: i32) -> [i32; 4] {
        let mut sums = [-correction; 4];
        let groups = block.as_chunks::<16>().0.iter();
        for (group, x) in groups.zip(input.as_chunks::<4>().0) {
            let [x0, x1, x2, x3] = x.map(i32::from);
            for (sum, &[w0, w1, w2, w3]) in sums.iter_mut().zip(group.as_chunks::<4>().0) {
                *sum += i32::from(w0) * x0
                    + i32::from(w1 as i8) * x1
                    + i32::from(w2) * x2
                    + i32::from(w3 as i8) * x3;
            }
        }
        sums
    }
}

/// 4-bit weights.
pub(crate) mod int4 {
    use super::super::{DeadZones, Rows, int4_column};
    use crate::arith::Each;
    use crate::format::BLOCK_ROWS;

    /// A column as the dot products read it.
    pub(crate) type Input = i8;

    /// Elements of so many packed columns.
    pub(crate) const fn input_len(columns: usize) -> usize {
        columns
    }

    /// Lays out the columns, then zeros; a column in its dead zone becomes 0. Returns what the dot
    /// products need to know besides: here nothing.
    pub(crate) fn pack(columns: &[i8], zones: DeadZones, input: &mut [Input]) -> i32 {
        super::fill(input, zones.counted(columns));
        0
    }

    /// Calls `each` with the sums of the rows over the packed columns, a block of four rows after
    /// the other, [`BATCH`](super::super::BATCH) blocks at a time.
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        _: i32,
        each: &mut Each<'_, i32>,
    ) {
        super::super::batches(rows, dots(rows.weights(), input), each);
    }

    /// The dot products of the rows with the packed columns, four after the other. A block of 16
    /// rows is `[columns][2]` words of 32 bits: bits `4 k` of a word hold row `2 k` of its eight
    /// rows, bits `16 + 4 k` row `2 k + 1`, each with an offset of 8.
    pub(crate) fn dots(weights: &[u8], input: &[Input]) -> impl Iterator<Item = [i32; 4]> {
        super::blocks(weights, 8 * input.len()).flat_map(move |block| dot(block, input))
    }

    fn dot(block: &[u8], input: &[Input]) -> [[i32; BLOCK_ROWS]; 4] {
        let mut sums = [[0; BLOCK_ROWS]; 4];
        for (column, &x) in block.as_chunks().0.iter().zip(input) {
            let rows = sums.as_flattened_mut().iter_mut();
            for (sum, weight) in rows.zip(int4_column(column)) {
                *sum += weight * i32::from(x);
            }
        }
        sums
    }
}

fn blocks(weights: &[u8], bytes: usize) -> impl Iterator<Item = &[u8]> {
    weights.chunks_exact(bytes.max(1))
}

fn copy_columns(columns: &[i8], input: &mut [i8]) {
    fill(input, columns.iter().copied());
}

/// Writes the columns, then zeros.
fn fill(input: &mut [i8], columns: impl Iterator<Item = i8>) {
    for (input, value) in input.iter_mut().zip(columns.chain(core::iter::repeat(0))) {
        *input = value;
    }
}

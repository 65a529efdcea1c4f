//! Every CPU: the definition of the dot products, in plain Rust.
#![deny(clippy::float_arithmetic)]

/// 8-bit weights.
pub(crate) mod int8 {
    use super::super::Rows;

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
        each: impl FnMut(&[[i32; 4]]),
    ) {
        super::super::batches(rows, dots(rows.weights, input, correction), each);
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
    use super::super::Rows;

    /// A column as the dot products read it.
    pub(crate) type Input = i8;

    /// Lays out the columns as for 8 bits; the correction is for the offset of 8 of all weights.
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        super::copy_columns(columns, input);
        8 * input.iter().map(|&x| i32::from(x)).sum::<i32>()
    }

    /// Calls `each` with the sums of the rows over the packed columns, a block of four rows after
    /// the other, [`BATCH`](super::super::BATCH) blocks at a time.
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        correction: i32,
        each: impl FnMut(&[[i32; 4]]),
    ) {
        super::super::batches(rows, dots(rows.weights, input, correction), each);
    }

    /// The dot products, as for 8 bits. A block is `[columns / 8][4 rows]` of 32-bit words. Bits `4 k` of a word hold column `2 k`, bits `16 + 4 k` column
    /// `2 k + 1`.
    pub(crate) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::blocks(weights, 2 * input.len()).map(move |block| dot(block, input, correction))
    }

    fn dot(block: &[u8], input: &[Input], correction: i32) -> [i32; 4] {
        let mut sums = [-correction; 4];
        let groups = block.as_chunks::<16>().0.iter();
        for (group, x) in groups.zip(input.as_chunks::<8>().0) {
            let x = x.map(i32::from);
            for (sum, word) in sums.iter_mut().zip(group.as_chunks::<4>().0) {
                let mut word = u32::from_le_bytes(*word);
                for &[even, odd] in x.as_chunks::<2>().0 {
                    *sum += (word & 0xf) as i32 * even + (word >> 16 & 0xf) as i32 * odd;
                    word >>= 4;
                }
            }
        }
        sums
    }
}

fn blocks(weights: &[u8], bytes: usize) -> impl Iterator<Item = &[u8]> {
    weights.chunks_exact(bytes.max(1))
}

fn copy_columns(columns: &[i8], input: &mut [i8]) {
    let columns = columns.iter().copied();
    for (input, value) in input.iter_mut().zip(columns.chain(core::iter::repeat(0))) {
        *input = value;
    }
}

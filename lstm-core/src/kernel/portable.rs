//! Every CPU: the definition of the dot products, in plain Rust.
#![deny(clippy::float_arithmetic)]

/// A column as the dot products read it.
pub(crate) type Input = i8;

/// Lays out the columns: the layer below, the own hidden state, zeros. Returns the correction for
/// the offset of 128 with which the weights of even columns are stored: `128 * sum(x[even])`.
pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
    let columns = below.iter().chain(own).copied();
    for (input, value) in input.iter_mut().zip(columns.chain(core::iter::repeat(0))) {
        *input = value;
    }
    let mut correction = 0;
    for pair in input.as_chunks::<2>().0 {
        correction += 128 * i32::from(pair[0]);
    }
    correction
}

/// The dot products of the four rows of an int8 block `[columns / 4][4 rows][4 columns]` with the
/// packed columns.
pub(crate) fn dot4(block: &[u8], input: &[Input], correction: i32) -> [i32; 4] {
    let mut sums = [-correction; 4];
    for (group, x) in block
        .as_chunks::<16>()
        .0
        .iter()
        .zip(input.as_chunks::<4>().0)
    {
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

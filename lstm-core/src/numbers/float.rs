//! [`Format::F32`](crate::Format::F32): the reference. Sums run over the columns in order, products
//! are rounded before they are added (no fused multiply-add), and exp and tanh are libm's; so it
//! too gives the same numbers on every chip.

use super::Arithmetic;
use crate::kernel::BATCH;
use crate::model::Matrix;

/// The arithmetic of [`Format::F32`](crate::Format::F32).
pub(crate) struct F32;

/// Four floats from the file.
fn read4(bytes: &[u8; 16]) -> [f32; 4] {
    let mut values = [0.0; 4];
    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    values
}

fn add4(a: [f32; 4], b: &[u8; 16]) -> [f32; 4] {
    let [b0, b1, b2, b3] = read4(b);
    let [a0, a1, a2, a3] = a;
    [a0 + b0, a1 + b1, a2 + b2, a3 + b3]
}

impl Arithmetic for F32 {
    type Hidden = f32;
    type Cell = f32;
    type Input = f32;
    type Correction = ();
    type PreActivation = f32;
    type Gate = f32;
    type Logit = f32;

    const TABLE_BYTES: usize = 4;

    fn pack(below: &[f32], own: &[f32], input: &mut [f32]) {
        let columns = below.iter().chain(own).copied();
        for (input, value) in input.iter_mut().zip(columns.chain(core::iter::repeat(0.0))) {
            *input = value;
        }
    }

    fn for_each_batch(
        matrix: &Matrix<'_>,
        table: &[u8],
        input: &[f32],
        (): (),
        mut each: impl FnMut(&[[f32; 4]]),
    ) {
        let columns = matrix.weights.as_chunks::<16>().0;
        let mut blocks = columns.chunks_exact(input.len().max(1));
        let mut rows = matrix.rows.as_chunks::<16>().0.iter();
        let mut entries = table.as_chunks::<16>().0.iter();
        let mut batch = [[0.0; 4]; BATCH];
        loop {
            let mut filled = 0;
            for ((sums, rows), block) in batch.iter_mut().zip(rows.by_ref()).zip(blocks.by_ref()) {
                *sums = [0.0; 4];
                for (column, &x) in block.iter().zip(input) {
                    for (sum, weight) in sums.iter_mut().zip(read4(column)) {
                        *sum += weight * x;
                    }
                }
                *sums = add4(*sums, rows);
                if let Some(entries) = entries.next() {
                    *sums = add4(*sums, entries);
                }
                filled += 1;
            }
            match batch.get(..filled) {
                Some(filled @ [_, ..]) => each(filled),
                _ => break,
            }
        }
    }

    fn sigmoid(z: f32) -> f32 {
        1.0 / (1.0 + libm::expf(-z))
    }

    fn tanh(z: f32) -> f32 {
        libm::tanhf(z)
    }

    fn one_minus(i: f32) -> f32 {
        1.0 - i
    }

    fn cell(f: f32, c: f32, i: f32, g: f32) -> f32 {
        f * c + i * g
    }

    fn hidden(o: f32, c: f32) -> f32 {
        o * libm::tanhf(c)
    }

    fn projected(z: f32) -> f32 {
        z
    }

    fn logit(z: f32) -> f32 {
        z
    }
}

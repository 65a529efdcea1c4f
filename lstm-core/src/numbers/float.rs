//! [`Format::F32`](crate::Format::F32): the reference. Sums run over the columns in order, products
//! are rounded before they are added (no fused multiply-add), and exp and tanh are libm's; so it
//! too gives the same numbers on every chip.

use super::Arithmetic;
use crate::kernel::BATCH;
use crate::model::Matrix;

/// The arithmetic of [`Format::F32`](crate::Format::F32).
pub(crate) struct F32;

/// Floats of the file, in fours. A model's data begins on a multiple of 4.
fn fours(bytes: &[u8]) -> &[[f32; 4]] {
    let floats: &[f32] = bytemuck::try_cast_slice(bytes).unwrap_or_default();
    floats.as_chunks().0
}

/// A float as the file has it, little-endian.
fn le(value: f32) -> f32 {
    if cfg!(target_endian = "little") {
        value
    } else {
        f32::from_bits(u32::from_le(value.to_bits()))
    }
}

fn add4(a: [f32; 4], b: &[f32; 4]) -> [f32; 4] {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b.map(le));
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
        let columns = fours(matrix.weights);
        let mut blocks = columns.chunks_exact(input.len().max(1));
        let mut rows = fours(matrix.rows).iter();
        let mut entries = fours(table).iter();
        let mut batch = [[0.0; 4]; BATCH];
        loop {
            let mut filled = 0;
            for ((sums, rows), block) in batch.iter_mut().zip(rows.by_ref()).zip(blocks.by_ref()) {
                let mut dots = [0.0; 4];
                for (weights, &x) in block.iter().zip(input) {
                    for (dot, &weight) in dots.iter_mut().zip(weights) {
                        *dot += le(weight) * x;
                    }
                }
                *sums = add4(dots, rows);
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

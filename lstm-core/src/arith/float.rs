//! [`Format::F32`](crate::Format::F32): the reference. Sums run over the columns in order, products
//! are rounded before they are added (no fused multiply-add), and exp and tanh are libm's; so it
//! too gives the same numbers on every chip.

use super::{Arithmetic, Each};
use crate::kernel::BATCH;
use crate::model::Matrix;
use crate::session::split;

/// The arithmetic of [`Format::F32`](crate::Format::F32).
pub(crate) struct F32;

/// Words as floats, in fours.
fn fours(words: &[u32]) -> &[[f32; 4]] {
    let floats: &[f32] = bytemuck::cast_slice(words);
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

fn add4([a0, a1, a2, a3]: [f32; 4], b: &[f32; 4]) -> [f32; 4] {
    let [b0, b1, b2, b3] = b.map(le);
    [a0 + b0, a1 + b1, a2 + b2, a3 + b3]
}

/// The sums, each with a product more.
#[inline(always)]
fn multiply_add([s0, s1, s2, s3]: [f32; 4], &[w0, w1, w2, w3]: &[f32; 4], x: f32) -> [f32; 4] {
    [
        s0 + le(w0) * x,
        s1 + le(w1) * x,
        s2 + le(w2) * x,
        s3 + le(w3) * x,
    ]
}

/// The products of a block of four rows with the columns, four columns at a time.
#[inline(always)]
fn dot(block: &[[f32; 4]], columns: &[[f32; 4]]) -> [f32; 4] {
    let mut sums = [0.0; 4];
    for ([w0, w1, w2, w3], &[x0, x1, x2, x3]) in block.as_chunks::<4>().0.iter().zip(columns) {
        sums = multiply_add(sums, w0, x0);
        sums = multiply_add(sums, w1, x1);
        sums = multiply_add(sums, w2, x2);
        sums = multiply_add(sums, w3, x3);
    }
    sums
}

impl Arithmetic for F32 {
    type Hidden = f32;
    type Cell = f32;
    type PreActivation = f32;
    type Gate = f32;
    type Logit = f32;

    #[inline(never)]
    fn pack(matrix: &Matrix<'_>, columns: &[f32], input: &mut [u32]) -> i32 {
        let (input, _) = split(input, matrix.columns);
        let (values, zeros) = split(input, columns.len());
        for (input, value) in values.iter_mut().zip(columns) {
            *input = value.to_bits();
        }
        for input in zeros {
            *input = 0;
        }
        0
    }

    fn for_each_batch(
        matrix: &Matrix<'_>,
        line: &[u32],
        input: &[u32],
        _: i32,
        each: &mut Each<'_, f32>,
    ) {
        let input = input.get(..matrix.columns).unwrap_or_default();
        let columns = fours(input);
        let weights = fours(matrix.weights);
        let mut blocks = weights.chunks_exact(matrix.columns.max(1));
        let mut rows = fours(matrix.rows).iter();
        let mut entries = fours(line).iter();
        let mut batch = [[0.0; 4]; BATCH];
        loop {
            let mut filled = 0;
            for ((sums, rows), block) in batch.iter_mut().zip(rows.by_ref()).zip(blocks.by_ref()) {
                *sums = add4(dot(block, columns), rows);
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

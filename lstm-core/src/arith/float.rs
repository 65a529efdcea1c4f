//! [`Format::F32`](crate::Format::F32): the reference. Sums run over the columns in order, products
//! are rounded before they are added (no fused multiply-add), and exp and tanh are libm's; so it
//! too gives the same numbers on every chip.

use super::Arithmetic;
use crate::bytes::split;
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, round_up};
use crate::kernel::Room;
use crate::layout::Matrix;

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
    type CellState = f32;
    type Sum = f32;
    type Gate = f32;
    type Logit = f32;
    type Packed<'a> = &'a [u32];

    fn scratch_words(matrix: &Matrix<'_>) -> usize {
        round_up(matrix.columns, COLUMN_ALIGN)
    }

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[f32], scratch: &'a mut [u32]) -> &'a [u32] {
        let (packed, _) = split(scratch, matrix.columns);
        let (values, zeros) = split(packed, columns.len());
        for (packed, value) in values.iter_mut().zip(columns) {
            *packed = value.to_bits();
        }
        zeros.fill(0);
        packed
    }

    fn rows<'b>(
        matrix: &Matrix<'_>,
        line: &[u32],
        packed: &[u32],
        first: usize,
        batch: Room<'b, f32>,
    ) -> &'b [[f32; BLOCK_ROWS]] {
        let columns = fours(packed);
        let weights = fours(matrix.weights);
        let biases = fours(matrix.rows).iter();
        // Without columns each block is empty.
        let blocks = (0..biases.len()).map(|block| {
            let start = block * matrix.columns;
            weights
                .get(start..start + matrix.columns)
                .unwrap_or_default()
        });
        let mut entries = fours(line).iter().skip(first);
        let rows = biases.zip(blocks).skip(first);
        batch.fill(rows.map(|(biases, block)| {
            let sums = add4(dot(block, columns), biases);
            match entries.next() {
                Some(entries) => add4(sums, entries),
                None => sums,
            }
        }))
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

    fn cell_state(f: f32, c: f32, i: f32, g: f32) -> f32 {
        f * c + i * g
    }

    fn scaled(g: f32, z: f32) -> f32 {
        g * z
    }

    fn added(a: f32, b: f32) -> f32 {
        a + b
    }

    fn mixed(z: f32, c: f32, n: f32) -> f32 {
        z * c + (1.0 - z) * n
    }

    fn shown(c: f32) -> f32 {
        c
    }

    fn hidden(o: f32, c: f32) -> f32 {
        o * libm::tanhf(c)
    }

    fn projected(z: f32) -> f32 {
        z
    }

    #[cfg(feature = "sensor")]
    fn reset(r: f32, h: f32) -> f32 {
        r * h
    }

    #[cfg(feature = "sensor")]
    fn relu(z: f32) -> f32 {
        if z > 0.0 { z } else { 0.0 }
    }

    #[cfg(feature = "sensor")]
    fn dense_tanh(z: f32) -> f32 {
        Self::tanh(z)
    }

    #[cfg(feature = "sensor")]
    fn dense_sigmoid(z: f32) -> f32 {
        Self::sigmoid(z)
    }

    fn logit(z: f32) -> f32 {
        z
    }
}

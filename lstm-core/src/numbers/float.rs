//! [`Format::F32`](crate::Format::F32): the reference. Sums run over the columns in order, products
//! are rounded before they are added (no fused multiply-add), and exp and tanh are libm's; so it
//! too gives the same numbers on every chip.

use super::Arithmetic;
use crate::kernel::BATCH;

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
    type Dot = f32;
    type PreActivation = f32;
    type Gate = f32;
    type Logit = f32;
    type Rows = [u8; 16];
    type Entries = [u8; 16];

    fn pack(below: &[f32], own: &[f32], input: &mut [f32]) {
        let columns = below.iter().chain(own).copied();
        for (input, value) in input.iter_mut().zip(columns.chain(core::iter::repeat(0.0))) {
            *input = value;
        }
    }

    fn for_each_batch(weights: &[u8], input: &[f32], (): (), mut each: impl FnMut(&[[f32; 4]])) {
        let columns = weights.as_chunks::<16>().0;
        let mut blocks = columns.chunks_exact(input.len().max(1));
        let mut batch = [[0.0; 4]; BATCH];
        while blocks.len() > 0 {
            let mut filled = 0;
            for (sums, block) in batch.iter_mut().zip(blocks.by_ref()) {
                *sums = [0.0; 4];
                for (column, &x) in block.iter().zip(input) {
                    for (sum, weight) in sums.iter_mut().zip(read4(column)) {
                        *sum += weight * x;
                    }
                }
                filled += 1;
            }
            each(batch.get(..filled).unwrap_or_default());
        }
    }

    fn rows(bytes: &[u8]) -> &[[u8; 16]] {
        bytes.as_chunks().0
    }

    fn entries(bytes: &[u8]) -> &[[u8; 16]] {
        bytes.as_chunks().0
    }

    fn pre_activations(dots: [f32; 4], rows: &[u8; 16], entries: Option<&[u8; 16]>) -> [f32; 4] {
        let sums = add4(dots, rows);
        match entries {
            Some(entries) => add4(sums, entries),
            None => sums,
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

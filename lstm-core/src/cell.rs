//! The recurrent cells and the dense layer, written once over the [`Arithmetic`] of a format.

use crate::Token;
use crate::file::{BLOCK_ROWS, Cell};
use crate::kernel::BATCH;
use crate::model::{Layer, Matrix};
use crate::numbers::Arithmetic;

/// One step of a layer, up to its projection.
///
/// `input` holds the columns of before the step (layer below, own `h`, padding), packed with
/// `correction` by [`Arithmetic::pack`]. `output` becomes `o * tanh(c)`, and `cell` goes forward by
/// one character; both are `[H]`.
pub(crate) fn step<A: Arithmetic>(
    layer: &Layer<'_>,
    token: Token,
    input: &[u32],
    correction: i32,
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let line_bytes = A::TABLE_BYTES * BLOCK_ROWS * layer.shape.gate_blocks();
    let line = |index: usize| {
        let start = index * line_bytes;
        layer.table.get(start..start + line_bytes)
    };
    // A token from outside the alphabet reads as symbol 0. An upper layer has no table.
    let line = line(token.index()).or_else(|| line(0)).unwrap_or_default();
    match layer.shape.cell {
        Cell::Lstm => lstm::<A>(&layer.gates, line, input, correction, output, cell),
        Cell::Lean => lean::<A>(&layer.gates, line, input, correction, output, cell),
    }
}

/// The LSTM: a block of four rows is a unit.
#[inline(never)]
fn lstm<A: Arithmetic>(
    gates: &Matrix<'_>,
    table: &[u8],
    input: &[u32],
    correction: i32,
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let mut output = output.chunks_mut(BATCH);
    let mut cell = cell.chunks_mut(BATCH);
    A::for_each_batch(gates, table, input, correction, &mut |z| {
        let (Some(output), Some(cell)) = (output.next(), cell.next()) else {
            return;
        };
        for (&[i, f, g, o], (m, c)) in z.iter().zip(output.iter_mut().zip(cell)) {
            let (i, f, g, o) = (A::sigmoid(i), A::sigmoid(f), A::tanh(g), A::sigmoid(o));
            *c = A::cell(f, *c, i, g);
            *m = A::hidden(o, *c);
        }
    });
}

/// The LSTM with a coupled input and forget gate: three blocks are four units.
#[inline(never)]
fn lean<A: Arithmetic>(
    gates: &Matrix<'_>,
    table: &[u8],
    input: &[u32],
    correction: i32,
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let output = output.chunks_mut(BLOCK_ROWS);
    let mut units = output.zip(cell.chunks_mut(BLOCK_ROWS));
    A::for_each_batch(gates, table, input, correction, &mut |mut z| {
        while let Some(([i, g, o], rest)) = z.split_first_chunk() {
            z = rest;
            let Some((output, cell)) = units.next() else {
                return;
            };
            let gates = i.iter().zip(g).zip(o);
            for ((m, c), ((&i, &g), &o)) in output.iter_mut().zip(cell).zip(gates) {
                let (i, g, o) = (A::sigmoid(i), A::tanh(g), A::sigmoid(o));
                *c = A::cell(A::one_minus(i), *c, i, g);
                *m = A::hidden(o, *c);
            }
        }
    });
}

/// The recurrent projection: `h = P m`, `[output]`.
#[inline(never)]
pub(crate) fn project<A: Arithmetic>(
    matrix: &Matrix<'_>,
    input: &[u32],
    correction: i32,
    hidden: &mut [A::Hidden],
) {
    rows::<A, _>(matrix, input, correction, hidden, A::projected);
}

/// The dense layer: `logits = V h + d`, `[vocab]`.
#[inline(never)]
pub(crate) fn dense<A: Arithmetic>(
    matrix: &Matrix<'_>,
    input: &[u32],
    correction: i32,
    logits: &mut [A::Logit],
) {
    rows::<A, _>(matrix, input, correction, logits, A::logit);
}

/// A matrix times the packed columns, plus the bias; each row's sum goes through `finish`.
#[inline(always)]
fn rows<A: Arithmetic, T>(
    matrix: &Matrix<'_>,
    input: &[u32],
    correction: i32,
    values: &mut [T],
    finish: impl Fn(A::PreActivation) -> T,
) {
    let mut values = values.chunks_mut(BATCH * BLOCK_ROWS);
    A::for_each_batch(matrix, &[], input, correction, &mut |z| {
        let Some(values) = values.next() else {
            return;
        };
        for (value, &z) in values.iter_mut().zip(z.as_flattened()) {
            *value = finish(z);
        }
    });
}

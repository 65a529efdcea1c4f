//! The recurrent cells and the dense layer, written once over the [`Arithmetic`] of a format.

use crate::arith::Arithmetic;
use crate::format::{BLOCK_ROWS, Cell};
use crate::model::{Layer, Matrix};
use crate::session::split;
use core::mem;

/// One step of a layer, up to its projection.
///
/// `input` holds the columns of before the step (layer below, own `h`, padding), packed with
/// `correction` by [`Arithmetic::pack`]. `output` becomes `o * tanh(c)`, and `cell` goes forward by
/// one character; both are `[H]`.
pub(crate) fn step<A: Arithmetic>(
    kind: Cell,
    layer: &Layer<'_>,
    input: &[u32],
    correction: i32,
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let (mut output, mut cell) = (output, cell);
    let mut next = |units: usize| {
        let (now, rest) = split(mem::take(&mut output), units);
        output = rest;
        let (cell_now, rest) = split(mem::take(&mut cell), units);
        cell = rest;
        (now, cell_now)
    };
    A::for_each_batch(&layer.gates, layer.line, input, correction, &mut |mut z| {
        if kind == Cell::Lstm {
            let (output, cell) = next(z.len());
            return lstm::<A>(z, output, cell);
        }
        while let Some((unit, rest)) = z.split_first_chunk() {
            z = rest;
            let (output, cell) = next(BLOCK_ROWS);
            lean::<A>(unit, output, cell);
        }
    });
}

/// Units of an LSTM: a block of four rows each.
#[inline(always)]
fn lstm<A: Arithmetic>(
    z: &[[A::PreActivation; 4]],
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    for (&[i, f, g, o], (m, c)) in z.iter().zip(output.iter_mut().zip(cell)) {
        let (i, f, g, o) = (A::sigmoid(i), A::sigmoid(f), A::tanh(g), A::sigmoid(o));
        *c = A::cell(f, *c, i, g);
        *m = A::hidden(o, *c);
    }
}

/// Units of an LSTM with a coupled input and forget gate: three blocks are four units.
#[inline(always)]
fn lean<A: Arithmetic>(
    [i, g, o]: &[[A::PreActivation; 4]; 3],
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let gates = i.iter().zip(g).zip(o);
    for ((m, c), ((&i, &g), &o)) in output.iter_mut().zip(cell).zip(gates) {
        let (i, g, o) = (A::sigmoid(i), A::tanh(g), A::sigmoid(o));
        *c = A::cell(A::one_minus(i), *c, i, g);
        *m = A::hidden(o, *c);
    }
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
    let mut values = values;
    A::for_each_batch(matrix, &[], input, correction, &mut |z| {
        let z = z.as_flattened();
        let (now, rest) = split(mem::take(&mut values), z.len());
        values = rest;
        for (value, &z) in now.iter_mut().zip(z) {
            *value = finish(z);
        }
    });
}

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
    input: &[A::Input],
    correction: A::Correction,
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let table = A::entries(layer.table);
    let line = |index: usize| table.get(index * layer.shape.gate_blocks()..);
    // A token from outside the alphabet reads as symbol 0. An upper layer has no table.
    let line = line(token.index()).filter(|line| !line.is_empty());
    let line = line.unwrap_or(table);
    match layer.shape.cell {
        Cell::Lstm => lstm::<A>(&layer.gates, line, input, correction, output, cell),
        Cell::Lean => lean::<A>(&layer.gates, line, input, correction, output, cell),
    }
}

/// The LSTM: a block of four rows is a unit.
#[inline(never)]
fn lstm<A: Arithmetic>(
    gates: &Matrix<'_>,
    table: &[A::Entries],
    input: &[A::Input],
    correction: A::Correction,
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    #[inline(always)]
    fn unit<A: Arithmetic>(z: [A::PreActivation; 4], c: A::Cell) -> (A::Hidden, A::Cell) {
        let [i, f, g, o] = z;
        let (i, f, g, o) = (A::sigmoid(i), A::sigmoid(f), A::tanh(g), A::sigmoid(o));
        let c = A::cell(f, c, i, g);
        (A::hidden(o, c), c)
    }
    let mut rows = A::rows(gates.rows).chunks(BATCH);
    let mut table = table.chunks(BATCH);
    let mut output = output.chunks_mut(BATCH);
    let mut cell = cell.chunks_mut(BATCH);
    A::for_each_batch(gates.weights, input, correction, |dots| {
        let (Some(rows), Some(output), Some(cell)) = (rows.next(), output.next(), cell.next())
        else {
            return;
        };
        let units = dots.iter().zip(rows).zip(output.iter_mut().zip(cell));
        if let Some(table) = table.next() {
            for (((dots, rows), (m, c)), entries) in units.zip(table) {
                (*m, *c) = unit::<A>(A::pre_activations(*dots, rows, Some(entries)), *c);
            }
        } else {
            for ((dots, rows), (m, c)) in units {
                (*m, *c) = unit::<A>(A::pre_activations(*dots, rows, None), *c);
            }
        }
    });
}

/// The LSTM with a coupled input and forget gate: three blocks are four units.
#[inline(never)]
fn lean<A: Arithmetic>(
    gates: &Matrix<'_>,
    table: &[A::Entries],
    input: &[A::Input],
    correction: A::Correction,
    output: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    const UNITS: usize = BATCH / 3 * BLOCK_ROWS;
    let mut rows = A::rows(gates.rows).chunks(BATCH);
    let mut table = table.chunks(BATCH);
    let mut output = output.chunks_mut(UNITS);
    let mut cell = cell.chunks_mut(UNITS);
    A::for_each_batch(gates.weights, input, correction, |dots| {
        let (Some(rows), Some(output), Some(cell)) = (rows.next(), output.next(), cell.next())
        else {
            return;
        };
        let dots = dots.as_chunks::<3>().0.iter();
        let rows = rows.as_chunks::<3>().0;
        let table = table.next().unwrap_or_default().as_chunks::<3>().0;
        let mut table = table.iter();
        let units = output
            .chunks_mut(BLOCK_ROWS)
            .zip(cell.chunks_mut(BLOCK_ROWS));
        for (([i, g, o], [rows_i, rows_g, rows_o]), (output, cell)) in dots.zip(rows).zip(units) {
            let (entries_i, entries_g, entries_o) = match table.next() {
                Some([i, g, o]) => (Some(i), Some(g), Some(o)),
                None => (None, None, None),
            };
            let i = A::pre_activations(*i, rows_i, entries_i);
            let g = A::pre_activations(*g, rows_g, entries_g);
            let o = A::pre_activations(*o, rows_o, entries_o);
            let gates = i.into_iter().zip(g).zip(o);
            for ((m, c), ((i, g), o)) in output.iter_mut().zip(cell).zip(gates) {
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
    input: &[A::Input],
    correction: A::Correction,
    hidden: &mut [A::Hidden],
) {
    rows::<A, _>(matrix, input, correction, hidden, A::projected);
}

/// The dense layer: `logits = V h + d`, `[vocab]`.
#[inline(never)]
pub(crate) fn dense<A: Arithmetic>(
    matrix: &Matrix<'_>,
    input: &[A::Input],
    correction: A::Correction,
    logits: &mut [A::Logit],
) {
    rows::<A, _>(matrix, input, correction, logits, A::logit);
}

/// A matrix times the packed columns, plus the bias; each row's sum goes through `finish`.
#[inline(always)]
fn rows<A: Arithmetic, T>(
    matrix: &Matrix<'_>,
    input: &[A::Input],
    correction: A::Correction,
    values: &mut [T],
    finish: impl Fn(A::PreActivation) -> T,
) {
    let mut rows = A::rows(matrix.rows).chunks(BATCH);
    let mut values = values.chunks_mut(BATCH * BLOCK_ROWS);
    A::for_each_batch(matrix.weights, input, correction, |dots| {
        let (Some(rows), Some(values)) = (rows.next(), values.next()) else {
            return;
        };
        for ((dots, rows), values) in dots.iter().zip(rows).zip(values.chunks_mut(BLOCK_ROWS)) {
            let sums = A::pre_activations(*dots, rows, None);
            for (value, sum) in values.iter_mut().zip(sums) {
                *value = finish(sum);
            }
        }
    });
}

//! The recurrent cell and the dense layer, written once over the [`Arithmetic`] of a format.

use crate::Token;
use crate::file::BLOCK_ROWS;
use crate::model::{Layer, Matrix};
use crate::numbers::Arithmetic;

/// One step of an LSTM layer.
///
/// `input` holds the columns of before the step (layer below, own `h`, padding), packed with
/// `correction` by [`Arithmetic::pack`]; `hidden` and `cell`, `[H]` each, go forward by one
/// character.
pub(crate) fn lstm<A: Arithmetic>(
    layer: &Layer<'_>,
    token: Token,
    input: &[A::Input],
    correction: A::Correction,
    hidden: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let line_bytes = A::TABLE_BYTES * BLOCK_ROWS * layer.hidden;
    let line = |index: usize| {
        let start = index * line_bytes;
        layer.table.get(start..start + line_bytes)
    };
    // A token from outside the alphabet reads as symbol 0. An upper layer has no table.
    let line = line(token.index()).or_else(|| line(0)).unwrap_or(&[]);
    let mut entries = line.chunks_exact(A::TABLE_BYTES * BLOCK_ROWS);

    for ((block, rows), (h, c)) in blocks::<A>(&layer.matrix).zip(hidden.iter_mut().zip(cell)) {
        let dots = A::dot4(block, input, correction);
        let [i, f, g, o] = A::pre_activations(dots, rows, entries.next());
        let (i, f, g, o) = (A::sigmoid(i), A::sigmoid(f), A::tanh(g), A::sigmoid(o));
        *c = A::cell(f, *c, i, g);
        *h = A::hidden(o, *c);
    }
}

/// The dense layer: `logits = V h + d`, `[vocab]`.
pub(crate) fn dense<A: Arithmetic>(
    matrix: &Matrix<'_>,
    input: &[A::Input],
    correction: A::Correction,
    logits: &mut [A::Logit],
) {
    for ((block, rows), logits) in blocks::<A>(matrix).zip(logits.chunks_mut(BLOCK_ROWS)) {
        let dots = A::dot4(block, input, correction);
        let values = A::pre_activations(dots, rows, None);
        for (logit, value) in logits.iter_mut().zip(values) {
            *logit = A::logit(value);
        }
    }
}

/// The blocks of four rows of a matrix: their weights and their row parameters.
fn blocks<'m, A: Arithmetic>(matrix: &Matrix<'m>) -> impl Iterator<Item = (&'m [u8], &'m [u8])> {
    let block_bytes = (BLOCK_ROWS * matrix.columns * A::WEIGHT_BITS / 8).max(1);
    let weights = matrix.weights.chunks_exact(block_bytes);
    weights.zip(matrix.rows.chunks_exact(A::ROW_BYTES * BLOCK_ROWS))
}

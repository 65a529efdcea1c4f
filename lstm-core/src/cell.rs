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
#[inline(never)]
pub(crate) fn lstm<A: Arithmetic>(
    layer: &Layer<'_>,
    token: Token,
    input: &[A::Input],
    correction: A::Correction,
    hidden: &mut [A::Hidden],
    cell: &mut [A::Cell],
) {
    let mut dots = A::dots(layer.matrix.weights, input, correction);
    let units = A::rows(layer.matrix.rows)
        .iter()
        .zip(hidden.iter_mut().zip(cell));
    if layer.table.is_empty() {
        for (rows, (h, c)) in units {
            let Some(dots) = dots.next() else { break };
            (*h, *c) = unit::<A>(A::pre_activations(dots, rows, None), *c);
        }
    } else {
        let table = A::entries(layer.table);
        let line = |index: usize| table.get(index * layer.hidden..);
        // A token from outside the alphabet reads as symbol 0.
        let line = line(token.index())
            .filter(|line| !line.is_empty())
            .unwrap_or(table);
        for ((rows, (h, c)), entries) in units.zip(line) {
            let Some(dots) = dots.next() else { break };
            (*h, *c) = unit::<A>(A::pre_activations(dots, rows, Some(entries)), *c);
        }
    }
}

/// The LSTM's equations for one unit: its new `h` and `c`.
#[inline(always)]
fn unit<A: Arithmetic>([i, f, g, o]: [A::PreActivation; 4], c: A::Cell) -> (A::Hidden, A::Cell) {
    let (i, f, g, o) = (A::sigmoid(i), A::sigmoid(f), A::tanh(g), A::sigmoid(o));
    let c = A::cell(f, c, i, g);
    (A::hidden(o, c), c)
}

/// The dense layer: `logits = V h + d`, `[vocab]`.
#[inline(never)]
pub(crate) fn dense<A: Arithmetic>(
    matrix: &Matrix<'_>,
    input: &[A::Input],
    correction: A::Correction,
    logits: &mut [A::Logit],
) {
    let dots = A::dots(matrix.weights, input, correction);
    let blocks = dots.zip(A::rows(matrix.rows));
    for ((dots, rows), logits) in blocks.zip(logits.chunks_mut(BLOCK_ROWS)) {
        let values = A::pre_activations(dots, rows, None);
        for (logit, value) in logits.iter_mut().zip(values) {
            *logit = A::logit(value);
        }
    }
}

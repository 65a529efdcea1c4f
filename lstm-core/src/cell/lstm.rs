use super::Cell;
use crate::arith::Arithmetic;
use crate::format::{BLOCK_ROWS, CellKind};

/// The LSTM (Hochreiter and Schmidhuber 1997) with a forget gate (Gers et al. 2000):
///
/// ```text
/// c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
/// h' = sigmoid(o) * tanh(c')
/// ```
///
/// A block is a unit: i, f, g, o.
pub(crate) struct Lstm;

impl Cell for Lstm {
    const KIND: CellKind = CellKind::Lstm;
    const BLOCKS: usize = 1;
    const UNITS: usize = 1;

    #[inline(always)]
    fn step<A: Arithmetic>(
        sums: &[[A::Sum; BLOCK_ROWS]],
        hidden: &mut [A::Hidden],
        cell_state: &mut [A::CellState],
    ) {
        for ((&[i, f, g, o], h), c) in sums.iter().zip(hidden).zip(cell_state) {
            let (i, f, g, o) = (A::sigmoid(i), A::sigmoid(f), A::tanh(g), A::sigmoid(o));
            *c = A::cell_state(f, *c, i, g);
            *h = A::hidden(o, *c);
        }
    }
}

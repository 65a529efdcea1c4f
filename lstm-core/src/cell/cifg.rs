use super::Cell;
use crate::arith::Arithmetic;
use crate::format::{BLOCK_ROWS, CellKind};

/// CIFG, the LSTM with a coupled input and forget gate (Greff et al. 2015):
///
/// ```text
/// c' = (1 - sigmoid(i)) * c + sigmoid(i) * tanh(g)
/// h' = sigmoid(o) * tanh(c')
/// ```
///
/// Three blocks are four units: their rows i, then g, then o.
pub(crate) struct Cifg;

impl Cell for Cifg {
    const KIND: CellKind = CellKind::Cifg;
    const BLOCKS: usize = 3;
    const UNITS: usize = BLOCK_ROWS;

    #[inline(always)]
    fn step<A: Arithmetic>(
        sums: &[[A::Sum; BLOCK_ROWS]],
        hidden: &mut [A::Hidden],
        cell_state: &mut [A::CellState],
    ) {
        let groups = sums.as_chunks::<{ Self::BLOCKS }>().0.iter();
        let hidden = hidden.chunks_mut(Self::UNITS);
        let cell_state = cell_state.chunks_mut(Self::UNITS);
        for (([i, g, o], hidden), cell_state) in groups.zip(hidden).zip(cell_state) {
            let gates = i.iter().zip(g).zip(o);
            for ((h, c), ((&i, &g), &o)) in hidden.iter_mut().zip(cell_state).zip(gates) {
                let (i, g, o) = (A::sigmoid(i), A::tanh(g), A::sigmoid(o));
                *c = A::cell_state(A::one_minus(i), *c, i, g);
                *h = A::hidden(o, *c);
            }
        }
    }
}

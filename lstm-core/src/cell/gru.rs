use super::CellApart;
use crate::arith::Arithmetic;
use crate::format::BLOCK_ROWS;

/// The GRU (Cho et al. 2014) with the reset gate after the product, as PyTorch and Keras have it, `x`
/// and `h` the products with the input and with the recurrent state, each with its bias:
///
/// ```text
/// r = sigmoid(x_r + h_r)
/// z = sigmoid(x_z + h_z)
/// n = tanh(x_n + r * h_n)
/// h' = z * h + (1 - z) * n
/// ```
///
/// The cell state is `h`, with more digits than the hidden state that the products read. Three blocks
/// are four units: their rows r, then z, then n.
pub(super) struct Gru;

impl CellApart for Gru {
    const BLOCKS: usize = 3;
    const UNITS: usize = BLOCK_ROWS;

    #[inline(always)]
    fn step<A: Arithmetic>(
        input: &[[A::Sum; BLOCK_ROWS]],
        recurrent: &[[A::Sum; BLOCK_ROWS]],
        hidden: &mut [A::Hidden],
        cell_state: &mut [A::CellState],
    ) {
        let input = input.as_chunks::<{ Self::BLOCKS }>().0.iter();
        let recurrent = recurrent.as_chunks::<{ Self::BLOCKS }>().0;
        let hidden = hidden.chunks_mut(Self::UNITS);
        let cell_state = cell_state.chunks_mut(Self::UNITS);
        for (((x, h), hidden), cell_state) in input.zip(recurrent).zip(hidden).zip(cell_state) {
            let ([x_r, x_z, x_n], [h_r, h_z, h_n]) = (x, h);
            let r = x_r
                .iter()
                .zip(h_r)
                .map(|(&x, &h)| A::sigmoid(A::added(x, h)));
            let z = x_z
                .iter()
                .zip(h_z)
                .map(|(&x, &h)| A::sigmoid(A::added(x, h)));
            let n = x_n.iter().zip(h_n).zip(r);
            let n = n.map(|((&x, &h), r)| A::tanh(A::added(x, A::scaled(r, h))));
            for (((hidden, c), z), n) in hidden.iter_mut().zip(cell_state).zip(z).zip(n) {
                *c = A::mixed(z, *c, n);
                *hidden = A::shown(*c);
            }
        }
    }
}

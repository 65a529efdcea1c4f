use super::Scratch;
use crate::arith::Arithmetic;
use crate::bytes::split;
use crate::layout::Matrix;

/// One step of a layer of the GRU with the reset gate before the product (Cho et al. 2014, version 1; Keras
/// with `reset_after=False`):
///
/// ```text
/// r = sigmoid(W_r x + U_r h + b_r)
/// z = sigmoid(W_z x + U_z h + b_z)
/// n = tanh(W_n x + U_n (r * h) + b_n)
/// h' = z * h + (1 - z) * n
/// ```
///
/// The cell state is `h`, with more digits than the hidden state that the products read. So `r * h` takes the
/// place of the hidden state as soon as the products with that are under way. The three matrices are those of
/// r, z and n; the line of the table has their parts in this order. The arguments are those of
/// [`step`](super::step).
pub(super) fn step<A: Arithmetic>(
    [reset, update, candidate]: &[Matrix<'_>; 3],
    line: &[u32],
    input: usize,
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
    scratch: &mut Scratch<'_, A>,
) {
    let mut parts = line.chunks_exact((line.len() / 3).max(1));
    let [line_r, line_z, line_n] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let (first, second) = split(scratch.columns, A::scratch_words(reset));
    let packed = A::pack(reset, hidden, first);

    let (_, own) = split(hidden, input);
    let mut block = 0;
    while block < reset.blocks() {
        let sums = A::rows(reset, line_r, packed, block, scratch.batch.whole());
        if sums.is_empty() {
            break;
        }
        for (h, &sum) in units_of(own, block).iter_mut().zip(sums.as_flattened()) {
            *h = A::reset(A::sigmoid(sum), *h);
        }
        block += sums.len();
    }

    let packed_reset = A::pack(candidate, hidden, second);
    let (_, own) = split(hidden, input);
    let mut block = 0;
    while block < update.blocks() {
        let [first, second] = scratch.batch.halves();
        let z = A::rows(update, line_z, packed, block, first);
        let n = A::rows(candidate, line_n, packed_reset, block, second);
        if z.is_empty() || n.is_empty() {
            break;
        }
        let units = units_of(own, block)
            .iter_mut()
            .zip(units_of(cell_state, block));
        let sums = z.as_flattened().iter().zip(n.as_flattened());
        for ((h, c), (&sum_z, &sum_n)) in units.zip(sums) {
            *c = A::mixed(A::sigmoid(sum_z), *c, A::tanh(sum_n));
            *h = A::shown(*c);
        }
        block += z.len();
    }
}

/// The units whose rows are in this block and those after it.
fn units_of<T>(units: &mut [T], block: usize) -> &mut [T] {
    units
        .get_mut(crate::format::BLOCK_ROWS * block..)
        .unwrap_or_default()
}

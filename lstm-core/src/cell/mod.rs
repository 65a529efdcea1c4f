//! The recurrent cells, a file each, written once over the [`Arithmetic`] of a format; the
//! projection and the dense layer.

mod cifg;
mod lstm;

use crate::arith::Arithmetic;
use crate::bytes::split;
use crate::format::{BLOCK_ROWS, CellKind};
use crate::kernel::Batch;
use crate::layout::{Layer, Matrix};

/// The equations of a recurrent cell whose gates take the sum of the products with the input and with
/// the recurrent state.
trait Cell {
    /// So many blocks of four rows hold the gates of [`Cell::UNITS`] units.
    const BLOCKS: usize;
    const UNITS: usize;

    /// Takes units one step on: `sums` are those of the rows of their gates, `hidden` becomes their
    /// output, and `cell_state` goes forward by one step.
    fn step<A: Arithmetic>(
        sums: &[[A::Sum; BLOCK_ROWS]],
        hidden: &mut [A::Hidden],
        cell_state: &mut [A::CellState],
    );
}

/// The scratch of a step.
pub(crate) struct Scratch<'s, A: Arithmetic> {
    /// Packed columns.
    pub(crate) columns: &'s mut [u32],
    /// The cell's output before a projection.
    pub(crate) cell_output: &'s mut [A::Hidden],
    /// The sums of some rows.
    pub(crate) batch: Batch<A::Sum>,
}

/// One step of a layer.
///
/// `hidden` is that of the layer below, `[input]`, then the layer's own, which goes forward by one
/// step, and so does `cell_state`, `[H]`.
pub(crate) fn step<A: Arithmetic>(
    kind: CellKind,
    layer: &Layer<'_>,
    input: usize,
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
    scratch: &mut Scratch<'_, A>,
) {
    let Scratch {
        columns,
        cell_output,
        batch,
    } = scratch;
    let (output, _) = split(cell_output, cell_state.len());
    let packed = A::pack(&layer.gates, hidden, columns);
    let (_, own) = split(hidden, input);
    let Some(projection) = &layer.projection else {
        return gates::<A>(kind, layer, packed, own, cell_state, batch);
    };
    gates::<A>(kind, layer, packed, output, cell_state, batch);
    let packed = A::pack(projection, output, columns);
    rows::<A, _>(projection, packed, own, A::projected, batch);
}

/// The cells of a layer: `hidden` becomes their output.
fn gates<A: Arithmetic>(
    kind: CellKind,
    layer: &Layer<'_>,
    packed: A::Packed<'_>,
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
    batch: &mut Batch<A::Sum>,
) {
    match kind {
        CellKind::Lstm => run::<A, lstm::Lstm>(layer, packed, hidden, cell_state, batch),
        CellKind::Cifg => run::<A, cifg::Cifg>(layer, packed, hidden, cell_state, batch),
    }
}

fn run<A: Arithmetic, C: Cell>(
    layer: &Layer<'_>,
    packed: A::Packed<'_>,
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
    batch: &mut Batch<A::Sum>,
) {
    let mut first = 0;
    while first < layer.gates.blocks() {
        let sums = A::rows(&layer.gates, layer.line, packed, first, batch);
        if sums.is_empty() {
            break;
        }
        let unit = first / C::BLOCKS * C::UNITS;
        let hidden = hidden.get_mut(unit..).unwrap_or_default();
        let cell_state = cell_state.get_mut(unit..).unwrap_or_default();
        C::step::<A>(sums, hidden, cell_state);
        first += sums.len();
    }
}

/// The dense layer: `logits = V h + d`, `[vocab]`.
pub(crate) fn dense<A: Arithmetic>(
    matrix: &Matrix<'_>,
    hidden: &[A::Hidden],
    logits: &mut [A::Logit],
    scratch: &mut Scratch<'_, A>,
) {
    let packed = A::pack(matrix, hidden, scratch.columns);
    rows::<A, _>(matrix, packed, logits, A::logit, &mut scratch.batch);
}

/// A matrix times the packed columns; each row's sum goes through `finish`.
fn rows<A: Arithmetic, T>(
    matrix: &Matrix<'_>,
    packed: A::Packed<'_>,
    values: &mut [T],
    finish: impl Fn(A::Sum) -> T,
    batch: &mut Batch<A::Sum>,
) {
    let mut first = 0;
    while first < matrix.blocks() {
        let sums = A::rows(matrix, &[], packed, first, batch);
        if sums.is_empty() {
            break;
        }
        let values = values.get_mut(BLOCK_ROWS * first..).unwrap_or_default();
        for (value, &sum) in values.iter_mut().zip(sums.as_flattened()) {
            *value = finish(sum);
        }
        first += sums.len();
    }
}

//! The recurrent cells, a file each, written once over the [`Arithmetic`] of a format; the
//! projection and the dense layers.

mod cifg;
#[cfg(feature = "gru")]
mod gru;
#[cfg(all(feature = "gru", feature = "sensor"))]
mod gru_reset_before;
mod lstm;

#[cfg(feature = "__kernel-test")]
pub(crate) use cifg::Cifg;
#[cfg(feature = "__kernel-test")]
pub(crate) use lstm::Lstm;

use crate::arith::Arithmetic;
use crate::bytes::split;
#[cfg(feature = "sensor")]
use crate::format::{Activation, DenseShape};
use crate::format::{BLOCK_ROWS, CellKind};
use crate::kernel::{Batch, MAX_BATCH};
use crate::layout::{Gates, Layer, Matrix};

/// The equations of a recurrent cell whose gates take the sum of the products with the input and with
/// the recurrent state.
pub(crate) trait Cell {
    /// The cell, by name.
    const KIND: CellKind;
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

/// The equations of a recurrent cell whose gates take both products apart.
#[cfg(feature = "gru")]
trait CellApart {
    /// So many blocks of four rows hold the gates of [`CellApart::UNITS`] units.
    const BLOCKS: usize;
    const UNITS: usize;

    /// As [`Cell::step`]: `input` are the sums over the input (with the table's line in the first
    /// layer), `recurrent` those over the recurrent state.
    fn step<A: Arithmetic>(
        input: &[[A::Sum; BLOCK_ROWS]],
        recurrent: &[[A::Sum; BLOCK_ROWS]],
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

impl<'s, A: Arithmetic> Scratch<'s, A> {
    /// In these parts of a workspace.
    pub(crate) fn new(columns: &'s mut [u32], cell_output: &'s mut [u32]) -> Self {
        Scratch {
            columns,
            cell_output: bytemuck::cast_slice_mut(cell_output),
            batch: Batch::new(),
        }
    }
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
    #[cfg(all(feature = "gru", feature = "sensor"))]
    if let Gates::ByGate(matrices) = &layer.gates {
        return gru_reset_before::step::<A>(
            matrices, layer.line, input, hidden, cell_state, scratch,
        );
    }
    let Scratch {
        columns,
        cell_output,
        batch,
    } = scratch;
    let products = Products::<A>::pack(&layer.gates, input, hidden, columns);
    let (_, own) = split(hidden, input);
    let Some(projection) = &layer.projection else {
        return units(kind, layer.line, products, own, cell_state, batch);
    };
    let (output, _) = split(cell_output, cell_state.len());
    units(kind, layer.line, products, output, cell_state, batch);
    let packed = A::pack(projection, output, columns);
    rows::<A, _>(projection, packed, own, |sum, _| A::projected(sum), batch);
}

#[cfg_attr(
    not(feature = "gru"),
    allow(dead_code, reason = "only a GRU takes its products apart")
)]
/// The rows of a layer's gates, with the columns that they are multiplied with.
enum Products<'a, A: Arithmetic> {
    Summed(&'a Matrix<'a>, A::Packed<'a>),
    Apart([(&'a Matrix<'a>, A::Packed<'a>); 2]),
}

impl<'a, A: Arithmetic> Products<'a, A> {
    fn pack(
        gates: &'a Gates<'_>,
        input: usize,
        hidden: &mut [A::Hidden],
        columns: &'a mut [u32],
    ) -> Self {
        match gates {
            Gates::Summed(matrix) => Products::Summed(matrix, A::pack(matrix, hidden, columns)),
            Gates::Apart {
                input: below,
                recurrent,
            } => {
                let (hidden_below, own) = split(hidden, input);
                let (first, second) = split(columns, A::scratch_words(below));
                Products::Apart([
                    (below, A::pack(below, hidden_below, first)),
                    (recurrent, A::pack(recurrent, own, second)),
                ])
            }
            // A cell whose reset comes before the product packs them itself.
            #[cfg(feature = "sensor")]
            Gates::ByGate([matrix, ..]) => {
                Products::Summed(matrix, A::pack(matrix, hidden, columns))
            }
        }
    }
}

/// All units of a layer, by the equations of its cell: `hidden` becomes their output.
fn units<A: Arithmetic>(
    kind: CellKind,
    line: &[u32],
    products: Products<'_, A>,
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
    batch: &mut Batch<A::Sum>,
) {
    match kind {
        CellKind::Lstm => summed::<A, lstm::Lstm>(line, products, hidden, cell_state, batch),
        CellKind::Cifg => summed::<A, cifg::Cifg>(line, products, hidden, cell_state, batch),
        #[cfg(feature = "gru")]
        // The other GRU has a step of its own, or no such model is read.
        CellKind::Gru | CellKind::GruResetBefore => {
            apart::<A, gru::Gru>(line, products, hidden, cell_state, batch);
        }
        // No such model is read by a build without it.
        #[cfg(not(feature = "gru"))]
        CellKind::Gru | CellKind::GruResetBefore => {}
    }
}

/// As [`Cell::step`], by the kernel's own code where it has some.
#[inline(always)]
pub(crate) fn forward<A: Arithmetic, C: Cell>(
    sums: &[[A::Sum; BLOCK_ROWS]],
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
) {
    if !A::units(C::KIND, sums, hidden, cell_state) {
        C::step::<A>(sums, hidden, cell_state);
    }
}

fn summed<A: Arithmetic, C: Cell>(
    line: &[u32],
    products: Products<'_, A>,
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
    batch: &mut Batch<A::Sum>,
) {
    let Products::Summed(matrix, packed) = products else {
        return;
    };
    let (mut first, mut unit) = (0, 0);
    while first < matrix.blocks() {
        let sums = A::rows(matrix, line, packed, first, batch.whole());
        if sums.is_empty() {
            break;
        }
        let hidden = hidden.get_mut(unit..).unwrap_or_default();
        let cell_state = cell_state.get_mut(unit..).unwrap_or_default();
        forward::<A, C>(sums, hidden, cell_state);
        first += sums.len();
        // All batches but the last are full.
        unit += MAX_BATCH / C::BLOCKS * C::UNITS;
    }
}

#[cfg(feature = "gru")]
fn apart<A: Arithmetic, C: CellApart>(
    line: &[u32],
    products: Products<'_, A>,
    hidden: &mut [A::Hidden],
    cell_state: &mut [A::CellState],
    batch: &mut Batch<A::Sum>,
) {
    let Products::Apart([(below, packed_below), (own, packed_own)]) = products else {
        return;
    };
    let mut first = 0;
    while first < own.blocks() {
        let [input, recurrent] = batch.halves();
        let input = A::rows(below, line, packed_below, first, input);
        let recurrent = A::rows(own, &[], packed_own, first, recurrent);
        if input.is_empty() || recurrent.is_empty() {
            break;
        }
        let unit = first / C::BLOCKS * C::UNITS;
        let hidden = hidden.get_mut(unit..).unwrap_or_default();
        let cell_state = cell_state.get_mut(unit..).unwrap_or_default();
        C::step::<A>(input, recurrent, hidden, cell_state);
        first += recurrent.len();
    }
}

/// The head: `logits = V h + d`, `[vocab]`. `finish` makes a logit of a row's sum and of what stands in
/// its place.
pub(crate) fn head<A: Arithmetic>(
    matrix: &Matrix<'_>,
    hidden: &[A::Hidden],
    logits: &mut [A::Logit],
    columns: &mut [u32],
    batch: &mut Batch<A::Sum>,
    finish: impl Fn(A::Sum, A::Logit) -> A::Logit,
) {
    let packed = A::pack(matrix, hidden, columns);
    rows::<A, _>(matrix, packed, logits, finish, batch);
}

/// A dense layer before the head: `units`, of which the first `below` hold what it reads, become what it
/// gives.
#[cfg(feature = "sensor")]
pub(crate) fn dense<A: Arithmetic>(
    matrix: &Matrix<'_>,
    shape: DenseShape,
    below: usize,
    units: &mut [A::Hidden],
    columns: &mut [u32],
    batch: &mut Batch<A::Sum>,
) {
    let packed = A::pack(matrix, split(units, below).0, columns);
    let (units, _) = split(units, shape.width.into());
    match shape.activation {
        Activation::Linear => {
            rows::<A, _>(matrix, packed, units, |sum, _| A::projected(sum), batch)
        }
        Activation::Relu => rows::<A, _>(matrix, packed, units, |sum, _| A::relu(sum), batch),
        Activation::Tanh => rows::<A, _>(matrix, packed, units, |sum, _| A::dense_tanh(sum), batch),
        Activation::Sigmoid => {
            rows::<A, _>(matrix, packed, units, |sum, _| A::dense_sigmoid(sum), batch)
        }
    }
}

/// A matrix times the packed columns; `finish` makes a value of each row's sum and of what stands in its
/// place.
fn rows<A: Arithmetic, T: Copy>(
    matrix: &Matrix<'_>,
    packed: A::Packed<'_>,
    values: &mut [T],
    finish: impl Fn(A::Sum, T) -> T,
    batch: &mut Batch<A::Sum>,
) {
    let mut first = 0;
    while first < matrix.blocks() {
        let sums = A::rows(matrix, &[], packed, first, batch.whole());
        if sums.is_empty() {
            break;
        }
        let values = values.get_mut(BLOCK_ROWS * first..).unwrap_or_default();
        for (value, &sum) in values.iter_mut().zip(sums.as_flattened()) {
            *value = finish(sum, *value);
        }
        first += sums.len();
    }
}

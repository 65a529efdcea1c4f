//! What a number format is: its types, its sums and its activations.

mod float;
mod int4;
mod int8;
pub(crate) mod tables;

pub(crate) use float::F32;
pub(crate) use int4::Int4;
pub(crate) use int8::Int8;

use crate::model::Matrix;
use bytemuck::Pod;

/// The arithmetic of one format. The equations of the layers are in `cell.rs`.
pub(crate) trait Arithmetic {
    /// A hidden state's element.
    type Hidden: Pod;
    /// A cell state's element.
    type Cell: Pod;
    /// An element of the packed columns that the dot products read.
    type Input: Pod;
    /// What the dot products need to know of the packed columns besides.
    type Correction: Copy;
    /// The argument of an activation.
    type PreActivation: Copy;
    /// The value of an activation.
    type Gate: Copy;
    /// A logit.
    type Logit: Pod;

    /// Bytes of one entry of the folded table.
    const TABLE_BYTES: usize;

    /// Lays out the columns (layer below, own hidden state, then zeros) for the dot products.
    fn pack(
        below: &[Self::Hidden],
        own: &[Self::Hidden],
        input: &mut [Self::Input],
    ) -> Self::Correction;
    /// Calls `each` with the rows' arguments of the activations, a block of four rows after the
    /// other, [`BATCH`](crate::kernel::BATCH) blocks at a time: products with the packed columns,
    /// parameters, and the entries of `table` (a symbol's line; empty where there is no table).
    fn for_each_batch(
        matrix: &Matrix<'_>,
        table: &[u8],
        input: &[Self::Input],
        correction: Self::Correction,
        each: impl FnMut(&[[Self::PreActivation; 4]]),
    );
    /// The logistic function.
    fn sigmoid(z: Self::PreActivation) -> Self::Gate;
    /// The hyperbolic tangent.
    fn tanh(z: Self::PreActivation) -> Self::Gate;
    /// `1 - i`.
    fn one_minus(i: Self::Gate) -> Self::Gate;
    /// `f * c + i * g`.
    fn cell(f: Self::Gate, c: Self::Cell, i: Self::Gate, g: Self::Gate) -> Self::Cell;
    /// `o * tanh(c)`.
    fn hidden(o: Self::Gate, c: Self::Cell) -> Self::Hidden;
    /// A projection row's value as an element of the hidden state.
    fn projected(z: Self::PreActivation) -> Self::Hidden;
    /// A dense row's value as a logit.
    fn logit(z: Self::PreActivation) -> Self::Logit;
}

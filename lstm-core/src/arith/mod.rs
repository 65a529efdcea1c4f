//! What arithmetic is: its types, its sums and its activations. The integer formats share one.

#[cfg(feature = "f32")]
mod float;
#[cfg(feature = "int8")]
mod integer;
#[cfg(all(feature = "int8", feature = "export"))]
pub mod values;

#[cfg(feature = "f32")]
pub(crate) use float::F32;
#[cfg(feature = "int8")]
pub(crate) use integer::Integer;
#[cfg(all(feature = "int8", feature = "__kernel-test"))]
pub(crate) use integer::{portable_sigmoid_q12, sigmoid_q12};

use bytemuck::Pod;

use crate::format::{BLOCK_ROWS, CellKind};
use crate::kernel::Room;
use crate::layout::Matrix;

#[cfg_attr(
    not(feature = "gru"),
    allow(dead_code, reason = "what a GRU alone needs")
)]
/// An arithmetic. The equations of the cells are in `cell/`.
pub(crate) trait Arithmetic {
    /// An element of a hidden state.
    type Hidden: Pod;
    /// An element of a cell state.
    type CellState: Pod;
    /// A row's sum: the argument of an activation.
    type Sum: Pod;
    /// The value of an activation.
    type Gate: Copy;
    /// A logit.
    type Logit: Pod;
    /// The columns of a matrix as its dot products read them.
    type Packed<'a>: Copy;

    /// Words of scratch that the packed columns of a matrix take.
    fn scratch_words(matrix: &Matrix<'_>) -> usize;

    /// Packs the columns of a matrix, then zeros up to its padded width, into the scratch.
    fn pack<'a>(
        matrix: &Matrix<'_>,
        columns: &[Self::Hidden],
        scratch: &'a mut [u32],
    ) -> Self::Packed<'a>;

    /// The sums of the rows over the packed columns, a block of four rows after the other, each with
    /// the row's parameters and its entry of `line` (a token's in the table; empty where there is
    /// none): from the block `first` on, a multiple of what a
    /// batch has room for, as many as there is room for; none after the last block.
    fn rows<'b>(
        matrix: &Matrix<'_>,
        line: &[u32],
        packed: Self::Packed<'_>,
        first: usize,
        batch: Room<'b, Self::Sum>,
    ) -> &'b [[Self::Sum; BLOCK_ROWS]];

    /// Takes units of a cell one step on by code of the kernel's own, to the bits of the cell's equations; tells
    /// whether the kernel has such code.
    #[inline(always)]
    fn units(
        _cell: CellKind,
        _sums: &[[Self::Sum; BLOCK_ROWS]],
        _hidden: &mut [Self::Hidden],
        _cell_state: &mut [Self::CellState],
    ) -> bool {
        false
    }

    /// The logistic function.
    fn sigmoid(z: Self::Sum) -> Self::Gate;
    /// The hyperbolic tangent.
    fn tanh(z: Self::Sum) -> Self::Gate;
    /// `1 - i`.
    fn one_minus(i: Self::Gate) -> Self::Gate;
    /// `f * c + i * g`.
    fn cell_state(
        f: Self::Gate,
        c: Self::CellState,
        i: Self::Gate,
        g: Self::Gate,
    ) -> Self::CellState;
    /// `g * z`.
    fn scaled(g: Self::Gate, z: Self::Sum) -> Self::Sum;
    /// `a + b`.
    fn added(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    /// `z * c + (1 - z) * n`, of a cell state that lies between -1 and 1.
    fn mixed(z: Self::Gate, c: Self::CellState, n: Self::Gate) -> Self::CellState;
    /// A cell state between -1 and 1 as an element of the hidden state.
    fn shown(c: Self::CellState) -> Self::Hidden;
    /// `o * tanh(c)`.
    fn hidden(o: Self::Gate, c: Self::CellState) -> Self::Hidden;
    /// A projection row's sum as an element of the hidden state.
    fn projected(z: Self::Sum) -> Self::Hidden;
    /// `r * h`.
    #[cfg(feature = "sensor")]
    fn reset(r: Self::Gate, h: Self::Hidden) -> Self::Hidden;
    /// A dense row's sum as a unit, not below 0.
    #[cfg(feature = "sensor")]
    fn relu(z: Self::Sum) -> Self::Hidden;
    /// The hyperbolic tangent of a dense row's sum as a unit.
    #[cfg(feature = "sensor")]
    fn dense_tanh(z: Self::Sum) -> Self::Hidden;
    /// The logistic function of a dense row's sum as a unit.
    #[cfg(feature = "sensor")]
    fn dense_sigmoid(z: Self::Sum) -> Self::Hidden;
    /// A row of the head as a logit.
    fn logit(z: Self::Sum) -> Self::Logit;
}

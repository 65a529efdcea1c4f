//! What arithmetic is: its types, its sums and its activations. The integer formats share one.

#[cfg(feature = "f32")]
mod float;
#[cfg(feature = "int8")]
mod integer;

#[cfg(feature = "f32")]
pub(crate) use float::F32;
#[cfg(feature = "int8")]
pub(crate) use integer::Integer;
#[cfg(feature = "kernel-test")]
pub(crate) use integer::{portable_sigmoid_q12, sigmoid_q12};

use crate::model::Matrix;
use bytemuck::Pod;

/// Takes the rows' sums, some blocks of four rows at a time.
pub(crate) type Each<'a, T> = dyn FnMut(&[[T; 4]]) + 'a;

/// An arithmetic. The equations of the layers are in `cell.rs`.
pub(crate) trait Arithmetic {
    /// A hidden state's element.
    type Hidden: Pod;
    /// A cell state's element.
    type Cell: Pod;
    /// The argument of an activation.
    type PreActivation: Copy;
    /// The value of an activation.
    type Gate: Copy;
    /// A logit.
    type Logit: Pod;

    /// Lays out the columns of a matrix, then zeros, as its dot products read them; returns what
    /// these need to know besides.
    fn pack(matrix: &Matrix<'_>, columns: &[Self::Hidden], input: &mut [u32]) -> i32;
    /// Calls `each` with the rows' arguments of the activations, a block of four rows after the
    /// other, [`BATCH`](crate::kernel::BATCH) blocks at a time: products with the packed columns,
    /// parameters, and the entries of `line` (a symbol's in the table; empty where there is none).
    fn for_each_batch(
        matrix: &Matrix<'_>,
        line: &[u32],
        input: &[u32],
        correction: i32,
        each: &mut Each<'_, Self::PreActivation>,
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

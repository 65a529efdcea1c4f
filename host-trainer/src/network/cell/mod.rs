//! The recurrent cells: all that the trainer has to know of each, in one file a cell.
//!
//! The equations of a cell stand there three times side by side: on vectors, forward and backward, for the kernels;
//! as candle's operations, for other devices; and in the device's integers, for tuning them.

mod cifg;
mod lstm;

use crate::kernels::cell::Cell;
use crate::kernels::layer::{InputShape, LayerShape};
use crate::kernels::random::Random;
use crate::kernels::vectorize::{sigmoid, tanh};
use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
use candle_core::{Result, Tensor};
use pulp::Simd;

/// A gate of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// As it is called in equations.
    pub name: &'static str,
    /// Its activation.
    pub kind: GateKind,
}

/// The activation of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateKind {
    /// 0 to 1: how much passes.
    Sigmoid,
    /// -1 to 1: what passes.
    Tanh,
}

impl Gate {
    const fn sigmoid(name: &'static str) -> Self {
        let kind = GateKind::Sigmoid;
        Self { name, kind }
    }

    const fn tanh(name: &'static str) -> Self {
        let kind = GateKind::Tanh;
        Self { name, kind }
    }
}

/// What the trainer knows of a cell. Products and gates lie in blocks of H units, a block a gate.
pub(crate) trait Definition: Sync {
    /// The name of a layer's tensors.
    fn name(&self) -> &'static str;

    /// The gates in their order, the columns of `w_ih` and `w_hh`.
    fn gates(&self) -> &'static [Gate];

    /// The equations for the kernels.
    fn kernel(&self) -> &'static dyn Cell;

    /// Recurrent weights to start from, `[outputs, columns]`.
    fn start_recurrence(&self, outputs: usize, columns: usize, random: &mut Random) -> Vec<f32>;

    /// Writes the bias to start from, `[G H]`, over zeros.
    fn start_bias(&self, bias: &mut [f32], hidden: usize);

    /// One step as candle's operations, on any device: from the products of the input and of the output before,
    /// `[B, H]` for each gate, and the cell state before `[B, H]`, the units' output and the cell state after.
    fn step(
        &self,
        input: &[Tensor],
        recurrent: &[Tensor],
        before: &Tensor,
    ) -> Result<(Tensor, Tensor)>;

    /// One step in the device's integers, of one row.
    fn integer_step(&self, step: IntegerStep<'_>);
}

/// One step in the device's integers, of one row.
#[derive(Debug)]
pub(crate) struct IntegerStep<'a> {
    /// The products of the input, Q18, `[G H]`.
    pub(crate) input: &'a [i32],
    /// The products of the recurrence, with the biases, Q18, `[G H]`.
    pub(crate) recurrent: &'a [i32],
    /// The cell states before, the values of Q4.11, `[H]`.
    pub(crate) before: &'a [f32],
    /// What the kernels keep, as values, `[K H]`.
    pub(crate) kept: &'a mut [f32],
    /// The cell states after, the values of Q4.11, `[H]`.
    pub(crate) after: &'a mut [f32],
    /// The units' outputs in units of 1/127, `[H]`.
    pub(crate) output: &'a mut [f32],
}

/// One in Q11, Q14 and Q15.
const ONE_Q11: f32 = (1 << 11) as f32;
const ONE_Q14: f32 = (1 << 14) as f32;
const ONE_Q15: f32 = (1 << 15) as f32;

impl CellKind {
    /// What the trainer knows of it.
    pub(crate) fn definition(self) -> &'static dyn Definition {
        match self {
            Self::Lstm => &lstm::Lstm,
            Self::Cifg => &cifg::Cifg,
        }
    }

    /// The gates in their order.
    pub fn gates(self) -> &'static [Gate] {
        self.definition().gates()
    }

    /// The name of a layer's tensors.
    pub fn name(self) -> &'static str {
        self.definition().name()
    }
}

impl LayerConfig {
    /// As the kernels see it.
    pub(crate) fn shape(self, input: InputShape) -> LayerShape {
        LayerShape {
            cell: self.cell.definition().kernel(),
            hidden: self.hidden,
            projection: self.projection,
            input,
            recurrent_bias: false,
            projection_bias: false,
        }
    }
}

impl NetworkConfig {
    /// The recurrent layers, as the kernels see them.
    pub(crate) fn layer_shapes(&self) -> Vec<LayerShape> {
        let layers = self.layers.iter().enumerate();
        let shape = |(index, layer): (usize, &LayerConfig)| match index {
            0 => layer.shape(InputShape::Table(self.vocabulary())),
            _ => layer.shape(InputShape::Below(self.input_width(index))),
        };
        layers.map(shape).collect()
    }
}

/// x (1 - x): the slope of the sigmoid where its value is x.
#[inline(always)]
fn slope<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, simd.sub_f32s(simd.splat_f32s(1.0), x))
}

/// 1 - x^2: the slope of tanh where its value is x.
#[inline(always)]
fn one_minus_square<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.negate_mul_add_e_f32s(x, x, simd.splat_f32s(1.0))
}

/// Sigmoid of the sum of a gate's products.
#[inline(always)]
fn sigmoid_of<S: Simd>(simd: S, input: S::f32s, recurrent: S::f32s) -> S::f32s {
    sigmoid(simd, simd.add_f32s(input, recurrent))
}

/// Tanh of the sum of a gate's products.
#[inline(always)]
fn tanh_of<S: Simd>(simd: S, input: S::f32s, recurrent: S::f32s) -> S::f32s {
    tanh(simd, simd.add_f32s(input, recurrent))
}

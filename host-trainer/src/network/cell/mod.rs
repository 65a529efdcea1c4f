//! The recurrent cells: all that the trainer has to know of each, in one file a cell.
//!
//! The equations of a cell stand there three times side by side: on vectors, forward and backward, for the kernels;
//! as candle's operations, for other devices; and in the device's integers, for tuning them.

mod cifg;
mod gru;
mod lstm;

use crate::kernels::cell::Cell;
use crate::kernels::layer::{InputShape, LayerShape};
use crate::kernels::random::Random;
use crate::kernels::vectorize::{sigmoid, tanh};
use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
use candle_core::{Result, Tensor};
use pulp::Simd;
use std::ops::Range;

/// A gate of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// As it is called in equations.
    pub name: &'static str,
    /// Its activation.
    pub kind: GateKind,
    /// Half a step of the shift that the device makes of its recurrent product alone, Q18; 0 where it makes none.
    pub recurrent_half: i32,
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
    const fn new(name: &'static str, kind: GateKind) -> Self {
        Self {
            name,
            kind,
            recurrent_half: 0,
        }
    }

    const fn sigmoid(name: &'static str) -> Self {
        Self::new(name, GateKind::Sigmoid)
    }

    const fn tanh(name: &'static str) -> Self {
        Self::new(name, GateKind::Tanh)
    }
}

/// A cell as Keras and PyTorch have it, with the gates of PyTorch in the order of those here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framework {
    /// The layer's class.
    pub(crate) class: &'static str,
    /// For each gate its place in Keras.
    pub(crate) keras_gates: &'static [usize],
    /// A setting of Keras's that must be on, where there is one.
    pub(crate) keras_setting: Option<&'static str>,
}

impl Framework {
    /// The classes of all cells that frameworks have.
    pub(crate) fn classes() -> Vec<&'static str> {
        let cells = CellKind::ALL.into_iter();
        cells
            .filter_map(|cell| Some(cell.framework()?.class))
            .collect()
    }

    /// Numbers of the gates, in blocks of `hidden`, in the order of Keras.
    pub(crate) fn in_keras_order(self, values: &[f32], hidden: usize) -> Vec<f32> {
        let mut ordered = vec![0.0; values.len()];
        for (to, from) in self.blocks(values.len(), hidden) {
            ordered[to].copy_from_slice(&values[from]);
        }
        ordered
    }

    /// Numbers of the gates of Keras, in blocks of `hidden`, in the order here.
    pub(crate) fn in_own_order(self, values: &[f32], hidden: usize) -> Vec<f32> {
        let mut ordered = vec![0.0; values.len()];
        for (to, from) in self.blocks(values.len(), hidden) {
            ordered[from].copy_from_slice(&values[to]);
        }
        ordered
    }

    /// Where each block is in Keras and here.
    fn blocks(
        self,
        length: usize,
        hidden: usize,
    ) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let block = move |line: usize, gate: usize| {
            let start = (line * self.keras_gates.len() + gate) * hidden;
            start..start + hidden
        };
        let lines = 0..length / (self.keras_gates.len() * hidden);
        let gates = move |line| (0..self.keras_gates.len()).map(move |gate| (line, gate));
        let places = lines.flat_map(gates);
        places.map(move |(line, gate)| (block(line, self.keras_gates[gate]), block(line, gate)))
    }
}

/// What the trainer knows of a cell. Products and gates lie in blocks of H units, a block a gate.
pub(crate) trait Definition: Sync {
    /// The name of a layer's tensors.
    fn name(&self) -> &'static str;

    /// The cell in the device's engine.
    fn device(&self) -> lstm_core::CellKind;

    /// The cell in other frameworks; `None` where they have no such cell.
    fn framework(&self) -> Option<Framework>;

    /// The gates in their order, the columns of `w_ih` and `w_hh`.
    fn gates(&self) -> &'static [Gate];

    /// The equations for the kernels.
    fn kernel(&self) -> &'static dyn Cell;

    /// Recurrent weights to start from, `[outputs, columns]`.
    fn start_recurrence(&self, outputs: usize, columns: usize, random: &mut Random) -> Vec<f32>;

    /// Writes the bias to start from, `[G H]`, over zeros.
    fn start_bias(&self, bias: &mut [f32], hidden: usize);

    /// One step as candle's operations, on any device: from the products of the input and of the output before, with
    /// their biases, `[B, H]` for each gate, and the cell state before `[B, H]`, the units' output and the cell state after.
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
    /// The products of the input, Q18, `[G H]`; with their biases where the cell takes the products apart.
    pub(crate) input: &'a [i32],
    /// The products of the recurrence, with the biases, Q18, `[G H]`.
    pub(crate) recurrent: &'a [i32],
    /// The cell states before, as values, `[H]`.
    pub(crate) before: &'a [f32],
    /// What the kernels keep, as values, `[K H]`.
    pub(crate) kept: &'a mut [f32],
    /// The cell states after, as values, `[H]`.
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
            Self::Gru => &gru::Gru,
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

    /// The cell in the device's engine.
    pub fn device(self) -> lstm_core::CellKind {
        self.definition().device()
    }

    /// The cell in other frameworks.
    pub(crate) fn framework(self) -> Option<Framework> {
        self.definition().framework()
    }

    /// Whether the products of the input and of the recurrence reach the cell apart, each with a bias.
    pub fn takes_products_apart(self) -> bool {
        self.device().takes_products_apart()
    }

    /// Whether the cell state lies between -1 and 1.
    pub(crate) fn has_unit_cell_state(self) -> bool {
        self.device().has_unit_cell_state()
    }

    /// Steps of the device's cell state in one.
    pub(crate) fn cell_unit(self) -> f32 {
        match self.has_unit_cell_state() {
            true => ONE_Q14,
            false => ONE_Q11,
        }
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
            recurrent_bias: self.cell.takes_products_apart(),
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
            _ => layer.shape(InputShape::Values(self.input_width(index))),
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

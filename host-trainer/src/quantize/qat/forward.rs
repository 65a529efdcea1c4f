//! The device's integer arithmetic over a batch, kept for the backward pass.
//!
//! A product of an 8-bit weight and an 8-bit state is below 2^14, and a row has at most 512 columns:
//! every partial sum is a whole number below 2^23, which f32 holds. So `gemm` gives the exact dot
//! products, in whatever order it adds. All that follows them are `lstm_core`'s own functions.
//!
//! Rows and columns are in the order of a [`Network`](crate::network::parameters::Network)'s matrices.

use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::pool::{row_parts, split_rows};
use crate::kernels::stack::{Input, RecordedLayer, Sequence};
use crate::network::cell::IntegerStep;
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::state::State;
use crate::quantize::fixed_point::HIDDEN_UNIT;
use crate::quantize::ngrams::recurrent_input;
use lstm_core::export::integer;
use rayon::prelude::*;

/// One in Q12.
const ONE_Q12: f32 = (1 << 12) as f32;

/// A matrix of the device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntegerMatrix {
    /// `[columns, rows]`, whole numbers.
    pub weights: Vec<f32>,
    /// Q18 value of one step of a weight times one step of a column, `[rows]`.
    pub weight_scale: Vec<i32>,
    /// Q18, with half a step of the shift that follows, `[rows]`.
    pub bias: Vec<i32>,
}

impl IntegerMatrix {
    fn rows(&self) -> usize {
        self.bias.len()
    }
}

/// Below which absolute values columns count as 0, in the device's units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeadZones {
    /// What comes from the layer below.
    pub below: f32,
    /// The own hidden state.
    pub own: f32,
    /// What goes into the projection.
    pub units: f32,
}

impl DeadZones {
    /// Of layer `index`: a projected hidden state has none, for it has other units.
    pub fn new(config: &NetworkConfig, index: usize, dead_zone: u8) -> Self {
        let zone = |layer: LayerConfig| match layer.projection {
            None => f32::from(dead_zone),
            Some(_) => 0.0,
        };
        Self {
            below: index.checked_sub(1).map_or(0.0, |i| zone(config.layers[i])),
            own: zone(config.layers[index]),
            units: dead_zone.into(),
        }
    }
}

/// Leaves what counts of some columns.
pub(super) fn counted(columns: &mut [f32], zone: f32) {
    for x in columns.iter_mut().filter(|x| x.abs() < zone) {
        *x = 0.0;
    }
}

/// A layer of the device.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerLayer {
    /// Its shape.
    pub config: LayerConfig,
    /// Which columns count as 0.
    pub dead_zones: DeadZones,
    /// Columns of the layer below, then of the own hidden state: in one matrix, or in two where the cell takes its
    /// products apart.
    pub gates: Vec<IntegerMatrix>,
    /// In the first layer, entries of the folded table times their scales, Q18, `[V, rows]`; else
    /// empty.
    pub table: Vec<i32>,
    /// In the first layer, those scales, `[rows]`; else empty.
    pub table_scale: Vec<i32>,
    /// The projection, over the units.
    pub projection: Option<IntegerMatrix>,
}

/// A network of the device.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerNetwork {
    /// From the input up.
    pub layers: Vec<IntegerLayer>,
    /// The dense layer.
    pub dense: IntegerMatrix,
}

/// What a layer computed over a sequence.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// What the kernels keep of a cell, the gates first, as the values that the integers stand for,
    /// `[T, B, K H]`.
    pub kept: Vec<f32>,
    /// The cell states as such values, the initial ones first, `[T+1, B, H]`.
    pub states: Vec<f32>,
    /// What went into the projection and counted, as such values, `[T, B, H]`; empty without one.
    pub units: Vec<f32>,
    /// The initial hidden state in its units, `[B, R]`.
    pub h0: Vec<f32>,
    /// The hidden state in its units, `[T, B, R]`.
    pub outputs: Vec<f32>,
    /// What the recurrent product read, in the same units, `[T, B, R]`, where that is not the hidden state before; else empty.
    pub recurrent_inputs: Vec<f32>,
}

impl Run {
    /// As a record for the kernels.
    pub(super) fn recorded(&self) -> RecordedLayer<'_> {
        RecordedLayer {
            kept: &self.kept,
            states: &self.states,
            units: &self.units,
            h0: &self.h0,
            outputs: &self.outputs,
            recurrent_inputs: &self.recurrent_inputs,
        }
    }
}

impl IntegerNetwork {
    /// Runs a sequence, whose context is in steps of the hidden state, through all layers; `states` go forward.
    pub(crate) fn run(&self, sequence: Sequence<'_>, states: &mut [State]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (layer, state) in self.layers.iter().zip(states) {
            let mut hidden;
            let below = match runs.last() {
                None => sequence.input,
                Some(below) => {
                    hidden = below.outputs.clone();
                    counted(&mut hidden, layer.dead_zones.below);
                    Input::Values(&hidden)
                }
            };
            let context = if runs.is_empty() {
                sequence.context
            } else {
                &[]
            };
            runs.push(layer.run((sequence.steps, sequence.rows), below, context, state));
        }
        runs
    }
}

impl IntegerLayer {
    /// Runs a sequence of T steps and B rows with a context `[T, B, R]`, or none; `state` goes forward. Values that it
    /// reads are the hidden state of the layer below in its units, as far as it counts.
    fn run(
        &self,
        (steps, batch): (usize, usize),
        below: Input<'_>,
        context: &[f32],
        state: &mut State,
    ) -> Run {
        let layer = self.config;
        let cell = layer.cell.definition();
        let (hidden, output, rows) = (layer.hidden, layer.output(), layer.columns());
        let kept_width = cell.kernel().kept() * hidden;
        let projected = self.projection.as_ref().map_or(0, |_| steps);
        let mut run = Run {
            kept: vec![0.0; steps * batch * kept_width],
            states: vec![0.0; (steps + 1) * batch * hidden],
            units: vec![0.0; projected * batch * hidden],
            h0: state.h.clone(),
            outputs: vec![0.0; steps * batch * output],
            recurrent_inputs: vec![0.0; context.len()],
        };
        let cells = run.states.iter_mut().zip(&state.c);
        let cell_unit = layer.cell.cell_unit();
        cells.for_each(|(value, &c)| *value = c / cell_unit);
        let (first, last) = (&self.gates[0], &self.gates[self.gates.len() - 1]);
        let input_bias = (self.gates.len() > 1).then_some(&first.bias);
        let below_columns = match below {
            Input::Tokens(_) => 0,
            Input::Values(below) => below.len() / (steps * batch),
        };
        let below_weights = &first.weights[..below_columns * rows];
        let below_weights = Matrix::new(below_weights, below_columns, rows);
        let own = &last.weights[last.weights.len() - output * rows..];
        let own = Matrix::new(own, output, rows);
        let parts = row_parts(batch);
        let (h0, zones) = (&run.h0, self.dead_zones);
        let kept = split_rows(&mut run.kept, steps, kept_width, &parts);
        let cells = split_rows(&mut run.states, steps + 1, hidden, &parts);
        let units = split_rows(&mut run.units, steps, hidden, &parts);
        let outputs = split_rows(&mut run.outputs, steps, output, &parts);
        let read_steps = if context.is_empty() { 0 } else { steps };
        let read = split_rows(&mut run.recurrent_inputs, read_steps, output, &parts);
        let work = parts.into_par_iter().with_max_len(1);
        let work = work.zip(kept).zip(cells).zip(units).zip(outputs).zip(read);
        work.for_each(
            |(((((part, mut kept), mut cells), mut units), mut hs), mut read)| {
                let count = part.len();
                let mut m = vec![0.0; count * hidden];
                let mut dots = vec![0.0; count * rows];
                let mut input_dots = vec![0.0; count * rows];
                let (mut input, mut recurrent) = (vec![0; rows], vec![0; rows]);
                let mut z = vec![0; output];
                for t in 0..steps {
                    let (done, rest) = hs.split_at_mut(t);
                    let mut before = match done.last() {
                        Some(h) => h.to_vec(),
                        None => h0[part.start * output..part.end * output].to_vec(),
                    };
                    if let Some(read) = read.get_mut(t) {
                        let start = (t * batch + part.start) * output;
                        let context = &context[start..];
                        for (h, &context) in before.iter_mut().zip(context) {
                            *h = recurrent_input(*h, context);
                        }
                        read.copy_from_slice(&before);
                    }
                    counted(&mut before, zones.own);
                    gemm(Matrix::new(&before, count, output), own, &mut dots, false);
                    if let Input::Values(below) = below {
                        let start = (t * batch + part.start) * below_columns;
                        let below = Matrix::new(&below[start..], count, below_columns);
                        gemm(below, below_weights, &mut input_dots, false);
                    }
                    let (before, after) = cells.split_at_mut(t + 1);
                    for row in 0..count {
                        let at = |width: usize| row * width..(row + 1) * width;
                        sums(&dots[at(rows)], last, &mut recurrent);
                        match below {
                            Input::Tokens(tokens) => {
                                let token = usize::from(tokens[t * batch + part.start + row]);
                                input.copy_from_slice(&self.table[token * rows..][..rows]);
                            }
                            Input::Values(_) => scaled(&input_dots[at(rows)], first, &mut input),
                        }
                        if let Some(bias) = input_bias {
                            add(bias, &mut input);
                        }
                        cell.integer_step(IntegerStep {
                            input: &input,
                            recurrent: &recurrent,
                            before: &before[t][at(hidden)],
                            kept: &mut kept[t][at(kept_width)],
                            after: &mut after[0][at(hidden)],
                            output: &mut m[at(hidden)],
                        });
                    }
                    match &self.projection {
                        None => rest[0].copy_from_slice(&m),
                        Some(projection) => {
                            counted(&mut m, zones.units);
                            let matrix = Matrix::new(&projection.weights, hidden, output);
                            gemm(Matrix::new(&m, count, hidden), matrix, rest[0], false);
                            for h in rest[0].chunks_exact_mut(output) {
                                sums(h, projection, &mut z);
                                let hs = h.iter_mut().zip(&z);
                                hs.for_each(|(h, &z)| *h = f32::from(integer::projected(z)));
                            }
                            let values = units[t].iter_mut().zip(&m);
                            values.for_each(|(value, &m)| *value = m / HIDDEN_UNIT);
                        }
                    }
                }
            },
        );
        let last = |values: &[f32], width: usize| values[values.len() - batch * width..].to_vec();
        state.h = last(&run.outputs, output);
        state.c = last(&run.states, hidden);
        state.c.iter_mut().for_each(|c| *c *= cell_unit);
        run
    }
}

/// Dot products, which are whole numbers, times their rows' scales, Q18.
fn scaled(dots: &[f32], matrix: &IntegerMatrix, products: &mut [i32]) {
    let rows = dots.iter().zip(&matrix.weight_scale);
    for (product, (&dot, &scale)) in products.iter_mut().zip(rows) {
        *product = (dot as i32).wrapping_mul(scale);
    }
}

/// The rows' sums, Q18: [`scaled`] and their biases.
fn sums(dots: &[f32], matrix: &IntegerMatrix, sums: &mut [i32]) {
    scaled(dots, matrix, sums);
    add(&matrix.bias, sums);
}

fn add(bias: &[i32], sums: &mut [i32]) {
    for (sum, &bias) in sums.iter_mut().zip(bias) {
        *sum = sum.wrapping_add(bias);
    }
}

/// The dense layer over hidden states in their units, `[N, R]`: logits `[N, V]`.
pub fn logits(dense: &IntegerMatrix, hs: &[f32]) -> Vec<f32> {
    let (columns, rows) = (dense.weights.len() / dense.rows(), dense.rows());
    let count = hs.len() / columns;
    let mut logits = vec![0.0; count * rows];
    let weights = Matrix::new(&dense.weights, columns, rows);
    gemm(Matrix::new(hs, count, columns), weights, &mut logits, false);
    let mut z = vec![0; rows];
    for line in logits.chunks_exact_mut(rows) {
        sums(line, dense, &mut z);
        let line = line.iter_mut().zip(&z);
        line.for_each(|(logit, &z)| *logit = integer::logit(z) as f32 / ONE_Q12);
    }
    logits
}

//! The device's integer arithmetic over a batch, kept for the backward pass.
//!
//! A product of an 8-bit weight and an 8-bit state is below 2^14, and a row has at most 512 columns:
//! every partial sum is a whole number below 2^23, which f32 holds. So `gemm` gives the exact dot
//! products, in whatever order it adds. All that follows them are `lstm_core`'s own functions.
//!
//! Rows and columns are in the order of a [`Network`](crate::network::parameters::Network)'s matrices.

use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::lstm::Sizes;
use crate::kernels::threads::{on_threads, row_ranges};
use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
use crate::network::state::State;
use crate::quantize::fixed_point::{HIDDEN_UNIT, ONE_Q18};
use lstm_core::integer;

/// One in Q11, Q12, Q14 and Q15.
const ONE_Q11: f32 = (1 << 11) as f32;
const ONE_Q12: f32 = (1 << 12) as f32;
const ONE_Q14: f32 = (1 << 14) as f32;
const ONE_Q15: f32 = (1 << 15) as f32;

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

    /// What some columns' weights stand for, `[columns, rows]`; one step of such a column is `step`.
    pub fn values(&self, columns: std::ops::Range<usize>, step: f32) -> Vec<f32> {
        let rows = self.rows();
        let factor = |&scale: &i32| scale as f32 / (ONE_Q18 as f32 * step);
        let factors: Vec<f32> = self.weight_scale.iter().map(factor).collect();
        let weights = &self.weights[columns.start * rows..columns.end * rows];
        let lines = weights.chunks_exact(rows);
        lines
            .flat_map(|line| line.iter().zip(&factors).map(|(w, f)| w * f))
            .collect()
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

/// What counts of some columns.
pub fn counted(columns: &[f32], zone: f32) -> Vec<f32> {
    let count = |&x: &f32| if x.abs() < zone { 0.0 } else { x };
    columns.iter().map(count).collect()
}

/// A layer of the device.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerLayer {
    /// Its shape.
    pub config: LayerConfig,
    /// Which columns count as 0.
    pub dead_zones: DeadZones,
    /// Columns of the layer below, then of the own hidden state.
    pub gates: IntegerMatrix,
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

/// What a layer computed on the way, as the values that the integers stand for.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The gates after their activations, `[T, B, 4H]`.
    pub gates: Vec<f32>,
    /// The cells, the initial ones first, `[T+1, B, H]`.
    pub cells: Vec<f32>,
    /// What went into the projection and counted, `[T, B, H]`; empty without one.
    pub units: Vec<f32>,
}

/// What comes into a layer.
#[derive(Clone, Copy, Debug)]
pub enum Below<'a> {
    /// Tokens `[T, B]`.
    Tokens(&'a [u8]),
    /// The hidden state of the layer below in its units, `[T, B, columns]`.
    Hidden(&'a [f32]),
}

impl IntegerLayer {
    /// Runs a sequence; `state` goes forward. Writes the hidden state in its units `[T, B, R]` to
    /// `hs`, and to `trace` the rest, as the values that the integers stand for.
    pub fn forward(
        &self,
        sizes: Sizes,
        below: Below<'_>,
        state: &mut State,
        trace: &mut Trace,
        hs: &mut [f32],
    ) {
        let Sizes {
            steps,
            batch,
            layer,
            threads,
        } = sizes;
        let (hidden, output, rows) = (layer.hidden, layer.output(), layer.columns());
        let units = self
            .projection
            .as_ref()
            .map_or(0, |_| steps * batch * hidden);
        trace.units.resize(units, 0.0);
        trace.gates.resize(steps * batch * rows, 0.0);
        trace.cells.resize((steps + 1) * batch * hidden, 0.0);
        let cells = trace.cells.iter_mut().zip(&state.c);
        cells.for_each(|(value, &c)| *value = c / ONE_Q11);
        let below_columns = self.gates.weights.len() / rows - output;
        let (below_weights, own) = self.gates.weights.split_at(below_columns * rows);
        let own = Matrix::new(own, output, rows);
        let below_weights = Matrix::new(below_weights, below_columns, rows);
        let projection = self.projection.as_ref();
        let parts = row_ranges(batch, threads);
        let h0 = &state.h;
        let zones = self.dead_zones;
        let counted_below;
        let below = match below {
            Below::Hidden(below) if zones.below > 0.0 => {
                counted_below = counted(below, zones.below);
                Below::Hidden(&counted_below)
            }
            below => below,
        };
        let gates = split_rows(&mut trace.gates, steps, rows, &parts);
        let cells = split_rows(&mut trace.cells, steps + 1, hidden, &parts);
        let units = split_rows(&mut trace.units, steps, hidden, &parts);
        let hs_parts = split_rows(hs, steps, output, &parts);
        let work = parts.iter().zip(gates).zip(cells).zip(units).zip(hs_parts);
        on_threads(
            work.collect(),
            |((((part, mut gates), mut cells), mut units), mut hs)| {
                let count = part.len();
                let mut m = vec![0.0; count * hidden];
                let mut z = vec![0; rows];
                for t in 0..steps {
                    let (done, rest) = hs.split_at_mut(t);
                    let before = match done.last() {
                        Some(h) => &h[..],
                        None => &h0[part.start * output..part.end * output],
                    };
                    let gates = &mut *gates[t];
                    let before = counted(before, zones.own);
                    gemm(Matrix::new(&before, count, output), own, gates, false);
                    let tokens = match below {
                        Below::Tokens(tokens) => &tokens[t * batch..][part.clone()],
                        Below::Hidden(below) => {
                            let start = (t * batch + part.start) * below_columns;
                            let below = Matrix::new(&below[start..], count, below_columns);
                            gemm(below, below_weights, gates, true);
                            &[]
                        }
                    };
                    let (before, after) = cells.split_at_mut(t + 1);
                    let cells = before[t]
                        .chunks_exact(hidden)
                        .zip(after[0].chunks_exact_mut(hidden));
                    let lines = gates.chunks_exact_mut(rows).zip(m.chunks_exact_mut(hidden));
                    for (row, ((gates, m), cells)) in lines.zip(cells).enumerate() {
                        let line = |&token: &u8| &self.table[usize::from(token) * rows..][..rows];
                        let line = tokens.get(row).map(line);
                        sums(gates, &self.gates, line, &mut z);
                        step_units(layer.cell, &z, cells.0, gates, cells.1, m);
                    }
                    match projection {
                        None => rest[0].copy_from_slice(&m),
                        Some(projection) => {
                            let m = counted(&m, zones.units);
                            let matrix = Matrix::new(&projection.weights, hidden, output);
                            gemm(Matrix::new(&m, count, hidden), matrix, rest[0], false);
                            for h in rest[0].chunks_exact_mut(output) {
                                sums(h, projection, None, &mut z);
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
        state.h = last(hs, output);
        state.c = last(&trace.cells, hidden);
        state.c.iter_mut().for_each(|c| *c *= ONE_Q11);
    }
}

/// The rows' sums, Q18, from their dot products, which are whole numbers.
fn sums(dots: &[f32], matrix: &IntegerMatrix, entries: Option<&[i32]>, sums: &mut [i32]) {
    let rows = dots.iter().zip(&matrix.weight_scale).zip(&matrix.bias);
    for (z, ((&dot, &scale), &bias)) in sums.iter_mut().zip(rows) {
        *z = (dot as i32).wrapping_mul(scale).wrapping_add(bias);
    }
    for (z, &entry) in sums.iter_mut().zip(entries.unwrap_or_default()) {
        *z = z.wrapping_add(entry);
    }
}

/// The units of a row of the batch: from the sums of their gates to the gates' values `[4H]`, the
/// next cells' values and `m` in units of 1/127.
fn step_units(
    cell: CellKind,
    z: &[i32],
    before: &[f32],
    gates: &mut [f32],
    after: &mut [f32],
    m: &mut [f32],
) {
    let hidden = before.len();
    let gate = |index: usize| index * hidden..(index + 1) * hidden;
    let (z_i, z_o) = (&z[gate(0)], &z[z.len() - hidden..]);
    let z_g = &z[z.len() - 2 * hidden..z.len() - hidden];
    let z_f = match cell {
        CellKind::Lstm => Some(&z[gate(1)]),
        CellKind::Lean => None,
    };
    for u in 0..hidden {
        let (i, g, o) = (
            integer::sigmoid(z_i[u]),
            integer::tanh(z_g[u]),
            integer::sigmoid(z_o[u]),
        );
        let f = match z_f {
            Some(z_f) => integer::sigmoid(z_f[u]),
            None => integer::one_minus(i),
        };
        let c = integer::cell(f, (before[u] * ONE_Q11) as i16, i, g);
        m[u] = f32::from(integer::hidden(o, c));
        after[u] = f32::from(c) / ONE_Q11;
        let (i, f, o) = (i as f32 / ONE_Q15, f as f32 / ONE_Q15, o as f32 / ONE_Q15);
        let g = g as f32 / ONE_Q14;
        match cell {
            CellKind::Lstm => {
                (
                    gates[u],
                    gates[hidden + u],
                    gates[2 * hidden + u],
                    gates[3 * hidden + u],
                ) = (i, f, g, o)
            }
            CellKind::Lean => (gates[u], gates[hidden + u], gates[2 * hidden + u]) = (i, g, o),
        }
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
        sums(line, dense, None, &mut z);
        let line = line.iter_mut().zip(&z);
        line.for_each(|(logit, &z)| *logit = integer::logit(z) as f32 / ONE_Q12);
    }
    logits
}

/// For each range of rows, its part of every step's slab of a `[T, B, width]` array, which may be
/// missing.
fn split_rows<'a>(
    data: &'a mut [f32],
    steps: usize,
    width: usize,
    parts: &[std::ops::Range<usize>],
) -> Vec<Vec<&'a mut [f32]>> {
    let mut split: Vec<Vec<&mut [f32]>> = parts.iter().map(|_| Vec::new()).collect();
    if data.is_empty() {
        return split;
    }
    for slab in data.chunks_exact_mut(data.len() / steps) {
        let mut rest = slab;
        for (rows, out) in parts.iter().zip(&mut split) {
            let (part, after) = rest.split_at_mut(rows.len() * width);
            out.push(part);
            rest = after;
        }
    }
    split
}

//! The matrices of a layer's gates, in the order of the file.

use super::Zones;
use crate::network::cell::Gate;
use crate::network::config::{self, CellKind};
use crate::network::sensor::{LayerConfig, SensorNetwork};
use crate::quantize::fixed_point::{HIDDEN_STEP, gate_half};
use crate::quantize::layout::{GateRow, row_order};
use lstm_core::export::{BLOCK_ROWS, round_up};

/// What the own columns of a matrix are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// There are none.
    None,
    /// The layer's output before the step.
    Before,
    /// That, each times its reset gate.
    Reset,
}

/// A matrix of some of a layer's gates.
#[derive(Clone, Debug)]
pub(crate) struct GateMatrix {
    /// Its rows; `None` for one of zeros that fills up a block.
    pub(crate) rows: Vec<Option<GateRow>>,
    /// Whether it has the columns of the layer below, and so the bias.
    pub(crate) has_below: bool,
    /// Its own columns, after those.
    pub(crate) own: Own,
    /// Half a step of the shift that follows a gate's sums, Q18.
    halves: Vec<i32>,
}

/// The matrices of a layer's gates.
pub(crate) fn gate_matrices(layer: LayerConfig) -> Vec<GateMatrix> {
    let Some(cell) = layer.cell.trained() else {
        return reset_before(layer);
    };
    let rows = row_order(config::LayerConfig {
        cell,
        hidden: layer.hidden,
        projection: layer.projection,
    });
    let halves = |matrix: usize| {
        let gates = cell.gates().iter();
        gates.map(|&gate: &Gate| gate_half(gate, matrix)).collect()
    };
    let matrix = |number: usize, has_below: bool, own: Own| GateMatrix {
        rows: rows.clone(),
        has_below,
        own,
        halves: halves(number),
    };
    match cell {
        CellKind::Lstm | CellKind::Cifg => vec![matrix(0, true, Own::Before)],
        CellKind::Gru => vec![matrix(0, true, Own::None), matrix(1, false, Own::Before)],
    }
}

/// Those of a GRU whose reset gate comes before the product: one a gate, r, z and n.
fn reset_before(layer: LayerConfig) -> Vec<GateMatrix> {
    let padded = round_up(layer.hidden, BLOCK_ROWS);
    let row = |gate| move |unit| (unit < layer.hidden).then_some(GateRow { gate, unit });
    // The shift before the sigmoids of r and z, and before the tanh of n.
    let halves = vec![1 << 5, 1 << 5, 1 << 4];
    let matrix = |(gate, own)| GateMatrix {
        rows: (0..padded).map(row(gate)).collect(),
        has_below: true,
        own,
        halves: halves.clone(),
    };
    let own = [Own::Before, Own::Before, Own::Reset];
    own.into_iter().enumerate().map(matrix).collect()
}

impl GateMatrix {
    /// Half a step of the shift that follows the sums of a gate.
    pub(super) fn half(&self, gate: usize) -> i32 {
        self.halves[gate]
    }

    /// The value of a step of each column, above columns of these steps.
    pub(super) fn steps(&self, below: &[f64], layer: LayerConfig) -> Vec<f64> {
        let mut steps = match self.has_below {
            true => below.to_vec(),
            false => Vec::new(),
        };
        let own = match self.own {
            Own::None => (0, 0.0),
            Own::Before => (layer.output(), layer.step()),
            Own::Reset => (layer.output(), HIDDEN_STEP),
        };
        steps.resize(steps.len() + own.0, own.1);
        steps
    }

    /// Columns, above so many of the layer below.
    pub(crate) fn columns(&self, below: usize, layer: LayerConfig) -> usize {
        let below = if self.has_below { below } else { 0 };
        match self.own {
            Own::None => below,
            Own::Before | Own::Reset => below + layer.output(),
        }
    }

    /// The dead zone of each column.
    pub(super) fn zones(&self, below: usize, layer: LayerConfig, zones: Zones) -> Vec<u8> {
        let mut all = match self.has_below {
            true => vec![zones.below; below],
            false => Vec::new(),
        };
        if self.own != Own::None {
            all.resize(all.len() + layer.output(), zones.own);
        }
        all
    }

    /// A row's float weights.
    pub(crate) fn weights(
        &self,
        network: &SensorNetwork,
        index: usize,
        place: GateRow,
    ) -> Vec<f32> {
        let (weights, layer) = (&network.layers[index], network.config.layers[index]);
        let column = |matrix: &[f32]| -> Vec<f32> {
            let first = place.gate * layer.hidden + place.unit;
            let values = matrix.iter().skip(first).step_by(layer.columns());
            values.copied().collect()
        };
        let mut row = match self.has_below {
            true => column(&weights.w_ih),
            false => Vec::new(),
        };
        if self.own != Own::None {
            row.extend(column(&weights.w_hh));
        }
        row
    }

    /// Gives a row of a network these weights, of which so many are over the layer below, and this bias.
    pub(super) fn set(
        &self,
        network: &mut SensorNetwork,
        (index, place): (usize, GateRow),
        below: usize,
        (row, bias): (&[f32], f32),
    ) {
        let layer = network.config.layers[index];
        let weights = &mut network.layers[index];
        let first = place.gate * layer.hidden + place.unit;
        let (from_below, own) = row.split_at(if self.has_below { below } else { 0 });
        for (matrix, row) in [(&mut weights.w_ih, from_below), (&mut weights.w_hh, own)] {
            let column = matrix.iter_mut().skip(first).step_by(layer.columns());
            column.zip(row).for_each(|(place, &w)| *place = w);
        }
        match (self.has_below, &mut weights.recurrent_bias) {
            (true, _) => weights.bias[first] = bias,
            (false, Some(biases)) => biases[first] = bias,
            (false, None) => {}
        }
    }

    /// A row's float bias.
    pub(crate) fn bias(&self, network: &SensorNetwork, index: usize, place: GateRow) -> f32 {
        let (weights, layer) = (&network.layers[index], network.config.layers[index]);
        let at = place.gate * layer.hidden + place.unit;
        match (self.has_below, &weights.recurrent_bias) {
            (true, _) => weights.bias[at],
            (false, Some(bias)) => bias[at],
            (false, None) => 0.0,
        }
    }
}

/// The rows over the inputs of a matrix `[in, out]`.
pub(crate) fn rows_over_inputs(matrix: &[f32], outputs: usize) -> Vec<Vec<f32>> {
    let row = |output| {
        matrix
            .iter()
            .skip(output)
            .step_by(outputs)
            .copied()
            .collect()
    };
    (0..outputs).map(row).collect()
}

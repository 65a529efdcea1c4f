//! The rows of the matrices in the order of the file.

use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use lstm_core::export::BLOCK_ROWS;

/// The place of a row of gates in the file: which gate of which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateRow {
    pub gate: usize,
    pub unit: usize,
}

impl GateRow {
    /// Its column in the network's matrices.
    pub(crate) fn column(self, layer: LayerConfig) -> usize {
        self.gate * layer.hidden + self.unit
    }
}

/// The rows of a layer in the order of the file; `None` for a row of zeros that fills up a block.
pub(crate) fn row_order(layer: LayerConfig) -> Vec<Option<GateRow>> {
    let cell = layer.cell.device();
    let mut order = vec![None; BLOCK_ROWS * cell.gate_blocks(layer.hidden)];
    for unit in 0..layer.hidden {
        for gate in 0..cell.gates() {
            order[cell.gate_row(layer.hidden, unit, gate)] = Some(GateRow { gate, unit });
        }
    }
    order
}

/// The columns of a matrix of gates: so many of the layer below, then so many of the own hidden state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateColumns {
    pub below: usize,
    pub own: usize,
}

/// The matrices of a layer's gates in the order of the file: one, or two where the cell takes its products apart. The
/// first layer's columns of the layer below are in the table.
pub(crate) fn gate_matrices(config: &NetworkConfig, index: usize) -> Vec<GateColumns> {
    let layer = config.layers[index];
    let own = layer.output();
    let below = match index {
        0 => 0,
        _ => config.input_width(index),
    };
    match layer.cell.takes_products_apart() {
        false => vec![GateColumns { below, own }],
        true => vec![GateColumns { below, own: 0 }, GateColumns { below: 0, own }],
    }
}

/// What the matrices of a layer's gates are called.
pub(crate) fn gate_names(config: &NetworkConfig, index: usize) -> Vec<String> {
    let name = config.layer_name(index);
    match config.layers[index].cell.takes_products_apart() {
        false => vec![name],
        true => vec![format!("{name}.input"), format!("{name}.recurrent")],
    }
}

/// The float biases of a matrix of gates; `None` where they are in the table.
pub(crate) fn gate_bias(network: &Network, index: usize, matrix: usize) -> Option<&[f32]> {
    let layer = &network.layers[index];
    match (index, matrix) {
        (0, 0) => None,
        (_, 0) => Some(&layer.bias),
        _ => layer.recurrent_bias.as_deref(),
    }
}

/// The float rows of a matrix of gates in the order of the file, zeros where it is padded.
pub(crate) fn gate_rows(network: &Network, index: usize, matrix: usize) -> Vec<Vec<f32>> {
    let layer = &network.layers[index];
    let config = network.config.layers[index];
    let columns = gate_matrices(&network.config, index)[matrix];
    let row = |place: GateRow| {
        let at = |matrix: &[f32], k: usize| matrix[k * config.columns() + place.column(config)];
        let from_input = (0..columns.below).map(|k| at(&layer.w_ih, k));
        let from_hidden = (0..columns.own).map(|k| at(&layer.w_hh, k));
        from_input.chain(from_hidden).collect()
    };
    let zeros = || vec![0.0; columns.below + columns.own];
    let places = row_order(config).into_iter();
    places.map(|p| p.map_or_else(zeros, row)).collect()
}

/// The float rows of a layer's projection `[R, H]`.
pub(crate) fn projection_rows(network: &Network, index: usize) -> Option<Vec<Vec<f32>>> {
    let projection = network.layers[index].projection.as_ref()?;
    Some(transposed(
        projection,
        network.config.layers[index].output(),
    ))
}

/// The float rows of the dense layer: `[V, R]`, and the gate of the table as one more if there is a table.
pub(crate) fn dense_rows(network: &Network) -> Vec<Vec<f32>> {
    let mut rows = transposed(&network.dense_weight, network.config.vocabulary());
    let gate = network.ngrams.iter().map(|ngrams| &ngrams.gate_weight);
    rows.extend(gate.filter(|weights| !weights.is_empty()).cloned());
    rows
}

/// The float biases of those rows.
pub(crate) fn dense_biases(network: &Network) -> Vec<f32> {
    let gate = network.ngrams.iter().flat_map(|ngrams| &ngrams.gate_bias);
    network.dense_bias.iter().chain(gate).copied().collect()
}

/// The columns of a matrix `[in, columns]`.
fn transposed(matrix: &[f32], columns: usize) -> Vec<Vec<f32>> {
    let column = |c| matrix[c..].iter().step_by(columns).copied().collect();
    (0..columns).map(column).collect()
}

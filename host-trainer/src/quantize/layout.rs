//! The rows of the matrices in the order of the file.

use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
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

/// The rows of a layer in the order of the file; `None` for a row of zeros.
///
/// An LSTM's come unit by unit, all gates of each. A CIFG layer's come by groups of four units: all
/// four rows of a gate, then the next gate's; the last group is filled up with zeros.
pub(crate) fn row_order(layer: LayerConfig) -> Vec<Option<GateRow>> {
    let gates = layer.cell.gates().len();
    let row = |gate, unit| (unit < layer.hidden).then_some(GateRow { gate, unit });
    match layer.cell {
        CellKind::Lstm => (0..layer.hidden)
            .flat_map(|unit| (0..gates).map(move |gate| row(gate, unit)))
            .collect(),
        CellKind::Cifg => (0..layer.hidden)
            .step_by(BLOCK_ROWS)
            .flat_map(|first| {
                let block = move |gate| (first..first + BLOCK_ROWS).map(move |u| row(gate, u));
                (0..gates).flat_map(block)
            })
            .collect(),
    }
}

/// The float rows of a layer in the order of the file, zeros where it is padded.
pub(crate) fn layer_rows(network: &Network, index: usize) -> Vec<Vec<f32>> {
    let layer = &network.layers[index];
    let config = network.config.layers[index];
    let input = folded_input_width(&network.config, index);
    let row = |place: GateRow| {
        let at = |matrix: &[f32], k: usize| matrix[k * config.columns() + place.column(config)];
        let from_input = (0..input).map(|k| at(&layer.w_ih, k));
        let from_hidden = (0..config.output()).map(|k| at(&layer.w_hh, k));
        from_input.chain(from_hidden).collect()
    };
    let zeros = || vec![0.0; input + config.output()];
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

/// The float rows of the dense layer: `[V, R]`.
pub(crate) fn dense_rows(network: &Network) -> Vec<Vec<f32>> {
    transposed(&network.dense_weight, network.config.vocabulary())
}

/// The columns of a matrix `[in, columns]`.
fn transposed(matrix: &[f32], columns: usize) -> Vec<Vec<f32>> {
    let column = |c| matrix[c..].iter().step_by(columns).copied().collect();
    (0..columns).map(column).collect()
}

/// Columns that a layer has for the one below: the first layer's are in the table.
pub(super) fn folded_input_width(config: &NetworkConfig, index: usize) -> usize {
    if index == 0 {
        0
    } else {
        config.input_width(index)
    }
}

//! Layers as a file holds them: by the names of their tensors.

use crate::files::tensors::NamedTensor;
use crate::network::config::LayerConfig;
use std::collections::BTreeMap;

/// A file's tensors by name.
pub(super) type Tensors = BTreeMap<String, NamedTensor>;

/// Which axis of a matrix is its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Keras.
    InOut,
    /// PyTorch.
    OutIn,
}

impl Layout {
    /// Inputs and outputs of a matrix; what is no matrix has none.
    pub(super) fn in_out(self, shape: &[usize]) -> [usize; 2] {
        match (self, shape) {
            (Self::InOut, &[rows, columns]) => [rows, columns],
            (Self::OutIn, &[rows, columns]) => [columns, rows],
            _ => [0, 0],
        }
    }
}

/// A recurrent layer's tensors.
#[derive(Clone, Debug)]
pub(super) struct Lstm {
    /// What the names of its tensors share.
    pub(super) name: String,
    pub(super) layout: Layout,
    pub(super) w_ih: String,
    pub(super) w_hh: String,
    pub(super) biases: Vec<String>,
    pub(super) projection: Option<String>,
}

/// A matrix, and a vector if there is one: an embedding or a dense layer.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// What the names of its tensors share.
    pub(super) name: String,
    pub(super) layout: Layout,
    pub(super) weight: String,
    pub(super) bias: Option<String>,
    /// Whether it is an embedding, where the names tell.
    pub(super) is_embedding: Option<bool>,
}

impl Lstm {
    /// Width of the input and of the output.
    pub(super) fn widths(&self, tensors: &Tensors) -> [usize; 2] {
        let [input, _] = self.layout.in_out(&tensors[&self.w_ih].shape);
        let [output, _] = self.layout.in_out(&tensors[&self.w_hh].shape);
        [input, output]
    }

    /// What the recurrent matrix says of the layer; refuses other kinds of cells.
    pub(super) fn config(&self, tensors: &Tensors) -> Result<LayerConfig, String> {
        let shape = &tensors[&self.w_hh].shape;
        let [output, columns] = self.layout.in_out(shape);
        if columns == 0 {
            return Err(format!("tensor {} has shape {shape:?}", self.w_hh));
        }
        if self.projection.is_none() && output.checked_mul(4) != Some(columns) {
            let kind = match columns.checked_div(output) {
                Some(3) => ", three gates as in a GRU",
                Some(1) => ", no gates at all",
                _ => "",
            };
            return Err(format!(
                "tensor {} has shape {shape:?}{kind}, expected the four gates of an LSTM",
                self.w_hh
            ));
        }
        Ok(LayerConfig {
            projection: self.projection.as_ref().map(|_| output),
            ..LayerConfig::lstm(columns / 4)
        })
    }
}

pub(super) fn unexpected(tensors: &Tensors, name: &str) -> String {
    format!(
        "found tensor {name} {:?}, expected an embedding, LSTMs and a dense layer only",
        tensors[name].shape
    )
}

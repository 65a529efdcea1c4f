//! Layers as a file holds them: by the names of their tensors.

use crate::files::tensors::NamedTensor;
use crate::network::config::{CellKind, LayerConfig};
use std::collections::BTreeMap;

/// A file's tensors by name.
pub(in crate::interchange) type Tensors = BTreeMap<String, NamedTensor>;

/// Which axis of a matrix is its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::interchange) enum Layout {
    /// Keras.
    InOut,
    /// PyTorch.
    OutIn,
}

impl Layout {
    /// Inputs and outputs of a matrix; what is no matrix has none.
    pub(in crate::interchange) fn in_out(self, shape: &[usize]) -> [usize; 2] {
        match (self, shape) {
            (Self::InOut, &[rows, columns]) => [rows, columns],
            (Self::OutIn, &[rows, columns]) => [columns, rows],
            _ => [0, 0],
        }
    }
}

/// A recurrent layer's tensors.
#[derive(Clone, Debug)]
pub(in crate::interchange) struct Recurrent {
    /// What the names of its tensors share.
    pub(in crate::interchange) name: String,
    pub(in crate::interchange) layout: Layout,
    pub(in crate::interchange) w_ih: String,
    pub(in crate::interchange) w_hh: String,
    pub(in crate::interchange) biases: Vec<String>,
    pub(in crate::interchange) projection: Option<String>,
}

/// A matrix, and a vector if there is one: an embedding or a dense layer.
#[derive(Clone, Debug)]
pub(in crate::interchange) struct Linear {
    /// What the names of its tensors share.
    pub(in crate::interchange) name: String,
    pub(in crate::interchange) layout: Layout,
    pub(in crate::interchange) weight: String,
    pub(in crate::interchange) bias: Option<String>,
    /// Whether it is an embedding, where the names tell.
    pub(in crate::interchange) is_embedding: Option<bool>,
}

impl Recurrent {
    /// Width of the input and of the output.
    pub(in crate::interchange) fn widths(&self, tensors: &Tensors) -> [usize; 2] {
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
        // PyTorch has no projection but in its LSTM.
        if self.projection.is_some() {
            return Ok(LayerConfig {
                projection: Some(output),
                ..LayerConfig::lstm(columns / CellKind::Lstm.gates().len())
            });
        }
        let known = CellKind::ALL.into_iter();
        let known = known.filter_map(|cell| Some((cell, cell.framework()?.class)));
        let mut fits = known.clone();
        let fits = fits.find(|(cell, _)| output.checked_mul(cell.gates().len()) == Some(columns));
        let Some((cell, _)) = fits else {
            let kind = match columns.checked_div(output) {
                Some(1) => ", no gates at all",
                _ => "",
            };
            let known = known.map(|(cell, class)| format!("{class} ({})", cell.gates().len()));
            let known: Vec<String> = known.collect();
            return Err(format!(
                "tensor {} has shape {shape:?}{kind}, expected the gates of {}",
                self.w_hh,
                known.join(" or ")
            ));
        };
        Ok(LayerConfig {
            cell,
            hidden: output,
            projection: None,
        })
    }
}

pub(super) fn unexpected(tensors: &Tensors, name: &str) -> String {
    let instead = match name.contains("batch_normalization") {
        true => ": save the model whole, which tells where the batch normalization stands",
        false => "",
    };
    format!(
        "found tensor {name} {:?}, expected an embedding, recurrent layers and a dense layer only{instead}",
        tensors[name].shape
    )
}

//! A network's weights as other frameworks name and shape them.
//!
//! | file | for | names |
//! | --- | --- | --- |
//! | safetensors | PyTorch | `embedding.weight`, `lstm.weight_ih_l0`, `lstm.weight_hh_l0`, `lstm.bias_ih_l0`, `lstm.bias_hh_l0` (zeros), `lstm.weight_hr_l0`, `dense.weight`, `dense.bias`; `lstm.0.weight_ih_l0`, `lstm.1.weight_ih_l0` where the layers differ |
//! | npz | Keras | `embedding/embeddings`, `lstm/lstm_cell/kernel`, `lstm/lstm_cell/recurrent_kernel`, `lstm/lstm_cell/bias`, `lstm_1/...`, `dense/kernel`, `dense/bias`, in the order of `get_weights()` |
//!
//! Another cell has its own name for `lstm`; layers of several cells are `layers.0` and so on for PyTorch.

use super::formats::npz;
use crate::files::error::{Error, Result};
use crate::files::output::write_atomically;
use crate::files::tensors::{NamedTensor, TensorFile, transpose};
use crate::network::cell::Framework;
use crate::network::config::{CellKind, LayerConfig};
use crate::network::parameters::Network;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;

/// Another framework's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// PyTorch's state_dict, in safetensors.
    Safetensors,
    /// Keras's weights, in NumPy's .npz.
    Npz,
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// A network that the framework does not have, or the disk refuses.
pub fn write(network: &Network, kind: FileKind, path: &Path) -> Result<()> {
    match kind {
        FileKind::Safetensors => {
            let file = TensorFile {
                bytes: BTreeMap::new(),
                metadata: "pt".into(),
                tensors: pytorch(network)?.into_iter().collect(),
            };
            file.write(path, "format")
        }
        FileKind::Npz => write_atomically(path, &npz(&keras(network)?)?),
    }
}

fn tensor(shape: &[usize], values: &[f32]) -> NamedTensor {
    let (shape, values) = (shape.to_vec(), values.to_vec());
    NamedTensor { shape, values }
}

/// The cells of all layers as the framework has them.
fn known_cells(network: &Network, framework: &str) -> Result<Vec<Framework>> {
    let cell = |layer: &LayerConfig| {
        layer.cell.framework().ok_or_else(|| {
            Error::bad_input(format!(
                "found a layer {layer}, expected {}s: {framework} has no {}",
                Framework::classes().join("s or "),
                layer.cell.device()
            ))
        })
    };
    network.config.layers.iter().map(cell).collect()
}

fn refuse_projection(
    network: &Network,
    expected: &str,
    has: impl Fn(CellKind) -> bool,
) -> Result<()> {
    let found = |l: &&LayerConfig| l.projection.is_some() && !has(l.cell);
    match network.config.layers.iter().find(found) {
        Some(layer) => Err(Error::bad_input(format!(
            "found a layer {layer}, expected none with a projection: {expected}"
        ))),
        None => Ok(()),
    }
}

/// The tensors of a module with `embedding`, `lstm` and `dense`, in the order of its state_dict.
///
/// # Errors
/// A layer that PyTorch does not have.
pub fn pytorch(network: &Network) -> Result<Vec<(String, NamedTensor)>> {
    known_cells(network, "PyTorch")?;
    let has = |cell| cell == CellKind::Lstm;
    refuse_projection(network, "PyTorch's LSTM alone has one", has)?;
    let config = &network.config;
    let vocabulary = config.vocabulary();
    let turned =
        |values: &[f32], rows, columns| tensor(&[columns, rows], &transpose(values, rows, columns));
    let embedding = tensor(&[vocabulary, config.embedding], &network.embedding);
    let mut tensors = vec![("embedding.weight".to_owned(), embedding)];
    let is_stack = config.layers.iter().all(|l| *l == config.layers[0]);
    let cell = config.layers[0].cell;
    let module = match config.layers.iter().all(|l| l.cell == cell) {
        true => cell.name(),
        false => "layers",
    };
    for (index, (layer, shape)) in network.layers.iter().zip(&config.layers).enumerate() {
        let (columns, output) = (shape.columns(), shape.output());
        let name = |what: &str| match is_stack {
            true => format!("{module}.{what}_l{index}"),
            false => format!("{module}.{index}.{what}_l0"),
        };
        let input = config.input_width(index);
        tensors.push((name("weight_ih"), turned(&layer.w_ih, input, columns)));
        tensors.push((name("weight_hh"), turned(&layer.w_hh, output, columns)));
        tensors.push((name("bias_ih"), tensor(&[columns], &layer.bias)));
        let zeros = vec![0.0; columns];
        let recurrent_bias = layer.recurrent_bias.as_ref().unwrap_or(&zeros);
        tensors.push((name("bias_hh"), tensor(&[columns], recurrent_bias)));
        if let Some(projection) = &layer.projection {
            tensors.push((name("weight_hr"), turned(projection, shape.hidden, output)));
        }
    }
    let output = config.input_width(config.layers.len());
    let dense = turned(&network.dense_weight, output, vocabulary);
    tensors.push(("dense.weight".to_owned(), dense));
    let bias = tensor(&[vocabulary], &network.dense_bias);
    tensors.push(("dense.bias".to_owned(), bias));
    Ok(tensors)
}

/// The weights of a Sequential of Embedding, recurrent layers and Dense, in the order of its `get_weights()`.
///
/// # Errors
/// A layer that Keras does not have.
pub fn keras(network: &Network) -> Result<Vec<(String, NamedTensor)>> {
    let cells = known_cells(network, "Keras")?;
    refuse_projection(network, "Keras's layers have none", |_| false)?;
    let config = &network.config;
    let vocabulary = config.vocabulary();
    let embedding = tensor(&[vocabulary, config.embedding], &network.embedding);
    let mut tensors = vec![("embedding/embeddings".to_owned(), embedding)];
    for (index, (layer, shape)) in network.layers.iter().zip(&config.layers).enumerate() {
        let (columns, class) = (shape.columns(), shape.cell.name());
        let count = |kind: CellKind| {
            config.layers[..index]
                .iter()
                .filter(|l| l.cell == kind)
                .count()
        };
        let group = match count(shape.cell) {
            0 => format!("{class}/{class}_cell"),
            n => format!("{class}_{n}/{class}_cell"),
        };
        let mut push = |part: &str, rows: &[usize], values: &[f32]| {
            let ordered = cells[index].in_keras_order(values, shape.hidden);
            let shape = [rows, &[columns]].concat();
            tensors.push((format!("{group}/{part}"), tensor(&shape, &ordered)));
        };
        push("kernel", &[config.input_width(index)], &layer.w_ih);
        push("recurrent_kernel", &[shape.output()], &layer.w_hh);
        match &layer.recurrent_bias {
            None => push("bias", &[], &layer.bias),
            Some(recurrent) => push("bias", &[2], &[&layer.bias[..], recurrent].concat()),
        }
    }
    let output = config.input_width(config.layers.len());
    let dense = tensor(&[output, vocabulary], &network.dense_weight);
    tensors.push(("dense/kernel".to_owned(), dense));
    let bias = tensor(&[vocabulary], &network.dense_bias);
    tensors.push(("dense/bias".to_owned(), bias));
    Ok(tensors)
}

/// A zip of arrays, stored as they are.
fn npz(tensors: &[(String, NamedTensor)]) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| Error::failed(format!("cannot make the zip: {e}"));
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, tensor) in tensors {
        zip.start_file(format!("{name}.npy"), options)
            .map_err(|e| failed(&e))?;
        zip.write_all(&npz::encode(&tensor.shape, &tensor.values))
            .map_err(|e| failed(&e))?;
    }
    Ok(zip.finish().map_err(|e| failed(&e))?.into_inner())
}

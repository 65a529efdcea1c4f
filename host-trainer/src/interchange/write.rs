//! A network's weights as other frameworks name and shape them.
//!
//! | file | for | names |
//! | --- | --- | --- |
//! | safetensors | PyTorch | `embedding.weight`, `lstm.weight_ih_l0`, `lstm.weight_hh_l0`, `lstm.bias_ih_l0`, `lstm.bias_hh_l0` (zeros), `lstm.weight_hr_l0`, `dense.weight`, `dense.bias`; `lstm.0.weight_ih_l0`, `lstm.1.weight_ih_l0` where the layers differ in size |
//! | npz | Keras | `embedding/embeddings`, `lstm/lstm_cell/kernel`, `lstm/lstm_cell/recurrent_kernel`, `lstm/lstm_cell/bias`, `lstm_1/...`, `dense/kernel`, `dense/bias`, in the order of `get_weights()` |

use super::formats::npz;
use crate::files::error::{Error, Result};
use crate::files::output::write_atomically;
use crate::files::tensors::{NamedTensor, TensorFile, transpose};
use crate::network::config::{CellKind, LayerConfig};
use crate::network::parameters::Network;
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

fn refuse_cifg(network: &Network, framework: &str) -> Result<()> {
    let is_cifg = |layer: &&LayerConfig| match layer.cell {
        CellKind::Lstm => false,
        CellKind::Cifg => true,
    };
    match network.config.layers.iter().find(is_cifg) {
        Some(layer) => Err(Error::bad_input(format!(
            "found a layer {layer}, expected LSTMs: {framework} has no CIFG"
        ))),
        None => Ok(()),
    }
}

/// The tensors of a module with `embedding`, `lstm` and `dense`, in the order of its state_dict.
///
/// # Errors
/// A CIFG layer.
pub fn pytorch(network: &Network) -> Result<Vec<(String, NamedTensor)>> {
    refuse_cifg(network, "PyTorch")?;
    let config = &network.config;
    let vocabulary = config.vocabulary();
    let turned =
        |values: &[f32], rows, columns| tensor(&[columns, rows], &transpose(values, rows, columns));
    let embedding = tensor(&[vocabulary, config.embedding], &network.embedding);
    let mut tensors = vec![("embedding.weight".to_owned(), embedding)];
    let is_stack = config.layers.iter().all(|l| *l == config.layers[0]);
    for (index, (layer, shape)) in network.layers.iter().zip(&config.layers).enumerate() {
        let (columns, output) = (shape.columns(), shape.output());
        let name = |what: &str| match is_stack {
            true => format!("lstm.{what}_l{index}"),
            false => format!("lstm.{index}.{what}_l0"),
        };
        let input = config.input_width(index);
        tensors.push((name("weight_ih"), turned(&layer.w_ih, input, columns)));
        tensors.push((name("weight_hh"), turned(&layer.w_hh, output, columns)));
        tensors.push((name("bias_ih"), tensor(&[columns], &layer.bias)));
        tensors.push((name("bias_hh"), tensor(&[columns], &vec![0.0; columns])));
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

/// The weights of a Sequential of Embedding, LSTMs and Dense, in the order of its `get_weights()`.
///
/// # Errors
/// A CIFG layer, or one with a projection.
pub fn keras(network: &Network) -> Result<Vec<(String, NamedTensor)>> {
    refuse_cifg(network, "Keras")?;
    let config = &network.config;
    if let Some(layer) = config.layers.iter().find(|l| l.projection.is_some()) {
        return Err(Error::bad_input(format!(
            "found a layer {layer}, expected none with a projection: Keras's LSTM has none"
        )));
    }
    let names = config.shapes().into_iter().zip(network.parameters());
    let renamed = names.map(|((name, shape), values)| {
        let parts: Vec<&str> = name.split('.').collect();
        let name = match parts[..] {
            ["embedding", _] => "embedding/embeddings".to_owned(),
            ["dense", "weight"] => "dense/kernel".to_owned(),
            ["dense", _] => "dense/bias".to_owned(),
            [_, index, part] => {
                let layer = match index {
                    "0" => "lstm".to_owned(),
                    n => format!("lstm_{n}"),
                };
                let part = match part {
                    "w_ih" => "kernel",
                    "w_hh" => "recurrent_kernel",
                    _ => "bias",
                };
                format!("{layer}/lstm_cell/{part}")
            }
            _ => name,
        };
        (name, tensor(&shape, values))
    });
    Ok(renamed.collect())
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

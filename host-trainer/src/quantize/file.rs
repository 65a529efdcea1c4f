//! The integers as a safetensors file.

use super::layout::{gate_matrices, gate_names, row_order};
use super::ngrams::QuantizedNgrams;
use super::{QuantizedLayer, QuantizedMatrix, QuantizedNetwork};
use crate::files::error::{Error, Result};
use crate::files::output::write_atomically;
use crate::network::config::NetworkConfig;
use lstm_core::Format;
use lstm_core::export::Row;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// The tensor of int4 that is the dead zone.
const DEAD_ZONE_NAME: &str = "dead_zone";
/// The metadata keys of quantized files.
const KEYS: [(Format, &str); 2] = [
    (Format::Int8, "quantized"),
    (Format::Int4, "quantized-int4"),
];

impl QuantizedNetwork {
    /// Writes the numbers as a safetensors file of integer tensors, whole or not at all.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = |values: &[i8]| -> Vec<u8> { values.iter().map(|&w| w as u8).collect() };
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let rows = self.layers[0].gates[0].rows.len();
        let shape = vec![self.config.vocabulary(), rows];
        tensors.push(("table".into(), Dtype::I8, shape, bytes(&self.table)));
        if self.format == Format::Int4 {
            let zone = vec![self.dead_zone];
            tensors.push((DEAD_ZONE_NAME.into(), Dtype::U8, vec![1], zone));
        }
        for (name, _, matrix) in self.matrices() {
            let rows = matrix.rows.len();
            let shape = vec![rows, matrix.columns];
            let weights = bytes(&matrix.weights);
            tensors.push((format!("{name}.weight"), Dtype::I8, shape, weights));
            let biases = matrix.rows.iter().flat_map(|r| r.bias.to_le_bytes());
            tensors.push((
                format!("{name}.bias"),
                Dtype::I32,
                vec![rows],
                biases.collect(),
            ));
            let scales = matrix.rows.iter().map(|r| [r.weight_scale, r.table_scale]);
            let scales = scales.flatten().flat_map(u16::to_le_bytes);
            tensors.push((
                format!("{name}.scale"),
                Dtype::U16,
                vec![rows, 2],
                scales.collect(),
            ));
        }
        if let Some(ngrams) = &self.ngrams {
            ngrams.save(&self.config, &mut tensors);
        }
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            let view = TensorView::new(*dtype, shape.clone(), data);
            (name, view.expect("the lengths follow from the shapes"))
        });
        let config = serde_json::to_string(&self.config).expect("plain data");
        let key = KEYS.into_iter().find(|(format, _)| *format == self.format);
        let (_, key) = key.expect("a format of integers");
        let metadata = [(key.to_owned(), config)].into();
        let file = safetensors::serialize(views, Some(metadata))
            .map_err(|e| Error::failed(format!("cannot serialize {}: {e}", path.display())))?;
        write_atomically(path, &file)
    }

    /// Reads what [`QuantizedNetwork::save`] wrote; `None` if `path` is a safetensors file of another
    /// kind.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or its tensors do not fit its shape.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        Self::from_bytes(path, &bytes)
    }

    /// As [`QuantizedNetwork::load`], from the bytes of a file; `path` only names it in errors.
    ///
    /// # Errors
    ///
    /// The tensors do not fit their shape.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Option<Self>> {
        let Ok((_, header)) = SafeTensors::read_metadata(bytes) else {
            return Ok(None);
        };
        let metadata = header.metadata().as_ref();
        let found = |(format, key)| Some((format, metadata?.get(key)?));
        let Some((format, config)) = KEYS.into_iter().find_map(found) else {
            return Ok(None);
        };
        let bad = |what: &str| {
            Error::bad_input(format!(
                "{}: {what}, expected a quantized network of this trainer",
                path.display()
            ))
        };
        let config: NetworkConfig = serde_json::from_str(config)
            .map_err(|_| bad("found a description that does not parse"))?;
        config.check()?;
        let file = SafeTensors::deserialize(bytes).map_err(|_| bad("found damage"))?;
        let take = &|name: &str, dtype: Dtype, shape: &[usize]| -> Result<Vec<u8>> {
            let tensor = file
                .tensor(name)
                .map_err(|_| bad(&format!("found no tensor {name}")))?;
            if tensor.dtype() != dtype || tensor.shape() != shape {
                return Err(bad(&format!(
                    "found tensor {name} as {:?} {:?} where {dtype:?} {shape:?} belongs",
                    tensor.dtype(),
                    tensor.shape()
                )));
            }
            Ok(tensor.data().to_vec())
        };
        let matrix = |name: &str, rows: usize, columns: usize| -> Result<QuantizedMatrix> {
            let weights = take(&format!("{name}.weight"), Dtype::I8, &[rows, columns])?;
            let biases = take(&format!("{name}.bias"), Dtype::I32, &[rows])?;
            let scales = take(&format!("{name}.scale"), Dtype::U16, &[rows, 2])?;
            let row = |(bias, scale): (&[u8; 4], &[u8; 4])| Row {
                bias: i32::from_le_bytes(*bias),
                weight_scale: u16::from_le_bytes([scale[0], scale[1]]),
                table_scale: u16::from_le_bytes([scale[2], scale[3]]),
            };
            let biases = biases.as_chunks::<4>().0.iter();
            Ok(QuantizedMatrix {
                weights: weights.iter().map(|&b| b as i8).collect(),
                columns,
                rows: biases.zip(scales.as_chunks::<4>().0).map(row).collect(),
            })
        };
        let dead_zone = match format {
            Format::Int4 => take(DEAD_ZONE_NAME, Dtype::U8, &[1])?[0],
            _ => 0,
        };
        let vocabulary = config.vocabulary();
        let ngrams = match config.ngrams.is_none() {
            true => None,
            false => {
                let bytes = |name: &str| {
                    let tensor = file.tensor(name);
                    let tensor = tensor.map_err(|_| bad(&format!("found no tensor {name}")))?;
                    Ok(tensor.data().to_vec())
                };
                Some(QuantizedNgrams::load(path, &config, take, bytes)?)
            }
        };
        let mut layers = Vec::new();
        for (index, &layer) in config.layers.iter().enumerate() {
            let name = config.layer_name(index);
            let rows = row_order(layer).len();
            let gates = gate_names(&config, index).into_iter();
            let gates = gates.zip(gate_matrices(&config, index));
            let gates =
                gates.map(|(name, columns)| matrix(&name, rows, columns.below + columns.own));
            let projection = |width| matrix(&format!("{name}.projection"), width, layer.hidden);
            layers.push(QuantizedLayer {
                gates: gates.collect::<Result<_>>()?,
                projection: layer.projection.map(projection).transpose()?,
            });
        }
        let top = config.input_width(config.layers.len());
        let rows = layers[0].gates[0].rows.len();
        let network = QuantizedNetwork {
            format,
            dead_zone,
            table: take("table", Dtype::I8, &[vocabulary, rows])?
                .into_iter()
                .map(|b| b as i8)
                .collect(),
            layers,
            dense: matrix("dense", config.dense_outputs(), top)?,
            ngrams,
            config,
        };
        network.check()?;
        Ok(Some(network))
    }
}

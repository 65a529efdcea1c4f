//! Export: decides the bytes. The only writer of `.lstm` files.

use crate::files::error::{Error, Result};
use crate::files::output::write_atomically;
use crate::model::describe::description;
use crate::model::file::ModelFile;
use crate::model::ngrams::NgramSections;
use crate::model::workspace::{Generator, HeapWorkspace};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::network::predictor::context;
use crate::quantize::{self, QuantizedMatrix, QuantizedNetwork, TensorError};
use crate::text::text_file::TrainingText;
use lstm_core::export::{
    self, ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Description, Layers, Ngrams, WeightFormat,
    encode_weight, int4_words, round_up,
};
use lstm_core::{Format, Golden, LayerShape, Order, Sampler};
use std::path::Path;

/// What to write besides the numbers.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// A name for people, at most 64 bytes.
    pub name: String,
    /// The window that the network was trained on, where 0 is a carried state; as the network says if
    /// `None`.
    pub window: Option<usize>,
}

/// A float network as the bytes of a `.lstm` file in [`Format::F32`].
///
/// # Errors
///
/// A shape that the file does not hold.
pub fn encode_f32(network: &Network, labels: &Labels) -> Result<Vec<u8>> {
    let config = &network.config;
    if network.ngrams.is_some() {
        return Err(Error::bad_input(
            "a memory is in integers: expected format int8 or int4",
        ));
    }
    let vocabulary = config.vocabulary();
    let mut data = Data::new(COLUMN_ALIGN);
    for (index, &layer) in config.layers.iter().enumerate() {
        let places = quantize::row_order(layer);
        let in_order = |values: &[f32]| -> Vec<f32> {
            let place = |p: &Option<quantize::GateRow>| p.map_or(0.0, |p| values[p.column(layer)]);
            places.iter().map(place).collect()
        };
        if index == 0 {
            let table = network.folded_table();
            let lines = table.chunks_exact(layer.columns());
            data.floats(lines.flat_map(in_order));
        }
        for matrix in 0..quantize::gate_matrices(config, index).len() {
            let biases = match quantize::gate_bias(network, index, matrix) {
                Some(biases) => in_order(biases),
                None => vec![0.0; places.len()],
            };
            data.floats(biases.into_iter());
            let rows = quantize::gate_rows(network, index, matrix);
            data.f32_blocks(rows);
        }
        if let Some(rows) = quantize::projection_rows(network, index) {
            let padded = round_up(rows.len(), BLOCK_ROWS);
            data.floats(std::iter::repeat_n(0.0, padded));
            data.f32_blocks(rows);
        }
    }
    let padded = round_up(vocabulary, BLOCK_ROWS);
    let bias = |v: usize| network.dense_bias.get(v).copied().unwrap_or(0.0);
    data.floats((0..padded).map(bias));
    data.f32_blocks(quantize::dense_rows(network));
    let ngrams = Ngrams::default();
    encode(
        config,
        Format::F32,
        Order::Rows4,
        labels,
        &data.bytes,
        &ngrams,
    )
}

/// A quantized network as the bytes of a `.lstm` file in its format.
///
/// # Errors
///
/// A shape that the file does not hold.
pub fn encode_quantized(network: &QuantizedNetwork, labels: &Labels) -> Result<Vec<u8>> {
    let mut data = Data::new(COLUMN_ALIGN);
    data.array(network.table.iter().map(|&entry| entry as u8));
    for (_, format, matrix) in network.matrices() {
        // The gate of a table stands in the table's section.
        let matrix = match std::ptr::eq(matrix, &network.dense) {
            true => &matrix.first(network.config.vocabulary()),
            false => matrix,
        };
        data.matrix(matrix, format);
    }
    let order = Order::of(network.format, network.dead_zone);
    let sections = NgramSections::new(network);
    let ngrams = sections.ngrams();
    encode(
        &network.config,
        network.format,
        order,
        labels,
        &data.bytes,
        &ngrams,
    )
}

/// Int8: `[blocks][columns / 4][4 rows][4 columns]`; int4: `[blocks of 16 rows][columns]` of two words
/// each; zeros where rows or columns are padded.
fn weight_blocks(matrix: &QuantizedMatrix, format: WeightFormat, column_align: usize) -> Vec<u8> {
    let at = |row: usize, k: usize| {
        if row < matrix.rows.len() && k < matrix.columns {
            matrix.weights[row * matrix.columns + k]
        } else {
            0
        }
    };
    if format == WeightFormat::Int4 {
        let words = int4_words(matrix.rows.len(), matrix.columns, column_align, at);
        return words.flat_map(u32::to_le_bytes).collect();
    }
    let mut bytes = Vec::new();
    for block in (0..matrix.rows.len()).step_by(BLOCK_ROWS) {
        for k in (0..round_up(matrix.columns, column_align)).step_by(4) {
            for row in block..block + BLOCK_ROWS {
                bytes.extend((k..k + 4).map(|k| encode_weight(at(row, k), k)));
            }
        }
    }
    bytes
}

/// The data section under construction.
pub(super) struct Data {
    pub(super) bytes: Vec<u8>,
    /// Columns are filled up with zeros to a multiple of this number.
    column_align: usize,
}

impl Data {
    pub(super) fn new(column_align: usize) -> Self {
        Self {
            bytes: Vec::new(),
            column_align,
        }
    }

    /// The weights of a matrix in f32: `[blocks][columns][4]`, zeros where rows or columns are padded.
    pub(super) fn f32_blocks(&mut self, rows: Vec<Vec<f32>>) {
        let columns = round_up(rows[0].len(), self.column_align);
        let blocks = rows.len().div_ceil(BLOCK_ROWS);
        let positions = (0..blocks).flat_map(|block| {
            (0..columns)
                .flat_map(move |k| (0..BLOCK_ROWS).map(move |r| (block * BLOCK_ROWS + r, k)))
        });
        let weight = |row: usize, k: usize| rows.get(row)?.get(k).copied();
        self.floats(positions.map(|(row, k)| weight(row, k).unwrap_or(0.0)));
    }

    pub(super) fn floats(&mut self, values: impl Iterator<Item = f32>) {
        self.array(values.flat_map(f32::to_le_bytes));
    }

    /// The rows and the weights of a matrix.
    pub(super) fn matrix(&mut self, matrix: &QuantizedMatrix, format: WeightFormat) {
        let rows = (0..round_up(matrix.rows.len(), BLOCK_ROWS))
            .map(|row| matrix.rows.get(row).copied().unwrap_or_default());
        self.array(rows.flat_map(|row| row.to_bytes()));
        self.array(weight_blocks(matrix, format, self.column_align).into_iter());
    }

    fn array(&mut self, bytes: impl Iterator<Item = u8>) {
        self.bytes.extend(bytes);
        self.bytes
            .resize(round_up(self.bytes.len(), ARRAY_ALIGN), 0);
    }
}

/// A layer as the file describes it; a size that does not fit becomes one that is refused.
fn shape(layer: LayerConfig) -> LayerShape {
    let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let shape = LayerShape::new(layer.cell.device(), size(layer.hidden));
    match layer.projection {
        Some(width) => shape.project(size(width)),
        None => shape,
    }
}

/// The bytes of a `.lstm` file whose numbers are all zero: as large as any of this shape.
///
/// # Errors
///
/// A shape that the file does not hold.
pub fn encode_zeros(config: &NetworkConfig, format: Format) -> Result<Vec<u8>> {
    let layers: Vec<LayerShape> = config.layers.iter().copied().map(shape).collect();
    let bytes = lstm_core::export::data_bytes(format, config.vocabulary(), &layers)?;
    let order = Order::of(format, quantize::DEAD_ZONE);
    let ngrams = Ngrams::default();
    encode(
        config,
        format,
        order,
        &Labels::default(),
        &vec![0; bytes],
        &ngrams,
    )
}

/// Refuses a name that is too long.
pub(super) fn check_name(name: &str) -> Result<()> {
    match name.len() {
        0..=64 => Ok(()),
        found => Err(Error::bad_input(format!(
            "found a model name of {found} bytes, expected at most 64"
        ))),
    }
}

fn encode(
    config: &NetworkConfig,
    format: Format,
    order: Order,
    labels: &Labels,
    data: &[u8],
    ngrams: &Ngrams<'_>,
) -> Result<Vec<u8>> {
    check_name(&labels.name)?;
    let layers: Vec<LayerShape> = config.layers.iter().copied().map(shape).collect();
    let description = Description {
        name: &labels.name,
        symbols: &config.symbols,
        fold_case: config.fold_case,
        window: context(labels.window, config.window)
            .map(|length| u16::try_from(length).unwrap_or(u16::MAX)),
        format,
        order,
        layers: Layers::new(&layers)?,
        padding: &[],
        data,
    };
    let file = |golden| {
        export::encode_file(&description, ngrams, golden)
            .map_err(|e| Error::failed(format!("cannot encode the model: {e}")))
    };
    let read = ModelFile::from_bytes(&file(None)?);
    // What is about to be written must be what the device accepts.
    let model = read.model()?;
    let mut workspace = HeapWorkspace::new(&model);
    let mut generator = Generator::with_room(workspace.session(&model)?, Sampler::new(1))?;
    file(Some(Golden::digest(&mut generator)))
}

/// The bytes of a `.lstm` file from a network in a file, in its own format or the one that is asked
/// for (int8 by default), and how far quantization moved each tensor.
///
/// # Errors
///
/// The file is no network, or quantized to another format, or the device does not run its shape.
pub fn encode_file(
    path: &Path,
    asked: Option<Format>,
    labels: &Labels,
) -> Result<(Vec<u8>, Vec<TensorError>)> {
    match QuantizedNetwork::load(path)? {
        Some(network) if asked.is_none_or(|format| format == network.format) => {
            Ok((encode_quantized(&network, labels)?, Vec::new()))
        }
        Some(network) => Err(Error::bad_input(format!(
            "{} holds a network quantized to {}, expected a float one for another --format",
            path.display(),
            network.format
        ))),
        None => encode_in(&Network::load(path)?, asked.unwrap_or(Format::Int8), labels),
    }
}

/// As [`encode_file`], of a network in memory.
///
/// # Errors
///
/// The device does not run its shape.
pub fn encode_in(
    network: &Network,
    format: Format,
    labels: &Labels,
) -> Result<(Vec<u8>, Vec<TensorError>)> {
    match format {
        Format::F32 => Ok((encode_f32(network, labels)?, Vec::new())),
        format => {
            let (network, errors) = quantize::quantize(network, format, quantize::DEAD_ZONE)?;
            Ok((encode_quantized(&network, labels)?, errors))
        }
    }
}

/// Writes a `.lstm` file and its description.
///
/// # Errors
///
/// The disk refuses.
pub fn write_model(
    path: &Path,
    file: &[u8],
    trained_on: Option<&TrainingText>,
    errors: &[TensorError],
    notes: &[String],
) -> Result<()> {
    let read = ModelFile::from_bytes(file);
    let model = read.model().map_err(|e| Error::failed(e.to_string()))?;
    let text = description(&model, trained_on, errors, notes);
    write_atomically(path, file)?;
    write_atomically(&path.with_extension("txt"), text.as_bytes())
}

//! Quantization: decides the numbers of a model. [`export`](crate::export) decides the bytes.
//!
//! Every row of a weight matrix (one gate of one unit, or one symbol of the dense layer) gets its
//! own scale, so that its largest weight becomes 127. The scale is rounded up to the device's fixed
//! point first, and the weights are rounded by that very scale: the fixed point itself costs nothing.

use crate::error::{Error, Result};
use crate::network::{Network, NetworkConfig};
use crate::tensors::write_atomically;
use lstm_core::Format;
use lstm_core::file::Row;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::{Path, PathBuf};

/// The metadata key of a quantized file.
const KEY: &str = "quantized";
/// The names of the four rows of a unit, in their order.
pub const GATES: [&str; 4] = ["i", "f", "g", "o"];
/// One in Q18, the fixed point of the pre-activations.
const ONE_Q18: f64 = (1 << 18) as f64;
/// Steps of the hidden state in 1.
const HIDDEN_ONE: f64 = 127.0;

/// An int8 matrix: `rows` rows over `columns` columns, each row with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Matrix {
    /// `[rows, columns]`; a layer's rows are unit by unit, i f g o in each.
    pub weights: Vec<i8>,
    /// Columns: the input from the layer below (none for the first layer), then the own hidden state.
    pub columns: usize,
    /// `[rows]`.
    pub rows: Vec<Row>,
}

/// A network in int8.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Network {
    /// Shape and alphabet.
    pub config: NetworkConfig,
    /// The folded table `[V, H, 4]` of the first layer.
    pub table: Vec<i8>,
    /// The layers, from the input up.
    pub layers: Vec<Int8Matrix>,
    /// The dense layer, a row a symbol.
    pub dense: Int8Matrix,
}

/// How far a tensor moved when it was quantized.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorError {
    /// For example `lstm.0.w_hh f`.
    pub name: String,
    /// The largest absolute value before.
    pub max: f64,
    /// Root mean square before.
    pub rms: f64,
    /// Root mean square of the difference.
    pub error_rms: f64,
}

/// The float rows of a layer in the order of the file: `[H * 4, columns]`.
pub(crate) fn layer_rows(network: &Network, index: usize) -> Vec<Vec<f32>> {
    let layer = &network.layers[index];
    let hidden = network.config.layers[index].hidden;
    // The first layer's input product is in the table.
    let input = if index == 0 {
        0
    } else {
        network.config.input_width(index)
    };
    let mut rows = Vec::with_capacity(4 * hidden);
    for unit in 0..hidden {
        for gate in 0..4 {
            let column = gate * hidden + unit;
            let at = |matrix: &[f32], k: usize| matrix[k * 4 * hidden + column];
            let from_input = (0..input).map(|k| at(&layer.w_ih, k));
            let from_hidden = (0..hidden).map(|k| at(&layer.w_hh, k));
            rows.push(from_input.chain(from_hidden).collect());
        }
    }
    rows
}

/// The float rows of the dense layer: `[V, H]`.
pub(crate) fn dense_rows(network: &Network) -> Vec<Vec<f32>> {
    let vocabulary = network.config.vocabulary();
    let hidden = network.dense_weight.len() / vocabulary;
    let weight = |v: usize, k: usize| network.dense_weight[k * vocabulary + v];
    let row = |v| (0..hidden).map(|k| weight(v, k)).collect();
    (0..vocabulary).map(row).collect()
}

/// Quantizes to int8; also tells how far each tensor moved.
///
/// # Errors
///
/// A row is so large that its sums would not fit the device's 32 bits.
pub fn int8(network: &Network) -> Result<(Int8Network, Vec<TensorError>)> {
    let vocabulary = network.config.vocabulary();
    let folded = network.folded_table();
    let hidden = network.config.layers[0].hidden;
    let mut errors = Vec::new();
    let mut layers = Vec::new();
    let mut table = vec![0; folded.len()];
    for index in 0..network.layers.len() {
        let rows = layer_rows(network, index);
        let mut meters: Vec<Meter> = GATES
            .iter()
            .map(|gate| Meter::new(format!("lstm.{index} weights {gate}")))
            .collect();
        let mut matrix = int8_matrix(&rows, &mut meters)?;
        errors.extend(meters.into_iter().map(Meter::finish));
        let mut meter = Meter::new("lstm.0 table".into());
        for (row, parameters) in matrix.rows.iter_mut().enumerate() {
            let (unit, gate) = (row / 4, row % 4);
            if index == 0 {
                let column: Vec<f32> = (0..vocabulary)
                    .map(|v| folded[v * 4 * hidden + gate * hidden + unit])
                    .collect();
                let entries = int8_table_row(&column, parameters, &mut meter)?;
                for (v, entry) in entries.into_iter().enumerate() {
                    table[v * 4 * hidden + row] = entry;
                }
            } else {
                let width = network.config.layers[index].hidden;
                parameters.bias = q18(network.layers[index].bias[gate * width + unit])?;
            }
            // The argument of tanh keeps one bit more than that of the sigmoid.
            parameters.bias += if GATES[gate] == "g" { 1 << 4 } else { 1 << 5 };
        }
        if index == 0 {
            errors.push(meter.finish());
        }
        layers.push(matrix);
    }
    let mut meter = Meter::new("dense weights".into());
    let mut dense = int8_matrix(&dense_rows(network), std::slice::from_mut(&mut meter))?;
    errors.push(meter.finish());
    for (row, &bias) in dense.rows.iter_mut().zip(&network.dense_bias) {
        row.bias = q18(bias)? + (1 << 5);
    }
    let config = network.config.clone();
    let quantized = Int8Network {
        config,
        table,
        layers,
        dense,
    };
    quantized.check()?;
    Ok((quantized, errors))
}

/// Quantizes the rows of a matrix; their biases are left at zero. The rows take turns at the meters.
fn int8_matrix(rows: &[Vec<f32>], meters: &mut [Meter]) -> Result<Int8Matrix> {
    let mut matrix = Int8Matrix {
        weights: Vec::new(),
        columns: rows[0].len(),
        rows: Vec::new(),
    };
    let count = meters.len();
    for (index, row) in rows.iter().enumerate() {
        let meter = &mut meters[index % count];
        let max = row.iter().fold(0f32, |max, w| max.max(w.abs()));
        let step_q18 = f64::from(max) / 127.0 * ONE_Q18 / HIDDEN_ONE;
        let weight_scale = fixed_scale(step_q18, "weights")?;
        let step = f64::from(weight_scale) * HIDDEN_ONE / ONE_Q18;
        for &weight in row {
            let quantized = (f64::from(weight) / step).round().clamp(-127.0, 127.0);
            meter.add(f64::from(weight), quantized * step);
            matrix.weights.push(quantized as i8);
        }
        matrix.rows.push(Row {
            weight_scale,
            ..Row::default()
        });
    }
    Ok(matrix)
}

/// Quantizes one row of the folded table around the middle of its range.
fn int8_table_row(column: &[f32], row: &mut Row, meter: &mut Meter) -> Result<Vec<i8>> {
    let low = column.iter().fold(f32::INFINITY, |a, &b| a.min(b));
    let high = column.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let step_q18 = f64::from(high - low) / 2.0 / 127.0 * ONE_Q18;
    row.table_scale = fixed_scale(step_q18, "table")?;
    row.bias = q18((low + high) / 2.0)?;
    let step = f64::from(row.table_scale) / ONE_Q18;
    let middle = f64::from(row.bias) / ONE_Q18;
    let entry = |&value: &f32| {
        let quantized = ((f64::from(value) - middle) / step).round();
        let quantized = quantized.clamp(-127.0, 127.0);
        meter.add(f64::from(value), middle + quantized * step);
        quantized as i8
    };
    Ok(column.iter().map(entry).collect())
}

/// A step as the device's 16-bit factor: rounded up, so that the largest value still fits.
fn fixed_scale(step_q18: f64, what: &str) -> Result<u16> {
    let scale = step_q18.ceil().max(1.0);
    if scale > f64::from(u16::MAX) {
        return Err(Error::bad_input(format!(
            "found a row of {what} with a step of {:.1}, expected below {:.1} for int8",
            step_q18 / ONE_Q18,
            f64::from(u16::MAX) / ONE_Q18
        )));
    }
    Ok(scale as u16)
}

fn q18(value: f32) -> Result<i32> {
    let fixed = (f64::from(value) * ONE_Q18).round();
    if fixed.abs() >= f64::from(1 << 30) {
        return Err(Error::bad_input(format!(
            "found a bias of {value}, expected one between -4096 and 4096 for int8"
        )));
    }
    Ok(fixed as i32)
}

/// Sums up how far a tensor moved.
struct Meter {
    name: String,
    count: usize,
    max: f64,
    squares: f64,
    error_squares: f64,
}

impl Meter {
    fn new(name: String) -> Self {
        Meter {
            name,
            count: 0,
            max: 0.0,
            squares: 0.0,
            error_squares: 0.0,
        }
    }

    fn add(&mut self, before: f64, after: f64) {
        self.count += 1;
        self.max = self.max.max(before.abs());
        self.squares += before * before;
        self.error_squares += (after - before).powi(2);
    }

    fn finish(self) -> TensorError {
        let mean = |sum: f64| (sum / self.count.max(1) as f64).sqrt();
        TensorError {
            max: self.max,
            rms: mean(self.squares),
            error_rms: mean(self.error_squares),
            name: self.name,
        }
    }
}

impl Int8Network {
    /// Proves that no sum of any row can leave 32 bits on the device.
    fn check(&self) -> Result<()> {
        for (name, matrix) in self.matrices() {
            for (index, row) in matrix.rows.iter().enumerate() {
                let weights = &matrix.weights[index * matrix.columns..][..matrix.columns];
                let sum_abs = weights.iter().map(|w| u32::from(w.unsigned_abs())).sum();
                if !row.in_range(sum_abs) {
                    return Err(Error::bad_input(format!(
                        "row {index} of {name} could overflow 32 bits in int8, expected smaller weights"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The matrices and their names, in the order of the file.
    pub fn matrices(&self) -> impl Iterator<Item = (String, &Int8Matrix)> {
        let layers = self.layers.iter().enumerate();
        let layers = layers.map(|(i, m)| (format!("lstm.{i}"), m));
        layers.chain([("dense".to_owned(), &self.dense)])
    }

    /// Writes the numbers as a safetensors file of integer tensors, whole or not at all.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = |values: &[i8]| -> Vec<u8> { values.iter().map(|&w| w as u8).collect() };
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let shape = vec![self.config.vocabulary(), self.layers[0].rows.len()];
        tensors.push(("table".into(), Dtype::I8, shape, bytes(&self.table)));
        for (name, matrix) in self.matrices() {
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
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            let view = TensorView::new(*dtype, shape.clone(), data);
            (name, view.expect("the lengths follow from the shapes"))
        });
        let config = serde_json::to_string(&self.config).expect("plain data");
        let metadata = [(KEY.to_owned(), config)].into();
        let file = safetensors::serialize(views, Some(metadata))
            .map_err(|e| Error::failed(format!("cannot serialize {}: {e}", path.display())))?;
        write_atomically(path, &file)
    }

    /// Reads what [`Int8Network::save`] wrote; `None` if `path` is a safetensors file of another
    /// kind.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or its tensors do not fit its shape.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        let Ok((_, header)) = SafeTensors::read_metadata(&bytes) else {
            return Ok(None);
        };
        let Some(config) = header.metadata().as_ref().and_then(|m| m.get(KEY)) else {
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
        let file = SafeTensors::deserialize(&bytes).map_err(|_| bad("found damage"))?;
        let take = |name: &str, dtype: Dtype, shape: &[usize]| -> Result<Vec<u8>> {
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
        let matrix = |name: &str, rows: usize, columns: usize| -> Result<Int8Matrix> {
            let weights = take(&format!("{name}.weight"), Dtype::I8, &[rows, columns])?;
            let biases = take(&format!("{name}.bias"), Dtype::I32, &[rows])?;
            let scales = take(&format!("{name}.scale"), Dtype::U16, &[rows, 2])?;
            let row = |(bias, scale): (&[u8; 4], &[u8; 4])| Row {
                bias: i32::from_le_bytes(*bias),
                weight_scale: u16::from_le_bytes([scale[0], scale[1]]),
                table_scale: u16::from_le_bytes([scale[2], scale[3]]),
            };
            let biases = biases.as_chunks::<4>().0.iter();
            Ok(Int8Matrix {
                weights: weights.iter().map(|&b| b as i8).collect(),
                columns,
                rows: biases.zip(scales.as_chunks::<4>().0).map(row).collect(),
            })
        };
        let vocabulary = config.vocabulary();
        let mut layers = Vec::new();
        for (index, layer) in config.layers.iter().enumerate() {
            let input = if index == 0 {
                0
            } else {
                config.input_width(index)
            };
            let name = format!("lstm.{index}");
            layers.push(matrix(&name, 4 * layer.hidden, input + layer.hidden)?);
        }
        let top = config.input_width(config.layers.len());
        let rows = 4 * config.layers[0].hidden;
        let network = Int8Network {
            table: take("table", Dtype::I8, &[vocabulary, rows])?
                .into_iter()
                .map(|b| b as i8)
                .collect(),
            layers,
            dense: matrix("dense", vocabulary, top)?,
            config,
        };
        network.check()?;
        Ok(Some(network))
    }
}

/// Quantize a trained network: choose the integers that the device computes with.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trained network (.safetensors).
    network: PathBuf,
    /// The number format.
    #[arg(long, value_enum, default_value_t = QuantizedFormat::Int8)]
    format: QuantizedFormat,
    /// Where to write the quantized network (.safetensors).
    #[arg(long)]
    out: PathBuf,
}

/// The formats that need quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum QuantizedFormat {
    /// 8-bit weights, table and hidden state, 16-bit cell.
    Int8,
}

impl From<QuantizedFormat> for Format {
    fn from(format: QuantizedFormat) -> Self {
        match format {
            QuantizedFormat::Int8 => Format::Int8,
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// The network cannot be read or quantized, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let network = Network::load(&args.network)?;
    let QuantizedFormat::Int8 = args.format;
    let (quantized, errors) = int8(&network)?;
    quantized.save(&args.out)?;
    print!("{}", error_table(&errors));
    println!("wrote {}", args.out.display());
    Ok(())
}

/// The errors as a table for people.
pub fn error_table(errors: &[TensorError]) -> String {
    let mut table = format!(
        "{:<20} {:>9} {:>9} {:>12} {:>9}\n",
        "tensor", "max", "rms", "error rms", "SNR"
    );
    for e in errors {
        let snr = 20.0 * (e.rms / e.error_rms.max(1e-30)).log10();
        table += &format!(
            "{:<20} {:>9.4} {:>9.4} {:>12.6} {:>6.1} dB\n",
            e.name, e.max, e.rms, e.error_rms, snr
        );
    }
    table
}

//! Quantization: decides the numbers of a model. [`export`](crate::export) decides the bytes.
//!
//! Every row of a weight matrix (one gate of one unit, one output of a projection, or one symbol of
//! the dense layer) gets its own scale, a whole number of the device's fixed point. The scale is
//! chosen first and the weights are rounded by that very scale: the fixed point itself costs nothing.
//!
//! An 8-bit row's largest weight becomes 127, and each weight is rounded to the nearest. So coarse a
//! rounding would cost 4 bits too much. There the columns of a row are rounded one after the other,
//! each to what makes up best for the errors of those before it, in the sums that occur while the
//! network writes its own text ([`observe`]); the bias takes off what stays of the error on average
//! (as in OBQ and GPTQ, Frantar et al. 2022). Of some scales that clip the largest weights, a row
//! gets the one whose sums err least.

use crate::calibrate::{Columns, observe};
use crate::error::{Error, Result};
use crate::network::{Cell, LayerConfig, Network, NetworkConfig};
use crate::qat;
use crate::random::dot;
use crate::tensors::write_atomically;
use lstm_core::Format;
use lstm_core::file::{BLOCK_ROWS, MAX_DEAD_ZONE, Row, WeightFormat};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::{Path, PathBuf};

/// One in Q18, the fixed point of the pre-activations.
const ONE_Q18: f64 = (1 << 18) as f64;
/// One step of a hidden state without projection.
const HIDDEN_STEP: f64 = 1.0 / 127.0;
/// One step of a projected hidden state, Q4.
const PROJECTED_STEP: f64 = 1.0 / 16.0;
/// Half a step of the shift that turns a projection row's Q18 into a projected hidden state.
pub(crate) const PROJECTED_HALF: i32 = 1 << 13;

/// Half a step of the shift before a gate's activation: the argument of tanh keeps one bit more than
/// that of the sigmoid.
pub(crate) fn gate_half(gate: &str) -> i32 {
    match gate {
        "g" => 1 << 4,
        _ => 1 << 5,
    }
}

/// An integer matrix: `rows` rows over `columns` columns, each row with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedMatrix {
    /// `[rows, columns]`; a layer's rows are in the order of the file.
    pub weights: Vec<i8>,
    /// Columns of a layer: the input from the layer below (none for the first layer), then the own
    /// hidden state. Of a projection: the units. Of the dense layer: the top layer's hidden state.
    pub columns: usize,
    /// `[rows]`.
    pub rows: Vec<Row>,
}

impl QuantizedMatrix {
    fn new(columns: usize) -> Self {
        let (weights, rows) = (Vec::new(), Vec::new());
        Self {
            weights,
            columns,
            rows,
        }
    }

    fn push(&mut self, weights: &[i8], row: Row) {
        assert_eq!(weights.len(), self.columns);
        self.weights.extend(weights);
        self.rows.push(row);
    }
}

/// A layer in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedLayer {
    /// The gates' rows, with empty ones where `row_order` pads.
    pub gates: QuantizedMatrix,
    /// A row for each element of the projected hidden state.
    pub projection: Option<QuantizedMatrix>,
}

/// A network in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    /// The format, [`Format::Int8`] or [`Format::Int4`].
    pub format: Format,
    /// In int4, a column in units of 1/127 whose absolute value is below this number counts as 0.
    pub dead_zone: u8,
    /// Shape and alphabet.
    pub config: NetworkConfig,
    /// The folded table of the first layer, an entry for each symbol and row.
    pub table: Vec<i8>,
    /// The layers, from the input up.
    pub layers: Vec<QuantizedLayer>,
    /// The dense layer, a row a symbol.
    pub dense: QuantizedMatrix,
}

/// How far a tensor moved when it was quantized.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorError {
    /// For example `lstm.0 weights f`.
    pub name: String,
    /// The largest absolute value before.
    pub max: f64,
    /// Root mean square before.
    pub rms: f64,
    /// Root mean square of the difference.
    pub error_rms: f64,
}

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
/// An LSTM's come unit by unit, all gates of each. A lean layer's come by groups of four units: all
/// four rows of a gate, then the next gate's; the last group is filled up with zeros.
pub(crate) fn row_order(layer: LayerConfig) -> Vec<Option<GateRow>> {
    let gates = layer.cell.gates().len();
    let row = |gate, unit| (unit < layer.hidden).then_some(GateRow { gate, unit });
    match layer.cell {
        Cell::Lstm => (0..layer.hidden)
            .flat_map(|unit| (0..gates).map(move |gate| row(gate, unit)))
            .collect(),
        Cell::Lean => (0..layer.hidden)
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
fn folded_input_width(config: &NetworkConfig, index: usize) -> usize {
    if index == 0 {
        0
    } else {
        config.input_width(index)
    }
}

/// The value of one step of what layer `index` gives.
fn output_step(config: &NetworkConfig, index: usize) -> f64 {
    match config.layers[index].projection {
        None => HIDDEN_STEP,
        Some(_) => PROJECTED_STEP,
    }
}

/// The value of one step of each column of a layer.
fn column_steps(config: &NetworkConfig, index: usize) -> Vec<f64> {
    let mut steps = Vec::new();
    if let Some(below) = index.checked_sub(1) {
        let width = folded_input_width(config, index);
        steps.resize(width, output_step(config, below));
    }
    let width = config.layers[index].output();
    steps.resize(steps.len() + width, output_step(config, index));
    steps
}

/// The dead zone of int4 where none is asked for. Of the LSTM of 256 units it skips two columns in five,
/// and costs nothing. Bits per character on the validation part after fine-tuning, with 0, 8 and 16:
/// LSTM 256 1.9013, 1.9010, 1.9014 (and 1.9054 with 24); LSTM 64 2.2541, 2.2522, 2.2564.
pub const DEAD_ZONE: u8 = 8;

/// Quantizes to a format of integers; also tells how far each tensor moved. `dead_zone` is of int4.
///
/// # Errors
///
/// A row is so large that its sums would not fit the device's 32 bits; or `format` has no integers.
pub fn quantize(
    network: &Network,
    format: Format,
    dead_zone: u8,
) -> Result<(QuantizedNetwork, Vec<TensorError>)> {
    let config = &network.config;
    let vocabulary = config.vocabulary();
    let folded = network.folded_table();
    let (observed, dead_zone) = match format {
        Format::Int8 => (Vec::new(), 0),
        Format::Int4 => (observe(network, dead_zone), dead_zone),
        _ => {
            return Err(Error::bad_input(format!(
                "found format {format}, expected int8 or int4 to quantize to"
            )));
        }
    };
    let mut errors = Vec::new();
    let mut layers = Vec::new();
    let mut table = Vec::new();
    for (index, &layer) in config.layers.iter().enumerate() {
        let name = config.layer_name(index);
        let meter = |what: &str| Meter::new(format!("{name} {what}"));
        let gate_meter = |gate: &&str| meter(&format!("weights {gate}"));
        let mut meters: Vec<Meter> = layer.cell.gates().iter().map(gate_meter).collect();
        let mut table_meter = meter("table");
        let observed = observed.get(index);
        let rounding = Rounding::new(observed.map(|columns| &columns.gates));
        let steps = column_steps(config, index);
        let mut gates = QuantizedMatrix::new(steps.len());
        let places = row_order(layer);
        if index == 0 {
            table.resize(vocabulary * places.len(), 0);
        }
        let rows = layer_rows(network, index);
        for (at, (place, weights)) in places.iter().zip(&rows).enumerate() {
            let Some(place) = place else {
                gates.push(&vec![0; steps.len()], Row::default());
                continue;
            };
            let meter = &mut meters[place.gate];
            let (weights, mut row) = quantize_row(weights, &steps, rounding, meter)?;
            let column = place.column(layer);
            if index == 0 {
                let line = folded[column..].iter().step_by(layer.columns());
                let values: Vec<f32> = line.copied().collect();
                let entries = quantize_table_row(&values, &mut row, &mut table_meter)?;
                for (v, entry) in entries.into_iter().enumerate() {
                    table[v * places.len() + at] = entry;
                }
            } else {
                row.bias += q18(network.layers[index].bias[column])?;
            }
            row.bias += gate_half(layer.cell.gates()[place.gate]);
            gates.push(&weights, row);
        }
        errors.extend(meters.into_iter().map(Meter::finish));
        if index == 0 {
            errors.push(table_meter.finish());
        }
        let mut projection = None;
        if let Some(rows) = projection_rows(network, index) {
            let mut meter = meter("projection");
            let columns = observed.and_then(|columns| columns.projection.as_ref());
            let rounding = Rounding::new(columns);
            let steps = vec![HIDDEN_STEP; layer.hidden];
            let mut matrix = QuantizedMatrix::new(layer.hidden);
            for weights in &rows {
                let (weights, mut row) = quantize_row(weights, &steps, rounding, &mut meter)?;
                row.bias += PROJECTED_HALF;
                matrix.push(&weights, row);
            }
            errors.push(meter.finish());
            projection = Some(matrix);
        }
        layers.push(QuantizedLayer { gates, projection });
    }
    let mut meter = Meter::new("dense weights".into());
    let top = config.layers.len() - 1;
    let steps = vec![output_step(config, top); config.layers[top].output()];
    let mut dense = QuantizedMatrix::new(steps.len());
    for (weights, &bias) in dense_rows(network).iter().zip(&network.dense_bias) {
        let (weights, mut row) = quantize_row(weights, &steps, Rounding::Int8, &mut meter)?;
        row.bias += q18(bias)? + (1 << 5);
        dense.push(&weights, row);
    }
    errors.push(meter.finish());
    let quantized = QuantizedNetwork {
        format,
        dead_zone,
        config: config.clone(),
        table,
        layers,
        dense,
    };
    quantized.check()?;
    Ok((quantized, errors))
}

/// How the weights of a matrix become whole numbers.
#[derive(Clone, Copy)]
enum Rounding<'a> {
    /// Each to the nearest of 8 bits.
    Int8,
    /// Together to 4 bits, with what is known of their columns.
    Int4(&'a Columns),
}

impl<'a> Rounding<'a> {
    fn new(columns: Option<&'a Columns>) -> Self {
        columns.map_or(Self::Int8, Self::Int4)
    }
}

/// Quantizes a row of weights whose columns have these steps. Its bias is what makes up for the mean
/// error of its sum.
fn quantize_row(
    weights: &[f32],
    steps: &[f64],
    rounding: Rounding<'_>,
    meter: &mut Meter,
) -> Result<(Vec<i8>, Row)> {
    let weights: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    // What one step of a column times each weight adds to the sum in Q18.
    let values = weights.iter().zip(steps);
    let values = values.map(|(w, step)| w * step * ONE_Q18);
    let largest = values.clone().fold(0.0, |max: f64, v| max.max(v.abs()));
    let (weight_scale, quantized) = match rounding {
        Rounding::Int8 => {
            let scale = fixed_scale(largest / 127.0, "weights")?;
            let round = |v: f64| (v / f64::from(scale)).round().clamp(-127.0, 127.0) as i8;
            (scale, values.map(round).collect())
        }
        Rounding::Int4(columns) => {
            let mut best = (f64::INFINITY, 1, Vec::new());
            for clip in INT4_CLIPS {
                let step = largest / 7.0 * clip;
                let scale = fixed_scale((step - 0.5).max(0.0), "weights")?;
                let (error, quantized) = round_together(&weights, steps, scale, columns);
                if error < best.0 {
                    best = (error, scale, quantized);
                }
            }
            (best.1, best.2)
        }
    };
    let mut row = Row {
        weight_scale,
        ..Row::default()
    };
    let after = |(&q, step): (&i8, &f64)| f64::from(q) * f64::from(weight_scale) / ONE_Q18 / step;
    let after: Vec<f64> = quantized.iter().zip(steps).map(after).collect();
    for (&weight, &after) in weights.iter().zip(&after) {
        meter.add(weight, after);
    }
    if let Rounding::Int4(columns) = rounding {
        let mean_error = dot(&weights, &columns.mean) - dot(&after, &columns.counted_mean);
        row.bias = q18(mean_error as f32)?;
    }
    Ok((quantized, row))
}

/// The weights of 4 bits.
pub(crate) const INT4_RANGE: std::ops::RangeInclusive<i8> = -8..=7;

/// The largest weight of an int4 row becomes 7 divided by one of these.
const INT4_CLIPS: [f64; 11] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5];

/// Rounds a row to multiples ([`INT4_RANGE`]) of `scale`: the columns from the last to the first, each to
/// the nearest to what would make up for the errors so far. Also gives the variance of the error of
/// the row's sum.
fn round_together(weights: &[f64], steps: &[f64], scale: u16, columns: &Columns) -> (f64, Vec<i8>) {
    let n = weights.len();
    let (mut quantized, mut errors) = (vec![0; n], vec![0.0; n]);
    let mut variance = 0.0;
    for k in (0..n).rev() {
        // The variance is the squared length of factor · errors: row k of the factor holds all of it
        // that the weights from k on decide and no later column can change.
        let row = &columns.factor[k * n..][..n];
        let so_far = dot(&row[k + 1..], &errors[k + 1..]);
        let step = f64::from(scale) / ONE_Q18 / steps[k];
        let best = (weights[k] + so_far / row[k]) / step;
        quantized[k] = (best.round() as i8).clamp(*INT4_RANGE.start(), *INT4_RANGE.end());
        errors[k] = weights[k] - f64::from(quantized[k]) * step;
        variance += (so_far + row[k] * errors[k]).powi(2);
    }
    (variance, quantized)
}

/// Quantizes one row of the folded table around the middle of its range.
fn quantize_table_row(column: &[f32], row: &mut Row, meter: &mut Meter) -> Result<Vec<i8>> {
    let low = column.iter().fold(f32::INFINITY, |a, &b| a.min(b));
    let high = column.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let step_q18 = f64::from(high - low) / 2.0 / 127.0 * ONE_Q18;
    row.table_scale = fixed_scale(step_q18, "table")?;
    let middle = q18((low + high) / 2.0)?;
    row.bias += middle;
    let step = f64::from(row.table_scale) / ONE_Q18;
    let middle = f64::from(middle) / ONE_Q18;
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
            "found a row of {what} with a step of {:.1}, expected below {:.1}: it does not fit the \
             integers",
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
            "found a bias of {value}, expected one between -4096 and 4096 for integers"
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

/// The tensor of int4 that is the dead zone.
const DEAD_ZONE_NAME: &str = "dead_zone";
/// The metadata keys of quantized files.
const KEYS: [(Format, &str); 2] = [
    (Format::Int8, "quantized"),
    (Format::Int4, "quantized-int4"),
];

impl QuantizedNetwork {
    /// Proves that the weights fit their bits, and that no sum of any row can leave 32 bits on the
    /// device.
    fn check(&self) -> Result<()> {
        if self.dead_zone > MAX_DEAD_ZONE {
            return Err(Error::bad_input(format!(
                "found a dead zone of {}, expected at most {MAX_DEAD_ZONE}",
                self.dead_zone
            )));
        }
        for (name, format, matrix) in self.matrices() {
            let outside = |w: &&i8| format == WeightFormat::Int4 && !INT4_RANGE.contains(w);
            if let Some(weight) = matrix.weights.iter().find(outside) {
                return Err(Error::bad_input(format!(
                    "found weight {weight} in {name}, expected -8 to 7 in int4"
                )));
            }
            for (index, row) in matrix.rows.iter().enumerate() {
                let weights = &matrix.weights[index * matrix.columns..][..matrix.columns];
                let sum_abs = weights.iter().map(|w| u32::from(w.unsigned_abs())).sum();
                if !row.in_range(sum_abs) {
                    return Err(Error::bad_input(format!(
                        "row {index} of {name} could overflow 32 bits in {}, expected smaller weights",
                        self.format
                    )));
                }
            }
        }
        Ok(())
    }

    /// The matrices with their names and formats, in the order of the file.
    pub fn matrices(&self) -> impl Iterator<Item = (String, WeightFormat, &QuantizedMatrix)> {
        let format = self.format.layer_weights();
        let layers = self.layers.iter().enumerate();
        let layers = layers.flat_map(move |(i, layer)| {
            let name = self.config.layer_name(i);
            let projection = layer.projection.as_ref();
            let projection = projection.map(|p| (format!("{name}.projection"), format, p));
            std::iter::once((name, format, &layer.gates)).chain(projection)
        });
        layers.chain([("dense".to_owned(), self.format.dense_weights(), &self.dense)])
    }

    /// Writes the numbers as a safetensors file of integer tensors, whole or not at all.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = |values: &[i8]| -> Vec<u8> { values.iter().map(|&w| w as u8).collect() };
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let shape = vec![self.config.vocabulary(), self.layers[0].gates.rows.len()];
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
        let mut layers = Vec::new();
        for (index, &layer) in config.layers.iter().enumerate() {
            let name = config.layer_name(index);
            let columns = folded_input_width(&config, index) + layer.output();
            let projection = |width| matrix(&format!("{name}.projection"), width, layer.hidden);
            layers.push(QuantizedLayer {
                gates: matrix(&name, row_order(layer).len(), columns)?,
                projection: layer.projection.map(projection).transpose()?,
            });
        }
        let top = config.input_width(config.layers.len());
        let rows = layers[0].gates.rows.len();
        let network = QuantizedNetwork {
            format,
            dead_zone,
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
    /// In int4, count a hidden value whose absolute value is below N/127 as 0 in the layers' sums: a
    /// step skips its column. 0 and 1 skip exact zeros alone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=127))]
    dead_zone: Option<u8>,
    #[command(flatten)]
    tuning: qat::cli::TuningArgs,
    /// Where to write the quantized network (.safetensors).
    #[arg(long)]
    out: PathBuf,
}

/// The formats that need quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum QuantizedFormat {
    /// 8-bit weights, table and hidden state, 16-bit cell.
    Int8,
    /// As int8, with 4-bit weights in the recurrent layers.
    Int4,
}

impl From<QuantizedFormat> for Format {
    fn from(format: QuantizedFormat) -> Self {
        match format {
            QuantizedFormat::Int8 => Format::Int8,
            QuantizedFormat::Int4 => Format::Int4,
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
    if let (QuantizedFormat::Int8, Some(zone)) = (args.format, args.dead_zone) {
        return Err(Error::bad_input(format!(
            "found --dead-zone {zone} with int8, expected it with --format int4 alone"
        )));
    }
    let dead_zone = args.dead_zone.unwrap_or(DEAD_ZONE);
    let (quantized, errors) = quantize(&network, args.format.into(), dead_zone)?;
    let quantized = args.tuning.tune(&network, quantized)?;
    quantized.save(&args.out)?;
    if !args.tuning.is_wanted() {
        print!("{}", error_table(&errors));
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::export::{Labels, encode_f32, encode_quantized};
    use crate::model_file::{HeapWorkspace, ModelFile};
    use crate::predictor::{ModelPredictor, NetworkPredictor, Predictor};
    use crate::random::Random;

    pub(crate) const INTEGERS: [Format; 2] = [Format::Int8, Format::Int4];

    /// Networks of every kind of layer, with sizes that need padding, whose weights make something
    /// of their input.
    pub(crate) fn networks() -> Vec<Network> {
        let lstm = LayerConfig::lstm;
        let lean = LayerConfig::lean;
        let project = |layer, width| LayerConfig {
            projection: Some(width),
            ..layer
        };
        let bare = LayerConfig {
            projection: None,
            ..lean(14, 1)
        };
        let stacks = [
            vec![lstm(10)],
            vec![lstm(9), lstm(20)],
            vec![project(lstm(21), 6)],
            vec![bare],
            vec![lean(16, 16)],
            vec![lean(23, 7)],
            vec![lean(34, 17), lean(18, 5), lean(20, 20)],
            vec![lstm(12), lean(13, 6), project(lstm(7), 3), bare],
        ];
        let network = |layers: Vec<LayerConfig>| {
            let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 1, 1);
            config.layers = layers;
            let mut network = Network::new(config, &mut Random::new(5)).unwrap();
            network.embedding.iter_mut().for_each(|w| *w *= 40.0);
            // A projected state that uses its range, in a loop that forgets the rounding of it.
            for layer in &mut network.layers {
                if let Some(projection) = &mut layer.projection {
                    projection.iter_mut().for_each(|w| *w *= 4.0);
                    layer.w_hh.iter_mut().for_each(|w| *w *= 0.2);
                }
            }
            let dense = network.dense_weight.iter_mut();
            dense.for_each(|w| *w *= 4.0);
            network
        };
        stacks.into_iter().map(network).collect()
    }

    /// The network that the integers stand for. Its embedding is the identity: the table is `w_ih`.
    fn dequantized(quantized: &QuantizedNetwork) -> Network {
        let mut config = quantized.config.clone();
        config.embedding = config.vocabulary();
        let mut network = Network::new(config.clone(), &mut Random::new(0)).unwrap();
        let vocabulary = config.vocabulary();
        let value = |fixed: i32, scale: u16| f64::from(fixed) * f64::from(scale) / ONE_Q18;
        let identity = |i: usize| f32::from(u8::from(i / vocabulary == i % vocabulary));
        network.embedding = (0..vocabulary * vocabulary).map(identity).collect();
        let mut below = 0.0;
        for (index, layer) in quantized.layers.iter().enumerate() {
            let weights = &mut network.layers[index];
            let shape = config.layers[index];
            let own = output_step(&config, index);
            let input = folded_input_width(&config, index);
            let gates = &layer.gates;
            let places = row_order(shape);
            assert_eq!(places.len(), gates.rows.len());
            for (at, (place, row)) in places.iter().zip(&gates.rows).enumerate() {
                let line = &gates.weights[at * gates.columns..][..gates.columns];
                let Some(place) = place else {
                    assert_eq!(*row, Row::default());
                    assert!(line.iter().all(|&w| w == 0));
                    continue;
                };
                let column = place.column(shape);
                for (k, &w) in line.iter().enumerate() {
                    let (matrix, k, step) = match k.checked_sub(input) {
                        None => (&mut weights.w_ih, k, below),
                        Some(k) => (&mut weights.w_hh, k, own),
                    };
                    let weight = value(w.into(), row.weight_scale) / step;
                    matrix[k * shape.columns() + column] = weight as f32;
                }
                let half = if shape.cell.gates()[place.gate] == "g" {
                    16
                } else {
                    32
                };
                weights.bias[column] = value(row.bias - half, 1) as f32;
                for v in (0..vocabulary).filter(|_| index == 0) {
                    let entry = quantized.table[v * places.len() + at];
                    weights.w_ih[v * shape.columns() + column] =
                        value(entry.into(), row.table_scale) as f32;
                }
            }
            if let (Some(matrix), Some(weights)) = (&layer.projection, &mut weights.projection) {
                for (r, row) in matrix.rows.iter().enumerate() {
                    for (k, &w) in matrix.weights[r * matrix.columns..][..matrix.columns]
                        .iter()
                        .enumerate()
                    {
                        let weight = value(w.into(), row.weight_scale) / HIDDEN_STEP;
                        weights[k * matrix.rows.len() + r] = weight as f32;
                    }
                }
            }
            below = own;
        }
        let dense = &quantized.dense;
        for (v, row) in dense.rows.iter().enumerate() {
            network.dense_bias[v] = value(row.bias - 32, 1) as f32;
            for k in 0..dense.columns {
                let weight = dense.weights[v * dense.columns + k];
                let weight = value(weight.into(), row.weight_scale) / below;
                network.dense_weight[k * vocabulary + v] = weight as f32;
            }
        }
        network
    }

    /// Root mean square of the difference of the logits, and of the logits less their mean.
    fn compare(network: &Network, file: &[u8]) -> (f64, f64) {
        let file = ModelFile::from_bytes(file);
        let model = file.model().unwrap();
        let mut workspace = HeapWorkspace::new(&model);
        let mut device = ModelPredictor::new(workspace.session(&model).unwrap());
        let mut desk = NetworkPredictor::new(network);
        let random = &mut Random::new(8);
        let (mut count, mut difference, mut spread) = (0.0, 0.0, 0.0);
        for _ in 0..200 {
            let token = random.below(27) as u8;
            let (a, b) = (device.step(token), desk.step(token));
            let mean = b.iter().sum::<f32>() / 27.0;
            for (a, b) in a.iter().zip(b) {
                count += 1.0;
                difference += f64::from(a - b).powi(2);
                spread += f64::from(b - mean).powi(2);
            }
        }
        ((difference / count).sqrt(), (spread / count).sqrt())
    }

    #[test]
    fn the_device_computes_the_network_in_f32() {
        for network in networks() {
            let file = encode_f32(&network, &Labels::default()).unwrap();
            let (difference, spread) = compare(&network, &file);
            let layers = &network.config.layers;
            assert!(spread > 0.1, "{layers:?}: {spread}");
            assert!(difference < 1e-5 * spread, "{layers:?}: {difference:e}");
        }
    }

    #[test]
    fn the_device_computes_what_the_integers_stand_for() {
        for network in networks() {
            for format in INTEGERS {
                let (quantized, _) = quantize(&network, format, 0).unwrap();
                let file = encode_quantized(&quantized, &Labels::default()).unwrap();
                let (difference, spread) = compare(&dequantized(&quantized), &file);
                let layers = &network.config.layers;
                println!("{format} {layers:?}: {:.4}", difference / spread);
                // Only the rounding of the state and of the activations is left.
                assert!(
                    difference < 0.1 * spread,
                    "{format} {layers:?}: {difference} {spread}"
                );
            }
        }
    }

    #[test]
    fn the_integers_stand_for_nearly_the_network() {
        for network in networks() {
            for (format, limit) in INTEGERS.into_iter().zip([0.1, 0.2]) {
                let (quantized, errors) = quantize(&network, format, 0).unwrap();
                let file = encode_quantized(&quantized, &Labels::default()).unwrap();
                let (difference, spread) = compare(&network, &file);
                let layers = &network.config.layers;
                println!("{format} {layers:?}: {:.4}", difference / spread);
                assert!(
                    difference < limit * spread,
                    "{format} {layers:?}: {difference} {spread}"
                );
                for error in errors {
                    assert!(error.error_rms < 0.6 * error.rms, "{format} {error:?}");
                }
            }
        }
    }

    #[test]
    fn int4_weights_fit_four_bits_and_leave_the_dense_layer_alone() {
        for network in networks() {
            let (int8, _) = quantize(&network, Format::Int8, 0).unwrap();
            let (int4, _) = quantize(&network, Format::Int4, DEAD_ZONE).unwrap();
            assert_eq!((&int4.table, &int4.dense), (&int8.table, &int8.dense));
            let mut largest = 0;
            for (_, format, matrix) in int4.matrices() {
                if format == WeightFormat::Int4 {
                    assert!(matrix.weights.iter().all(|w| (-8..=7).contains(w)));
                    largest = largest.max(matrix.weights.iter().copied().max().unwrap());
                }
            }
            assert_eq!(largest, 7);
        }
    }

    #[test]
    fn rounding_together_errs_less_than_rounding_each() {
        let network = &networks()[6];
        let columns = &observe(network, 0)[0].gates;
        let n = columns.mean.len();
        let steps = column_steps(&network.config, 0);
        let variance = |errors: &[f64]| -> f64 {
            let rows = columns.factor.chunks_exact(n);
            rows.map(|row| dot(row, errors).powi(2)).sum()
        };
        let (mut together, mut apart) = (0.0, 0.0);
        for row in layer_rows(network, 0).iter().filter(|r| r[0] != 0.0) {
            let weights: Vec<f64> = row.iter().map(|&w| f64::from(w)).collect();
            let largest = weights.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
            let scale = (largest / 7.0 * PROJECTED_STEP * ONE_Q18).round();
            let step = scale / ONE_Q18 / PROJECTED_STEP;
            let (found, quantized) = round_together(&weights, &steps, scale as u16, columns);
            let errors = weights.iter().zip(&quantized);
            let errors: Vec<f64> = errors.map(|(w, &q)| w - f64::from(q) * step).collect();
            assert!((found / variance(&errors) - 1.0).abs() < 1e-9);
            together += found;
            let nearest = weights.iter().map(|w| w - (w / step).round() * step);
            apart += variance(&nearest.collect::<Vec<_>>());
        }
        assert!(together < 0.7 * apart, "{together} {apart}");
    }

    #[test]
    fn columns_that_vary_apart_are_rounded_each_to_the_nearest() {
        let columns = Columns {
            mean: vec![0.0; 3],
            counted_mean: vec![0.0; 3],
            factor: vec![2.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0],
        };
        let (scale, steps) = (100, [HIDDEN_STEP; 3]);
        let unit = f64::from(scale) / ONE_Q18 / HIDDEN_STEP;
        let weights = [2.4 * unit, -9.0 * unit, 6.6 * unit];
        let (variance, quantized) = round_together(&weights, &steps, scale, &columns);
        assert_eq!(quantized, [2, -8, 7]);
        let expected = (0.8f64.powi(2) + 0.5f64.powi(2) + 0.4f64.powi(2)) * unit * unit;
        assert!((variance / expected - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_saved_quantized_network_loads_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q");
        for network in networks() {
            for format in INTEGERS {
                let (quantized, _) = quantize(&network, format, DEAD_ZONE).unwrap();
                quantized.save(&path).unwrap();
                assert_eq!(QuantizedNetwork::load(&path).unwrap(), Some(quantized));
                assert!(Network::load(&path).is_err());
            }
            network.save(&path).unwrap();
            assert_eq!(QuantizedNetwork::load(&path).unwrap(), None);
        }
    }

    #[test]
    fn a_saved_weight_of_more_than_four_bits_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q");
        let (mut quantized, _) = quantize(&networks()[5], Format::Int4, DEAD_ZONE).unwrap();
        quantized.layers[0].projection.as_mut().unwrap().weights[2] = 8;
        quantized.save(&path).unwrap();
        let error = QuantizedNetwork::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("found weight 8 in lean.0.projection"),
            "{error}"
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused =
            |network: &Network, format| quantize(network, format, 0).unwrap_err().to_string();
        let mut network = networks().remove(5);
        assert!(refused(&network, Format::F32).contains("expected int8 or int4"));
        network.layers[0].projection.as_mut().unwrap()[3] = 1e4;
        assert!(refused(&network, Format::Int8).contains("does not fit"));
        network.layers[0].projection.as_mut().unwrap()[3] = 1.0;
        network.dense_bias[3] = 5000.0;
        assert!(refused(&network, Format::Int4).contains("found a bias of 5000"));
    }
}

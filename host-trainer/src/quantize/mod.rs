//! Quantization: decides the numbers of a model. [`export`](crate::model::encode) decides the bytes.
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

pub mod beyond;
pub mod calibrate;
mod error_table;
mod file;
pub(crate) mod fixed_point;
mod layout;
pub(crate) mod ngrams;
pub mod qat;
pub mod range;
mod rounding;
pub mod sensor;
#[cfg(test)]
pub(crate) mod tests;

pub use error_table::{TensorError, error_table};
pub(crate) use layout::{
    GateRow, dense_biases, dense_rows, gate_bias, gate_matrices, gate_names, gate_rows,
    projection_rows, row_order,
};

use crate::files::error::{Error, Result};
use crate::network::cell::Gate;
use crate::network::config::NetworkConfig;
use crate::network::parameters::Network;
use crate::quantize::calibrate::{Columns, LayerColumns, observe};
use error_table::Meter;
use fixed_point::{
    HIDDEN_STEP, INT4_RANGE, LOGIT_HALF, PROJECTED_HALF, bias_q18, column_steps, gate_half,
    output_step,
};
use lstm_core::Format;
use lstm_core::export::{MAX_DEAD_ZONE, Row, WeightFormat};
use ngrams::QuantizedNgrams;
use rounding::{Rounding, quantize_row, quantize_table_row};

/// An integer matrix: `rows` rows over `columns` columns, each row with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedMatrix {
    /// `[rows, columns]`; a layer's rows are in the order of the file.
    pub weights: Vec<i8>,
    /// Columns of a layer: the input from the layer below (none for the first layer), then the own
    /// hidden state, or one of both. Of a projection: the units. Of the dense layer: the top layer's hidden state.
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

    /// The first rows.
    pub(crate) fn first(&self, rows: usize) -> Self {
        Self {
            weights: self.weights[..rows * self.columns].to_vec(),
            columns: self.columns,
            rows: self.rows[..rows].to_vec(),
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
    /// The gates' rows, with empty ones where `row_order` pads: a matrix, or two where the cell takes its products
    /// apart.
    pub gates: Vec<QuantizedMatrix>,
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
    /// The dense layer, a row a symbol, and one more for the gate of the back-off table if there is a table.
    pub dense: QuantizedMatrix,
    /// What it looks up of the last few characters.
    pub ngrams: Option<QuantizedNgrams>,
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
    for index in 0..config.layers.len() {
        let observed = observed.get(index);
        let mut gates = Vec::new();
        for matrix in 0..gate_matrices(config, index).len() {
            let columns = observed.map(|observed| &observed.gates[matrix]);
            let place = (index, matrix);
            let (rows, entries) = quantize_gates(network, place, columns, &mut errors)?;
            gates.push(rows);
            table.extend(entries);
        }
        let projection = quantize_projection(network, index, observed, &mut errors)?;
        layers.push(QuantizedLayer { gates, projection });
    }
    let quantized = QuantizedNetwork {
        format,
        dead_zone,
        config: config.clone(),
        table,
        layers,
        dense: quantize_dense(network, &mut errors)?,
        ngrams: QuantizedNgrams::new(network, &mut errors)?,
    };
    quantized.check()?;
    Ok((quantized, errors))
}

/// The rows of a matrix of a layer's gates, and the entries of the folded table if it has it.
fn quantize_gates(
    network: &Network,
    (index, matrix): (usize, usize),
    observed: Option<&Columns>,
    errors: &mut Vec<TensorError>,
) -> Result<(QuantizedMatrix, Vec<i8>)> {
    let config = &network.config;
    let layer = config.layers[index];
    let name = &gate_names(config, index)[matrix];
    let gate_meter = |gate: &Gate| Meter::new(format!("{name} weights {}", gate.name));
    let mut meters: Vec<Meter> = layer.cell.gates().iter().map(gate_meter).collect();
    let mut table_meter = Meter::new(format!("{name} table"));
    let bias = gate_bias(network, index, matrix);
    let folded = match bias {
        None => network.folded_table(),
        Some(_) => Vec::new(),
    };
    let rounding = Rounding::new(observed);
    let steps = column_steps(config, index, gate_matrices(config, index)[matrix]);
    let places = row_order(layer);
    let mut gates = QuantizedMatrix::new(steps.len());
    let mut table = vec![0; folded.len() / layer.columns() * places.len()];
    let rows = gate_rows(network, index, matrix);
    for (at, (place, weights)) in places.iter().zip(&rows).enumerate() {
        let Some(place) = place else {
            gates.push(&vec![0; steps.len()], Row::default());
            continue;
        };
        let meter = &mut meters[place.gate];
        let (weights, mut row) = quantize_row(weights, &steps, rounding, meter)?;
        let column = place.column(layer);
        if let Some(bias) = bias {
            row.bias += bias_q18(bias[column])?;
        } else {
            let line = folded[column..].iter().step_by(layer.columns());
            let values: Vec<f32> = line.copied().collect();
            let entries = quantize_table_row(&values, &mut row, &mut table_meter)?;
            let places = table[at..].iter_mut().step_by(places.len());
            places
                .zip(entries)
                .for_each(|(place, entry)| *place = entry);
        }
        row.bias += gate_half(layer.cell.gates()[place.gate], matrix);
        gates.push(&weights, row);
    }
    if !steps.is_empty() {
        errors.extend(meters.into_iter().map(Meter::finish));
    }
    if bias.is_none() {
        errors.push(table_meter.finish());
    }
    Ok((gates, table))
}

/// The projection of a layer, if it has one.
fn quantize_projection(
    network: &Network,
    index: usize,
    observed: Option<&LayerColumns>,
    errors: &mut Vec<TensorError>,
) -> Result<Option<QuantizedMatrix>> {
    let Some(rows) = projection_rows(network, index) else {
        return Ok(None);
    };
    let meter = Meter::new(format!("{} projection", network.config.layer_name(index)));
    let columns = observed.and_then(|columns| columns.projection.as_ref());
    let bias = |_| Ok(PROJECTED_HALF);
    let (matrix, error) = quantize_rows(&rows, HIDDEN_STEP, Rounding::new(columns), bias, meter)?;
    errors.push(error);
    Ok(Some(matrix))
}

/// The dense layer, 8 bits in either format.
fn quantize_dense(network: &Network, errors: &mut Vec<TensorError>) -> Result<QuantizedMatrix> {
    let meter = Meter::new("dense weights".into());
    let top = *network.config.layers.last().expect("at least one layer");
    let biases = dense_biases(network);
    let bias = |row: usize| Ok(bias_q18(biases[row])? + LOGIT_HALF);
    let rows = dense_rows(network);
    let (dense, error) = quantize_rows(&rows, output_step(top), Rounding::Int8, bias, meter)?;
    errors.push(error);
    Ok(dense)
}

/// A matrix whose columns all have the same step; to a row's bias comes its own, Q18.
fn quantize_rows(
    rows: &[Vec<f32>],
    step: f64,
    rounding: Rounding<'_>,
    bias: impl Fn(usize) -> Result<i32>,
    mut meter: Meter,
) -> Result<(QuantizedMatrix, TensorError)> {
    let steps = vec![step; rows.first().map_or(0, Vec::len)];
    let mut matrix = QuantizedMatrix::new(steps.len());
    for (index, weights) in rows.iter().enumerate() {
        let (weights, mut row) = quantize_row(weights, &steps, rounding, &mut meter)?;
        row.bias += bias(index)?;
        matrix.push(&weights, row);
    }
    Ok((matrix, meter.finish()))
}

/// Proves that the weights of a matrix fit their bits, and that no sum of a row can leave 32 bits on the device.
fn check_rows(name: &str, format: WeightFormat, matrix: &QuantizedMatrix) -> Result<()> {
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
                "row {index} of {name} could overflow 32 bits in int{}, expected smaller weights",
                format.bits()
            )));
        }
    }
    Ok(())
}

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
            check_rows(&name, format, matrix)?;
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
            let gates = gate_names(&self.config, i).into_iter().zip(&layer.gates);
            let gates = gates.map(move |(name, matrix)| (name, format, matrix));
            gates.chain(projection)
        });
        layers.chain([("dense".to_owned(), self.format.dense_weights(), &self.dense)])
    }
}

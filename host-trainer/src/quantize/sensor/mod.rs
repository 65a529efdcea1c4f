//! A network that reads values, in the integers of the device.
//!
//! What the integers of a text network are told by the text that it writes, those of this one are told by data of the user
//! ([`observe`], [`SensorFormat`]): how far each channel goes, each dense layer, each output. Everything else is as in
//! [`quantize`](super::quantize): a scale a row, and 4 bits rounded together.

mod format;
mod matrices;
mod observed;

pub use format::SensorFormat;
pub use observed::{Observed, observe};

use super::error_table::{Meter, TensorError};
use super::fixed_point::{
    HIDDEN_STEP, INT8_LARGEST, LOGIT_HALF, ONE_Q18, PROJECTED_HALF, PROJECTED_UNIT, bias_q18,
};
use super::rounding::{Rounding, quantize_row};
use super::{QuantizedMatrix, check_rows};
use crate::files::error::Result;
use crate::network::sensor::{Activation, Head, LayerConfig, SensorNetwork};
use lstm_core::Format;
use lstm_core::export::{Row, WeightFormat};
use matrices::Own;
pub(crate) use matrices::{gate_matrices, rows_over_inputs};

/// A network that reads values, in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedSensorNetwork {
    /// [`Format::Int8`] or [`Format::Int4`].
    pub format: Format,
    /// In int4, a hidden value in units of 1/127 whose absolute value is below this number counts as 0.
    pub dead_zone: u8,
    /// Steps of each channel's integer in one of what the network reads.
    pub input_units: Vec<f32>,
    /// For each layer the matrices of its gates, in the order of the file.
    pub gates: Vec<Vec<QuantizedMatrix>>,
    /// For each layer its projection.
    pub projections: Vec<Option<QuantizedMatrix>>,
    /// The dense layers, the head last.
    pub dense: Vec<QuantizedMatrix>,
    /// How each dense layer is scaled, the head last.
    dense_scales: Vec<DenseScales>,
}

/// How a dense layer is scaled.
#[derive(Clone, Debug, PartialEq)]
struct DenseScales {
    /// What each output is multiplied with before it is rounded.
    factors: Vec<f32>,
    /// Half a step of the shift that follows the sums, Q18.
    half: i32,
    /// The value of a step of what comes of it; 0 of the head.
    step: f64,
}

/// The dead zone of int4 where none is asked for: these networks are small, so that skipped columns save little.
pub const SENSOR_DEAD_ZONE: u8 = 0;

/// How far an output of values goes in the sums: far below 2^31 of Q18, and far above a step.
const OUTPUT_RANGE: f32 = 64.0;

/// Quantizes to a format of integers; also tells how far each tensor moved.
///
/// # Errors
/// A row is so large that its sums would not fit the device's 32 bits.
pub fn quantize_sensor(
    network: &SensorNetwork,
    observed: &Observed,
    format: &SensorFormat,
) -> Result<(QuantizedSensorNetwork, Vec<TensorError>)> {
    let (is_int4, dead_zone) = (format.is_int4(), format.dead_zone());
    let config = &network.config;
    let mut errors = Vec::new();
    let input_units = format.input_units().to_vec();
    let mut below: Vec<f64> = input_units
        .iter()
        .map(|unit| 1.0 / f64::from(*unit))
        .collect();
    let (mut gates, mut projections) = (Vec::new(), Vec::new());
    for (index, &layer) in config.layers.iter().enumerate() {
        let name = config.layer_name(index);
        let zones = Zones {
            below: match index.checked_sub(1) {
                Some(below) => own_zone(config.layers[below], dead_zone),
                None => 0,
            },
            own: own_zone(layer, dead_zone),
        };
        let mut matrices = Vec::new();
        for (number, matrix) in gate_matrices(layer).iter().enumerate() {
            let steps = matrix.steps(&below, layer);
            let columns = is_int4
                .then(|| observed.columns(index, number, &matrix.zones(below.len(), layer, zones)));
            let rounding = Rounding::new(columns.as_ref());
            let mut meter = Meter::new(match number {
                0 => format!("{name} weights"),
                _ => format!("{name} weights {number}"),
            });
            let mut rows = QuantizedMatrix::new(steps.len());
            for place in &matrix.rows {
                let Some(place) = *place else {
                    rows.push(&vec![0; steps.len()], Row::default());
                    continue;
                };
                let weights = matrix.weights(network, index, place);
                let (weights, mut row) = quantize_row(&weights, &steps, rounding, &mut meter)?;
                row.bias += bias_q18(matrix.bias(network, index, place))? + matrix.half(place.gate);
                rows.push(&weights, row);
            }
            errors.push(meter.finish());
            matrices.push(rows);
        }
        gates.push(matrices);
        projections.push(projection(
            network,
            index,
            observed,
            (is_int4, dead_zone),
            &mut errors,
        )?);
        below = vec![layer.step(); layer.output()];
    }
    let (dense, dense_scales) = quantize_dense(network, observed, below, &mut errors)?;
    let quantized = QuantizedSensorNetwork {
        format: format.format(),
        dead_zone,
        input_units,
        gates,
        projections,
        dense,
        dense_scales,
    };
    for (name, format, matrix) in quantized.matrices(network) {
        check_rows(&name, format, matrix)?;
    }
    Ok((quantized, errors))
}

impl QuantizedMatrix {
    /// The float weights and bias of a row whose columns have these steps and whose bias holds this half.
    fn float_row(&self, row: usize, steps: &[f64], half: i32) -> (Vec<f32>, f32) {
        let weights = &self.weights[row * self.columns..][..self.columns];
        let scale = f64::from(self.rows[row].weight_scale) / ONE_Q18;
        let weights = weights.iter().zip(steps);
        let weights = weights.map(|(&w, step)| (f64::from(w) * scale / step) as f32);
        let bias = f64::from(self.rows[row].bias - half) / ONE_Q18;
        (weights.collect(), bias as f32)
    }
}

/// The dead zones of the columns of the layer below and of the own.
#[derive(Clone, Copy, Debug)]
struct Zones {
    below: u8,
    own: u8,
}

/// A projected hidden state has other units than those that the dead zone is in.
fn own_zone(layer: LayerConfig, dead_zone: u8) -> u8 {
    match layer.projection {
        None => dead_zone,
        Some(_) => 0,
    }
}

impl LayerConfig {
    /// The value of one step of what it gives.
    fn step(self) -> f64 {
        match self.projection {
            None => HIDDEN_STEP,
            Some(_) => 1.0 / f64::from(PROJECTED_UNIT),
        }
    }
}

fn projection(
    network: &SensorNetwork,
    index: usize,
    observed: &Observed,
    (is_int4, dead_zone): (bool, u8),
    errors: &mut Vec<TensorError>,
) -> Result<Option<QuantizedMatrix>> {
    let Some(weights) = &network.layers[index].projection else {
        return Ok(None);
    };
    let layer = network.config.layers[index];
    let columns = is_int4.then(|| observed.units(index, &vec![dead_zone; layer.hidden]));
    let rounding = Rounding::new(columns.as_ref());
    let mut meter = Meter::new(format!("{} projection", network.config.layer_name(index)));
    let steps = vec![HIDDEN_STEP; layer.hidden];
    let mut matrix = QuantizedMatrix::new(layer.hidden);
    for weights in rows_over_inputs(weights, layer.output()) {
        let (weights, mut row) = quantize_row(&weights, &steps, rounding, &mut meter)?;
        row.bias += PROJECTED_HALF;
        matrix.push(&weights, row);
    }
    errors.push(meter.finish());
    Ok(Some(matrix))
}

/// The dense layers, 8 bits in either format, above columns of these steps; and how they are scaled.
fn quantize_dense(
    network: &SensorNetwork,
    observed: &Observed,
    mut steps: Vec<f64>,
    errors: &mut Vec<TensorError>,
) -> Result<(Vec<QuantizedMatrix>, Vec<DenseScales>)> {
    let config = &network.config;
    let mut matrices = Vec::new();
    let mut scales = Vec::new();
    for (index, weights) in network.dense.iter().enumerate() {
        let width = weights.bias.len();
        // What each output is multiplied with, the half of the shift that follows, and the step of what comes of it.
        let (factors, half, step) = match config.dense.get(index).map(|dense| dense.activation) {
            Some(Activation::Linear | Activation::Relu) => {
                let largest = observed.dense_range(index).max(f32::MIN_POSITIVE);
                let factor = f32::from(INT8_LARGEST) / PROJECTED_UNIT / largest;
                let step = f64::from(largest) / f64::from(INT8_LARGEST);
                (vec![factor; width], PROJECTED_HALF, step)
            }
            Some(Activation::Tanh) => (vec![1.0; width], 1 << 4, HIDDEN_STEP),
            Some(Activation::Sigmoid) => (vec![1.0; width], 1 << 5, HIDDEN_STEP),
            None => {
                let factors = match &config.head {
                    Head::Classes(_) => vec![1.0; width],
                    Head::Values(_) => {
                        let ranges = observed.output_ranges().iter();
                        ranges
                            .map(|range| OUTPUT_RANGE / range.max(f32::MIN_POSITIVE))
                            .collect()
                    }
                };
                (factors, LOGIT_HALF, 0.0)
            }
        };
        let mut meter = Meter::new(format!("dense {index} weights"));
        let mut matrix = QuantizedMatrix::new(steps.len());
        let rows = rows_over_inputs(&weights.weight, width);
        for ((row, bias), factor) in rows.into_iter().zip(&weights.bias).zip(&factors) {
            let row: Vec<f32> = row.iter().map(|w| w * factor).collect();
            let (weights, mut row) = quantize_row(&row, &steps, Rounding::Int8, &mut meter)?;
            row.bias += bias_q18(bias * factor)? + half;
            matrix.push(&weights, row);
        }
        errors.push(meter.finish());
        matrices.push(matrix);
        steps = vec![step; width];
        scales.push(DenseScales {
            factors,
            half,
            step,
        });
    }
    Ok((matrices, scales))
}

impl QuantizedSensorNetwork {
    /// The matrices with their names and formats, in the order of the file.
    pub fn matrices(
        &self,
        network: &SensorNetwork,
    ) -> Vec<(String, WeightFormat, &QuantizedMatrix)> {
        let format = self.format.layer_weights();
        let mut all = Vec::new();
        for (index, (gates, projection)) in self.gates.iter().zip(&self.projections).enumerate() {
            let name = network.config.layer_name(index);
            all.extend(gates.iter().map(|matrix| (name.clone(), format, matrix)));
            let projection = projection.iter();
            all.extend(projection.map(|matrix| (format!("{name}.projection"), format, matrix)));
        }
        let dense = self.dense.iter().enumerate();
        let format = self.format.dense_weights();
        all.extend(dense.map(|(index, matrix)| (format!("dense {index}"), format, matrix)));
        all
    }

    /// The network in f32 that has these weights: `network` is what was rounded.
    pub fn dequantized(&self, network: &SensorNetwork) -> SensorNetwork {
        let config = &network.config;
        let mut shown = network.clone();
        let mut below: Vec<f64> = (self.input_units.iter())
            .map(|unit| 1.0 / f64::from(*unit))
            .collect();
        for (index, &layer) in config.layers.iter().enumerate() {
            let inputs = below.len();
            let matrices = gate_matrices(layer);
            for (matrix, integers) in matrices.iter().zip(&self.gates[index]) {
                let steps = matrix.steps(&below, layer);
                for (row, place) in matrix.rows.iter().enumerate() {
                    let Some(place) = *place else { continue };
                    let (weights, bias) = integers.float_row(row, &steps, matrix.half(place.gate));
                    matrix.set(&mut shown, (index, place), inputs, (&weights, bias));
                }
            }
            if let (Some(integers), Some(weights)) = (
                &self.projections[index],
                &mut shown.layers[index].projection,
            ) {
                let steps = vec![HIDDEN_STEP; layer.hidden];
                for row in 0..layer.output() {
                    let (floats, _) = integers.float_row(row, &steps, PROJECTED_HALF);
                    let places = weights.iter_mut().skip(row).step_by(layer.output());
                    places.zip(floats).for_each(|(place, w)| *place = w);
                }
            }
            below = vec![layer.step(); layer.output()];
        }
        let mut steps = below;
        for (index, (integers, dense)) in self.dense.iter().zip(&mut shown.dense).enumerate() {
            let width = dense.bias.len();
            let scales = &self.dense_scales[index];
            for (row, &scale) in scales.factors.iter().enumerate() {
                let (floats, bias) = integers.float_row(row, &steps, scales.half);
                let places = dense.weight.iter_mut().skip(row).step_by(width);
                places.zip(floats).for_each(|(place, w)| *place = w / scale);
                dense.bias[row] = bias / scale;
            }
            steps = vec![scales.step; width];
        }
        shown
    }

    /// What each output is multiplied with to become the network's own, `[N]`: 1 for classes.
    pub fn output_scales(&self) -> Vec<f32> {
        let factors = self.dense_scales.last().map(|scales| scales.factors.iter());
        factors
            .into_iter()
            .flatten()
            .map(|factor| 1.0 / factor)
            .collect()
    }

    /// What the network reads, `[..][C]`, as the device's integers have it.
    pub fn rounded_inputs(&self, inputs: &[f32]) -> Vec<f32> {
        let most = f32::from(INT8_LARGEST);
        let units = self.input_units.iter().cycle();
        let inputs = inputs.iter().zip(units);
        inputs
            .map(|(x, unit)| (x * unit).round().clamp(-most, most) / unit)
            .collect()
    }

    /// What the device multiplies a channel's distance from its mean with, `[C]`.
    pub fn input_scales(&self, network: &SensorNetwork) -> Vec<f32> {
        let channels = network.config.channels.iter().zip(&self.input_units);
        channels
            .map(|(channel, unit)| channel.scale * unit)
            .collect()
    }
}

//! A format of integers, fitted to a network and to what it reads.

use super::matrices::gate_matrices;
use super::observed::{InputUnits, Observed};
use crate::files::error::{Error, Result};
use crate::network::sensor::SensorNetwork;
use crate::quantize::fixed_point::{INT4_RANGE, INT8_LARGEST};
use lstm_core::Format;
use lstm_core::export::MAX_DEAD_ZONE;

/// A format of integers, and how it holds what a network reads.
#[derive(Clone, Debug)]
pub struct SensorFormat {
    format: Format,
    dead_zone: u8,
    input_units: Vec<f32>,
}

impl SensorFormat {
    /// [`Format::Int8`], or [`Format::Int4`] with a dead zone, for this network and what was seen of its data.
    ///
    /// # Errors
    /// `format` has no integers, or `dead_zone` is too large.
    pub fn new(
        network: &SensorNetwork,
        observed: &Observed,
        format: Format,
        dead_zone: u8,
    ) -> Result<Self> {
        let (largest_weight, dead_zone) = match format {
            Format::Int8 => (INT8_LARGEST, 0),
            Format::Int4 => (*INT4_RANGE.end(), dead_zone),
            _ => {
                return Err(Error::bad_input(format!(
                    "found format {format}, expected int8 or int4 to quantize to"
                )));
            }
        };
        if dead_zone > MAX_DEAD_ZONE {
            return Err(Error::bad_input(format!(
                "found a dead zone of {dead_zone}, expected at most {MAX_DEAD_ZONE}"
            )));
        }
        let error = |units: &InputUnits| variance(network, observed, units, largest_weight);
        let all = observed.input_units().iter();
        let least = all.min_by(|a, b| error(a).total_cmp(&error(b)));
        Ok(Self {
            format,
            dead_zone,
            input_units: least.expect("at least one").units.clone(),
        })
    }

    /// Int8 or int4.
    pub fn format(&self) -> Format {
        self.format
    }

    pub(super) fn is_int4(&self) -> bool {
        self.format == Format::Int4
    }

    /// In int4, a hidden value in units of 1/127 whose absolute value is below this number counts as 0.
    pub fn dead_zone(&self) -> u8 {
        self.dead_zone
    }

    /// Steps of each channel's integer in one of what the network reads, `[C]`: those by which the sums of the first layer's
    /// rows err least. A row has one scale for the weights of the channels and of the hidden state, so a channel that goes far
    /// leaves the others few steps: to cut off its rarest values may cost less.
    pub fn input_units(&self) -> &[f32] {
        &self.input_units
    }
}

/// About the variance of the error of the first layer's sums, of all rows together: what the rounding of weights up to
/// `largest_weight` gives, each error spread evenly over a step, and what becomes of the channels.
fn variance(
    network: &SensorNetwork,
    observed: &Observed,
    inputs: &InputUnits,
    largest_weight: i8,
) -> f64 {
    let layer = network.config.layers[0];
    let below = inputs.units.iter().map(|unit| 1.0 / f64::from(*unit));
    let below: Vec<f64> = below.collect();
    let mut variance = 0.0;
    for (number, matrix) in gate_matrices(layer).iter().enumerate() {
        if !matrix.has_below {
            continue;
        }
        let steps = matrix.steps(&below, layer);
        let squares = observed.mean_squares(number).iter().zip(&steps);
        let squares: f64 = squares.map(|(square, step)| square / (step * step)).sum();
        for &place in matrix.rows.iter().flatten() {
            let weights = matrix.weights(network, 0, place);
            let values = weights.iter().zip(&steps);
            let values = values.map(|(&w, step)| (f64::from(w) * step).abs());
            let scale = values.fold(0.0, f64::max) / f64::from(largest_weight);
            let channels = weights.iter().zip(&inputs.errors);
            let channels: f64 = channels.map(|(&w, e)| f64::from(w).powi(2) * e).sum();
            variance += scale * scale / 12.0 * squares + channels;
        }
    }
    variance
}

//! The fixed point of the device, see docs/NUMBERS.md.

use crate::files::error::{Error, Result};
use crate::network::cell::{Gate, GateKind};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::quantize::layout::GateColumns;
use std::ops::RangeInclusive;

/// One in Q18, the fixed point of the sums.
pub(crate) const ONE_Q18: f64 = (1 << 18) as f64;
/// The value of one step of a hidden state without projection.
pub(super) const HIDDEN_STEP: f64 = 1.0 / HIDDEN_UNIT as f64;
/// Steps of a hidden state without projection in one.
pub(crate) const HIDDEN_UNIT: f32 = 127.0;
/// Steps of a projected hidden state in one, Q4.
pub(crate) const PROJECTED_UNIT: f32 = 16.0;
/// The largest weight of 8 bits, and entry of the folded table; the smallest is its opposite.
pub(crate) const INT8_LARGEST: i8 = 127;
/// The weights of 4 bits.
pub(crate) const INT4_RANGE: RangeInclusive<i8> = -8..=7;
/// Half a step of the shift that turns a projection row's Q18 into a projected hidden state.
pub(crate) const PROJECTED_HALF: i32 = 1 << 13;
/// Half a step of the shift that turns a dense row's Q18 into a logit.
pub(crate) const LOGIT_HALF: i32 = 1 << 5;
/// The largest bias, Q18: below it a table's middle and a half may be added.
const LARGEST_BIAS: i32 = 1 << 30;

/// Half a step of the shift that follows the sum of a gate's row in matrix `matrix` of its layer. Of the first, it is
/// the shift before the activation: the argument of tanh keeps one bit more than that of the sigmoid.
pub(crate) fn gate_half(gate: Gate, matrix: usize) -> i32 {
    match (matrix, gate.kind) {
        (0, GateKind::Tanh) => 1 << 4,
        (0, GateKind::Sigmoid) => 1 << 5,
        _ => gate.recurrent_half,
    }
}

/// Steps in one of what a layer gives.
pub(crate) fn output_unit(layer: LayerConfig) -> f32 {
    match layer.projection {
        None => HIDDEN_UNIT,
        Some(_) => PROJECTED_UNIT,
    }
}

/// The value of one step of what a layer gives.
pub(super) fn output_step(layer: LayerConfig) -> f64 {
    1.0 / f64::from(output_unit(layer))
}

/// The value of one step of each column of a matrix of gates of layer `index`.
pub(super) fn column_steps(config: &NetworkConfig, index: usize, columns: GateColumns) -> Vec<f64> {
    let mut steps = Vec::new();
    if let Some(below) = index.checked_sub(1) {
        steps.resize(columns.below, output_step(config.layers[below]));
    }
    let own = output_step(config.layers[index]);
    steps.resize(columns.below + columns.own, own);
    steps
}

/// Q18, at most [`LARGEST_BIAS`] from 0.
pub(crate) fn q18(value: f32) -> i32 {
    let largest = f64::from(LARGEST_BIAS);
    let fixed = (f64::from(value) * ONE_Q18).round();
    fixed.clamp(-largest, largest) as i32
}

/// A bias as Q18.
///
/// # Errors
/// It is too large, or no number.
pub(super) fn bias_q18(value: f32) -> Result<i32> {
    let fixed = q18(value);
    if value.is_nan() || fixed.abs() == LARGEST_BIAS {
        let largest = f64::from(LARGEST_BIAS) / ONE_Q18;
        return Err(Error::bad_input(format!(
            "found a bias of {value}, expected one between -{largest} and {largest} for integers"
        )));
    }
    Ok(fixed)
}

/// For a row of the folded table with these values, the step of its entries in Q18, a whole number so
/// large that all fit, and the middle of its entries.
pub(crate) fn table_grid(low: f32, high: f32) -> (f64, f32) {
    let step = f64::from(high - low) / 2.0 / f64::from(INT8_LARGEST) * ONE_Q18;
    (step.ceil().max(1.0), (low + high) / 2.0)
}

/// A step in Q18 as the device's 16-bit factor: rounded up, so that the largest value still fits.
///
/// # Errors
/// It is too large.
pub(super) fn scale(step_q18: f64, what: &str) -> Result<u16> {
    let scale = step_q18.ceil().max(1.0);
    let largest = f64::from(u16::MAX);
    if scale > largest {
        return Err(Error::bad_input(format!(
            "found a row of {what} with a step of {:.1}, expected below {:.1}: it does not fit the \
             integers",
            step_q18 / ONE_Q18,
            largest / ONE_Q18
        )));
    }
    Ok(scale as u16)
}

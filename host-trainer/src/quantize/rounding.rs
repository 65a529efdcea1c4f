//! The rounding of a row.

use super::error_table::Meter;
use super::fixed_point::{INT4_RANGE, INT8_LARGEST, ONE_Q18, bias_q18, scale, table_grid};
use crate::files::error::Result;
use crate::kernels::random::dot;
use crate::quantize::calibrate::Columns;
use lstm_core::export::Row;

/// How the weights of a matrix become whole numbers.
#[derive(Clone, Copy)]
pub(super) enum Rounding<'a> {
    /// Each to the nearest of 8 bits.
    Int8,
    /// Together to 4 bits, with what is known of their columns.
    Int4(&'a Columns),
}

impl<'a> Rounding<'a> {
    pub(super) fn new(columns: Option<&'a Columns>) -> Self {
        columns.map_or(Self::Int8, Self::Int4)
    }
}

/// Quantizes a row of weights whose columns have these steps. Its bias is what makes up for the mean
/// error of its sum.
pub(super) fn quantize_row(
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
            let scale = scale(largest / f64::from(INT8_LARGEST), "weights")?;
            let round = |v: f64| round_int8(v / f64::from(scale)) as i8;
            (scale, values.map(round).collect())
        }
        Rounding::Int4(columns) => {
            let mut best = (f64::INFINITY, 1, Vec::new());
            for clip in INT4_CLIPS {
                let step = largest / 7.0 * clip;
                let scale = scale((step - 0.5).max(0.0), "weights")?;
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
        row.bias = bias_q18(mean_error as f32)?;
    }
    Ok((quantized, row))
}

/// The largest weight of an int4 row becomes 7 divided by one of these.
const INT4_CLIPS: [f64; 11] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5];

/// Rounds a row to multiples ([`INT4_RANGE`]) of `scale`: the columns from the last to the first, each to
/// the nearest to what would make up for the errors so far. Also gives the variance of the error of
/// the row's sum.
pub(super) fn round_together(
    weights: &[f64],
    steps: &[f64],
    scale: u16,
    columns: &Columns,
) -> (f64, Vec<i8>) {
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
pub(super) fn quantize_table_row(
    column: &[f32],
    row: &mut Row,
    meter: &mut Meter,
) -> Result<Vec<i8>> {
    let low = column.iter().fold(f32::INFINITY, |a, &b| a.min(b));
    let high = column.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let (step, middle) = table_grid(low, high);
    row.table_scale = scale(step, "table")?;
    let middle = bias_q18(middle)?;
    row.bias += middle;
    let step = f64::from(row.table_scale) / ONE_Q18;
    let middle = f64::from(middle) / ONE_Q18;
    let entry = |&value: &f32| {
        let quantized = round_int8((f64::from(value) - middle) / step);
        meter.add(f64::from(value), middle + quantized * step);
        quantized as i8
    };
    Ok(column.iter().map(entry).collect())
}

fn round_int8(value: f64) -> f64 {
    let largest = f64::from(INT8_LARGEST);
    value.round().clamp(-largest, largest)
}

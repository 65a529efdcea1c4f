//! How far the tensors moved.

use crate::files::table::table;

/// How far a tensor moved when it was quantized.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
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

/// The errors as a table for people.
pub fn error_table(errors: &[TensorError]) -> String {
    let row = |e: &TensorError| {
        let snr = 20.0 * (e.rms / e.error_rms.max(1e-30)).log10();
        [
            e.name.clone(),
            format!("{:.4}", e.max),
            format!("{:.4}", e.rms),
            format!("{:.6}", e.error_rms),
            format!("{snr:.1} dB"),
        ]
    };
    let heads = ["tensor", "max", "rms", "error rms", "SNR"];
    table(&heads, &[0], errors.iter().map(row))
}

/// Sums up how far a tensor moved.
pub(super) struct Meter {
    name: String,
    count: usize,
    max: f64,
    squares: f64,
    error_squares: f64,
}

impl Meter {
    pub(super) fn new(name: String) -> Self {
        Meter {
            name,
            count: 0,
            max: 0.0,
            squares: 0.0,
            error_squares: 0.0,
        }
    }

    pub(super) fn add(&mut self, before: f64, after: f64) {
        self.count += 1;
        self.max = self.max.max(before.abs());
        self.squares += before * before;
        self.error_squares += (after - before).powi(2);
    }

    pub(super) fn finish(self) -> TensorError {
        let mean = |sum: f64| (sum / self.count.max(1) as f64).sqrt();
        TensorError {
            max: self.max,
            rms: mean(self.squares),
            error_rms: mean(self.error_squares),
            name: self.name,
        }
    }
}

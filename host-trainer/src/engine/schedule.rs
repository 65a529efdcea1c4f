//! Learning-rate schedules.

use serde::{Deserialize, Serialize};

/// The learning rate over a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same throughout.
    Constant,
    /// A linear rise over the first `warm_up` steps, times half a cosine that ends at `floor` (Loshchilov
    /// and Hutter 2017).
    Cosine {
        /// Steps of rise.
        warm_up: u64,
        /// The last factor.
        floor: f64,
    },
}

impl Schedule {
    /// The factor on the learning rate at step `step` (from zero), `progress` (0 to 1) of the way.
    pub fn factor(self, step: u64, progress: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine { warm_up, floor } => {
                let rise = ((step + 1) as f64 / warm_up.max(1) as f64).min(1.0);
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos());
                rise * (floor + (1.0 - floor) * cosine)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_rises_and_falls() {
        let schedule = Schedule::Cosine {
            warm_up: 10,
            floor: 0.1,
        };
        assert!((schedule.factor(0, 0.0) - 0.1).abs() < 1e-12);
        assert!((schedule.factor(9, 0.0) - 1.0).abs() < 1e-12);
        assert!((schedule.factor(500, 0.5) - 0.55).abs() < 1e-12);
        assert!((schedule.factor(1000, 1.0) - 0.1).abs() < 1e-12);
        assert!((Schedule::Constant.factor(0, 0.7) - 1.0).abs() < 1e-12);
    }
}

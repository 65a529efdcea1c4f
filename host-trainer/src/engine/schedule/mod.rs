//! Learning-rate schedules: a linear rise, then the way down, one file a way.

mod constant;
mod cosine;

use crate::files::registry::named;
use serde::{Deserialize, Serialize};

/// All of them.
pub static DECAYS: &[&Decay] = &[&constant::DECAY, &cosine::DECAY];

/// How the learning rate goes down over a phase.
pub struct Decay {
    /// As it is typed.
    pub name: &'static str,
    /// A line about it.
    pub about: &'static str,
    /// From 1 to 0, at a progress of 0 to 1.
    pub factor: fn(f64) -> f64,
}

named!(Decay, DECAYS, "schedule");

/// The learning rate over a phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The way down.
    pub decay: &'static Decay,
    /// Updates of a linear rise before it.
    pub warm_up: u64,
    /// The lowest rate after it, as a share of the highest.
    pub min_lr: f64,
}

impl Schedule {
    /// The same throughout.
    pub const CONSTANT: Self = Self {
        decay: &constant::DECAY,
        warm_up: 0,
        min_lr: 0.0,
    };

    /// Half a cosine.
    pub const fn cosine(warm_up: u64, min_lr: f64) -> Self {
        let decay = &cosine::DECAY;
        Self {
            decay,
            warm_up,
            min_lr,
        }
    }

    /// The factor on the learning rate at update `update` (from zero), `progress` (0 to 1) of the way.
    pub fn factor(self, update: u64, progress: f64) -> f64 {
        let rise = ((update + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let decay = (self.decay.factor)(progress.clamp(0.0, 1.0));
        rise * (self.min_lr + (1.0 - self.min_lr) * decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_rises_and_falls() {
        let schedule = Schedule::cosine(10, 0.1);
        assert!((schedule.factor(0, 0.0) - 0.1).abs() < 1e-12);
        assert!((schedule.factor(9, 0.0) - 1.0).abs() < 1e-12);
        assert!((schedule.factor(500, 0.5) - 0.55).abs() < 1e-12);
        assert!((schedule.factor(1000, 1.0) - 0.1).abs() < 1e-12);
        assert!((Schedule::CONSTANT.factor(0, 0.7) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn each_goes_from_one() {
        for decay in DECAYS {
            assert!(((decay.factor)(0.0) - 1.0).abs() < 1e-12, "{decay:?}");
            assert!((0.0..=1.0).contains(&(decay.factor)(1.0)), "{decay:?}");
        }
    }
}

//! Adam with its moments in plain sight, and gradient clipping.

use crate::kernels::vectorize::vectorized;
use serde::{Deserialize, Serialize};

/// Settings of [`Adam`]. With `weight_decay` it is AdamW: matrices shrink by
/// `learning_rate * weight_decay` a step, apart from the gradient; biases do not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
}

impl AdamConfig {
    /// The defaults of Keras.
    pub const KERAS: Self = Self {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-7,
        weight_decay: 0.0,
    };
}

/// How one parameter moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterGroup {
    /// Whether weight decay applies to it.
    pub decays: bool,
    /// Factor on the learning rate.
    pub rate: f64,
}

impl ParameterGroup {
    /// Without weight decay, at the learning rate.
    pub const PLAIN: Self = Self {
        decays: false,
        rate: 1.0,
    };
}

/// Adam (Kingma and Ba 2014), with step count and moments that a checkpoint can hold.
///
/// ```text
/// m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g²
/// w = w (1 - rate decay) - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// Settings.
    pub config: AdamConfig,
    /// Steps taken, t.
    pub step: u64,
    /// First moments, a vector for each parameter.
    pub first: Vec<Vec<f32>>,
    /// Second moments, a vector for each parameter.
    pub second: Vec<Vec<f32>>,
}

impl Adam {
    /// Moments of zero for parameters of these lengths.
    pub fn new(config: AdamConfig, lengths: impl Iterator<Item = usize>) -> Self {
        let first: Vec<Vec<f32>> = lengths.map(|n| vec![0.0; n]).collect();
        let second = first.clone();
        Self {
            config,
            step: 0,
            first,
            second,
        }
    }

    /// One step. `groups` says of each parameter how it moves.
    pub fn update(
        &mut self,
        parameters: &mut [&mut [f32]],
        gradients: &[Vec<f32>],
        groups: &[ParameterGroup],
        learning_rate: f64,
    ) {
        // A damaged checkpoint may say anything.
        self.step = self.step.saturating_add(1);
        let AdamConfig {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } = self.config;
        let correction = |beta: f32| 1.0 / (1.0 - f64::from(beta).powf(self.step as f64));
        let first_correction = correction(beta1);
        let second_correction = correction(beta2) as f32;
        let moments = self.first.iter_mut().zip(&mut self.second);
        let all = parameters
            .iter_mut()
            .zip(gradients)
            .zip(moments)
            .zip(groups);
        for (((weights, gradient), (first, second)), group) in all {
            let learning_rate = learning_rate * group.rate;
            let rate = (learning_rate * first_correction) as f32;
            let shrink = if group.decays {
                1.0 - learning_rate as f32 * weight_decay
            } else {
                1.0
            };
            assert!(weights.len() == gradient.len() && weights.len() == first.len());
            let factors = [shrink, rate, beta1, beta2, second_correction, epsilon];
            update_parameter(factors, weights, gradient, first, second);
        }
    }
}

vectorized! {
    /// One step of one parameter: see [`Adam`].
    fn update_parameter<'a>(
        factors: [f32; 6],
        weights: &'a mut [f32],
        gradient: &'a [f32],
        first: &'a mut [f32],
        second: &'a mut [f32],
    ) {
        update_elements(factors, weights, gradient, first, second);
    }
}

#[inline(always)]
fn update_elements(
    [shrink, rate, beta1, beta2, correction, epsilon]: [f32; 6],
    weights: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let moments = first.iter_mut().zip(second);
    for ((w, &g), (m, v)) in weights.iter_mut().zip(gradient).zip(moments) {
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *w = *w * shrink - rate * *m / ((*v * correction).sqrt() + epsilon);
    }
}

/// Scales all gradients down together so that their common norm is at most `limit` (Pascanu et al.
/// 2013); returns the norm that they had.
pub fn clip_by_global_norm(gradients: &mut [Vec<f32>], limit: f64) -> f64 {
    let norm = gradients.iter().map(|g| squares(g)).sum::<f64>().sqrt();
    if norm > limit {
        let scale = (limit / norm) as f32;
        gradients.iter_mut().flatten().for_each(|g| *g *= scale);
    }
    norm
}

/// The sum of all squares: eight sums side by side, so that none waits for the one before.
fn squares(values: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let (eights, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, &x) in sums.iter_mut().zip(eight) {
            *sum += square(x);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| square(x)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let config = AdamConfig {
            weight_decay: 0.1,
            ..AdamConfig::KERAS
        };
        let mut adam = Adam::new(config, [1, 1].into_iter());
        let (mut a, mut b) = ([1.0f32], [1.0f32]);
        let gradients = [vec![0.5], vec![-2.0]];
        for _ in 0..2 {
            let groups = [(true, 1.0), (false, 3.0)];
            let groups = groups.map(|(decays, rate)| ParameterGroup { decays, rate });
            adam.update(&mut [&mut a, &mut b], &gradients, &groups, 0.01);
        }
        // With a constant gradient both corrected moments are exact: each step moves by the rate.
        let expected = (1.0 * 0.999 - 0.01) * 0.999 - 0.01;
        assert!((f64::from(a[0]) - expected).abs() < 1e-6, "{}", a[0]);
        assert!((f64::from(b[0]) - 1.06).abs() < 1e-6, "{}", b[0]);
        assert_eq!(adam.step, 2);
        assert!((adam.first[0][0] - 0.5 * (1.0 - 0.81)).abs() < 1e-7);
        assert!((adam.second[1][0] - 4.0 * (1.0 - 0.998_001)).abs() < 1e-6);
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut gradients = [vec![3.0], vec![0.0, 4.0]];
        assert!((clip_by_global_norm(&mut gradients, 1.0) - 5.0).abs() < 1e-12);
        assert!((gradients[0][0] - 0.6).abs() < 1e-6 && (gradients[1][1] - 0.8).abs() < 1e-6);
        clip_by_global_norm(&mut gradients, 2.0);
        assert!((gradients[0][0] - 0.6).abs() < 1e-6);
        let mut many = [(1..=19).map(|i| i as f32).collect()];
        let norm = clip_by_global_norm(&mut many, f64::INFINITY);
        assert!((norm.powi(2) - f64::from(19 * 20 * 39 / 6)).abs() < 1e-9);
    }
}

//! Adam (Kingma and Ba 2014); with `weight_decay` it is AdamW.
//!
//! ```text
//! m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g²
//! w = w (1 - rate decay) - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
//! ```

use super::{Method, Moment, OptimizerConfig, Step};
use crate::kernels::vectorize::vectorized;
use candle_core::{Result, Tensor, bail};

pub(super) static METHOD: Method = Method {
    name: "adam",
    about: "Adam; with --weight-decay it is AdamW",
    moments: &[Moment::Gradients, Moment::Squares],
    numbers,
    tensors,
};

/// The learning rate over 1 - beta1^t, and 1 over 1 - beta2^t.
fn corrected(step: Step) -> (f32, f32) {
    let correction = |beta: f32| 1.0 / (1.0 - f64::from(beta).powf(step.number as f64));
    let rate = step.learning_rate * correction(step.config.beta1);
    (rate as f32, correction(step.config.beta2) as f32)
}

fn numbers(step: Step, weights: &mut [f32], gradient: &[f32], moments: &mut [&mut [f32]]) {
    if let [first, second] = moments {
        update(step, corrected(step), weights, gradient, first, second);
    }
}

vectorized! {
    fn update<'a>(
        step: Step,
        corrected: (f32, f32),
        weights: &'a mut [f32],
        gradient: &'a [f32],
        first: &'a mut [f32],
        second: &'a mut [f32],
    ) {
        update_elements(step, corrected, weights, gradient, first, second);
    }
}

#[inline(always)]
fn update_elements(
    step: Step,
    (rate, correction): (f32, f32),
    weights: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let OptimizerConfig {
        beta1,
        beta2,
        epsilon,
        ..
    } = step.config;
    let moments = first.iter_mut().zip(second);
    for ((w, &g), (m, v)) in weights.iter_mut().zip(gradient).zip(moments) {
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *w = *w * step.shrink - rate * *m / ((*v * correction).sqrt() + epsilon);
    }
}

fn tensors(
    step: Step,
    weights: &Tensor,
    gradient: &Tensor,
    moments: &mut [Tensor],
) -> Result<Tensor> {
    let [first, second] = moments else {
        bail!("found {} moments, expected two", moments.len());
    };
    let (rate, correction) = corrected(step);
    let numbers = [
        rate,
        correction,
        step.shrink,
        step.config.beta1,
        step.config.beta2,
        step.config.epsilon,
    ];
    let [rate, correction, shrink, beta1, beta2, epsilon] = numbers.map(f64::from);
    *first = ((&*first * beta1)? + (gradient * (1.0 - beta1))?)?;
    *second = ((&*second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
    let root = ((&*second * correction)?.sqrt()? + epsilon)?;
    (weights * shrink)? - ((&*first * rate)? / root)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::optimizer::Optimizer;
    use crate::engine::optimizer::testing::{follows, gradients, values, var};
    use candle_core::{Device, Var};
    use candle_nn::Optimizer as _;

    /// `torch.optim.AdamW([w], lr=0.1, betas=(0.9, 0.999), eps=1e-7, weight_decay=0.05)`
    #[test]
    fn it_is_pytorchs_adamw() {
        let config = OptimizerConfig {
            weight_decay: 0.05,
            ..OptimizerConfig::ADAM
        };
        let expected = [
            [0.895, -1.89, 0.397_5],
            [0.797_307_1, -1.929_969, 0.432_122_9],
            [0.828_042_86, -1.961_014_7, 0.443_631_35],
        ];
        follows(config, expected);
    }

    #[test]
    fn two_updates_by_hand() {
        let config = OptimizerConfig {
            weight_decay: 0.1,
            ..OptimizerConfig::ADAM
        };
        let a = var(&[1.0]);
        let b = Var::from_slice(&[1f32], 1, &Device::Cpu).unwrap();
        let mut adam = Optimizer::new(vec![a.clone(), b.clone()], config).unwrap();
        for _ in 0..2 {
            adam.set_learning_rate(0.01);
            adam.set_rate(1, 3.0);
            adam.step(&gradients(&[(&a, &[0.5]), (&b, &[-2.0])]))
                .unwrap();
        }
        // With a constant gradient both corrected moments are exact: each update moves by the rate.
        let expected = (1.0 * 0.999 - 0.01) * 0.999 - 0.01;
        let (a, b) = (values(&a)[0], values(&b)[0]);
        assert!((f64::from(a) - expected).abs() < 1e-6, "{a}");
        // A bias does not decay.
        assert!((f64::from(b) - 1.06).abs() < 1e-6, "{b}");
        let moments = adam.moments().unwrap();
        assert!((moments[0][0] - 0.5 * (1.0 - 0.81)).abs() < 1e-7);
        assert!((moments[1][1] - 4.0 * (1.0 - 0.998_001)).abs() < 1e-6);
    }
}

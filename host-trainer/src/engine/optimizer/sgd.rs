//! Stochastic gradient descent with momentum, as PyTorch defines it.
//!
//! ```text
//! v = beta1 v + g          w = w (1 - rate decay) - rate v
//! ```

use super::{Method, Moment, Step};
use crate::kernels::vectorize::vectorized;
use candle_core::{Result, Tensor, bail};

pub(super) static METHOD: Method = Method {
    name: "sgd",
    about: "Stochastic gradient descent, with --beta1 as its momentum",
    moments: &[Moment::Gradients],
    numbers,
    tensors,
};

fn numbers(step: Step, weights: &mut [f32], gradient: &[f32], moments: &mut [&mut [f32]]) {
    if let [velocity] = moments {
        update(step, weights, gradient, velocity);
    }
}

vectorized! {
    fn update<'a>(step: Step, weights: &'a mut [f32], gradient: &'a [f32], velocity: &'a mut [f32]) {
        let rate = step.learning_rate as f32;
        for ((w, &g), v) in weights.iter_mut().zip(gradient).zip(velocity) {
            *v = step.config.beta1 * *v + g;
            *w = *w * step.shrink - rate * *v;
        }
    }
}

fn tensors(
    step: Step,
    weights: &Tensor,
    gradient: &Tensor,
    moments: &mut [Tensor],
) -> Result<Tensor> {
    let [velocity] = moments else {
        bail!("found {} moments, expected one", moments.len());
    };
    *velocity = ((&*velocity * f64::from(step.config.beta1))? + gradient)?;
    (weights * f64::from(step.shrink))? - (&*velocity * step.learning_rate)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::optimizer::OptimizerConfig;
    use crate::engine::optimizer::testing::follows;

    /// `torch.optim.SGD([w], lr=0.1, momentum=0.9)`
    #[test]
    fn it_is_pytorchs() {
        let config = OptimizerConfig {
            method: &METHOD,
            ..OptimizerConfig::ADAM
        };
        let expected = [
            [0.95, -1.9, 0.3],
            [0.88, -2.11, 0.52],
            [0.967, -2.311_5, 0.618],
        ];
        follows(config, expected);
    }
}

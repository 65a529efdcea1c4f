//! Adam with its moments in plain sight, and gradient clipping.

use crate::engine::slices::{with_slice, with_slice_mut};
use crate::kernels::vectorize::vectorized;
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var, bail};
use candle_nn::Optimizer;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 14;

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

/// What a checkpoint holds of [`Adam`].
#[derive(Clone, Debug, PartialEq)]
pub struct AdamState {
    /// Settings.
    pub config: AdamConfig,
    /// Updates made, t.
    pub step: u64,
    /// First moments, a vector for each parameter.
    pub first: Vec<Vec<f32>>,
    /// Second moments, a vector for each parameter.
    pub second: Vec<Vec<f32>>,
}

impl AdamState {
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
}

/// Adam (Kingma and Ba 2014), with step count and moments that a checkpoint can hold. It changes the variables in
/// place.
///
/// ```text
/// m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g²
/// w = w (1 - rate decay) - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
/// ```
///
/// candle-nn's own keeps its moments to itself, and a run could not go on from where it was stopped.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    learning_rate: f64,
    step: u64,
    parameters: Vec<Parameter>,
}

#[derive(Debug)]
struct Parameter {
    var: Var,
    /// Factor on the learning rate.
    rate: f64,
    first: Tensor,
    second: Tensor,
}

impl Adam {
    /// Goes on from a state.
    ///
    /// # Errors
    /// It is of other parameters, or the device fails.
    pub fn resume(vars: Vec<Var>, state: &AdamState) -> Result<Self> {
        let mut adam = Self::new(vars, state.config)?;
        adam.step = state.step;
        let moments = state.first.iter().zip(&state.second);
        for (parameter, (first, second)) in adam.parameters.iter_mut().zip(moments) {
            let (shape, device) = (parameter.var.shape(), parameter.var.device());
            parameter.first = Tensor::from_slice(first, shape, device)?;
            parameter.second = Tensor::from_slice(second, shape, device)?;
        }
        Ok(adam)
    }

    /// What a checkpoint holds.
    ///
    /// # Errors
    /// The device fails.
    pub fn state(&self) -> Result<AdamState> {
        let mut state = AdamState::new(self.config, std::iter::empty());
        state.step = self.step;
        for parameter in &self.parameters {
            state.first.push(parameter.first.flatten_all()?.to_vec1()?);
            let second = parameter.second.flatten_all()?.to_vec1()?;
            state.second.push(second);
        }
        Ok(state)
    }

    /// Sets a factor on the learning rate of parameter `index`.
    ///
    /// # Panics
    /// There is no such parameter.
    pub fn set_rate(&mut self, index: usize, rate: f64) {
        self.parameters[index].rate = rate;
    }
}

impl Optimizer for Adam {
    type Config = AdamConfig;

    /// With moments of zero, and a learning rate of zero until it is set.
    fn new(vars: Vec<Var>, config: AdamConfig) -> Result<Self> {
        let parameter = |var: Var| {
            Ok(Parameter {
                rate: 1.0,
                first: var.zeros_like()?,
                second: var.zeros_like()?,
                var,
            })
        };
        Ok(Self {
            config,
            learning_rate: 0.0,
            step: 0,
            parameters: vars.into_iter().map(parameter).collect::<Result<_>>()?,
        })
    }

    fn step(&mut self, gradients: &GradStore) -> Result<()> {
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
        for parameter in &mut self.parameters {
            let Some(gradient) = gradients.get(&parameter.var) else {
                continue;
            };
            let learning_rate = self.learning_rate * parameter.rate;
            let rate = (learning_rate * first_correction) as f32;
            let shrink = match parameter.var.rank() {
                0 | 1 => 1.0,
                _ => 1.0 - learning_rate as f32 * weight_decay,
            };
            let factors = [shrink, rate, beta1, beta2, second_correction, epsilon];
            parameter.update(factors, gradient)?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }
}

impl Parameter {
    fn update(&mut self, factors: [f32; 6], gradient: &Tensor) -> Result<()> {
        if gradient.shape() != self.var.shape() {
            let (found, expected) = (gradient.shape(), self.var.shape());
            bail!("found a gradient {found:?}, expected {expected:?}");
        }
        let Self {
            var, first, second, ..
        } = self;
        if var.device().is_cpu() {
            let gradient = gradient.contiguous()?;
            return with_slice(&gradient, |gradient| {
                with_slice_mut(var, |weights| {
                    with_slice_mut(first, |first| {
                        with_slice_mut(second, |second| {
                            let weights = weights.par_chunks_mut(CHUNK);
                            let weights = weights.zip(gradient.par_chunks(CHUNK));
                            let moments = first.par_chunks_mut(CHUNK);
                            let moments = moments.zip(second.par_chunks_mut(CHUNK));
                            weights.zip(moments).for_each(|((w, g), (m, v))| {
                                update_numbers(factors, w, g, m, v);
                            });
                        })
                    })
                })
            })???;
        }
        let [shrink, rate, beta1, beta2, correction, epsilon] = factors.map(f64::from);
        *first = ((&*first * beta1)? + (gradient * (1.0 - beta1))?)?;
        *second = ((&*second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
        let root = ((&*second * correction)?.sqrt()? + epsilon)?;
        let weights = (var.as_tensor() * shrink)?;
        var.set(&(weights - ((&*first * rate)? / root)?)?)
    }
}

vectorized! {
    /// One update of some numbers of a parameter: see [`Adam`].
    fn update_numbers<'a>(
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

/// Scales the gradients of all variables down together so that their common norm is at most `limit`
/// (Pascanu et al. 2013); gives the norm that they had.
///
/// # Errors
/// The device fails.
pub fn clip_by_global_norm(gradients: &mut GradStore, vars: &[Var], limit: f64) -> Result<f64> {
    let mut sum = 0.0;
    for var in vars {
        if let Some(gradient) = gradients.get(var) {
            sum += squares(gradient)?;
        }
    }
    let norm = sum.sqrt();
    if norm > limit {
        for var in vars {
            if let Some(gradient) = gradients.remove(var) {
                gradients.insert(var, (gradient * (limit / norm))?);
            }
        }
    }
    Ok(norm)
}

/// The sum of all squares.
fn squares(tensor: &Tensor) -> Result<f64> {
    if !tensor.device().is_cpu() {
        let sum = tensor.sqr()?.sum_all()?.to_scalar::<f32>()?;
        return Ok(f64::from(sum));
    }
    with_slice(&tensor.contiguous()?, |values| {
        let chunks: Vec<f64> = values.par_chunks(CHUNK).map(squares_of).collect();
        chunks.iter().sum()
    })
}

/// Eight sums side by side, so that none waits for the one before.
fn squares_of(values: &[f32]) -> f64 {
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
    use candle_core::Device;

    fn var(values: &[f32]) -> Var {
        Var::from_slice(values, (1, values.len()), &Device::Cpu).unwrap()
    }

    /// Gradients of some variables, by candle's own way.
    fn gradients(of: &[(&Var, &[f32])]) -> GradStore {
        let mut sum = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu).unwrap();
        for (var, values) in of {
            let factors = Tensor::from_slice(values, var.shape(), &Device::Cpu).unwrap();
            sum = (sum + (var.as_tensor() * factors).unwrap().sum_all().unwrap()).unwrap();
        }
        sum.backward().unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn two_updates_by_hand() {
        let config = AdamConfig {
            weight_decay: 0.1,
            ..AdamConfig::KERAS
        };
        let a = var(&[1.0]);
        let b = Var::from_slice(&[1f32], 1, &Device::Cpu).unwrap();
        let vars = vec![a.clone(), b.clone()];
        let mut adam = Adam::new(vars.clone(), config).unwrap();
        for _ in 0..2 {
            // From its state it goes on as if it had never stopped.
            adam = Adam::resume(vars.clone(), &adam.state().unwrap()).unwrap();
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
        let state = adam.state().unwrap();
        assert_eq!(state.step, 2);
        assert!((state.first[0][0] - 0.5 * (1.0 - 0.81)).abs() < 1e-7);
        assert!((state.second[1][0] - 4.0 * (1.0 - 0.998_001)).abs() < 1e-6);
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let (a, b) = (var(&[0.0]), var(&[0.0, 0.0]));
        let vars = [a.clone(), b.clone()];
        let mut found = gradients(&[(&a, &[3.0]), (&b, &[0.0, 4.0])]);
        let norm = clip_by_global_norm(&mut found, &vars, 1.0).unwrap();
        assert!((norm - 5.0).abs() < 1e-12);
        let of = |found: &GradStore, var: &Var| values(found.get(var).unwrap());
        assert!((of(&found, &a)[0] - 0.6).abs() < 1e-6 && (of(&found, &b)[1] - 0.8).abs() < 1e-6);
        clip_by_global_norm(&mut found, &vars, 2.0).unwrap();
        assert!((of(&found, &a)[0] - 0.6).abs() < 1e-6);
        let many: Vec<f32> = (1..=19).map(|i| i as f32).collect();
        let c = var(&[0.0; 19]);
        let mut found = gradients(&[(&c, &many)]);
        let norm = clip_by_global_norm(&mut found, &[c], f64::INFINITY).unwrap();
        assert!((norm.powi(2) - f64::from(19 * 20 * 39 / 6)).abs() < 1e-9);
    }
}

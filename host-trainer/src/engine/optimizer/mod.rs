//! Optimizers, with their moments in plain sight. One file an optimizer, and a line in [`OPTIMIZERS`].

mod adam;
mod sgd;

use crate::engine::slices::{with_slice, with_slice_mut};
use crate::files::registry::named;
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// All of them.
pub static OPTIMIZERS: &[&Method] = &[&adam::METHOD, &sgd::METHOD];

/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 14;

/// How gradients move weights.
pub struct Method {
    /// As it is typed.
    pub name: &'static str,
    /// A line about it.
    pub about: &'static str,
    /// What is kept of each weight from update to update, K numbers.
    pub moments: &'static [Moment],
    /// An update of some numbers, on the processor.
    pub numbers: OnNumbers,
    /// The same of a tensor, on any device: gives the new weights.
    pub tensors: OnTensors,
}

/// Takes weights, their gradient, and K moments of them.
pub type OnNumbers = fn(Step, &mut [f32], &[f32], &mut [&mut [f32]]);
/// As [`OnNumbers`].
pub type OnTensors = fn(Step, &Tensor, &Tensor, &mut [Tensor]) -> Result<Tensor>;

named!(Method, OPTIMIZERS, "optimizer");

/// What is kept of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A sum of gradients.
    Gradients,
    /// A sum of their squares, which is never negative.
    Squares,
}

/// An optimizer and its settings, of which each method takes those that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which one.
    pub method: &'static Method,
    /// Decay of the first moment; momentum.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay (Loshchilov and Hutter 2019): matrices shrink by `learning_rate * weight_decay` a step, apart
    /// from the gradient; biases do not.
    pub weight_decay: f32,
}

impl OptimizerConfig {
    /// Adam with the defaults of Keras.
    pub const ADAM: Self = Self {
        method: &adam::METHOD,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-7,
        weight_decay: 0.0,
    };
}

/// What an update of a parameter goes by.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The settings.
    pub config: OptimizerConfig,
    /// The parameter's learning rate.
    pub learning_rate: f64,
    /// What the weights are multiplied by, for their decay.
    pub shrink: f32,
    /// Which update it is, from one.
    pub number: u64,
}

/// An optimizer of some variables, which it changes in place; its moments can be taken out and given back.
///
/// candle-nn's own keep their moments to themselves, and a run could not go on from where it was stopped.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    learning_rate: f64,
    /// Updates made.
    step: u64,
    parameters: Vec<Parameter>,
}

#[derive(Debug)]
struct Parameter {
    var: Var,
    /// Factor on the learning rate.
    rate: f64,
    /// `[K, ..]`, as the variable.
    moments: Tensor,
}

impl Optimizer {
    /// Goes on after so many updates, with moments that [`Optimizer::moments`] gave.
    ///
    /// # Errors
    /// They are of other parameters, or the device fails.
    pub fn resume(
        vars: Vec<Var>,
        config: OptimizerConfig,
        step: u64,
        moments: &[Vec<f32>],
    ) -> Result<Self> {
        let mut optimizer = <Self as candle_nn::Optimizer>::new(vars, config)?;
        optimizer.step = step;
        for (parameter, moments) in optimizer.parameters.iter_mut().zip(moments) {
            let (shape, device) = (parameter.moments.shape(), parameter.var.device());
            parameter.moments = Tensor::from_slice(moments, shape, device)?;
        }
        Ok(optimizer)
    }

    /// A copy of the moments, a vector for each variable: one moment of all its numbers after the other.
    ///
    /// # Errors
    /// The device fails.
    pub fn moments(&self) -> Result<Vec<Vec<f32>>> {
        let moments = self.parameters.iter().map(|p| &p.moments);
        moments.map(|m| m.flatten_all()?.to_vec1()).collect()
    }

    /// Sets a factor on the learning rate of variable `index`.
    ///
    /// # Panics
    /// There is no such variable.
    pub fn set_rate(&mut self, index: usize, rate: f64) {
        self.parameters[index].rate = rate;
    }
}

impl candle_nn::Optimizer for Optimizer {
    type Config = OptimizerConfig;

    /// With moments of zero, and a learning rate of zero until it is set.
    fn new(vars: Vec<Var>, config: OptimizerConfig) -> Result<Self> {
        let parameter = |var: Var| {
            let shape = [&[config.method.moments.len()], var.dims()].concat();
            Ok(Parameter {
                rate: 1.0,
                moments: Tensor::zeros(shape, var.dtype(), var.device())?,
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
        for parameter in &mut self.parameters {
            let Some(gradient) = gradients.get(&parameter.var) else {
                continue;
            };
            let learning_rate = self.learning_rate * parameter.rate;
            let shrink = match parameter.var.rank() {
                0 | 1 => 1.0,
                _ => 1.0 - learning_rate as f32 * self.config.weight_decay,
            };
            let step = Step {
                config: self.config,
                learning_rate,
                shrink,
                number: self.step,
            };
            parameter.update(step, gradient)?;
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
    fn update(&mut self, step: Step, gradient: &Tensor) -> Result<()> {
        if gradient.shape() != self.var.shape() {
            let (found, expected) = (gradient.shape(), self.var.shape());
            bail!("found a gradient {found:?}, expected {expected:?}");
        }
        if self.var.device().is_cpu() {
            let gradient = gradient.contiguous()?;
            return with_slice(&gradient, |gradient| {
                with_slice_mut(&self.var, |weights| {
                    with_slice_mut(&self.moments, |moments| {
                        update_numbers(step, weights, gradient, moments);
                    })
                })
            })??;
        }
        self.update_tensors(step, gradient)
    }

    fn update_tensors(&mut self, step: Step, gradient: &Tensor) -> Result<()> {
        let count = step.config.method.moments.len();
        let moments = (0..count).map(|i| self.moments.get(i));
        let mut moments = moments.collect::<Result<Vec<_>>>()?;
        let weights = (step.config.method.tensors)(step, &self.var, gradient, &mut moments)?;
        self.moments = Tensor::stack(&moments, 0)?;
        self.var.set(&weights)
    }
}

/// One update of a parameter, shared out over the threads of this pool.
fn update_numbers(step: Step, weights: &mut [f32], gradient: &[f32], moments: &mut [f32]) {
    let count = weights.len().div_ceil(CHUNK);
    let mut chunks: Vec<Vec<&mut [f32]>> = (0..count).map(|_| Vec::new()).collect();
    for moment in moments.chunks_exact_mut(weights.len().max(1)) {
        for (chunk, part) in chunks.iter_mut().zip(moment.chunks_mut(CHUNK)) {
            chunk.push(part);
        }
    }
    let weights = weights.par_chunks_mut(CHUNK);
    let weights = weights.zip(gradient.par_chunks(CHUNK));
    weights
        .zip(chunks)
        .for_each(|((weights, gradient), mut moments)| {
            (step.config.method.numbers)(step, weights, gradient, &mut moments);
        });
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Optimizer, OptimizerConfig};
    use candle_core::backprop::GradStore;
    use candle_core::{DType, Device, Tensor, Var};
    use candle_nn::Optimizer as _;

    pub(crate) fn var(values: &[f32]) -> Var {
        Var::from_slice(values, (1, values.len()), &Device::Cpu).unwrap()
    }

    /// Gradients of some variables, by candle's own way.
    pub(crate) fn gradients(of: &[(&Var, &[f32])]) -> GradStore {
        let mut sum = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
        for (var, values) in of {
            let factors = Tensor::from_slice(values, var.shape(), &Device::Cpu).unwrap();
            sum = (sum + (var.as_tensor() * factors).unwrap().sum_all().unwrap()).unwrap();
        }
        sum.backward().unwrap()
    }

    /// The weights after three updates at a rate of 0.1 are those that PyTorch 2.15 has:
    ///
    /// ```text
    /// w = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    /// for g in [[0.5, -1.0, 2.0], [0.25, 3.0, -4.0], [-1.5, 0.125, 1.0]]:
    ///     w.grad = torch.tensor(g); optimizer.step(); print(w.tolist())
    /// ```
    pub(crate) fn follows(config: OptimizerConfig, expected: [[f32; 3]; 3]) {
        let weights = var(&[1.0, -2.0, 0.5]);
        let mut optimizer = Optimizer::new(vec![weights.clone()], config).unwrap();
        optimizer.set_learning_rate(0.1);
        let all = [[0.5, -1.0, 2.0], [0.25, 3.0, -4.0], [-1.5, 0.125, 1.0]];
        for (gradient, expected) in all.iter().zip(expected) {
            optimizer.step(&gradients(&[(&weights, gradient)])).unwrap();
            for (found, expected) in values(&weights).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }

    pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{gradients, values, var};
    use super::*;
    use crate::kernels::random::Random;
    use candle_core::Device;
    use candle_nn::Optimizer as _;

    /// Each method moves numbers as it moves tensors, which a graphics processor has.
    #[test]
    fn numbers_and_tensors_move_alike() {
        let random = &mut Random::new(3);
        for method in OPTIMIZERS {
            let config = OptimizerConfig {
                method,
                weight_decay: 0.1,
                ..OptimizerConfig::ADAM
            };
            let start = random.uniform_vec(CHUNK + 3, 1.0);
            let (a, b) = (var(&start), var(&start));
            let [mut ours, mut other] =
                [&a, &b].map(|var| Optimizer::new(vec![var.clone()], config).unwrap());
            for number in 1..=3 {
                let gradient = random.uniform_vec(start.len(), 1.0);
                ours.set_learning_rate(0.01);
                ours.step(&gradients(&[(&a, &gradient)])).unwrap();
                let step = Step {
                    config,
                    learning_rate: 0.01,
                    shrink: 0.999,
                    number,
                };
                let gradient = Tensor::from_slice(&gradient, b.shape(), &Device::Cpu).unwrap();
                other.parameters[0].update_tensors(step, &gradient).unwrap();
            }
            let near = |a: &[f32], b: &[f32]| {
                let mut pairs = a.iter().zip(b);
                a.len() == b.len() && pairs.all(|(a, b)| (a - b).abs() < 1e-5)
            };
            assert!(near(&values(&a), &values(&b)), "{method:?}");
            assert!(!near(&values(&a), &start), "{method:?}");
            let [ours, other] = [ours, other].map(|o| o.moments().unwrap());
            assert!(near(&ours[0], &other[0]), "{method:?}");
        }
    }

    /// From its moments each goes on as if it had never stopped; and without them it does not.
    #[test]
    fn each_goes_on_from_its_moments() {
        let random = &mut Random::new(4);
        let start = random.uniform_vec(9, 1.0);
        let steps: Vec<Vec<f32>> = (0..4).map(|_| random.uniform_vec(9, 1.0)).collect();
        for method in OPTIMIZERS {
            let config = OptimizerConfig {
                method,
                ..OptimizerConfig::ADAM
            };
            let run = |stop_and_keep: Option<bool>| {
                let weights = var(&start);
                let mut optimizer = Optimizer::new(vec![weights.clone()], config).unwrap();
                for (number, gradient) in (0..).zip(&steps) {
                    if let Some(keep) = stop_and_keep {
                        let mut moments = optimizer.moments().unwrap();
                        if !keep {
                            moments[0].fill(0.0);
                        }
                        let vars = vec![weights.clone()];
                        optimizer = Optimizer::resume(vars, config, number, &moments).unwrap();
                    }
                    optimizer.set_learning_rate(0.1);
                    optimizer.set_rate(0, 0.5);
                    optimizer.step(&gradients(&[(&weights, gradient)])).unwrap();
                }
                values(&weights)
            };
            assert_eq!(run(Some(true)), run(None), "{method:?}");
            assert_ne!(run(Some(false)), run(None), "{method:?}");
        }
    }
}

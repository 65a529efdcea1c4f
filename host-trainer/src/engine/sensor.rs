//! A network that reads values, whose parameters are variables of candle on a device, to be trained there.

use crate::engine::layer::{Layer, masked};
use crate::engine::stack_op::{BatchInput, Reading, Stack};
use crate::engine::{unrolled, variables};
use crate::files::error::Result;
use crate::kernels::layer::InputShape;
use crate::kernels::stack::StackShape;
use crate::network::config;
use crate::network::sensor::{Activation, LayerConfig, SensorConfig, SensorNetwork};
use crate::network::state::zero_states;
use candle_core::{Device, Result as CandleResult, Tensor, Var};
use candle_nn::{Linear, Module};
use pulp::Arch;
use std::sync::Arc;

/// A network on a device.
#[derive(Debug)]
pub struct SensorModel {
    config: SensorConfig,
    /// In the order of [`SensorNetwork::parameters`].
    vars: Vec<Var>,
    parts: Parts,
    /// The kernels; candle's own operations, step by step, where there are none.
    stack: Option<Stack>,
}

/// The weights by their layers.
#[derive(Debug)]
struct Parts {
    layers: Vec<Layer>,
    /// The dense layers, the head last.
    dense: Vec<Linear>,
}

impl Parts {
    /// Of tensors in the order of [`SensorNetwork::parameters`].
    fn new(config: &SensorConfig, mut tensors: impl Iterator<Item = Tensor>) -> CandleResult<Self> {
        let mut next = || tensors.next().expect("one for each parameter");
        let layer = |layer: &LayerConfig| Layer {
            config: config::LayerConfig {
                cell: layer.cell.trained().expect("a cell that is trained"),
                hidden: layer.hidden,
                projection: layer.projection,
            },
            w_ih: next(),
            w_hh: next(),
            bias: next(),
            recurrent_bias: layer.cell.has_recurrent_bias().then(&mut next),
            projection: layer.projection.map(|_| next()),
        };
        let layers = config.layers.iter().map(layer).collect();
        // Linear holds its weight as [out, in]: a view of the variable.
        let dense = |_| Ok(Linear::new(next().t()?, Some(next())));
        let dense = config.dense_shapes().into_iter().map(dense);
        let dense = dense.collect::<CandleResult<Vec<Linear>>>()?;
        Ok(Self { layers, dense })
    }
}

/// Some sequences side by side.
#[derive(Clone, Debug)]
pub struct SensorBatch {
    /// Sequences, B.
    pub rows: usize,
    /// Steps of the longest, T.
    pub steps: usize,
    /// What the first layer reads, `[T, B, C]`; after the end of a sequence anything.
    pub inputs: Arc<[f32]>,
    /// The steps at which something is to be answered, as `t * B + row`.
    pub places: Vec<u32>,
}

impl SensorModel {
    /// A network on `device`: the processor computes the recurrent layers with the kernels of this crate, another device
    /// with candle's operations.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// A cell is imported only ([`Cell::trained`](crate::network::sensor::Cell::trained)).
    pub fn new(network: &SensorNetwork, device: &Device) -> Result<Self> {
        let mut model = Self::with_candle(network, device)?;
        if let Device::Cpu = device {
            let mut width = model.config.channels.len();
            let layers = model.parts.layers.iter();
            let layers = layers.map(|layer| {
                let shape = layer.config.shape(InputShape::Values(width));
                width = shape.output();
                shape
            });
            let shape = StackShape {
                layers: layers.collect(),
                outputs: model.parts.dense[0].weight().dim(0)?,
            };
            model.stack = Some(Stack::new(shape, Arch::new()));
        }
        Ok(model)
    }

    /// With candle's operations on any device.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// As [`SensorModel::new`].
    pub fn with_candle(network: &SensorNetwork, device: &Device) -> Result<Self> {
        let config = network.config.clone();
        let shapes = config.shapes().into_iter().zip(network.parameters());
        let vars = shapes.map(|((_, shape), values)| Var::from_slice(values, shape, device));
        let vars = vars.collect::<CandleResult<Vec<Var>>>()?;
        let tensors = vars.iter().map(|var| var.as_tensor().clone());
        let parts = Parts::new(&config, tensors)?;
        Ok(Self {
            config,
            vars,
            parts,
            stack: None,
        })
    }

    /// The parameters, in the order of [`SensorNetwork::parameters`].
    pub fn vars(&self) -> &[Var] {
        &self.vars
    }

    /// A copy in plain memory.
    ///
    /// # Errors
    /// The device fails.
    pub fn network(&self) -> Result<SensorNetwork> {
        let values = variables::values(&self.vars)?;
        Ok(SensorNetwork::from_parameters(self.config.clone(), values))
    }

    /// The outputs of the head at the places of a batch, `[places, N]`, from the zero state, as a node of the graph. `masks` are
    /// factors on each layer's `w_hh`; there may be none.
    ///
    /// # Errors
    /// The device fails.
    pub fn outputs(&self, batch: &SensorBatch, masks: &[Vec<f32>]) -> Result<Tensor> {
        let layers = masked(&self.parts.layers, masks)?;
        self.run(batch, &layers, &self.parts.dense)
    }

    /// The outputs that the weights of another network give; the gradient is that of the own ones in their place.
    ///
    /// # Errors
    /// The device fails.
    pub fn outputs_as(&self, shown: &SensorNetwork, batch: &SensorBatch) -> Result<Tensor> {
        let pairs = self.vars.iter().zip(shown.parameters());
        let tensors = pairs.map(|(var, shown)| {
            let shown = Tensor::from_slice(shown, var.shape(), var.device())?;
            var.as_tensor() + (shown - var.as_tensor().detach())?
        });
        let tensors = tensors.collect::<CandleResult<Vec<Tensor>>>()?;
        let parts = Parts::new(&self.config, tensors.into_iter())?;
        self.run(batch, &parts.layers, &parts.dense)
    }

    fn run(&self, batch: &SensorBatch, layers: &[Layer], dense: &[Linear]) -> Result<Tensor> {
        let (first, others) = dense.split_first().expect("the head at least");
        let mut x = match &self.stack {
            Some(stack) => on_stack(stack, batch, layers, first)?,
            None => first.forward(&self.unrolled(batch, layers)?)?,
        };
        // What follows each dense layer but the head.
        for (config, dense) in self.config.dense.iter().zip(others) {
            x = dense.forward(&activated(&x, config.activation)?)?;
        }
        Ok(x)
    }

    /// The outputs of the top layer at the places, `[places, R]`.
    fn unrolled(&self, batch: &SensorBatch, layers: &[Layer]) -> Result<Tensor> {
        let device = self.vars[0].device();
        let (rows, channels) = (batch.rows, self.config.channels.len());
        let inputs = Tensor::from_slice(&batch.inputs, (batch.steps, rows, channels), device)?;
        let zeros = |width| Tensor::zeros((rows, width), candle_core::DType::F32, device);
        let states = layers
            .iter()
            .map(|layer| Ok((zeros(layer.config.output())?, zeros(layer.config.hidden)?)));
        let mut states = states.collect::<CandleResult<Vec<_>>>()?;
        let mut hs = Vec::with_capacity(batch.steps);
        for step in 0..batch.steps {
            let input = inputs.get(step)?;
            hs.push(unrolled::step_from(input, layers, None, &mut states)?);
        }
        let places = Tensor::from_slice(&batch.places, batch.places.len(), device)?;
        Ok(Tensor::cat(&hs, 0)?.index_select(&places, 0)?)
    }
}

/// What the first dense layer gives at the places, `[places, N]`, before its activation.
fn on_stack(
    stack: &Stack,
    batch: &SensorBatch,
    layers: &[Layer],
    dense: &Linear,
) -> Result<Tensor> {
    let (weight, bias) = (dense.weight().t()?, dense.bias().expect("made with one"));
    let mut inputs = Vec::new();
    for layer in layers {
        inputs.extend([&layer.w_ih, &layer.bias]);
        inputs.extend(layer.recurrence());
    }
    inputs.extend([&weight, bias]);
    let first = batch.places.iter().min().map_or(0, |&place| place as usize) / batch.rows;
    let reading = Reading {
        shape: stack.shape.clone(),
        input: BatchInput::Values(batch.inputs.clone()),
        steps: batch.steps,
        rows: batch.rows,
        first,
        has_context: false,
    };
    let configs: Vec<_> = layers.iter().map(|layer| layer.config).collect();
    let outputs = stack.outputs(reading, &inputs, &mut zero_states(&configs, batch.rows))?;
    let before = (first * batch.rows) as u32;
    let places: Vec<u32> = batch.places.iter().map(|place| place - before).collect();
    Ok(outputs.index_select(&Tensor::new(places, &Device::Cpu)?, 0)?)
}

fn activated(x: &Tensor, activation: Activation) -> CandleResult<Tensor> {
    match activation {
        Activation::Linear => Ok(x.clone()),
        Activation::Relu => x.relu(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => candle_nn::ops::sigmoid(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::sensor::{Cell, Channel, DenseConfig, Forward, Head};

    /// For every cell that is trained and every activation, a network and a batch of it.
    fn examples() -> impl Iterator<Item = (SensorNetwork, SensorBatch)> {
        let cells = Cell::ALL
            .into_iter()
            .filter(|cell| cell.trained().is_some());
        let activations = [Activation::Relu, Activation::Tanh, Activation::Sigmoid];
        cells.zip(activations).map(|(cell, activation)| {
            let below = LayerConfig {
                cell,
                hidden: 7,
                projection: (cell == Cell::Cifg).then_some(4),
            };
            let config = SensorConfig {
                channels: (0..3).map(|_| Channel::plain("")).collect(),
                layers: vec![below, LayerConfig::new(cell, 5)],
                dense: vec![DenseConfig {
                    width: 6,
                    activation,
                }],
                head: Head::Classes(vec!["a".into(), "b".into()]),
                window: None,
                backwards: false,
            };
            let random = &mut Random::new(5);
            let network = SensorNetwork::new(config, random).unwrap();
            let batch = SensorBatch {
                rows: 2,
                steps: 4,
                inputs: random.uniform_vec(4 * 2 * 3, 1.0).into(),
                places: vec![3, 4, 7],
            };
            (network, batch)
        })
    }

    fn models(network: &SensorNetwork) -> [SensorModel; 2] {
        [
            SensorModel::new(network, &Device::Cpu).unwrap(),
            SensorModel::with_candle(network, &Device::Cpu).unwrap(),
        ]
    }

    #[test]
    fn the_outputs_are_those_of_plain_loops() {
        for (network, batch) in examples() {
            for model in models(&network) {
                assert_eq!(model.network().unwrap(), network);
                let found: Vec<Vec<f32>> = model.outputs(&batch, &[]).unwrap().to_vec2().unwrap();
                assert_eq!(found.len(), batch.places.len());
                for row in 0..batch.rows {
                    let mut forward = Forward::new(&network);
                    for step in 0..batch.steps {
                        let place = step * batch.rows + row;
                        let expected = forward.step(&batch.inputs[place * 3..][..3]);
                        let at = batch.places.iter().position(|&p| p as usize == place);
                        for (found, expected) in
                            at.iter().flat_map(|&at| found[at].iter().zip(expected))
                        {
                            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_gradients_are_those_of_candle() {
        for (network, batch) in examples() {
            let random = &mut Random::new(6);
            let layers = network.config.layers.iter();
            let masks: Vec<_> = layers
                .map(|layer| random.mask(layer.output() * layer.columns(), 0.3))
                .collect();
            let [found, expected] = models(&network).map(|model| {
                let outputs = model.outputs(&batch, &masks).unwrap();
                let gradients = outputs.sqr().unwrap().sum_all().unwrap().backward();
                let gradients = gradients.unwrap();
                let gradient = |var| {
                    let gradient = gradients.get(var).expect("every parameter takes part");
                    gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap()
                };
                model
                    .vars()
                    .iter()
                    .flat_map(|var| gradient(var))
                    .collect::<Vec<f32>>()
            });
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-5 * (1.0 + expected.abs()),
                    "{found} {expected}"
                );
            }
        }
    }
}

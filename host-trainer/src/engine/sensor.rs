//! A network that reads values, whose parameters are variables of candle on a device, to be trained there, by candle's own
//! operations.

use crate::engine::layer::Layer;
use crate::engine::{unrolled, variables};
use crate::files::error::Result;
use crate::network::config;
use crate::network::sensor::{Activation, LayerConfig, SensorConfig, SensorNetwork};
use candle_core::{Device, Result as CandleResult, Tensor, Var};
use candle_nn::{Linear, Module};

/// A network on a device.
#[derive(Debug)]
pub struct SensorModel {
    config: SensorConfig,
    /// In the order of [`SensorNetwork::parameters`].
    vars: Vec<Var>,
    parts: Parts,
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
    /// What the first layer reads, `[T, B, C]`; behind the end of a sequence anything.
    pub inputs: Vec<f32>,
    /// The steps at which something is to be answered, as `t * B + row`.
    pub places: Vec<u32>,
}

impl SensorModel {
    /// A network on `device`.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// A cell is imported only ([`Cell::trained`](crate::network::sensor::Cell::trained)).
    pub fn new(network: &SensorNetwork, device: &Device) -> Result<Self> {
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
        let mut layers = self.parts.layers.clone();
        for (layer, mask) in layers.iter_mut().zip(masks) {
            let mask = Tensor::from_slice(mask, layer.w_hh.shape(), layer.w_hh.device())?;
            layer.w_hh = (&layer.w_hh * mask)?;
        }
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
        let mut x = Tensor::cat(&hs, 0)?.index_select(&places, 0)?;
        let activations = self.config.dense.iter().map(|dense| dense.activation);
        for (dense, activation) in dense.iter().zip(activations.chain([Activation::Linear])) {
            x = activated(&dense.forward(&x)?, activation)?;
        }
        Ok(x)
    }
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

    /// Candle's operations against plain loops, for every cell that is trained and every activation.
    #[test]
    fn the_outputs_are_those_of_plain_loops() {
        let cells = Cell::ALL
            .into_iter()
            .filter(|cell| cell.trained().is_some());
        let activations = [Activation::Relu, Activation::Tanh, Activation::Sigmoid];
        for (cell, activation) in cells.zip(activations) {
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
            let inputs = random.uniform_vec(4 * 2 * 3, 1.0);
            let batch = SensorBatch {
                rows: 2,
                steps: 4,
                inputs: inputs.clone(),
                places: vec![3, 4, 7],
            };
            let model = SensorModel::new(&network, &Device::Cpu).unwrap();
            assert_eq!(model.network().unwrap(), network);
            let found: Vec<Vec<f32>> = model.outputs(&batch, &[]).unwrap().to_vec2().unwrap();
            for row in 0..2 {
                let mut forward = Forward::new(&network);
                for step in 0..4 {
                    let place = step * 2 + row;
                    let expected = forward.step(&inputs[place * 3..][..3]);
                    let at = batch.places.iter().position(|&p| p as usize == place);
                    for (found, expected) in
                        at.iter().flat_map(|&at| found[at].iter().zip(expected))
                    {
                        assert!(
                            (found - expected).abs() < 1e-5,
                            "{cell:?}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}

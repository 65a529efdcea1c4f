//! A network whose parameters are variables of candle on a device, to be trained there.

use crate::engine::stack_op::{self, Reading, Tapes};
use crate::engine::unrolled;
use crate::files::error::Result;
use crate::kernels::stack::{StackShape, State};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::text::batches::{Batch, LossOn};
use candle_core::{Device, Tensor, Var};
use candle_nn::{Embedding, Linear, Module};
use pulp::Arch;
use std::sync::Arc;

/// A network on a device.
#[derive(Debug)]
pub struct Model {
    pub(super) config: NetworkConfig,
    /// In the order of [`Network::parameters`].
    vars: Vec<Var>,
    pub(super) embedding: Embedding,
    pub(super) layers: Vec<Layer>,
    pub(super) dense: Linear,
    /// The token of every symbol, `[V]`.
    symbols: Tensor,
    engine: Engine,
}

/// The weights of a layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) config: LayerConfig,
    /// `[in, G H]`.
    pub(super) w_ih: Tensor,
    /// `[R, G H]`.
    pub(super) w_hh: Tensor,
    /// `[G H]`.
    pub(super) bias: Tensor,
    /// `[H, R]`.
    pub(super) projection: Option<Tensor>,
}

/// What computes the layers.
#[derive(Debug)]
enum Engine {
    /// The kernels, on the processor.
    Kernels {
        shape: Arc<StackShape>,
        arch: Arch,
        tapes: Tapes,
    },
    /// Candle's own operations, step by step.
    Candle,
}

impl Model {
    /// A network on `device`: the processor computes with the kernels of this crate for its best instruction set, another device
    /// with candle's operations.
    ///
    /// # Errors
    /// The device fails.
    pub fn new(network: &Network, device: &Device) -> Result<Self> {
        match device {
            Device::Cpu => Self::with_kernels(network, Arch::new()),
            _ => Self::with_candle(network, device),
        }
    }

    /// On the processor, with the kernels for a certain instruction set.
    ///
    /// # Errors
    /// Candle refuses.
    pub fn with_kernels(network: &Network, arch: Arch) -> Result<Self> {
        let config = &network.config;
        let shape = StackShape {
            vocabulary: config.vocabulary(),
            layers: config.layer_shapes(),
        };
        let engine = Engine::Kernels {
            shape: Arc::new(shape),
            arch,
            tapes: Tapes::default(),
        };
        Self::with_engine(network, &Device::Cpu, engine)
    }

    /// With candle's operations on any device.
    ///
    /// # Errors
    /// The device fails.
    pub fn with_candle(network: &Network, device: &Device) -> Result<Self> {
        Self::with_engine(network, device, Engine::Candle)
    }

    fn with_engine(network: &Network, device: &Device, engine: Engine) -> Result<Self> {
        let config = network.config.clone();
        let shapes = config.shapes().into_iter().zip(network.parameters());
        let vars = shapes.map(|((_, shape), values)| Var::from_slice(values, shape, device));
        let vars = vars.collect::<candle_core::Result<Vec<Var>>>()?;
        let mut tensors = vars.iter().map(|var| var.as_tensor().clone());
        let mut next = || tensors.next().expect("one for each parameter");
        let embedding = Embedding::new(next(), config.embedding);
        let layer = |&config: &LayerConfig| Layer {
            config,
            w_ih: next(),
            w_hh: next(),
            bias: next(),
            projection: config.projection.map(|_| next()),
        };
        let layers = config.layers.iter().map(layer).collect();
        // Linear holds its weight as [out, in]: a view of the variable.
        let dense = Linear::new(next().t()?, Some(next()));
        let symbols = Tensor::arange(0u32, config.vocabulary() as u32, device)?;
        Ok(Self {
            config,
            embedding,
            layers,
            dense,
            symbols,
            engine,
            vars,
        })
    }

    /// The parameters, in the order of [`Network::parameters`].
    pub fn vars(&self) -> &[Var] {
        &self.vars
    }

    /// A copy in plain memory.
    ///
    /// # Errors
    /// The device fails.
    pub fn network(&self) -> Result<Network> {
        let mut values = Vec::new();
        for var in &self.vars {
            values.push(var.flatten_all()?.to_vec1()?);
        }
        Ok(Network::from_parameters(self.config.clone(), values))
    }

    /// The logits of a batch as a node of the graph: `[T B, V]`, or `[B, V]` of the last step alone. `states` has a
    /// state for each layer; it goes in as a constant and comes out as the state after the batch. `masks` holds, for
    /// each layer, factors on `w_hh`; it may be empty.
    ///
    /// # Errors
    /// The shapes do not fit each other, or the device fails.
    pub fn logits(
        &self,
        batch: &Batch,
        loss_on: LossOn,
        states: &mut Vec<State>,
        masks: &[Vec<f32>],
    ) -> Result<Tensor> {
        let layers = self.masked(masks)?;
        let first = match loss_on {
            LossOn::EveryStep => 0,
            LossOn::LastStep => batch.steps.saturating_sub(1),
        };
        let Engine::Kernels { shape, arch, tapes } = &self.engine else {
            return unrolled::logits(self, &layers, batch, first, states);
        };
        // The products of the first layer's input are a table with a row a symbol, which the sequence looks up.
        let symbols = self.embedding.forward(&self.symbols)?;
        let table = symbols
            .matmul(&layers[0].w_ih)?
            .broadcast_add(&layers[0].bias)?;
        let weight = self.dense.weight().t()?;
        let mut inputs = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            match index {
                0 => inputs.push(&table),
                _ => inputs.extend([&layer.w_ih, &layer.bias]),
            }
            inputs.push(&layer.w_hh);
            inputs.extend(&layer.projection);
        }
        inputs.push(&weight);
        inputs.extend(self.dense.bias());
        let reading = Reading {
            shape: shape.clone(),
            tokens: batch.inputs.clone(),
            rows: batch.rows,
            first,
        };
        Ok(stack_op::logits(reading, &inputs, states, *arch, tapes)?)
    }

    /// The layers, with their recurrent weights masked.
    fn masked(&self, masks: &[Vec<f32>]) -> Result<Vec<Layer>> {
        let mut layers = self.layers.clone();
        for (layer, mask) in layers.iter_mut().zip(masks) {
            let mask = Tensor::from_slice(mask, layer.w_hh.shape(), layer.w_hh.device())?;
            layer.w_hh = (&layer.w_hh * mask)?;
        }
        Ok(layers)
    }
}

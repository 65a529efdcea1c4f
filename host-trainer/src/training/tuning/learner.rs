//! What is tuned: the masters, their integers, the optimizer, and the threads.

use super::source::Source;
use crate::engine::loss::distillation;
use crate::engine::many::{apply, lock};
use crate::engine::optimizer::{Adam, AdamConfig, AdamState, clip_by_global_norm};
use crate::engine::stack_op::Reading;
use crate::files::error::Result;
use crate::kernels::pool::Pool;
use crate::kernels::softmax::Loss;
use crate::kernels::stack::{StackShape, StackTape};
use crate::network::parameters::Network;
use crate::quantize::QuantizedNetwork;
use crate::quantize::qat::device_op::DeviceOp;
use crate::quantize::qat::forward::IntegerNetwork;
use crate::quantize::qat::masters::Masters;
use crate::text::batches::{Batch, LossOn};
use candle_core::{Result as CandleResult, Tensor, Var};
use candle_nn::Optimizer;
use std::sync::{Arc, Mutex};

/// The settings of the optimizer.
pub(super) const ADAM: AdamConfig = AdamConfig {
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    weight_decay: 0.0,
};
/// The largest norm of all gradients.
const CLIP: f64 = 1.0;

/// A network of integers that learns.
pub(super) struct Learner {
    pool: Pool,
    pub(super) masters: Masters,
    /// The masters' own.
    pub(super) integers: Arc<IntegerNetwork>,
    vars: Vec<Var>,
    adam: Adam,
    shape: Arc<StackShape>,
    tape: Arc<Mutex<StackTape>>,
}

impl Learner {
    /// From where quantization ended.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(super) fn new(network: &Network, start: &QuantizedNetwork, threads: usize) -> Result<Self> {
        let masters = Masters::new(network, start)?;
        let mut layers = network.config.layer_shapes();
        for layer in &mut layers {
            layer.projection_bias = layer.projection.is_some();
        }
        let shape = StackShape {
            vocabulary: network.config.vocabulary(),
            outputs: network.config.dense_outputs(),
            layers,
        };
        let vars = masters.vars();
        Ok(Self {
            pool: Pool::new(threads)?,
            integers: Arc::new(masters.round()?),
            adam: Adam::new(vars.clone(), ADAM)?,
            masters,
            vars,
            shape: Arc::new(shape),
            tape: Arc::default(),
        })
    }

    /// Numbers of each parameter.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.vars.iter().map(|var| var.elem_count()).collect()
    }

    /// Goes on from there.
    ///
    /// # Errors
    /// The numbers are of other shapes.
    pub(super) fn resume(&mut self, parameters: &[Vec<f32>], adam: &AdamState) -> Result<()> {
        self.adam = Adam::resume(self.vars.clone(), adam)?;
        self.masters.set_parameters(parameters)?;
        self.integers = Arc::new(self.masters.round()?);
        Ok(())
    }

    /// What a checkpoint holds of the optimizer.
    ///
    /// # Errors
    /// Candle refuses.
    pub(super) fn adam(&self) -> Result<AdamState> {
        Ok(self.adam.state()?)
    }

    /// Forward, backward, update; gives the mean losses and the norm of all gradients. If that is not finite, nothing is
    /// changed but the states. The divergence from the source's teacher has `share` of the loss.
    ///
    /// # Errors
    /// The shapes do not fit each other.
    pub(super) fn learn(
        &mut self,
        source: &mut Source<'_>,
        batch: &Batch,
        share: f32,
        rate: f64,
    ) -> Result<(Loss, f64)> {
        let Self {
            pool,
            masters,
            integers,
            vars,
            adam,
            shape,
            tape,
        } = self;
        pool.run(|| {
            let loss_on = source.feeder.loss_on();
            let teacher = source.teacher.logits(batch, loss_on)?;
            let reading = Reading {
                has_context: false,
                shape: shape.clone(),
                tokens: batch.inputs.clone(),
                rows: batch.rows,
                first: match loss_on {
                    LossOn::EveryStep => 0,
                    LossOn::LastStep => batch.steps - 1,
                },
            };
            let states = Arc::new(Mutex::new(std::mem::take(&mut source.states)));
            let device = DeviceOp::new(integers.clone(), reading, states.clone(), tape.clone());
            let logits = node(device, &masters.values(integers)?)?;
            source.states = std::mem::take(&mut *lock(&states));
            let targets = batch.counted_targets(loss_on);
            let (node, loss) = distillation(&logits, targets, (&teacher, share))?;
            let mut gradients = node.backward()?;
            let norm = clip_by_global_norm(&mut gradients, vars, CLIP)?;
            if norm.is_finite() {
                adam.set_learning_rate(rate);
                adam.step(&gradients)?;
                *integers = Arc::new(masters.round()?);
            }
            Ok((loss, norm))
        })
    }
}

fn node(device: DeviceOp, values: &[Tensor]) -> CandleResult<Tensor> {
    let values: Vec<&Tensor> = values.iter().collect();
    apply(device, &values)
}

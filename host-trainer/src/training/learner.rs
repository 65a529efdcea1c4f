//! What learns: the network on its device, the optimizer, the average of the weights, and the threads.

use crate::engine::average::Average;
use crate::engine::loss::cross_entropy;
use crate::engine::model::{Beside, Model};
use crate::engine::optimizer::{Adam, AdamState, clip_by_global_norm};
use crate::files::error::Result;
use crate::kernels::pool::Pool;
use crate::network::parameters::Network;
use crate::network::state::State;
use crate::text::batches::{Batch, LossOn};
use crate::training::checkpoint::Checkpoint;
use candle_core::Device;
use candle_nn::Optimizer;

/// A network that learns.
pub(crate) struct Learner {
    pool: Pool,
    model: Model,
    adam: Adam,
    average: Average,
}

/// How a batch is learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    /// The learning rate.
    pub(crate) rate: f64,
    /// Factor on it, for the embedding.
    pub(crate) embedding_rate: f64,
    /// The largest norm of all gradients.
    pub(crate) clip: f64,
    /// The share of the new weights in their average.
    pub(crate) average: Option<f32>,
}

impl Learner {
    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// The system gives no threads, or the device fails.
    pub(crate) fn new(now: &Checkpoint, device: &Device, threads: usize) -> Result<Self> {
        let model = Model::new(&now.network, device)?;
        Ok(Self {
            pool: Pool::new(threads)?,
            adam: Adam::resume(model.vars().to_vec(), &now.adam)?,
            average: Average::new(model.vars(), &now.average)?,
            model,
        })
    }

    /// The threads.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Goes on with other moments and another average.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn begin(&mut self, adam: &AdamState, average: &[Vec<f32>]) -> Result<()> {
        self.adam = Adam::resume(self.model.vars().to_vec(), adam)?;
        self.average = Average::new(self.model.vars(), average)?;
        Ok(())
    }

    /// Forward, backward, update; gives the mean loss, in nats, and the norm of all gradients. If one of them is not finite,
    /// nothing is changed but the states.
    ///
    /// # Errors
    /// The shapes do not fit each other, or the device fails.
    pub(crate) fn learn(
        &mut self,
        (batch, loss_on): (&Batch, LossOn),
        states: &mut Vec<State>,
        beside: Beside<'_>,
        update: Update,
    ) -> Result<(f64, f64)> {
        let Self {
            pool,
            model,
            adam,
            average,
        } = self;
        pool.run(|| {
            let logits = model.logits(batch, loss_on, states, beside)?;
            let (node, loss) = cross_entropy(&logits, batch.counted_targets(loss_on))?;
            let mut gradients = node.backward()?;
            let vars = model.vars();
            let norm = clip_by_global_norm(&mut gradients, vars, update.clip)?;
            if loss.is_finite() && norm.is_finite() {
                adam.set_learning_rate(update.rate);
                // The embedding is the first parameter.
                adam.set_rate(0, update.embedding_rate);
                adam.step(&gradients)?;
                if let Some(share) = update.average {
                    average.update(vars, share)?;
                }
            }
            Ok((loss, norm))
        })
    }

    /// A copy of the network in plain memory.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn network(&self) -> Result<Network> {
        self.model.network()
    }

    /// Copies all that is learned into a checkpoint.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn save_to(&self, now: &mut Checkpoint) -> Result<()> {
        now.network = self.model.network()?;
        now.adam = self.adam.state()?;
        now.average = self.average.values()?;
        Ok(())
    }
}

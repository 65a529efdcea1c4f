//! The f32 network as a teacher: its logits over the same text.

use crate::engine::model::{Beside, Model};
use crate::files::error::Result;
use crate::network::parameters::Network;
use crate::network::state::{State, zero_states};
use crate::text::batches::{Batch, LossOn};
use candle_core::{Device, Tensor};

/// A network that reads along.
#[derive(Debug)]
pub struct Teacher {
    model: Model,
    /// A state for each layer; none where nothing was read.
    pub states: Vec<State>,
}

impl Teacher {
    /// A teacher that has read nothing.
    ///
    /// # Errors
    /// Candle refuses.
    pub fn new(network: &Network) -> Result<Self> {
        Ok(Self {
            model: Model::new(network, &Device::Cpu)?,
            states: Vec::new(),
        })
    }

    /// Forgets the text read so far.
    pub fn reset(&mut self) {
        self.states.clear();
    }

    /// Reads on; gives the logits of the steps that count, `[N, V]`.
    ///
    /// # Errors
    /// The batch does not fit the network.
    pub fn logits(&mut self, batch: &Batch, loss_on: LossOn) -> Result<Tensor> {
        if self.states.is_empty() {
            self.states = zero_states(self.model.layers(), batch.rows);
        }
        let logits = self
            .model
            .logits(batch, loss_on, &mut self.states, Beside::default())?;
        Ok(logits.detach())
    }
}

//! The state of the layers for a batch: what is carried from one batch to the next, and kept in a
//! checkpoint.

use crate::network::config::LayerConfig;

pub use crate::kernels::stack::State;

impl State {
    /// The state at the start of a text.
    pub fn zeros(batch: usize, layer: LayerConfig) -> Self {
        Self {
            h: vec![0.0; batch * layer.output()],
            c: vec![0.0; batch * layer.hidden],
        }
    }
}

/// The state of each layer at the start of a text.
pub fn zero_states(layers: &[LayerConfig], batch: usize) -> Vec<State> {
    let layers = layers.iter();
    layers.map(|&layer| State::zeros(batch, layer)).collect()
}

//! The state of the layers for a batch: what is carried from one batch to the next, and kept in a
//! checkpoint.

use crate::files::error::Result;
use crate::files::tensors::TensorFile;
use crate::network::config::LayerConfig;
use std::path::Path;

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

/// The rows of a batch; 0 where there is no state.
pub fn state_rows(states: &[State], layers: &[LayerConfig]) -> usize {
    let first = states.first().zip(layers.first());
    first.map_or(0, |(state, layer)| state.h.len() / layer.output())
}

/// Adds a state for each layer, or none, to `file`.
pub fn insert_states(
    file: &mut TensorFile,
    prefix: &str,
    layers: &[LayerConfig],
    states: &[State],
) {
    let rows = state_rows(states, layers);
    for (i, (state, layer)) in states.iter().zip(layers).enumerate() {
        file.insert(format!("{prefix}.{i}.h"), &[rows, layer.output()], &state.h);
        file.insert(format!("{prefix}.{i}.c"), &[rows, layer.hidden], &state.c);
    }
}

/// Takes what [`insert_states`] added.
///
/// # Errors
/// It is not there, of another shape, or not finite; `path` only names the file then.
pub fn take_states(
    file: &mut TensorFile,
    path: &Path,
    prefix: &str,
    layers: &[LayerConfig],
    rows: usize,
) -> Result<Vec<State>> {
    let mut states = Vec::new();
    for (i, layer) in layers.iter().enumerate().filter(|_| rows > 0) {
        let h = file.take_finite(path, &format!("{prefix}.{i}.h"), &[rows, layer.output()])?;
        let c = file.take_finite(path, &format!("{prefix}.{i}.c"), &[rows, layer.hidden])?;
        states.push(State { h, c });
    }
    Ok(states)
}

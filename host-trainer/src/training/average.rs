//! A running average of the weights (Polyak and Juditsky 1992), which is often better than any of
//! them.

use crate::network::parameters::Network;
use crate::training::checkpoint::Checkpoint;
use crate::training::phase::Phase;

/// The average at the start of a phase: the weights; nothing where none is kept.
pub(crate) fn start(phase: &Phase, network: &Network) -> Vec<Vec<f32>> {
    match phase.ema {
        Some(_) => network
            .parameters()
            .into_iter()
            .map(<[f32]>::to_vec)
            .collect(),
        None => Vec::new(),
    }
}

/// The share of the weights in their average after update `step` (from one): 1 less a decay that rises to `decay` over
/// the first updates, so that the start is soon forgotten.
pub(crate) fn share(decay: f64, step: u64) -> f32 {
    let rising = (1 + step) as f64 / (10 + step) as f64;
    (1.0 - decay.min(rising)) as f32
}

/// The network with the averaged weights, where they are kept.
pub(crate) fn network(now: &Checkpoint) -> Option<Network> {
    if now.average.is_empty() {
        return None;
    }
    let mut network = now.network.clone();
    for (weights, average) in network.parameters_mut().into_iter().zip(&now.average) {
        weights.copy_from_slice(average);
    }
    Some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_soon_forgotten() {
        // At first 10 / 11 - 2 / 11: nine elevenths of the weights.
        assert!((share(0.99, 1) - 9.0 / 11.0).abs() < 1e-6);
        assert!((share(0.99, 100_000) - 0.01).abs() < 1e-6);
    }
}

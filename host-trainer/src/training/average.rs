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

/// After update `update` (from one): `average = d average + (1 - d) weights`, where `d` rises to `decay`
/// over the first updates, so that the start is soon forgotten.
pub(crate) fn update(average: &mut [Vec<f32>], network: &Network, decay: f64, update: u64) {
    let rising = (1 + update) as f64 / (10 + update) as f64;
    let share = (1.0 - decay.min(rising)) as f32;
    for (average, weights) in average.iter_mut().zip(network.parameters()) {
        for (a, w) in average.iter_mut().zip(weights) {
            *a += share * (w - *a);
        }
    }
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
    use crate::kernels::random::Random;
    use crate::network::config::NetworkConfig;
    use crate::text::alphabet::Alphabet;

    #[test]
    fn it_moves_by_the_share_that_is_left() {
        let config = NetworkConfig::lstm(&Alphabet::letters(), 2, 2, 1);
        let mut network = Network::new(config, &mut Random::new(1)).unwrap();
        network.dense_bias[0] = 1.0;
        let mut average = vec![vec![0.0; 0]; network.parameters().len() - 1];
        average.push(vec![0.0; 27]);
        // At first 10 / 11 - 2 / 11: nine elevenths of the weights.
        update(&mut average, &network, 0.99, 1);
        let first = average.last().unwrap()[0];
        assert!((first - 9.0 / 11.0).abs() < 1e-6);
        update(&mut average, &network, 0.99, 100_000);
        let second = average.last().unwrap()[0];
        assert!((second - (first + 0.01 * (1.0 - first))).abs() < 1e-6);
    }
}

//! What of a network lies beyond the ranges of the device's integers, see docs/NUMBERS.md.

use crate::network::cell::GateKind;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::predictor::{NetworkPredictor, Predictor};
use crate::quantize::beyond::{Beyond, GateSums, Kind, MOST, Place, Seen, found, worst};
use crate::quantize::calibrate::{CHARACTERS, Moment, write};
use crate::quantize::fixed_point::{INT8_LARGEST, PROJECTED_UNIT};

/// What lies beyond the integers of a layer while the network writes its own text: cell states, projected hidden states, a
/// GRU's sums, and sums beyond the tables of the activations.
pub fn beyond_integers(network: &Network) -> Vec<Beyond> {
    let layers = network.config.layers.iter().enumerate();
    let seen = |kind: fn(LayerConfig) -> Option<Kind>| -> Vec<Seen> {
        let kinds = layers.clone();
        let kinds = kinds.filter_map(|(index, layer)| Some(Seen::new(index, kind(*layer)?)));
        kinds.collect()
    };
    let mut cells = seen(|layer| cell_limit(layer).map(Kind::cells));
    let mut projected = seen(|layer| projected_limit(layer).map(Kind::projected));
    let mut candidates = seen(|layer| layer.cell.has_unit_cell_state().then_some(Kind::CANDIDATE));
    let sums = layers.clone().map(|(index, layer)| {
        let gates = layer.cell.gates().iter();
        GateSums::new(
            index,
            gates.map(|gate| gate.kind == GateKind::Tanh).collect(),
        )
    });
    let mut sums: Vec<GateSums> = sums.collect();
    write(network, |moment, _, predictor| {
        if moment == Moment::Before {
            return;
        }
        for seen in &mut cells {
            seen.look(predictor.cells(seen.layer));
        }
        for seen in &mut projected {
            seen.look(predictor.output(seen.layer));
        }
        for seen in &mut candidates {
            seen.look(predictor.candidate_sums(seen.layer));
        }
        for (index, seen) in sums.iter_mut().enumerate() {
            seen.look(&predictor.gate_sums(index));
        }
    });
    let place = Place::Characters(CHARACTERS);
    let all = cells.iter().chain(&projected).chain(&candidates);
    let tables = sums.iter().flat_map(|sums| sums.told(place));
    all.filter_map(|seen| seen.told(place))
        .chain(tables)
        .collect()
}

/// The largest cell state that the integers hold; one between -1 and 1 always fits.
fn cell_limit(layer: LayerConfig) -> Option<f32> {
    let cell = layer.cell;
    (!cell.has_unit_cell_state()).then(|| f32::from(i16::MAX) / cell.cell_unit())
}

/// The largest projected hidden state that the integers hold.
fn projected_limit(layer: LayerConfig) -> Option<f32> {
    let limit = f32::from(INT8_LARGEST) / PROJECTED_UNIT;
    layer.projection.map(|_| limit)
}

/// Why a network of which so much is beyond the integers should not be rounded to them; `None` where it may be.
///
/// The integers do not hold it if most of a layer is beyond them, or if that alone costs too much of its predictions.
pub fn refusal(network: &Network, beyond: &[Beyond]) -> Option<String> {
    /// Bits a character that it may cost.
    const COST: f64 = 0.05;
    let worst = worst(beyond)?;
    let found = found(worst);
    if worst.share > MOST {
        return Some(found);
    }
    let cost = cost(network);
    let costs = format!("; on the text that it writes that alone costs {cost:.2} bits a character");
    (cost > COST).then(|| found + &costs)
}

/// The bits a character that the predictions lose if what is beyond the integers is cut off, all else in f32: the mean
/// divergence (Kullback and Leibler 1951) over the text that the network writes.
fn cost(network: &Network) -> f64 {
    let mut cut = NetworkPredictor::new(network);
    let (mut at, mut nats) = (0usize, 0.0);
    write(network, |moment, token, whole| {
        if moment == Moment::Before {
            return;
        }
        let window = network.config.window;
        if window.is_some_and(|length| at.is_multiple_of(length)) {
            cut.reset();
        }
        at += 1;
        cut.step(token);
        nats += divergence(whole.logits(), cut.logits());
        for (index, layer) in network.config.layers.iter().enumerate() {
            let limit = |limit: Option<f32>| limit.unwrap_or(f32::INFINITY);
            cut.limit(
                index,
                limit(cell_limit(*layer)),
                limit(projected_limit(*layer)),
            );
        }
    });
    nats / CHARACTERS as f64 / std::f64::consts::LN_2
}

/// The nats that predictions lose if their logits are `other`.
fn divergence(own: &[f32], other: &[f32]) -> f64 {
    let log_probabilities = |logits: &[f32]| -> Vec<f64> {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = || logits.iter().map(|&z| f64::from(z) - f64::from(largest));
        let sum: f64 = shifted().map(f64::exp).sum();
        shifted().map(|z| z - sum.ln()).collect()
    };
    let (own, other) = (log_probabilities(own), log_probabilities(other));
    let pairs = own.iter().zip(other);
    pairs.map(|(own, other)| own.exp() * (own - other)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::config::{LayerConfig, NetworkConfig};
    use crate::text::alphabet::Alphabet;

    /// One unit that counts: 1 for each a, -1 for each b. While it is above 0, the network writes a.
    fn counter() -> Network {
        let alphabet = Alphabet {
            symbols: vec!['a', 'b'],
            fold_case: false,
        };
        let config = NetworkConfig::stack(&alphabet, 1, LayerConfig::lstm(1), 1);
        let mut network = Network::new(config, &mut Random::new(1)).unwrap();
        network.embedding = vec![1.0, -1.0];
        let layer = &mut network.layers[0];
        layer.w_ih = vec![0.0, 0.0, 5.0, 0.0];
        layer.w_hh = vec![0.0; 4];
        layer.bias = vec![12.0, 12.0, 0.0, 12.0];
        network.dense_weight = vec![3.0, -3.0];
        network.dense_bias = vec![0.0, 0.0];
        network
    }

    #[test]
    fn a_cell_that_counts_is_told() {
        let found = beyond_integers(&counter());
        assert!(
            found[0].share > 0.5 && found[0].largest > 100.0,
            "{found:?}"
        );
        let line = found[0].to_string();
        assert!(
            line.starts_with("layer 0: 9") && line.contains("cell states go beyond 16"),
            "{line}"
        );
        // Its gates are always open: three of three sums before a sigmoid are 12, where the table ends at 8.
        let whats: Vec<_> = found.iter().map(|beyond| beyond.what).collect();
        assert_eq!(
            whats,
            ["cell states", "sums before a sigmoid", "sums before a tanh"]
        );
        assert_eq!((found[1].share, found[1].largest), (1.0, 12.0));
        assert!(found.iter().all(Beyond::is_told));
    }

    #[test]
    fn what_fits_is_not_told() {
        let config = NetworkConfig::stack(&Alphabet::letters(), 4, LayerConfig::lstm(8), 2);
        let network = Network::new(config, &mut Random::new(1)).unwrap();
        assert_eq!(beyond_integers(&network), []);
        assert_eq!(refusal(&network, &[]), None);
        // Nothing is cut off, so nothing is lost.
        assert_eq!(cost(&network), 0.0);
    }

    #[test]
    fn most_of_a_layer_beyond_is_refused() {
        let network = counter();
        let reason = refusal(&network, &beyond_integers(&network)).unwrap();
        assert!(
            reason.contains("cell states go beyond 16, up to"),
            "{reason}"
        );
    }

    /// A cell that an a takes up by one and a b down, as often, and that slowly forgets: now and then it is above 16. The
    /// network writes c where it is above 0, and d where it is below.
    #[test]
    fn what_costs_too_much_is_refused() {
        let alphabet = Alphabet {
            symbols: vec!['a', 'b', 'c', 'd'],
            fold_case: false,
        };
        let config = NetworkConfig::stack(&alphabet, 1, LayerConfig::lstm(1), 1);
        let mut network = Network::new(config, &mut Random::new(1)).unwrap();
        network.embedding = vec![1.0, -1.0, 0.0, 0.0];
        let layer = &mut network.layers[0];
        layer.w_ih = vec![0.0, 0.0, 5.0, 0.0];
        layer.w_hh = vec![0.0; 4];
        layer.bias = vec![12.0, 6.5, 0.0, 12.0];
        network.dense_weight = vec![0.0, 0.0, 3.0, -3.0];
        network.dense_bias = vec![0.0, 0.0, -2.3, -2.3];
        let beyond = beyond_integers(&network);
        assert!((0.02..0.5).contains(&beyond[0].share), "{beyond:?}");
        assert!((0.05..1.0).contains(&cost(&network)));
        let reason = refusal(&network, &beyond).unwrap();
        assert!(reason.ends_with(" bits a character"), "{reason}");
        // Without c and d nobody sees how high the cell was.
        network.dense_weight = vec![0.0; 4];
        let beyond = beyond_integers(&network);
        assert!((0.02..0.5).contains(&beyond[0].share), "{beyond:?}");
        assert_eq!(cost(&network), 0.0);
        assert_eq!(refusal(&network, &beyond), None);
    }

    #[test]
    fn a_divergence_is_that_of_the_definition() {
        let (own, other) = ([0.0, 3f32.ln()], [0.0, 0.0]);
        // Probabilities 1/4 and 3/4 beside 1/2 and 1/2.
        let expected = 0.25 * 0.5f64.ln() + 0.75 * 1.5f64.ln();
        assert!((divergence(&own, &other) - expected).abs() < 1e-6);
        assert_eq!(divergence(&own, &own), 0.0);
    }
}

//! What of a network lies beyond the ranges of the device's integers, see docs/NUMBERS.md.

use crate::network::parameters::Network;
use crate::quantize::calibrate::{CHARACTERS, Moment, write};
use crate::quantize::fixed_point::{INT8_LARGEST, PROJECTED_UNIT};
use std::fmt;

/// Numbers of a layer that the integers cut off.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Beyond {
    /// The layer, from 0.
    pub layer: usize,
    /// What they are.
    pub what: &'static str,
    /// The largest that an integer holds.
    pub limit: f32,
    /// The share of them beyond it.
    pub share: f64,
    /// The largest.
    pub largest: f32,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "layer {}: {:.2} % of its {} go beyond {:.0}, up to {:.1}, in {CHARACTERS} characters that the \
             network writes: int8 and int4 stop there, so that their text is another than that of f32",
            self.layer,
            100.0 * self.share,
            self.what,
            self.limit,
            self.largest
        )
    }
}

/// Numbers of one kind, of which some are looked at.
struct Seen {
    beyond: Beyond,
    number: usize,
    found: usize,
}

impl Seen {
    fn new(layer: usize, what: &'static str, limit: f32) -> Self {
        let beyond = Beyond {
            layer,
            what,
            limit,
            share: 0.0,
            largest: 0.0,
        };
        Self {
            beyond,
            number: 0,
            found: 0,
        }
    }

    fn look(&mut self, numbers: &[f32]) {
        self.number += numbers.len();
        for number in numbers.iter().map(|number| number.abs()) {
            self.found += usize::from(number > self.beyond.limit);
            self.beyond.largest = self.beyond.largest.max(number);
        }
    }

    fn told(self) -> Option<Beyond> {
        let share = self.found as f64 / self.number.max(1) as f64;
        (self.found > 0).then_some(Beyond {
            share,
            ..self.beyond
        })
    }
}

/// What lies beyond the integers of a layer while the network writes its own text: cell states, and
/// projected hidden states.
pub fn beyond_integers(network: &Network) -> Vec<Beyond> {
    let layers = &network.config.layers;
    let cells = layers.iter().enumerate().filter_map(|(index, layer)| {
        // A cell state between -1 and 1 always fits.
        let cell = layer.cell;
        (!cell.has_unit_cell_state())
            .then(|| Seen::new(index, "cell states", f32::from(i16::MAX) / cell.cell_unit()))
    });
    let projected = layers.iter().enumerate().filter_map(|(index, layer)| {
        let limit = f32::from(INT8_LARGEST) / PROJECTED_UNIT;
        layer
            .projection
            .map(|_| Seen::new(index, "projected hidden states", limit))
    });
    let (mut cells, mut projected): (Vec<_>, Vec<_>) = (cells.collect(), projected.collect());
    write(network, |moment, predictor| {
        if moment == Moment::After {
            cells
                .iter_mut()
                .for_each(|seen| seen.look(predictor.cells(seen.beyond.layer)));
            projected
                .iter_mut()
                .for_each(|seen| seen.look(predictor.output(seen.beyond.layer)));
        }
    });
    cells
        .into_iter()
        .chain(projected)
        .filter_map(Seen::told)
        .collect()
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
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].share > 0.5 && found[0].largest > 100.0,
            "{found:?}"
        );
        let line = found[0].to_string();
        assert!(
            line.starts_with("layer 0: 9") && line.contains("cell states go beyond 16"),
            "{line}"
        );
    }

    #[test]
    fn what_fits_is_not_told() {
        let config = NetworkConfig::stack(&Alphabet::letters(), 4, LayerConfig::lstm(8), 2);
        let network = Network::new(config, &mut Random::new(1)).unwrap();
        assert_eq!(beyond_integers(&network), []);
    }
}

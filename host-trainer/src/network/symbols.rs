//! A network that learns another alphabet.

use crate::files::error::Result;
use crate::kernels::random::Random;
use crate::network::config::NetworkConfig;
use crate::network::parameters::Network;
use std::collections::HashMap;

/// What became of the symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Those that both alphabets hold.
    pub kept: usize,
    /// Those of the new one alone.
    pub fresh: usize,
    /// Those of the old one alone.
    pub gone: usize,
}

impl Mapped {
    /// Of two alphabets.
    pub fn of(old: &NetworkConfig, new: &NetworkConfig) -> Self {
        let kept = new.symbols.chars().filter(|&s| old.symbols.contains(s));
        let kept = kept.count();
        Self {
            kept,
            fresh: new.vocabulary() - kept,
            gone: old.vocabulary() - kept,
        }
    }
}

impl Network {
    /// The same layers with the alphabet of `config`: a symbol that both hold keeps its row of the embedding and its
    /// column of the dense layer, wherever it stands; a new one gets what a fresh network has there.
    ///
    /// # Errors
    /// As [`NetworkConfig::check`].
    ///
    /// # Panics
    /// `config` has other layers, or another embedding.
    pub fn with_alphabet(self, config: NetworkConfig, random: &mut Random) -> Result<Self> {
        if self.config.symbols == config.symbols {
            return Ok(Self { config, ..self });
        }
        assert_eq!(self.config.layers, config.layers);
        assert_eq!(self.config.embedding, config.embedding);
        let places: HashMap<char, usize> = self.config.symbols.chars().zip(0..).collect();
        let symbols = config.symbols.chars().enumerate();
        let shared = symbols.filter_map(|(new, symbol)| Some((new, *places.get(&symbol)?)));
        let shared: Vec<(usize, usize)> = shared.collect();
        let mut network = Self::new(config, random)?;
        network.layers = self.layers;
        let width = network.config.embedding;
        let (new_count, old_count) = (network.config.vocabulary(), self.config.vocabulary());
        for &(new, old) in &shared {
            let row = &self.embedding[old * width..][..width];
            network.embedding[new * width..][..width].copy_from_slice(row);
            network.dense_bias[new] = self.dense_bias[old];
            let to = network.dense_weight.iter_mut().skip(new).step_by(new_count);
            let from = self.dense_weight.iter().skip(old).step_by(old_count);
            to.zip(from).for_each(|(to, from)| *to = *from);
        }
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::config::LayerConfig;
    use crate::text::alphabet::Alphabet;

    #[test]
    fn a_shared_symbol_keeps_its_rows_wherever_it_stands() {
        let alphabet = |symbols: &str| Alphabet {
            symbols: symbols.chars().collect(),
            fold_case: false,
        };
        let layer = LayerConfig::cifg(5, 3);
        let config = |symbols| NetworkConfig::stack(&alphabet(symbols), 4, layer, 1);
        let old = Network::new(config("xab"), &mut Random::new(1)).unwrap();
        let mut old = old;
        old.dense_bias = vec![0.5, 0.25, 0.125];
        let new = old.clone();
        let new = new
            .with_alphabet(config("bBaé"), &mut Random::new(2))
            .unwrap();
        let fresh = Network::new(config("bBaé"), &mut Random::new(2)).unwrap();
        let row = |n: &Network, place: usize| n.embedding[place * 4..][..4].to_vec();
        let column = |n: &Network, place: usize| {
            let count = n.config.vocabulary();
            let column = n.dense_weight.iter().skip(place).step_by(count);
            column.copied().collect::<Vec<f32>>()
        };
        for (place, from) in [(0, Some(2)), (1, None), (2, Some(1)), (3, None)] {
            let (source, at) = from.map_or((&fresh, place), |at| (&old, at));
            assert_eq!(row(&new, place), row(source, at));
            assert_eq!(column(&new, place), column(source, at));
            assert_eq!(new.dense_bias[place], source.dense_bias[at]);
        }
        assert_eq!(new.layers, old.layers);
        let found = Mapped::of(&old.config, &new.config);
        let (kept, fresh, gone) = (2, 2, 1);
        assert_eq!(found, Mapped { kept, fresh, gone });
        let same = old.clone();
        let same = same.with_alphabet(config("xab"), &mut Random::new(2));
        assert_eq!(same.unwrap(), old);
    }
}

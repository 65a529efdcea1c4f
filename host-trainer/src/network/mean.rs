//! The mean of several networks, which is often better than any of them where they come of one run or of one start
//! (stochastic weight averaging, Izmailov et al. 2018).

use crate::files::error::{Error, Result};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::text::text_file::TrainingText;

/// The mean of each weight of some networks of one shape and alphabet, by the names that stand beside them. Its text is
/// theirs, where all were trained on one.
///
/// # Errors
/// There is none, or one differs from the first; it is named.
pub fn mean(networks: &[(String, Network)]) -> Result<Network> {
    let Some(((first_name, first), others)) = networks.split_first() else {
        return Err(Error::bad_input("found no network, expected at least one"));
    };
    for (name, network) in others {
        if let Some((found, expected)) = difference(&network.config, &first.config) {
            return Err(Error::bad_input(format!(
                "{name}: found {found}, expected {expected} as in {first_name}"
            )));
        }
    }
    let mut mean = first.clone();
    let all: Vec<Vec<&[f32]>> = networks.iter().map(|(_, n)| n.parameters()).collect();
    for (tensor, values) in mean.parameters_mut().into_iter().enumerate() {
        for (place, value) in values.iter_mut().enumerate() {
            let sum: f64 = all.iter().map(|n| f64::from(n[tensor][place])).sum();
            *value = (sum / all.len() as f64) as f32;
        }
    }
    mean.config.corpus = common_text(networks);
    Ok(mean)
}

/// The text that all were trained on; a part is held out where all held it out.
fn common_text(networks: &[(String, Network)]) -> Option<TrainingText> {
    let mut texts = networks.iter().map(|(_, n)| n.config.corpus.as_ref());
    let mut common = texts.next()??.clone();
    for text in texts {
        let text = text.filter(|text| text.file == common.file)?;
        common.held_out &= text.held_out;
    }
    Some(common)
}

/// What two networks differ in, of the first and of the second.
fn difference(found: &NetworkConfig, expected: &NetworkConfig) -> Option<(String, String)> {
    let layers = |config: &NetworkConfig| {
        let layers: Vec<String> = config.layers.iter().map(LayerConfig::to_string).collect();
        layers.join(" + ")
    };
    let embedding = |config: &NetworkConfig| format!("an embedding of {}", config.embedding);
    first_difference(&[&alphabet, &layers, &embedding, &window], found, expected)
}

/// What the text differs in that two networks read, and the context that they read it in.
pub(crate) fn differing_reading(
    found: &NetworkConfig,
    expected: &NetworkConfig,
) -> Option<(String, String)> {
    first_difference(&[&alphabet, &window], found, expected)
}

fn first_difference(
    tells: &[&dyn Fn(&NetworkConfig) -> String],
    found: &NetworkConfig,
    expected: &NetworkConfig,
) -> Option<(String, String)> {
    let mut pairs = tells.iter().map(|tell| (tell(found), tell(expected)));
    pairs.find(|(found, expected)| found != expected)
}

fn alphabet(config: &NetworkConfig) -> String {
    format!("the alphabet {:?}, {}", config.symbols, folding(config))
}

fn window(config: &NetworkConfig) -> String {
    match config.window {
        None => "a carried state".to_owned(),
        Some(length) => format!("windows of {length} characters"),
    }
}

fn folding(config: &NetworkConfig) -> &'static str {
    match config.fold_case {
        true => "capitals folded",
        false => "capitals kept",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::config::CellKind;
    use crate::text::alphabet::Alphabet;
    use crate::text::text_file::TextFile;
    use std::path::Path;

    fn network(seed: u64) -> Network {
        let layer = LayerConfig::cifg(5, 3);
        let config = NetworkConfig::stack(&Alphabet::letters(), 4, layer, 2);
        Network::new(config, &mut Random::new(seed)).unwrap()
    }

    fn named(networks: &[Network]) -> Vec<(String, Network)> {
        let names = networks.iter().zip("abc".chars());
        names.map(|(n, name)| (name.into(), n.clone())).collect()
    }

    #[test]
    fn every_weight_is_the_mean() {
        let all = [network(1), network(2), network(3)];
        let found = mean(&named(&all)).unwrap();
        let parameters = all.each_ref().map(Network::parameters);
        for (tensor, values) in found.parameters().into_iter().enumerate() {
            for (place, value) in values.iter().enumerate() {
                let own = parameters.each_ref().map(|p| f64::from(p[tensor][place]));
                let expected = own.iter().sum::<f64>() / 3.0;
                assert!((f64::from(*value) - expected).abs() < 1e-7);
            }
        }
        assert_eq!(mean(&named(&all[..1])).unwrap(), all[0]);
        assert!(mean(&[]).is_err());
    }

    #[test]
    fn what_differs_is_named() {
        type Change = fn(&mut NetworkConfig);
        let changes: [(Change, &str); 6] = [
            (|c| c.symbols = "ab".into(), "b: found the alphabet \"ab\""),
            (|c| c.fold_case = false, "capitals kept, expected the"),
            (|c| c.layers[1].cell = CellKind::Lstm, "+ LSTM 5"),
            (|c| c.layers[0].hidden = 6, "found CIFG 6 projected to 3"),
            (|c| c.embedding = 8, "an embedding of 8, expected an"),
            (|c| c.window = Some(9), "found windows of 9 characters"),
        ];
        for (change, expected) in changes {
            let mut config = network(1).config;
            change(&mut config);
            let other = Network::new(config, &mut Random::new(1)).unwrap();
            let error = mean(&named(&[network(1), other])).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.ends_with(" as in a"), "{error}");
        }
    }

    #[test]
    fn the_text_is_theirs_where_it_is_one() {
        let on = |tokens: &[u8], held_out| {
            let mut network = network(1);
            let file = TextFile::new(Path::new("t"), tokens);
            network.config.corpus = Some(TrainingText { file, held_out });
            network
        };
        let text = |networks: &[Network]| mean(&named(networks)).unwrap().config.corpus;
        let held_out = |networks: &[Network]| text(networks).unwrap().held_out;
        assert!(held_out(&[on(&[1], true), on(&[1], true)]));
        assert!(!held_out(&[on(&[1], true), on(&[1], false)]));
        assert_eq!(text(&[on(&[1], true), on(&[2], true)]), None);
        assert_eq!(text(&[on(&[1], true), network(1)]), None);
    }
}

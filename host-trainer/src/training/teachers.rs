//! What a network in the device's integers learns from: the network that it was rounded from, and others beside it.

use crate::engine::model::{Beside, Model};
use crate::files::error::{Error, Result};
use crate::network::config::LayerConfig;
use crate::network::mean::differing_reading;
use crate::network::parameters::Network;
use crate::network::state::State;
use crate::ngram::Recalled;
use crate::text::batches::{Batch, LossOn};
use candle_core::{D, Device, Tensor};
use candle_nn::ops::softmax;

/// Networks that teach together: what they expect is averaged, which is mostly better than what any one of them expects
/// (Hinton et al. 2015).
#[derive(Debug)]
pub(super) struct Teachers {
    models: Vec<Model>,
}

impl Teachers {
    /// One or more.
    ///
    /// # Errors
    /// Candle refuses.
    pub(super) fn new<'n>(networks: impl Iterator<Item = &'n Network>) -> Result<Self> {
        let models = networks.map(|network| Model::new(network, &Device::Cpu));
        Ok(Self {
            models: models.collect::<Result<_>>()?,
        })
    }

    /// The layers of all, one network after the other.
    pub(super) fn layers(&self) -> impl Iterator<Item = LayerConfig> {
        let models = self.models.iter();
        models.flat_map(|model| model.layers().iter().copied())
    }

    /// Logits of a batch, `[N, V]`: the only teacher's, or the logarithms of the mean of what several expect. `states` has
    /// a state for each of [`Teachers::layers`], and then those after the batch; `recalled` has what the memory of each teacher
    /// holds of the batch, of one that has a memory.
    ///
    /// # Errors
    /// The shapes do not fit each other.
    pub(super) fn logits(
        &self,
        batch: &Batch,
        loss_on: LossOn,
        states: &mut Vec<State>,
        recalled: &[Option<&Recalled>],
    ) -> Result<Tensor> {
        let mut before = std::mem::take(states).into_iter();
        let mut logits = Vec::new();
        for (model, &recalled) in self.models.iter().zip(recalled) {
            let mut own = before.by_ref().take(model.layers().len()).collect();
            let beside = Beside {
                masks: &[],
                recalled,
                frozen: true,
            };
            let found = model.logits(batch, loss_on, &mut own, beside)?;
            logits.push(found.detach());
            states.append(&mut own);
        }
        if let [only] = &logits[..] {
            return Ok(only.clone());
        }
        let expected = logits.iter().map(|logits| softmax(logits, D::Minus1));
        let expected = expected.collect::<candle_core::Result<Vec<_>>>()?;
        let mean = Tensor::stack(&expected, 0)?.mean(0)?;
        Ok(mean.clamp(f32::MIN_POSITIVE, 1.0)?.log()?)
    }
}

/// Checks that a network, by its name, can teach another: it reads the same symbols over the same context, and did not read what
/// the other held out.
///
/// # Errors
/// What differs.
pub(super) fn check_teacher((name, teacher): &(String, Network), network: &Network) -> Result<()> {
    let refused = |found: &str, expected: &str| {
        let line = format!("{name}: found {found}, expected {expected}");
        Err(Error::bad_input(line))
    };
    let (theirs, own) = (&teacher.config, &network.config);
    if let Some((found, expected)) = differing_reading(theirs, own) {
        return refused(&found, &format!("{expected} as in the network that learns"));
    }
    if let (Some(theirs), Some(own)) = (&theirs.corpus, &own.corpus) {
        let is_text = theirs.file == own.file;
        if is_text && own.held_out && !theirs.held_out {
            return refused(
                &format!(
                    "a network that was trained on all of {}",
                    own.file.path.display()
                ),
                "one that held the validation and the test part out, as the network that learns",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::config::NetworkConfig;
    use crate::network::state::zero_states;
    use crate::text::alphabet::Alphabet;
    use crate::text::text_file::{TextFile, TrainingText};
    use std::path::Path;

    fn network(layer: LayerConfig, layers: usize, seed: u64) -> Network {
        let config = NetworkConfig::stack(&Alphabet::letters(), 6, layer, layers);
        Network::new(config, &mut Random::new(seed)).unwrap()
    }

    #[test]
    fn several_teachers_expect_the_mean_and_keep_their_states_apart() {
        let networks = [
            network(LayerConfig::cifg(9, 5), 1, 1),
            network(LayerConfig::lstm(7), 2, 2),
        ];
        let batch = Batch::gather(3, 4, |row, step| (5 * row + step) as u8);
        let on = LossOn::EveryStep;
        let alone = networks.each_ref().map(|network| {
            let teachers = Teachers::new(std::iter::once(network)).unwrap();
            let mut states = zero_states(&network.config.layers, 3);
            let mut run = || teachers.logits(&batch, on, &mut states, &[None]).unwrap();
            let logits = [run(), run()].map(|logits| logits.to_vec2::<f32>().unwrap());
            (logits, states)
        });
        let teachers = Teachers::new(networks.iter()).unwrap();
        let layers: Vec<LayerConfig> = teachers.layers().collect();
        assert_eq!(layers.len(), 3);
        let mut states = zero_states(&layers, 3);
        for pass in 0..2 {
            let found = teachers
                .logits(&batch, on, &mut states, &[None; 2])
                .unwrap();
            for (row, found) in found.to_vec2::<f32>().unwrap().iter().enumerate() {
                let theirs = alone.each_ref().map(|(logits, _)| {
                    let row = &logits[pass][row];
                    let powers: Vec<f32> = row.iter().map(|x| x.exp()).collect();
                    let total: f32 = powers.iter().sum();
                    powers
                        .into_iter()
                        .map(move |x| x / total)
                        .collect::<Vec<f32>>()
                });
                for (symbol, found) in found.iter().enumerate() {
                    let mean = (theirs[0][symbol] + theirs[1][symbol]) / 2.0;
                    assert!((found.exp() - mean).abs() < 1e-6);
                }
            }
        }
        assert_eq!(states, [&alone[0].1[..], &alone[1].1].concat());
    }

    #[test]
    fn who_cannot_teach_is_told() {
        let read = |held_out| {
            let mut network = network(LayerConfig::lstm(4), 1, 1);
            let file = TextFile::new(Path::new("t"), &[1]);
            network.config.corpus = Some(TrainingText { file, held_out });
            network
        };
        let own = read(true);
        let told = |teacher: Network| {
            let found = check_teacher(&("b".into(), teacher), &own);
            found.err().map(|error| error.to_string())
        };
        assert_eq!(told(network(LayerConfig::cifg(9, 5), 2, 1)), None);
        assert_eq!(told(read(true)), None);
        let expected = "b: found a network that was trained on all of t, expected one that held";
        assert!(told(read(false)).is_some_and(|found| found.starts_with(expected)));
        let mut other = read(true);
        other.config.window = Some(9);
        let expected = "b: found windows of 9 characters, expected a carried state as in";
        assert!(told(other).is_some_and(|found| found.starts_with(expected)));
    }
}

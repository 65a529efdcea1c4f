//! A network on a device as a predictor.

use crate::engine::model::Model;
use crate::engine::unrolled::{numbers, step};
use crate::files::error::Result;
use crate::network::parameters::Network;
use crate::network::predictor::Predictor;
use candle_core::{DType, Device, Result as CandleResult, Tensor};
use candle_nn::Module;

/// A network that reads a text character by character on a device, with candle's operations.
pub struct DevicePredictor {
    model: Model,
    /// `h` `[1, R]` and `c` `[1, H]` of each layer.
    states: Vec<(Tensor, Tensor)>,
    logits: Vec<f32>,
}

impl DevicePredictor {
    /// A predictor at the start of a text.
    ///
    /// # Errors
    /// The device fails.
    pub fn new(network: &Network, device: &Device) -> Result<Self> {
        let model = Model::with_candle(network, device)?;
        let zeros = |width| Tensor::zeros((1, width), DType::F32, device);
        let layers = model.layers.iter().map(|layer| layer.config);
        let states = layers.map(|l| Ok((zeros(l.output())?, zeros(l.hidden)?)));
        let states = states.collect::<CandleResult<_>>()?;
        Ok(Self {
            model,
            states,
            logits: Vec::new(),
        })
    }

    fn try_step(&mut self, token: u8) -> CandleResult<Vec<f32>> {
        let h = step(
            &self.model.embedding,
            &self.model.layers,
            &[token],
            None,
            &mut self.states,
        )?;
        for (h, c) in &mut self.states {
            // Nothing goes back here: the graph of the text so far is not kept.
            (*h, *c) = (h.detach(), c.detach());
        }
        numbers(&self.model.dense.forward(&h)?)
    }

    fn try_reset(&mut self) -> CandleResult<()> {
        for (h, c) in &mut self.states {
            (*h, *c) = (h.zeros_like()?, c.zeros_like()?);
        }
        Ok(())
    }
}

impl Predictor for DevicePredictor {
    /// # Panics
    /// The device fails.
    fn reset(&mut self) {
        self.try_reset().expect("the device works");
    }

    /// # Panics
    /// The device fails.
    fn step(&mut self, token: u8) -> &[f32] {
        self.logits = self.try_step(token).expect("the device works");
        &self.logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
    use crate::network::predictor::NetworkPredictor;
    use crate::text::alphabet::Alphabet;

    #[test]
    fn single_steps_equal_the_processors() {
        let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 20, 3);
        config.layers[1] = LayerConfig::cifg(17, 5);
        config.layers[2].cell = CellKind::Gru;
        let random = &mut Random::new(6);
        let network = Network::new(config, random).unwrap();
        let mut graph = DevicePredictor::new(&network, &Device::Cpu).unwrap();
        let mut plain = NetworkPredictor::new(&network);
        for step in 0..40 {
            if step == 20 {
                graph.reset();
                plain.reset();
            }
            let token = random.below(27) as u8;
            for (a, b) in graph.step(token).iter().zip(plain.step(token)) {
                assert!((a - b).abs() < 1e-5);
            }
        }
    }
}

//! The layers of a network as candle's own operations, on any device that candle runs on: a few dozen nodes for
//! each time step, where the kernels of the processor make one of a whole network. They are here for graphics
//! processors (cargo features `cuda` and `metal`), and as the reference of the kernels.

use crate::engine::model::{Layer, Model};
use crate::files::error::Result;
use crate::kernels::stack::State;
use crate::network::parameters::Network;
use crate::network::predictor::Predictor;
use crate::text::batches::Batch;
use candle_core::{DType, Device, Result as CandleResult, Tensor};
use candle_nn::Module;

/// As [`Model::logits`], of the steps from `first` on.
pub(super) fn logits(
    model: &Model,
    layers: &[Layer],
    batch: &Batch,
    first: usize,
    states: &mut [State],
) -> Result<Tensor> {
    let rows = batch.rows;
    let device = layers[0].w_hh.device();
    let mut carried = Vec::new();
    for (layer, state) in layers.iter().zip(&*states) {
        let h = Tensor::from_slice(&state.h, (rows, layer.config.output()), device)?;
        let c = Tensor::from_slice(&state.c, (rows, layer.config.hidden), device)?;
        carried.push((h, c));
    }
    let mut hs = Vec::with_capacity(batch.steps);
    for tokens in batch.inputs.chunks(rows) {
        hs.push(step(model, layers, tokens, &mut carried)?);
    }
    for (state, (h, c)) in states.iter_mut().zip(&carried) {
        (state.h, state.c) = (numbers(h)?, numbers(c)?);
    }
    Ok(model.dense.forward(&Tensor::cat(&hs[first..], 0)?)?)
}

/// One time step of all layers: the last one's output `[B, R]` after the tokens `[B]`. `states` has `h` `[B, R]` and
/// `c` `[B, H]` of each layer, and goes forward.
fn step(
    model: &Model,
    layers: &[Layer],
    tokens: &[u8],
    states: &mut [(Tensor, Tensor)],
) -> CandleResult<Tensor> {
    let ids: Vec<u32> = tokens.iter().map(|&t| u32::from(t)).collect();
    let ids = Tensor::new(ids, layers[0].w_hh.device())?;
    let mut x = model.embedding.forward(&ids)?;
    for (layer, (h, c)) in layers.iter().zip(states) {
        let cell = layer.config.cell.definition();
        let gates = cell.gates().len();
        let input = x.matmul(&layer.w_ih)?.broadcast_add(&layer.bias)?;
        let mut recurrent = h.matmul(&layer.w_hh)?;
        if let Some(bias) = &layer.recurrent_bias {
            recurrent = recurrent.broadcast_add(bias)?;
        }
        let (input, recurrent) = (input.chunk(gates, 1)?, recurrent.chunk(gates, 1)?);
        let (output, after) = cell.step(&input, &recurrent, c)?;
        x = match &layer.projection {
            Some(projection) => output.matmul(projection)?,
            None => output,
        };
        (*h, *c) = (x.clone(), after);
    }
    Ok(x)
}

fn numbers(tensor: &Tensor) -> CandleResult<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

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
        let h = step(&self.model, &self.model.layers, &[token], &mut self.states)?;
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

//! The network as candle's own operations, on any device that candle runs on: a few dozen nodes for
//! each time step, where the engines of the processor have one for a whole layer. It is here for
//! graphics processors (cargo features `cuda` and `metal`), and as the reference of those engines.

use crate::files::error::{Error, Result};
use crate::network::config::{CellKind, LayerConfig};
use crate::network::parameters::Network;
use crate::network::predictor::Predictor;
use crate::network::state::State;
use crate::text::batches::{Batch, LossOn};
use candle_core::{Device, Result as CandleResult, Tensor, Var};
use candle_nn::ops::sigmoid;
use std::panic;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, by the engines of this crate.
    #[default]
    Cpu,
    /// The first NVIDIA device, by candle; needs the cargo feature `cuda`.
    Cuda,
    /// The first Apple device, by candle; needs the cargo feature `metal`.
    Metal,
}

impl DeviceKind {
    /// The device for candle; `None` for the processor.
    ///
    /// # Errors
    /// This program was built without the feature, or the computer has no such device.
    pub fn open(self) -> Result<Option<Device>> {
        let (name, is_built) = match self {
            Self::Cpu => return Ok(None),
            Self::Cuda => ("cuda", cfg!(feature = "cuda")),
            Self::Metal => ("metal", cfg!(feature = "metal")),
        };
        if !is_built {
            return Err(Error::bad_input(format!(
                "found --device {name} in a program built without it, expected one built with \
                 --features {name}"
            )));
        }
        let open = || match self {
            Self::Metal => Device::new_metal(0),
            _ => Device::new_cuda(0),
        };
        let device = without_panic(open).map_err(|reason| {
            Error::bad_input(format!(
                "found no {name} device ({reason}), expected one for --device {name}"
            ))
        })?;
        Ok(Some(device))
    }
}

/// Opens a device. On a computer without one, candle's Metal backend panics: here that is a reason.
fn without_panic(open: impl FnOnce() -> CandleResult<Device>) -> Result<Device, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let opened = panic::catch_unwind(panic::AssertUnwindSafe(open));
    panic::set_hook(hook);
    let device = opened.map_err(|_| "there is none".to_owned())?;
    device.map_err(|e| e.to_string().lines().next().unwrap_or("unknown").to_owned())
}

/// A layer's weights on the device.
struct Layer {
    config: LayerConfig,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    projection: Option<Tensor>,
}

impl Layer {
    /// One step of B rows: `x` `[B, in]`, `h` `[B, R]` and `c` `[B, H]` give the next `h` and `c`.
    fn step(&self, x: &Tensor, h: &Tensor, c: &Tensor) -> CandleResult<(Tensor, Tensor)> {
        let a = (x.matmul(&self.w_ih)? + h.matmul(&self.w_hh)?)?.broadcast_add(&self.bias)?;
        let a = a.chunk(self.config.cell.gates().len(), 1)?;
        let (i, f, g, o) = match self.config.cell {
            CellKind::Lstm => (sigmoid(&a[0])?, sigmoid(&a[1])?, &a[2], &a[3]),
            CellKind::Cifg => (sigmoid(&a[0])?, sigmoid(&a[0].neg()?)?, &a[1], &a[2]),
        };
        let c = ((f * c)? + (i * g.tanh()?)?)?;
        let m = (sigmoid(o)? * c.tanh()?)?;
        match &self.projection {
            Some(projection) => Ok((m.matmul(projection)?, c)),
            None => Ok((m, c)),
        }
    }
}

/// A network's weights on the device.
struct Graph {
    embedding: Tensor,
    layers: Vec<Layer>,
    dense_weight: Tensor,
    dense_bias: Tensor,
}

impl Graph {
    /// From tensors in the order of [`Network::parameters`].
    fn new(network: &Network, tensors: impl Iterator<Item = Tensor>) -> Self {
        let mut tensors = tensors;
        let mut next = || tensors.next().expect("one for each parameter");
        let embedding = next();
        let layers = network.config.layers.iter().map(|&config| Layer {
            config,
            w_ih: next(),
            w_hh: next(),
            bias: next(),
            projection: config.projection.map(|_| next()),
        });
        let layers = layers.collect();
        Self {
            embedding,
            layers,
            dense_weight: next(),
            dense_bias: next(),
        }
    }

    fn look_up(&self, tokens: &[u8]) -> CandleResult<Tensor> {
        self.embedding
            .index_select(&ids(tokens, &self.embedding)?, 0)
    }

    /// `hs` `[N, R]` gives `[N, V]`.
    fn logits(&self, hs: &Tensor) -> CandleResult<Tensor> {
        hs.matmul(&self.dense_weight)?
            .broadcast_add(&self.dense_bias)
    }
}

/// Tokens on the device of `like`.
fn ids(tokens: &[u8], like: &Tensor) -> CandleResult<Tensor> {
    let ids: Vec<u32> = tokens.iter().map(|&t| u32::from(t)).collect();
    Tensor::new(ids, like.device())
}

/// The network's parameters as variables on `device`.
fn variables(network: &Network, device: &Device) -> CandleResult<Vec<Var>> {
    let shapes = network.config.shapes().into_iter();
    let pairs = shapes.zip(network.parameters());
    pairs
        .map(|((_, shape), values)| Var::from_slice(values, shape, device))
        .collect()
}

fn numbers(tensor: &Tensor) -> CandleResult<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// As [`Engine::loss_and_gradients`](crate::engine::step::Engine::loss_and_gradients).
///
/// # Errors
/// Shapes that do not fit each other, or the device fails.
pub fn loss_and_gradients(
    device: &Device,
    network: &Network,
    batch: &Batch,
    loss_on: LossOn,
    states: &mut [State],
    drop_connect: &[Vec<f32>],
) -> Result<(f64, Vec<Vec<f32>>)> {
    let vars = variables(network, device)?;
    let mut graph = Graph::new(network, vars.iter().map(|var| var.as_tensor().clone()));
    for (layer, mask) in graph.layers.iter_mut().zip(drop_connect) {
        let mask = Tensor::from_slice(&mask[..], layer.w_hh.shape(), device)?;
        layer.w_hh = (&layer.w_hh * mask)?;
    }
    let rows = batch.rows;
    let mut xs = Vec::with_capacity(batch.steps);
    for tokens in batch.inputs.chunks(rows) {
        xs.push(graph.look_up(tokens)?);
    }
    for (layer, state) in graph.layers.iter().zip(states) {
        let mut h = Tensor::from_slice(&state.h, (rows, layer.config.output()), device)?;
        let mut c = Tensor::from_slice(&state.c, (rows, layer.config.hidden), device)?;
        for x in &mut xs {
            (h, c) = layer.step(x, &h, &c)?;
            *x = h.clone();
        }
        (state.h, state.c) = (numbers(&h)?, numbers(&c)?);
    }
    let first = match loss_on {
        LossOn::LastStep => batch.steps - 1,
        LossOn::EveryStep => 0,
    };
    let logits = graph.logits(&Tensor::cat(&xs[first..], 0)?)?;
    let targets = ids(&batch.targets[first * rows..], &logits)?;
    let loss = candle_nn::loss::cross_entropy(&logits, &targets)?;
    let gradients = loss.backward()?;
    let gradient = |var: &Var| numbers(gradients.get(var).expect("every parameter takes part"));
    let all = vars.iter().map(gradient).collect::<CandleResult<_>>()?;
    Ok((f64::from(loss.to_scalar::<f32>()?), all))
}

/// A network that reads a text character by character on the device.
pub struct GraphPredictor {
    graph: Graph,
    /// `h` `[1, R]` and `c` `[1, H]` of each layer.
    states: Vec<(Tensor, Tensor)>,
    logits: Vec<f32>,
}

impl GraphPredictor {
    /// A predictor at the start of a text.
    ///
    /// # Errors
    /// The device fails.
    pub fn new(network: &Network, device: &Device) -> Result<Self> {
        let tensors = variables(network, device)?.into_iter();
        let graph = Graph::new(network, tensors.map(|var| var.as_detached_tensor()));
        let zeros = |width| Tensor::zeros((1, width), candle_core::DType::F32, device);
        let layers = graph.layers.iter().map(|l| l.config);
        let state = |l: LayerConfig| Ok((zeros(l.output())?, zeros(l.hidden)?));
        let states = layers.map(state).collect::<CandleResult<_>>()?;
        Ok(Self {
            graph,
            states,
            logits: Vec::new(),
        })
    }

    fn try_step(&mut self, token: u8) -> CandleResult<Vec<f32>> {
        let mut x = self.graph.look_up(&[token])?;
        for (layer, (h, c)) in self.graph.layers.iter().zip(&mut self.states) {
            (*h, *c) = layer.step(&x, h, c)?;
            x = h.clone();
        }
        numbers(&self.graph.logits(&x)?)
    }

    fn try_reset(&mut self) -> CandleResult<()> {
        for (h, c) in &mut self.states {
            (*h, *c) = (h.zeros_like()?, c.zeros_like()?);
        }
        Ok(())
    }
}

impl Predictor for GraphPredictor {
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
    use crate::network::config::NetworkConfig;
    use crate::network::predictor::NetworkPredictor;
    use crate::text::alphabet::Alphabet;

    #[test]
    fn single_steps_equal_the_processors() {
        let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 20, 3);
        config.layers[1] = LayerConfig::cifg(17, 5);
        let random = &mut Random::new(6);
        let network = Network::new(config, random).unwrap();
        let mut graph = GraphPredictor::new(&network, &Device::Cpu).unwrap();
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

    #[test]
    fn a_missing_device_is_a_reason() {
        assert!(without_panic(|| Ok(Device::Cpu)).is_ok());
        assert_eq!(
            without_panic(|| panic!("index 0")).unwrap_err(),
            "there is none"
        );
        let failed = || Err(candle_core::Error::Msg("no device\nat all".into()));
        assert_eq!(without_panic(failed).unwrap_err(), "no device");
    }

    #[test]
    fn a_device_that_is_not_built_in_is_one_line() {
        for (kind, name) in [(DeviceKind::Cuda, "cuda"), (DeviceKind::Metal, "metal")] {
            if let Err(error) = kind.open() {
                let error = error.to_string();
                assert!(error.contains(&format!("--device {name}")), "{error}");
                assert_eq!(error.lines().count(), 1);
            }
        }
        assert!(DeviceKind::Cpu.open().unwrap().is_none());
    }
}

//! One training step: the candle graph of a network over a batch, its loss and its gradients.

use crate::engine::lstm_op::{Tapes, Weights, dense_cross_entropy, lstm, with_slice};
use crate::files::error::Result;
use crate::network::parameters::Network;
use crate::network::state::State;
use crate::text::batches::{Batch, LossOn};
use candle_core::{Device, Tensor, Var};
use candle_nn::{Linear, Module};

/// What a step is computed with, besides the network and the batch.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Threads to split the rows of a batch over.
    pub threads: usize,
    /// Memory used again from step to step.
    pub tapes: Tapes,
}

impl Engine {
    /// An engine with its own memory.
    pub fn new(threads: usize) -> Self {
        let tapes = Tapes::default();
        Self { threads, tapes }
    }

    /// Loss (nats a counted character) and the gradient of every parameter, in the order of
    /// [`Network::parameters`]. `states` has one state a layer; it goes in as a constant and comes
    /// out as the state after the batch. `drop_connect` holds, for each layer, factors on `w_hh`; it
    /// may be empty.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn loss_and_gradients(
        &self,
        network: &Network,
        batch: &Batch,
        loss_on: LossOn,
        states: &mut [State],
        drop_connect: &[Vec<f32>],
    ) -> Result<(f64, Vec<Vec<f32>>)> {
        let vars = variables(network)?;
        let mut var = vars.iter().map(Var::as_tensor);
        let mut next = || var.next().expect("one for each parameter");
        let (steps, rows) = (batch.steps, batch.rows);
        let embedding = next();
        let mut hs = embedding.clone();
        let layers = network.config.layers.iter().zip(states);
        for (i, (&layer, state)) in layers.enumerate() {
            let (w_ih, w_hh, bias) = (next(), next(), next());
            let projection = layer.projection.map(|_| next());
            let w_hh = match drop_connect.get(i) {
                Some(mask) => (w_hh * Tensor::from_slice(mask, w_hh.shape(), &Device::Cpu)?)?,
                None => w_hh.clone(),
            };
            // The first layer's input is the embedding itself: its product with w_ih is a table
            // of one row a symbol, which the sequence then looks up.
            let width = w_ih.dim(0)?;
            // Linear takes its weights as [out, in].
            let linear = Linear::new(w_ih.t()?, Some(bias.clone()));
            let pre = linear.forward(&hs.reshape(((), width))?)?;
            let (pre, tokens) = if i == 0 {
                (pre, Some(batch.inputs.clone()))
            } else {
                (pre.reshape((steps, rows, ()))?, None)
            };
            let weights = Weights {
                layer,
                w_hh: &w_hh,
                projection,
            };
            hs = lstm(
                &pre,
                tokens,
                weights,
                state,
                (steps, rows),
                self.threads,
                &self.tapes,
            )?;
        }
        let (weight, bias) = (next(), next());
        let (hs, targets) = match loss_on {
            LossOn::EveryStep => (hs, batch.targets.clone()),
            LossOn::LastStep => (
                hs.narrow(0, steps - 1, 1)?,
                batch.targets[(steps - 1) * rows..].into(),
            ),
        };
        let loss = dense_cross_entropy(&hs, weight, bias, targets, self.threads)?;
        let gradients = loss.backward()?;
        let mut all = Vec::with_capacity(vars.len());
        for var in &vars {
            let gradient = gradients.get(var).expect("every parameter takes part");
            all.push(with_slice(&gradient.contiguous()?, <[f32]>::to_vec)?);
        }
        Ok((f64::from(loss.to_scalar::<f32>()?), all))
    }
}

/// The network's parameters as variables of a graph.
fn variables(network: &Network) -> Result<Vec<Var>> {
    let shapes = network.config.shapes();
    let pairs = shapes.into_iter().zip(network.parameters());
    pairs
        .map(|((_, shape), values)| Ok(Var::from_slice(values, shape, &Device::Cpu)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{fused, graph};
    use crate::kernels::random::Random;
    use crate::kernels::vectorize::instruction_sets;
    use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
    use crate::network::state::zero_states;
    use crate::text::alphabet::Alphabet;

    fn example(layer: LayerConfig, layers: usize, steps: usize, rows: usize) -> (Network, Batch) {
        let random = &mut Random::new(layer.hidden as u64);
        let config = NetworkConfig::stack(&Alphabet::letters(), 7, layer, layers);
        let network = Network::new(config, random).unwrap();
        let text: Vec<u8> = (0..rows * (steps + 1))
            .map(|_| random.below(27) as u8)
            .collect();
        (
            network,
            Batch::gather(rows, steps, |r, t| text[r * (steps + 1) + t]),
        )
    }

    /// The same network unrolled with candle's own operations: loss and gradients.
    fn unrolled(
        network: &Network,
        batch: &Batch,
        loss_on: LossOn,
        start: &[State],
    ) -> Result<(f64, Vec<Vec<f32>>)> {
        let mut states = start.to_vec();
        graph::loss_and_gradients(&Device::Cpu, network, batch, loss_on, &mut states, &[])
    }

    /// Runs both from a random state, with 1, 2 and 3 threads. Returns the largest difference of a
    /// tensor's gradient, relative to its norm.
    fn compare(layer: LayerConfig, layers: usize, steps: usize, rows: usize, on: LossOn) -> f64 {
        let (network, batch) = example(layer, layers, steps, rows);
        compare_network(&network, &batch, on)
    }

    fn compare_network(network: &Network, batch: &Batch, on: LossOn) -> f64 {
        let random = &mut Random::new(4);
        let state = |layer: &LayerConfig| State {
            h: random.uniform_vec(batch.rows * layer.output(), 0.5),
            c: random.uniform_vec(batch.rows * layer.hidden, 2.0),
        };
        let start: Vec<State> = network.config.layers.iter().map(state).collect();
        let (expected_loss, expected) = unrolled(network, batch, on, &start).unwrap();
        let norm =
            |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let names = network.config.shapes();
        let mut largest = 0.0f64;
        let mut check = |loss: f64, gradients: &[Vec<f32>], by: &str| {
            assert!(
                (loss - expected_loss).abs() < 1e-5,
                "{by} {loss} {expected_loss}"
            );
            assert_eq!(gradients.len(), names.len());
            for ((name, _), (a, b)) in names.iter().zip(gradients.iter().zip(&expected)) {
                let difference = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
                let relative = difference / norm(&mut b.iter().copied()).max(1e-12);
                let layers = &network.config.layers;
                assert!(relative < 2e-5, "{by} {layers:?} {name} {relative:e}");
                largest = largest.max(relative);
            }
        };
        for threads in [1, 3] {
            let mut states = start.clone();
            let graph = Engine::new(threads);
            let (loss, gradients) = graph
                .loss_and_gradients(network, batch, on, &mut states, &[])
                .unwrap();
            check(loss, &gradients, "graph");
        }
        for (index, (name, arch)) in instruction_sets().into_iter().enumerate() {
            let mut fused = fused::Engine::with_arch(1, arch);
            let mut states = start.clone();
            let (loss, one) = fused
                .loss_and_gradients(network, batch, on, &mut states, &[])
                .unwrap();
            check(loss, one, name);
            // How rows are split has nothing to do with the instruction set.
            let splits: &[usize] = if index == 0 { &[2, 5] } else { &[] };
            for &threads in splits {
                let mut fused = fused::Engine::with_arch(threads, arch);
                let mut more = start.clone();
                let again = fused
                    .loss_and_gradients(network, batch, on, &mut more, &[])
                    .unwrap();
                assert!(again == (loss, one), "{threads} threads changed a bit");
                assert_eq!(more, states);
            }
        }
        largest
    }

    #[test]
    fn loss_and_gradients_equal_candles_autograd_of_the_unrolled_network() {
        use LossOn::{EveryStep, LastStep};
        let cases = [
            (6, 1, 5, 3, EveryStep),
            (21, 2, 9, 4, EveryStep),
            (16, 1, 1, 1, LastStep),
            (37, 1, 12, 7, LastStep),
            (40, 4, 6, 5, EveryStep),
            (64, 1, 40, 9, LastStep),
        ];
        for (hidden, layers, steps, rows, on) in cases {
            compare(LayerConfig::lstm(hidden), layers, steps, rows, on);
        }
    }

    #[test]
    fn so_they_do_with_either_cell_with_and_without_projection() {
        use LossOn::{EveryStep, LastStep};
        let cases = [
            (6, 4, 5, 3, EveryStep),
            (21, 5, 9, 4, EveryStep),
            (16, 16, 1, 1, LastStep),
            (37, 19, 12, 7, LastStep),
            (64, 1, 40, 9, EveryStep),
        ];
        for cell in [CellKind::Lstm, CellKind::Cifg] {
            let mut largest = 0.0f64;
            for (hidden, width, steps, rows, on) in cases {
                for projection in [None, Some(width)] {
                    let layer = LayerConfig {
                        cell,
                        hidden,
                        projection,
                    };
                    for layers in 1..=3 {
                        largest = largest.max(compare(layer, layers, steps, rows, on));
                    }
                }
            }
            println!("{cell:?}: largest relative error of a gradient {largest:.1e}");
        }
    }

    #[test]
    fn so_they_do_in_a_stack_of_different_layers() {
        let (mut network, batch) = example(LayerConfig::lstm(10), 3, 7, 4);
        let layers = &mut network.config.layers;
        (layers[0], layers[1].projection) = (LayerConfig::cifg(12, 5), Some(3));
        let network = Network::new(network.config, &mut Random::new(1)).unwrap();
        compare_network(&network, &batch, LossOn::EveryStep);
    }

    #[test]
    fn a_run_in_two_parts_carries_its_state_exactly() {
        for layer in [LayerConfig::lstm(24), LayerConfig::cifg(24, 10)] {
            two_parts(layer);
        }
    }

    fn two_parts(layer: LayerConfig) {
        let (network, whole) = example(layer, 2, 10, 3);
        let engine = Engine::new(2);
        let run = |states: &mut Vec<State>, from: usize, steps: usize| {
            let at = |r: usize, t: usize| match (from + t) * 3 + r {
                i if i < 30 => whole.inputs[i],
                i => whole.targets[i - 3],
            };
            let part = Batch::gather(3, steps, at);
            engine
                .loss_and_gradients(&network, &part, LossOn::EveryStep, states, &[])
                .unwrap()
                .0
        };
        let layers = &network.config.layers;
        let (mut one, mut two) = (zero_states(layers, 3), zero_states(layers, 3));
        let loss = run(&mut one, 0, 10);
        let (first, second) = (run(&mut two, 0, 4), run(&mut two, 4, 6));
        assert_eq!(one, two);
        assert!((loss - (0.4 * first + 0.6 * second)).abs() < 1e-6);
    }
}

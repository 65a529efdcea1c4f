//! A network whose parameters are variables of candle on a device, to be trained there.

use crate::engine::layer::{Layer, masked};
use crate::engine::ngrams::{NOTHING, NgramTensors};
use crate::engine::stack_op::{BatchInput, Reading, Stack};
use crate::engine::{unrolled, variables};
use crate::files::error::Result;
use crate::kernels::stack::{StackShape, State};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::ngram::{Memory, Recalled};
use crate::text::batches::{Batch, LossOn};
use candle_core::{Device, Tensor, Var};
use candle_nn::{Embedding, Linear, Module};
use pulp::Arch;
use std::sync::Arc;

/// A network on a device.
#[derive(Debug)]
pub struct Model {
    pub(super) config: NetworkConfig,
    /// In the order of [`Network::parameters`].
    vars: Vec<Var>,
    pub(super) embedding: Embedding,
    pub(super) layers: Vec<Layer>,
    pub(super) dense: Linear,
    ngrams: NgramTensors,
    memory: Option<Arc<Memory>>,
    /// The token of every symbol, `[V]`.
    symbols: Tensor,
    /// The kernels; candle's own operations, step by step, where there are none.
    stack: Option<Stack>,
}

/// What goes into a batch beside its characters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// For each layer, factors on `w_hh`; may be empty.
    pub masks: &'a [Vec<f32>],
    /// What the memory holds of the batch, of a network that has one.
    pub recalled: Option<&'a Recalled>,
    /// Whether the vectors of the memory do not learn.
    pub frozen: bool,
}

impl Model {
    /// A network on `device`: the processor computes with the kernels of this crate for its best instruction set, another device
    /// with candle's operations.
    ///
    /// # Errors
    /// The device fails.
    pub fn new(network: &Network, device: &Device) -> Result<Self> {
        match device {
            Device::Cpu => Self::with_kernels(network, Arch::new()),
            _ => Self::with_candle(network, device),
        }
    }

    /// On the processor, with the kernels for a certain instruction set.
    ///
    /// # Errors
    /// Candle refuses.
    pub fn with_kernels(network: &Network, arch: Arch) -> Result<Self> {
        let config = &network.config;
        let shape = StackShape {
            outputs: config.dense_outputs(),
            layers: config.layer_shapes(),
        };
        Self::with_stack(network, &Device::Cpu, Some(Stack::new(shape, arch)))
    }

    /// With candle's operations on any device.
    ///
    /// # Errors
    /// The device fails.
    pub fn with_candle(network: &Network, device: &Device) -> Result<Self> {
        Self::with_stack(network, device, None)
    }

    fn with_stack(network: &Network, device: &Device, stack: Option<Stack>) -> Result<Self> {
        let config = network.config.clone();
        let shapes = config.shapes().into_iter().zip(network.parameters());
        let vars = shapes.map(|((_, shape), values)| Var::from_slice(values, shape, device));
        let vars = vars.collect::<candle_core::Result<Vec<Var>>>()?;
        let mut tensors = vars.iter().map(|var| var.as_tensor().clone());
        let mut next = || tensors.next().expect("one for each parameter");
        let embedding = Embedding::new(next(), config.embedding);
        let layer = |&config: &LayerConfig| Layer {
            config,
            w_ih: next(),
            w_hh: next(),
            bias: next(),
            recurrent_bias: config.cell.takes_products_apart().then(&mut next),
            projection: config.projection.map(|_| next()),
        };
        let layers = config.layers.iter().map(layer).collect();
        // Linear holds its weight as [out, in]: a view of the variable.
        let dense = Linear::new(next().t()?, Some(next()));
        let ngrams = NgramTensors::new(&config, next);
        let symbols = Tensor::arange(0u32, config.vocabulary() as u32, device)?;
        Ok(Self {
            config,
            embedding,
            layers,
            dense,
            ngrams,
            memory: network.memory().cloned(),
            symbols,
            stack,
            vars,
        })
    }

    /// The shapes of the layers.
    pub fn layers(&self) -> &[LayerConfig] {
        &self.config.layers
    }

    /// The parameters, in the order of [`Network::parameters`].
    pub fn vars(&self) -> &[Var] {
        &self.vars
    }

    /// A copy in plain memory.
    ///
    /// # Errors
    /// The device fails.
    pub fn network(&self) -> Result<Network> {
        let values = variables::values(&self.vars)?;
        let (config, memory) = (self.config.clone(), self.memory.clone());
        Ok(Network::from_parameters(config, memory, values))
    }

    /// The logits of a batch as a node of the graph: `[T B, V]`, or `[B, V]` of the last step alone. `states` has a
    /// state for each layer; it goes in as a constant and comes out as the state after the batch.
    ///
    /// # Errors
    /// The shapes do not fit each other, or the device fails.
    pub fn logits(
        &self,
        batch: &Batch,
        loss_on: LossOn,
        states: &mut Vec<State>,
        beside: Beside<'_>,
    ) -> Result<Tensor> {
        let layers = masked(&self.layers, beside.masks)?;
        let recalled = beside.recalled.unwrap_or(&NOTHING);
        let context = self.ngrams.context(recalled, beside.frozen)?;
        let first = match loss_on {
            LossOn::EveryStep => 0,
            LossOn::LastStep => batch.steps.saturating_sub(1),
        };
        let bias = self.dense.bias().expect("made with one").clone();
        let (weight, bias) = self.ngrams.with_gate(self.dense.weight().t()?, bias)?;
        let Some(stack) = &self.stack else {
            let h = unrolled::run(&self.embedding, &layers, context, batch, states)?;
            let counted = h.narrow(0, first * batch.rows, h.dim(0)? - first * batch.rows)?;
            let outputs = counted.matmul(&weight)?.broadcast_add(&bias)?;
            return self.ngrams.logits(outputs, recalled);
        };
        // The products of the first layer's input are a table with a row a symbol, which the sequence looks up.
        let symbols = self.embedding.forward(&self.symbols)?;
        let table = symbols
            .matmul(&layers[0].w_ih)?
            .broadcast_add(&layers[0].bias)?;
        let mut inputs = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            match index {
                0 => inputs.push(&table),
                _ => inputs.extend([&layer.w_ih, &layer.bias]),
            }
            inputs.extend(layer.recurrence());
        }
        inputs.extend([&weight, &bias]);
        inputs.extend(&context);
        let reading = Reading {
            shape: stack.shape.clone(),
            input: BatchInput::Tokens(batch.inputs.clone()),
            steps: batch.steps,
            rows: batch.rows,
            first,
            has_context: context.is_some(),
        };
        let outputs = stack.outputs(reading, &inputs, states)?;
        self.ngrams.logits(outputs, recalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::loss::cross_entropy;
    use crate::kernels::pool::Pool;
    use crate::kernels::random::Random;
    use crate::kernels::vectorize::instruction_sets;
    use crate::network::config::CellKind;
    use crate::network::predictor::NetworkPredictor;
    use crate::network::score::score_text;
    use crate::network::state::zero_states;
    use crate::ngram::example_memory;
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

    /// Masks that keep most of the recurrence.
    fn masks(network: &Network) -> Vec<Vec<f32>> {
        let random = &mut Random::new(8);
        let layers = network.layers.iter();
        layers.map(|l| random.mask(l.w_hh.len(), 0.3)).collect()
    }

    /// What a memory may hold of a batch.
    fn recalled(network: &Network, batch: &Batch, on: LossOn) -> Recalled {
        let random = &mut Random::new(9);
        let ngrams = network.config.ngrams;
        let steps = batch.inputs.len();
        let counted = batch.counted_targets(on).len();
        let mut below = |count: usize, bound: usize| -> Vec<u32> {
            let draw = |_| random.below(bound) as u32;
            (0..count).map(draw).collect()
        };
        let vectors = ngrams.vectors.map(|rows| match rows {
            0 => Vec::new(),
            rows => below(steps, rows),
        });
        let Some(lengths) = ngrams.table else {
            return Recalled {
                vectors,
                ..Recalled::default()
            };
        };
        let longest = below(counted, lengths + 1);
        let costs = below(counted * network.config.vocabulary(), 64);
        Recalled {
            vectors,
            costs: costs.into_iter().map(|cost| cost as u8).collect(),
            longest,
        }
    }

    /// Loss, gradient of every parameter, and the state after the batch.
    type Found = (f64, Vec<Vec<f32>>, Vec<State>);

    fn train(
        model: &Model,
        batch: &Batch,
        on: LossOn,
        start: &[State],
        beside: Beside<'_>,
    ) -> Found {
        let mut states = start.to_vec();
        let logits = model.logits(batch, on, &mut states, beside).unwrap();
        let (node, loss) = cross_entropy(&logits, batch.counted_targets(on)).unwrap();
        let gradients = node.backward().unwrap();
        let gradient = |var: &Var| {
            let gradient = gradients.get(var).expect("every parameter takes part");
            gradient.flatten_all().unwrap().to_vec1().unwrap()
        };
        (loss, model.vars().iter().map(gradient).collect(), states)
    }

    /// Runs from a random state on every instruction set and with several threads, with masks and without.
    /// Gives the largest difference of a tensor's gradient from candle's autograd, relative to its norm.
    fn compare(network: &Network, batch: &Batch, on: LossOn) -> f64 {
        let random = &mut Random::new(4);
        let state = |layer: &LayerConfig| State {
            h: random.uniform_vec(batch.rows * layer.output(), 0.5),
            c: random.uniform_vec(batch.rows * layer.hidden, 2.0),
        };
        let carried: Vec<State> = network.config.layers.iter().map(state).collect();
        let zero = zero_states(&network.config.layers, batch.rows);
        let recalled = &recalled(network, batch, on);
        let unrolled = Model::with_candle(network, &Device::Cpu).unwrap();
        let mut largest = 0.0f64;
        for (start, masks) in [(carried, Vec::new()), (zero, masks(network))] {
            let beside = Beside {
                masks: &masks,
                recalled: Some(recalled),
                frozen: false,
            };
            let expected = train(&unrolled, batch, on, &start, beside);
            for (index, (name, arch)) in instruction_sets().into_iter().enumerate() {
                let model = Model::with_kernels(network, arch).unwrap();
                // How rows are split has nothing to do with the instruction set.
                let threads: &[usize] = if index == 0 { &[1, 2, 3, 5] } else { &[1] };
                let runs = threads.iter().map(|&threads| {
                    let pool = Pool::new(threads).unwrap();
                    pool.run(|| train(&model, batch, on, &start, beside))
                });
                let runs: Vec<Found> = runs.collect();
                assert!(
                    runs.iter().all(|run| *run == runs[0]),
                    "threads changed a bit"
                );
                let found = difference(network, &runs[0], &expected, name);
                largest = largest.max(found);
            }
        }
        largest
    }

    fn difference(network: &Network, found: &Found, expected: &Found, by: &str) -> f64 {
        let norm =
            |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        assert!((found.0 - expected.0).abs() < 1e-5, "{by}");
        let names = network.config.shapes();
        assert_eq!(found.1.len(), names.len());
        let mut largest = 0.0f64;
        for ((name, _), (a, b)) in names.iter().zip(found.1.iter().zip(&expected.1)) {
            let difference = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
            let relative = difference / norm(&mut b.iter().copied()).max(1e-12);
            let layers = &network.config.layers;
            assert!(relative < 4e-5, "{by} {layers:?} {name} {relative:e}");
            largest = largest.max(relative);
        }
        for (a, b) in found.2.iter().zip(&expected.2) {
            let pairs = a.h.iter().zip(&b.h).chain(a.c.iter().zip(&b.c));
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5), "{by}");
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
            (20, 2, 3, 70, EveryStep),
        ];
        for (hidden, layers, steps, rows, on) in cases {
            let (network, batch) = example(LayerConfig::lstm(hidden), layers, steps, rows);
            compare(&network, &batch, on);
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
        for cell in CellKind::ALL {
            let mut largest = 0.0f64;
            for (hidden, width, steps, rows, on) in cases {
                for projection in [None, Some(width)] {
                    let layer = LayerConfig {
                        cell,
                        hidden,
                        projection,
                    };
                    for layers in 1..=3 {
                        let (network, batch) = example(layer, layers, steps, rows);
                        largest = largest.max(compare(&network, &batch, on));
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
        compare(&network, &batch, LossOn::EveryStep);
    }

    #[test]
    fn so_they_do_with_a_memory() {
        use LossOn::{EveryStep, LastStep};
        for (cell, projection) in CellKind::ALL.into_iter().zip([None, Some(9), None]) {
            let layer = LayerConfig {
                cell,
                hidden: 21,
                projection,
            };
            for (vectors, has_table) in [([30, 0, 50], true), ([0, 7, 0], false), ([0; 3], true)] {
                for (layers, steps, rows, on) in [(1, 9, 11, EveryStep), (2, 1, 3, LastStep)] {
                    let (network, batch) = example(layer, layers, steps, rows);
                    let memory = example_memory(vectors, has_table);
                    let mut network = network.with_memory(Arc::new(memory));
                    let random = &mut Random::new(5);
                    for values in network.parameters_mut() {
                        let noise = random.uniform_vec(values.len(), 0.1);
                        values.iter_mut().zip(noise).for_each(|(x, n)| *x += n);
                    }
                    compare(&network, &batch, on);
                }
            }
        }
    }

    #[test]
    fn frozen_vectors_have_no_gradient() {
        let (network, batch) = example(LayerConfig::cifg(12, 5), 1, 4, 3);
        let network = network.with_memory(Arc::new(example_memory([3, 0, 0], false)));
        let model = Model::new(&network, &Device::Cpu).unwrap();
        let recalled = recalled(&network, &batch, LossOn::EveryStep);
        for frozen in [false, true] {
            let beside = Beside {
                masks: &[],
                recalled: Some(&recalled),
                frozen,
            };
            let states = &mut zero_states(&network.config.layers, 3);
            let logits = model.logits(&batch, LossOn::EveryStep, states, beside);
            let (node, _) = cross_entropy(&logits.unwrap(), &batch.targets).unwrap();
            let gradients = node.backward().unwrap();
            let vectors = model.vars().last().unwrap();
            assert_eq!(gradients.get(vectors).is_none(), frozen);
        }
    }

    #[test]
    fn a_run_in_two_parts_carries_its_state_exactly() {
        for layer in [LayerConfig::lstm(24), LayerConfig::cifg(24, 10)] {
            let (network, whole) = example(layer, 2, 10, 3);
            let model = Model::new(&network, &Device::Cpu).unwrap();
            let run = |states: &mut Vec<State>, from: usize, steps: usize| {
                let at = |r: usize, t: usize| match (from + t) * 3 + r {
                    i if i < 30 => whole.inputs[i],
                    i => whole.targets[i - 3],
                };
                let part = Batch::gather(3, steps, at);
                let beside = Beside::default();
                let (loss, _, after) = train(&model, &part, LossOn::EveryStep, states, beside);
                *states = after;
                loss
            };
            let layers = &network.config.layers;
            let (mut one, mut two) = (zero_states(layers, 3), zero_states(layers, 3));
            let loss = run(&mut one, 0, 10);
            let (first, second) = (run(&mut two, 0, 4), run(&mut two, 4, 6));
            assert_eq!(one, two);
            assert!((loss - (0.4 * first + 0.6 * second)).abs() < 1e-6);
        }
    }

    #[test]
    fn single_steps_equal_the_training_pass() {
        let lstm = LayerConfig::lstm;
        let projected = LayerConfig {
            projection: Some(9),
            ..lstm(20)
        };
        let cifg = LayerConfig::cifg(33, 10);
        let bare = LayerConfig {
            projection: None,
            ..cifg
        };
        let gru = LayerConfig {
            cell: CellKind::Gru,
            ..lstm(21)
        };
        for (layer, layers) in [
            (gru, 1),
            (gru, 3),
            (lstm(10), 1),
            (lstm(33), 2),
            (lstm(64), 4),
            (projected, 2),
            (cifg, 1),
            (cifg, 3),
            (bare, 2),
        ] {
            let random = &mut Random::new(2);
            let config = NetworkConfig::stack(&Alphabet::letters(), 8, layer, layers);
            let network = Network::new(config, random).unwrap();
            let text: Vec<u8> = (0..51).map(|_| random.below(27) as u8).collect();
            let batch = Batch::gather(1, 50, |_, t| text[t]);
            let start = zero_states(&network.config.layers, 1);
            let model = Model::new(&network, &Device::Cpu).unwrap();
            let beside = Beside::default();
            let (loss, _, states) = train(&model, &batch, LossOn::EveryStep, &start, beside);
            let mut predictor = NetworkPredictor::new(&network);
            let score = score_text(&mut predictor, None, &text);
            assert_eq!(score.characters, 50);
            assert!((score.bits_per_char * std::f64::consts::LN_2 - loss).abs() < 1e-5);
            for (index, state) in states.iter().enumerate() {
                let (h, c) = (predictor.output(index), predictor.cells(index));
                assert_eq!((h.len(), c.len()), (state.h.len(), state.c.len()));
                for (a, b) in h.iter().zip(&state.h).chain(c.iter().zip(&state.c)) {
                    assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_one_line() {
        let (network, batch) = example(LayerConfig::lstm(6), 2, 5, 3);
        let model = Model::new(&network, &Device::Cpu).unwrap();
        let good = zero_states(&network.config.layers, 3);
        let short = zero_states(&network.config.layers, 2);
        let outside = Batch::gather(3, 5, |_, _| 27);
        let mut broken = batch.clone();
        broken.rows = 4;
        for (batch, states) in [
            (&batch, &short),
            (&batch, &good[..1].to_vec()),
            (&outside, &good),
            (&broken, &good),
        ] {
            let on = LossOn::EveryStep;
            let error = model
                .logits(batch, on, &mut states.clone(), Beside::default())
                .unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("found") && error.lines().count() == 1,
                "{error}"
            );
        }
    }
}

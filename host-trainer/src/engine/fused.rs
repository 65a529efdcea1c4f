//! A whole training step outside candle's graph: forward, loss, and backward in one go.
//!
//! It computes what [`crate::engine::step::Engine`] computes, and is the normal way of `train`; the graph
//! is the reference that it is tested against. The rows of a batch are split over threads, which
//! run forward and backward each on their own; then the threads share out the weights, and sum each
//! weight's gradient over all steps and rows in their order. So the number of threads changes no
//! bit of the result.

use crate::files::error::{Error, Result};
use crate::kernels::dense::{DenseGradient, DensePiece, PackedDense};
use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::kernel::ROW_BLOCK;
use crate::kernels::panels::{Axis, Strip, unpack, write_rows};
use crate::kernels::recurrent::{
    Above, Base, GROUP, Input, Kind, LayerGradient, LayerTape, PackedLayer, Piece, Ran,
};
use crate::kernels::threads::{on_threads, row_ranges, share_out};
use crate::network::parameters::Network;
use crate::network::state::State;
use crate::text::batches::{Batch, LossOn};
use pulp::Arch;
use std::ops::Range;

/// Computes training steps; holds the memory for them.
#[derive(Clone, Debug)]
pub struct Engine {
    threads: usize,
    arch: Arch,
    weights: PackedNetwork,
    shards: Vec<Shard>,
    layers: Vec<LayerGradient>,
    dense: DenseGradient,
    gradients: Vec<Vec<f32>>,
}

/// The weights of a network, packed for a batch.
#[derive(Clone, Debug, Default)]
struct PackedNetwork {
    layers: Vec<PackedLayer>,
    dense: PackedDense,
}

/// The rows of a batch that one thread runs.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// Rows of the batch.
    rows: Range<usize>,
    /// Their number, filled up to whole blocks.
    padded: usize,
    /// `[T, padded]`.
    tokens: Vec<u8>,
    layers: Vec<LayerTape>,
    /// Gradient of the logits, for each step that counts `[T'][V][padded]`.
    errors: Vec<Strip>,
    /// `[T', rows]`, in nats.
    losses: Vec<f64>,
}

impl Engine {
    /// An engine for the best instruction set of this CPU.
    pub fn new(threads: usize) -> Self {
        Self::with_arch(threads, Arch::new())
    }

    /// An engine for a certain instruction set.
    pub fn with_arch(threads: usize, arch: Arch) -> Self {
        Self {
            threads,
            arch,
            weights: PackedNetwork::default(),
            shards: Vec::new(),
            layers: Vec::new(),
            dense: DenseGradient::default(),
            gradients: Vec::new(),
        }
    }

    /// As [`crate::engine::step::Engine::loss_and_gradients`].
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn loss_and_gradients(
        &mut self,
        network: &Network,
        batch: &Batch,
        loss_on: LossOn,
        states: &mut [State],
        drop_connect: &[Vec<f32>],
    ) -> Result<(f64, &mut [Vec<f32>])> {
        check(network, batch, states, drop_connect)?;
        self.weights.pack(network, drop_connect);
        let first = match loss_on {
            LossOn::EveryStep => 0,
            LossOn::LastStep => batch.steps - 1,
        };
        let loss = self.run_rows(network, batch, first, states);
        self.sum_gradients(network, batch.steps, first);
        self.unpack(network, drop_connect);
        Ok((loss, &mut self.gradients))
    }

    /// Forward and backward of all rows; the mean loss.
    fn run_rows(
        &mut self,
        network: &Network,
        batch: &Batch,
        first: usize,
        states: &mut [State],
    ) -> f64 {
        let blocks = row_ranges(batch.rows.div_ceil(ROW_BLOCK), self.threads);
        self.shards.resize_with(blocks.len(), Shard::default);
        for (shard, blocks) in self.shards.iter_mut().zip(blocks) {
            let rows = blocks.start * ROW_BLOCK..batch.rows.min(blocks.end * ROW_BLOCK);
            shard.begin(network, batch, first, states, rows);
        }
        let (weights, arch) = (&self.weights, self.arch);
        on_threads(self.shards.iter_mut().collect(), |shard| {
            shard.forward(arch, weights, batch, first);
            shard.backward(arch, weights, batch.steps, first);
        });
        for shard in &self.shards {
            shard.end(network, batch.steps, states);
        }
        let mut loss = 0.0;
        for t in 0..batch.steps - first {
            for shard in &self.shards {
                let count = shard.rows.len();
                shard.losses[t * count..][..count]
                    .iter()
                    .for_each(|row| loss += row);
            }
        }
        loss / ((batch.steps - first) * batch.rows) as f64
    }

    /// The gradients of all weights, in panels.
    fn sum_gradients(&mut self, network: &Network, steps: usize, first: usize) {
        let (config, arch) = (&network.config, self.arch);
        let (shards, vocabulary) = (&self.shards, config.vocabulary());
        self.layers
            .resize_with(config.layers.len(), LayerGradient::default);
        let mut work = Vec::new();
        for (index, gradient) in self.layers.iter_mut().enumerate() {
            let kind = match index {
                0 => Kind::Table(vocabulary),
                _ => Kind::Below(config.input_width(index)),
            };
            let pieces = gradient.pieces(config.layers[index], kind);
            work.extend(pieces.into_iter().map(|piece| Work::Layer(index, piece)));
        }
        let symbols = self.weights.dense.symbols();
        let dense = self.dense.pieces(&self.weights.dense);
        work.extend(dense.into_iter().map(Work::Dense));
        share_out(self.threads, work, |work| match work {
            Work::Layer(index, piece) => {
                let ran: Vec<Ran<'_>> = shards.iter().map(|shard| shard.ran(index)).collect();
                piece.compute(arch, config.layers[index], steps, &ran);
            }
            Work::Dense(piece) => {
                let each = (first..steps).flat_map(|t| shards.iter().map(move |s| (t, s)));
                let slabs = each.map(|(t, shard)| {
                    let top = shard.layers.last().expect("at least one layer");
                    let errors = shard.errors(t - first, symbols);
                    (top.output(t + 1), errors, shard.padded)
                });
                piece.compute(arch, slabs);
            }
        });
    }

    /// The gradients as row-major matrices, in the order of [`Network::parameters`].
    fn unpack(&mut self, network: &Network, drop_connect: &[Vec<f32>]) {
        let config = &network.config;
        let parameters = network.parameters();
        self.gradients.resize_with(parameters.len(), Vec::new);
        for (gradient, parameter) in self.gradients.iter_mut().zip(parameters) {
            gradient.resize(parameter.len(), 0.0);
        }
        let (embedding, rest) = self.gradients.split_at_mut(1);
        let mut rest = rest.iter_mut();
        let mut next = || rest.next().expect("one for each parameter");
        for (index, (&layer, gradient)) in config.layers.iter().zip(&self.layers).enumerate() {
            let (gates, count) = (layer.gate_axis(), layer.gate_axis().gate_count());
            let (w_ih, w_hh, bias) = (next(), next(), next());
            match index {
                0 => fold_back(network, gradient, &mut embedding[0], w_ih, bias),
                _ => {
                    let inputs = Axis::plain(config.input_width(index));
                    unpack(&gradient.w_ih, inputs, gates, count, w_ih);
                    write_rows(&gradient.base, 1, gates, bias);
                }
            }
            unpack(&gradient.w_hh, layer.output_axis(), gates, count, w_hh);
            if let Some(mask) = drop_connect.get(index) {
                w_hh.iter_mut().zip(mask).for_each(|(g, m)| *g *= m);
            }
            if layer.projection.is_some() {
                let (units, outputs) = (layer.unit_axis(), layer.output_axis());
                unpack(&gradient.projection, units, outputs, GROUP, next());
            }
        }
        self.dense.unpack(next(), next());
    }
}

/// A piece of all gradients.
enum Work<'a> {
    Layer(usize, Piece<'a>),
    Dense(DensePiece<'a>),
}

/// The gradients of what the table was folded from, given that of the table.
fn fold_back(
    network: &Network,
    gradient: &LayerGradient,
    embedding: &mut [f32],
    w_ih: &mut [f32],
    bias: &mut [f32],
) {
    let (vocabulary, width) = (network.config.vocabulary(), network.config.embedding);
    let columns = network.config.layers[0].columns();
    let rows = gradient.table(network.config.layers[0], vocabulary);
    bias.fill(0.0);
    for row in rows.chunks_exact(columns) {
        bias.iter_mut().zip(row).for_each(|(sum, g)| *sum += g);
    }
    let d_table = Matrix::new(&rows, vocabulary, columns);
    let weights = Matrix::new(&network.layers[0].w_ih, width, columns);
    gemm(d_table, weights.transposed(), embedding, false);
    let symbols = Matrix::new(&network.embedding, vocabulary, width);
    gemm(symbols.transposed(), d_table, w_ih, false);
}

impl PackedNetwork {
    fn pack(&mut self, network: &Network, drop_connect: &[Vec<f32>]) {
        let config = &network.config;
        self.layers
            .resize_with(config.layers.len(), PackedLayer::default);
        let table = network.folded_table();
        for (index, (packed, layer)) in self.layers.iter_mut().zip(&network.layers).enumerate() {
            let base = match index {
                0 => Base::Table(&table),
                _ => Base::Bias(&layer.bias, &layer.w_ih),
            };
            let masked: Vec<f32>;
            let w_hh = match drop_connect.get(index) {
                Some(mask) => {
                    masked = layer.w_hh.iter().zip(mask).map(|(w, m)| w * m).collect();
                    &masked
                }
                None => &layer.w_hh,
            };
            packed.pack(
                config.layers[index],
                base,
                w_hh,
                layer.projection.as_deref(),
            );
        }
        self.dense.pack(&network.dense_weight, &network.dense_bias);
    }
}

impl Shard {
    fn begin(
        &mut self,
        network: &Network,
        batch: &Batch,
        first: usize,
        states: &[State],
        rows: Range<usize>,
    ) {
        self.padded = rows.len().next_multiple_of(ROW_BLOCK);
        self.tokens.clear();
        for tokens in batch.inputs.chunks_exact(batch.rows) {
            self.tokens.extend_from_slice(&tokens[rows.clone()]);
            self.tokens
                .resize(self.tokens.len() + self.padded - rows.len(), 0);
        }
        let config = &network.config;
        self.layers
            .resize_with(config.layers.len(), LayerTape::default);
        let layers = self.layers.iter_mut().zip(&config.layers).zip(states);
        for ((tape, &layer), state) in layers {
            let part = |values: &'_ [f32], width: usize| {
                rows.start * width..(rows.end * width).min(values.len())
            };
            let h = &state.h[part(&state.h, layer.output())];
            let c = &state.c[part(&state.c, layer.hidden)];
            tape.begin(layer, (batch.steps, self.padded), (h, c));
        }
        let counted = batch.steps - first;
        let panels = Axis::plain(config.vocabulary()).panels();
        self.errors
            .resize(counted * panels * self.padded, Strip::default());
        self.losses.resize(counted * rows.len(), 0.0);
        self.rows = rows;
    }

    /// The gradient of the logits at a step that counts.
    fn errors(&self, t: usize, symbols: Axis) -> &[Strip] {
        let length = symbols.panels() * self.padded;
        &self.errors[t * length..][..length]
    }

    fn forward(&mut self, arch: Arch, weights: &PackedNetwork, batch: &Batch, first: usize) {
        for (index, packed) in weights.layers.iter().enumerate() {
            let (below, here) = self.layers.split_at_mut(index);
            for t in 0..batch.steps {
                let input = match below.last() {
                    None => Input::Tokens(&self.tokens[t * self.padded..][..self.padded]),
                    Some(below) => Input::Below(below.output(t + 1)),
                };
                here[0].forward(arch, packed, input, t);
            }
        }
        let length = weights.dense.symbols().panels() * self.padded;
        let top = self.layers.last().expect("at least one layer");
        let scale = 1.0 / ((batch.steps - first) * batch.rows) as f32;
        let losses = self.losses.chunks_exact_mut(self.rows.len());
        for ((errors, losses), t) in self
            .errors
            .chunks_exact_mut(length)
            .zip(losses)
            .zip(first..)
        {
            let targets = &batch.targets[t * batch.rows..][self.rows.clone()];
            let h = top.output(t + 1);
            weights
                .dense
                .errors(arch, h, (targets, scale), errors, losses);
        }
    }

    fn backward(&mut self, arch: Arch, weights: &PackedNetwork, steps: usize, first: usize) {
        let length = weights.dense.symbols().panels() * self.padded;
        for index in (0..self.layers.len()).rev() {
            let (here, above) = self.layers.split_at_mut(index + 1);
            for t in (0..steps).rev() {
                let above = match above.first() {
                    Some(above) => {
                        Above::Product((above.gates(t), &weights.layers[index + 1].w_ih_t))
                    }
                    None if t < first => Above::Nothing,
                    None => {
                        let errors = &self.errors[(t - first) * length..][..length];
                        Above::Product((errors, &weights.dense.weight_t))
                    }
                };
                here[index].backward(arch, &weights.layers[index], above, (t, steps));
            }
        }
    }

    /// Writes the state after the batch.
    fn end(&self, network: &Network, steps: usize, states: &mut [State]) {
        let layers = self.layers.iter().zip(&network.config.layers).zip(states);
        for ((tape, layer), state) in layers {
            let part = |width: usize| self.rows.start * width..self.rows.end * width;
            let h = &mut state.h[part(layer.output())];
            write_rows(tape.output(steps), self.padded, layer.output_axis(), h);
            let c = &mut state.c[part(layer.hidden)];
            write_rows(tape.cell(steps), self.padded, layer.unit_axis(), c);
        }
    }

    /// What layer `index` read and kept.
    fn ran(&self, index: usize) -> Ran<'_> {
        Ran {
            tape: &self.layers[index],
            tokens: if index == 0 { &self.tokens } else { &[] },
            below: index.checked_sub(1).map(|below| &self.layers[below]),
        }
    }
}

/// Refuses what does not fit together.
fn check(
    network: &Network,
    batch: &Batch,
    states: &[State],
    drop_connect: &[Vec<f32>],
) -> Result<()> {
    let layers = &network.config.layers;
    let vocabulary = network.config.vocabulary();
    let cells = batch.steps * batch.rows;
    let mut tokens = batch.inputs.iter().chain(batch.targets.iter());
    let state = |(state, layer): (&State, &crate::network::config::LayerConfig)| {
        (state.h.len(), state.c.len()) == (batch.rows * layer.output(), batch.rows * layer.hidden)
    };
    let mask = |(mask, layer): (&Vec<f32>, &crate::network::parameters::Layer)| {
        mask.len() == layer.w_hh.len()
    };
    let fits = cells > 0
        && (batch.inputs.len(), batch.targets.len()) == (cells, cells)
        && tokens.all(|&t| usize::from(t) < vocabulary)
        && states.len() == layers.len()
        && states.iter().zip(layers).all(state)
        && (drop_connect.is_empty() || drop_connect.len() == layers.len())
        && drop_connect.iter().zip(&network.layers).all(mask);
    if fits {
        return Ok(());
    }
    Err(Error::bad_input(format!(
        "found a batch of {} x {} with {} inputs, {} targets, {} states, {} masks, expected all to \
         fit a network of {} layers and {vocabulary} symbols",
        batch.rows,
        batch.steps,
        batch.inputs.len(),
        batch.targets.len(),
        states.len(),
        drop_connect.len(),
        layers.len(),
    )))
}

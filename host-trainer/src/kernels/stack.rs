//! All of a network but its embedding: recurrent layers over a sequence and the dense layer, forward and
//! backward, shared out over the threads of the pool that it runs in.
//!
//! The rows of a batch are split over the threads, which run all steps and layers each on their own. Then the threads
//! share out the weights: each weight's gradient is one sum over all steps and rows in their order. So the
//! number of threads changes no bit of the result.

use crate::kernels::dense::{DenseGradient, DensePiece, PackedDense};
use crate::kernels::layer::{
    Above, InputShape, LayerGradient, LayerShape, LayerTape, PackedLayer, Piece, Ran, Read,
    RecordedStep, StateRows,
};
use crate::kernels::panels::{Axis, ROW_BLOCK, Strip, read_rows, write_rows};
use crate::kernels::pool::{row_parts, split_rows};
use crate::kernels::product::Slab;
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

/// The state of one layer for a batch; of a network of integers, as whole numbers of the device's units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Output of the last step `[B, R]`; R is H without a projection.
    pub h: Vec<f32>,
    /// Cell state `[B, H]`.
    pub c: Vec<f32>,
}

/// A network, as the kernels see it.
#[derive(Clone, Debug)]
pub(crate) struct StackShape {
    /// Columns of the dense layer: a logit for each symbol, say, and what else it gives.
    pub(crate) outputs: usize,
    /// The layers, from the first on.
    pub(crate) layers: Vec<LayerShape>,
}

impl StackShape {
    /// Number of numbers of each weight: those of each layer ([`LayerShape::weights`]), then of the dense layer
    /// `[R, outputs]` and `[outputs]`.
    pub(crate) fn weights(&self) -> Vec<usize> {
        let layers = self.layers.iter();
        let mut lengths: Vec<usize> = layers.flat_map(|layer| layer.weights()).collect();
        lengths.extend([self.top().output() * self.outputs, self.outputs]);
        lengths
    }

    fn top(&self) -> LayerShape {
        *self.layers.last().expect("at least one layer")
    }

    fn dense_axis(&self) -> Axis {
        Axis::plain(self.outputs)
    }
}

/// What a layer reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    /// Tokens `[T, B]`, of a layer with a table.
    Tokens(&'a [u8]),
    /// Values `[T, B, C]`, of any other: what is measured, or the outputs of the layer below.
    Values(&'a [f32]),
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence<'a> {
    /// Steps, T.
    pub(crate) steps: usize,
    /// Rows, B.
    pub(crate) rows: usize,
    /// What the first layer reads.
    pub(crate) input: Input<'a>,
    /// The first step whose logits count.
    pub(crate) first: usize,
    /// The context of the first layer, `[T, B, R]`; empty where it has none.
    pub(crate) context: &'a [f32],
}

impl Sequence<'_> {
    /// Steps whose logits count, T'.
    pub(crate) fn counted(self) -> usize {
        self.steps - self.first
    }

    /// Whether all sizes fit.
    pub(crate) fn fits(self, shape: &StackShape, states: &[State]) -> bool {
        let state = |(state, layer): (&State, &LayerShape)| {
            (state.h.len(), state.c.len()) == (self.rows * layer.output(), self.rows * layer.hidden)
        };
        let Some(first) = shape.layers.first() else {
            return false;
        };
        let places = self.steps * self.rows;
        let input = match (self.input, first.input) {
            (Input::Tokens(tokens), InputShape::Table(symbols)) => {
                tokens.len() == places && tokens.iter().all(|&token| usize::from(token) < symbols)
            }
            (Input::Values(values), InputShape::Values(width)) => values.len() == places * width,
            _ => false,
        };
        self.first < self.steps
            && (self.context.is_empty() || self.context.len() == places * first.output())
            && self.rows > 0
            && input
            && states.len() == shape.layers.len()
            && states.iter().zip(&shape.layers).all(state)
    }
}

/// A layer's run that was computed elsewhere, by rounded numbers for example; row-major.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordedLayer<'a> {
    /// What the cell keeps, `[T, B, K H]`.
    pub(crate) kept: &'a [f32],
    /// The cell states, the initial ones first, `[T+1, B, H]`.
    pub(crate) states: &'a [f32],
    /// What went into the projection, `[T, B, H]`; empty without one.
    pub(crate) units: &'a [f32],
    /// The initial outputs, `[B, R]`.
    pub(crate) h0: &'a [f32],
    /// The outputs, `[T, B, R]`.
    pub(crate) outputs: &'a [f32],
    /// What the recurrent product read, `[T, B, R]`, where that is not the output before; else empty.
    pub(crate) recurrent_inputs: &'a [f32],
}

/// What the forward pass keeps for the backward pass, and memory for both, to be used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct StackTape {
    weights: PackedStack,
    parts: Vec<Part>,
    layers: Vec<LayerGradient>,
    dense: DenseGradient,
}

/// The weights, packed for a batch.
#[derive(Clone, Debug, Default)]
struct PackedStack {
    layers: Vec<PackedLayer>,
    dense: PackedDense,
}

/// Rows of the batch that one thread runs at a time.
#[derive(Clone, Debug, Default)]
struct Part {
    /// Rows of the batch.
    rows: Range<usize>,
    /// Their number, filled up to whole blocks.
    padded: usize,
    /// What the first layer reads: tokens `[T, padded]`, or values `[T][C][padded]`; the other is empty.
    tokens: Vec<u8>,
    values: Vec<Strip>,
    layers: Vec<LayerTape>,
    /// What the dense layer reads, for each step that counts `[T'][R][padded]`; empty where that is what the last
    /// layer gives.
    top: Vec<Strip>,
    /// What the dense layer gives, then its gradients, for each step that counts `[T'][outputs][padded]`.
    logits: Vec<Strip>,
}

impl StackTape {
    /// Runs the sequence. `states` has a state for each layer, and goes forward. Writes the logits of the
    /// steps that count, `[T', B, outputs]`.
    ///
    /// # Panics
    /// Sizes do not fit (see [`Sequence::fits`] and [`StackShape::weights`]).
    pub(crate) fn forward(
        &mut self,
        arch: Arch,
        shape: &StackShape,
        weights: &[&[f32]],
        sequence: Sequence<'_>,
        states: &mut [State],
        logits: &mut [f32],
    ) {
        assert!(sequence.fits(shape, states), "a sequence of another shape");
        self.weights.pack(shape, weights);
        let ranges = row_parts(sequence.rows);
        self.parts.resize_with(ranges.len(), Part::default);
        let logits = split_rows(logits, sequence.counted(), shape.outputs, &ranges);
        let weights = &self.weights;
        let before = &*states;
        let parts = self.parts.par_iter_mut().zip(ranges).zip(logits);
        parts.with_max_len(1).for_each(|((part, rows), logits)| {
            part.begin(shape, sequence, rows, before);
            part.forward(arch, weights, sequence);
            part.write_logits(arch, weights, shape, sequence, logits);
        });
        for part in &self.parts {
            part.end(sequence.steps, states);
        }
    }

    /// Takes a run with these weights that was computed elsewhere, for [`StackTape::backward`]: of each layer, and
    /// what the dense layer read `[T', B, R]`.
    ///
    /// # Panics
    /// A slice has another length than its shape.
    pub(crate) fn record(
        &mut self,
        shape: &StackShape,
        weights: &[&[f32]],
        sequence: Sequence<'_>,
        layers: &[RecordedLayer<'_>],
        top: &[f32],
    ) {
        self.weights.pack(shape, weights);
        let ranges = row_parts(sequence.rows);
        self.parts.resize_with(ranges.len(), Part::default);
        let parts = self.parts.par_iter_mut().zip(ranges).with_max_len(1);
        parts.for_each(|(part, rows)| part.record(shape, sequence, rows, layers, top));
    }

    /// Goes back through what was run or recorded last, once; `d_logits` is the gradient of its logits,
    /// `[T', B, outputs]`. Gives the gradient of every weight, and after them that of the context, `[T, B, R]`, if there is one.
    ///
    /// # Panics
    /// `d_logits` has another length than its shape.
    pub(crate) fn backward(
        &mut self,
        arch: Arch,
        shape: &StackShape,
        sequence: Sequence<'_>,
        d_logits: &[f32],
    ) -> Vec<Vec<f32>> {
        let counted = sequence.counted();
        assert!(d_logits.len() == counted * sequence.rows * shape.outputs);
        let weights = &self.weights;
        let parts = self.parts.par_iter_mut().with_max_len(1);
        parts.for_each(|part| {
            part.read_gradients(shape, sequence, d_logits);
            part.backward(arch, weights, sequence);
        });
        self.sum_gradients(arch, shape, sequence);
        let mut all = Vec::new();
        for (gradient, &layer) in self.layers.iter().zip(&shape.layers) {
            all.extend(gradient.unpack(layer));
        }
        all.extend(self.dense.unpack());
        if !sequence.context.is_empty() {
            all.push(self.context_gradient(sequence));
        }
        all
    }

    /// The gradient of the context, `[T, B, R]`.
    fn context_gradient(&self, sequence: Sequence<'_>) -> Vec<f32> {
        let mut gradient = vec![0.0; sequence.context.len()];
        let width = gradient.len() / (sequence.steps * sequence.rows);
        for (t, step) in gradient.chunks_exact_mut(sequence.rows * width).enumerate() {
            for part in &self.parts {
                let rows = part.rows.start * width..part.rows.end * width;
                part.layers[0].write_context_gradient(t, &mut step[rows]);
            }
        }
        gradient
    }

    /// The gradients of all weights, in panels.
    fn sum_gradients(&mut self, arch: Arch, shape: &StackShape, sequence: Sequence<'_>) {
        let parts = &self.parts;
        let gradients = shape.layers.len();
        self.layers.resize_with(gradients, LayerGradient::default);
        let mut work = Vec::new();
        for (index, gradient) in self.layers.iter_mut().enumerate() {
            let pieces = gradient.pieces(shape.layers[index]).into_iter();
            work.extend(pieces.map(|piece| Work::Layer(index, piece)));
        }
        let dense = self.dense.pieces(&self.weights.dense).into_iter();
        work.extend(dense.map(Work::Dense));
        let slab = shape.dense_axis().panels();
        let outputs = shape.top().output_axis().panels();
        let work = work.into_par_iter().with_max_len(1);
        work.for_each(|work| match work {
            Work::Layer(index, piece) => {
                let ran: Vec<Ran<'_>> = parts.iter().map(|part| part.ran(index)).collect();
                piece.compute(arch, shape.layers[index], sequence.steps, &ran);
            }
            Work::Dense(piece) => {
                let counted = 0..sequence.counted();
                let each = counted.flat_map(|t| parts.iter().map(move |part| (t, part)));
                let slabs = each.map(|(t, part)| {
                    let h = part.dense_input(t, sequence.first, outputs);
                    (h, part.logits(t, slab), part.padded)
                });
                piece.compute(arch, slabs);
            }
        });
    }
}

/// A piece of all gradients.
enum Work<'a> {
    Layer(usize, Piece<'a>),
    Dense(DensePiece<'a>),
}

impl PackedStack {
    fn pack(&mut self, shape: &StackShape, weights: &[&[f32]]) {
        let found: Vec<usize> = weights.iter().map(|w| w.len()).collect();
        assert_eq!(found, shape.weights(), "weights of other shapes");
        let mut weights = weights.iter().copied();
        let layers = shape.layers.len();
        self.layers.resize_with(layers, PackedLayer::default);
        for (packed, &layer) in self.layers.iter_mut().zip(&shape.layers) {
            packed.pack(layer, &mut weights);
        }
        let mut next = || weights.next().expect("counted before");
        let (weight, bias) = (next(), next());
        self.dense.pack(weight, bias);
    }
}

impl Part {
    /// Makes room for some rows, and begins with their state.
    fn begin(
        &mut self,
        shape: &StackShape,
        sequence: Sequence<'_>,
        rows: Range<usize>,
        states: &[State],
    ) {
        self.read_input(sequence, rows.clone());
        self.layers
            .resize_with(shape.layers.len(), LayerTape::default);
        let steps = (sequence.steps, self.padded);
        let layers = self.layers.iter_mut().zip(&shape.layers).zip(states);
        for ((tape, &layer), state) in layers {
            let state = StateRows {
                h: share(&state.h, layer.output(), &rows),
                c: share(&state.c, layer.hidden, &rows),
            };
            tape.begin(layer, steps, state);
        }
        if !sequence.context.is_empty() {
            let rows = self.rows.clone();
            self.layers[0].read_context(sequence.context, sequence.rows, &rows);
        }
        self.top.clear();
    }

    fn read_input(&mut self, sequence: Sequence<'_>, rows: Range<usize>) {
        self.padded = rows.len().next_multiple_of(ROW_BLOCK);
        self.tokens.clear();
        self.values.clear();
        match sequence.input {
            Input::Tokens(tokens) => {
                for tokens in tokens.chunks_exact(sequence.rows) {
                    self.tokens.extend_from_slice(&tokens[rows.clone()]);
                    self.tokens
                        .resize(self.tokens.len() + self.padded - rows.len(), 0);
                }
            }
            Input::Values(values) => {
                let axis = Axis::plain(values.len() / (sequence.steps * sequence.rows));
                let slab = axis.panels() * self.padded;
                self.values.resize(sequence.steps * slab, Strip::default());
                for (t, slab) in self.values.chunks_exact_mut(slab).enumerate() {
                    let values = step(values, sequence.rows * axis.len(), t);
                    let values = share(values, axis.len(), &rows);
                    read_rows(values, axis, slab, self.padded);
                }
            }
        }
        self.rows = rows;
    }

    /// What layer `index` reads.
    fn read(&self, index: usize) -> Read<'_> {
        match index.checked_sub(1) {
            Some(below) => Read::Values(self.layers[below].outputs()),
            None if self.values.is_empty() => Read::Tokens(&self.tokens),
            None => Read::Values(&self.values),
        }
    }

    fn forward(&mut self, arch: Arch, weights: &PackedStack, sequence: Sequence<'_>) {
        for (index, packed) in weights.layers.iter().enumerate() {
            // It stands apart from what it reads.
            let mut layer = std::mem::take(&mut self.layers[index]);
            let read = self.read(index);
            // All products of the input come first: then its weights stay in the cache.
            for t in 0..sequence.steps {
                layer.input_products(arch, packed, read, t);
            }
            for t in 0..sequence.steps {
                layer.forward(arch, packed, read, t);
            }
            self.layers[index] = layer;
        }
    }

    /// Computes the logits, and writes them to these rows of each step.
    fn write_logits(
        &mut self,
        arch: Arch,
        weights: &PackedStack,
        shape: &StackShape,
        sequence: Sequence<'_>,
        to: Vec<&mut [f32]>,
    ) {
        let slab = shape.dense_axis().panels() * self.padded;
        self.logits
            .resize(sequence.counted() * slab, Strip::default());
        let top = self.layers.last().expect("at least one layer");
        let slabs = self.logits.chunks_exact_mut(slab).zip(to);
        for ((logits, to), t) in slabs.zip(sequence.first..) {
            weights.dense.logits(arch, top.output(t + 1), logits);
            write_rows(logits, self.padded, shape.dense_axis(), to);
        }
    }

    /// As [`StackTape::record`], for some rows.
    fn record(
        &mut self,
        shape: &StackShape,
        sequence: Sequence<'_>,
        rows: Range<usize>,
        layers: &[RecordedLayer<'_>],
        top: &[f32],
    ) {
        self.read_input(sequence, rows.clone());
        self.layers
            .resize_with(shape.layers.len(), LayerTape::default);
        let batch = sequence.rows;
        let at = |values, width, t| share(step(values, width * batch, t), width, &rows);
        let tapes = self.layers.iter_mut().zip(&shape.layers).zip(layers);
        for ((tape, &layer), run) in tapes {
            let (hidden, output) = (layer.hidden, layer.output());
            let state = StateRows {
                h: at(run.h0, output, 0),
                c: at(run.states, hidden, 0),
            };
            tape.begin(layer, (sequence.steps, self.padded), state);
            if !run.recurrent_inputs.is_empty() {
                tape.read_context(run.recurrent_inputs, batch, &rows);
            }
            for t in 0..sequence.steps {
                let units = match layer.projection {
                    Some(_) => at(run.units, hidden, t),
                    None => &[],
                };
                let step = RecordedStep {
                    kept: at(run.kept, layer.cell.kept() * hidden, t),
                    states: at(run.states, hidden, t + 1),
                    units,
                    outputs: at(run.outputs, output, t),
                };
                tape.record(t, step);
            }
        }
        let outputs = shape.top().output_axis();
        let slab = outputs.panels() * self.padded;
        self.top.clear();
        self.top.resize(sequence.counted() * slab, Strip::default());
        for (t, slab) in self.top.chunks_exact_mut(slab).enumerate() {
            read_rows(at(top, outputs.len(), t), outputs, slab, self.padded);
        }
        let slab = shape.dense_axis().panels() * self.padded;
        self.logits.clear();
        self.logits
            .resize(sequence.counted() * slab, Strip::default());
    }

    /// Reads the gradients of the logits of these rows.
    fn read_gradients(&mut self, shape: &StackShape, sequence: Sequence<'_>, d_logits: &[f32]) {
        let (outputs, padded) = (shape.dense_axis(), self.padded);
        let slab = outputs.panels() * padded;
        for (t, slab) in self.logits.chunks_exact_mut(slab).enumerate() {
            let width = outputs.len();
            let from = step(d_logits, width * sequence.rows, t);
            read_rows(share(from, width, &self.rows), outputs, slab, padded);
            for panel in slab.chunks_exact_mut(padded) {
                panel[self.rows.len()..].fill(Strip::default());
            }
        }
    }

    fn backward(&mut self, arch: Arch, weights: &PackedStack, sequence: Sequence<'_>) {
        let steps = sequence.steps;
        let slab = self.logits.len() / sequence.counted();
        for index in (0..self.layers.len()).rev() {
            let (here, above) = self.layers.split_at_mut(index + 1);
            for t in (0..steps).rev() {
                let above = match above.first() {
                    Some(above) => Above::Product(above.d_input(&weights.layers[index + 1], t)),
                    None if t < sequence.first => Above::Nothing,
                    None => {
                        let d_logits = &self.logits[(t - sequence.first) * slab..][..slab];
                        Above::Product((Slab::all(d_logits), &weights.dense.weight_t))
                    }
                };
                here[index].backward(arch, &weights.layers[index], above, (t, steps));
            }
        }
    }

    /// Writes the state after the sequence.
    fn end(&self, steps: usize, states: &mut [State]) {
        for (tape, state) in self.layers.iter().zip(states) {
            let rows = |width: usize| self.rows.start * width..self.rows.end * width;
            let layer = tape.shape();
            let h = &mut state.h[rows(layer.output())];
            tape.end(steps, h, &mut state.c[rows(layer.hidden)]);
        }
    }

    /// What layer `index` read and kept.
    fn ran(&self, index: usize) -> Ran<'_> {
        Ran {
            tape: &self.layers[index],
            read: self.read(index),
        }
    }

    /// What the dense layer read at step `t` of those that count; of so many panels.
    fn dense_input(&self, t: usize, first: usize, panels: usize) -> &[Strip] {
        let slab = panels * self.padded;
        match self.top.get(t * slab..(t + 1) * slab) {
            Some(recorded) if !recorded.is_empty() => recorded,
            _ => {
                let top = self.layers.last().expect("at least one layer");
                top.output(first + t + 1)
            }
        }
    }

    /// The gradients of the logits at step `t` of those that count; of so many panels.
    fn logits(&self, t: usize, panels: usize) -> &[Strip] {
        let slab = panels * self.padded;
        &self.logits[t * slab..][..slab]
    }
}

/// Step `t` of an array whose steps have so many numbers.
fn step(values: &[f32], length: usize, t: usize) -> &[f32] {
    &values[t * length..][..length]
}

/// Some rows of `[B, width]`.
fn share<'a>(values: &'a [f32], width: usize, rows: &Range<usize>) -> &'a [f32] {
    &values[rows.start * width..rows.end * width]
}

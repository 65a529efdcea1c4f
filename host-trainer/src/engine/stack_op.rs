//! The recurrent layers and the dense layer of a network as one operation of a candle graph, computed by the
//! kernels.

use crate::engine::many::{Operation, apply, lock};
use crate::kernels::stack::{Input, Sequence, StackShape, StackTape, State};
use candle_core::{Result, Shape, Tensor, bail};
use pulp::Arch;
use std::sync::{Arc, Mutex};

/// The kernels for a network, on the processor.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) shape: Arc<StackShape>,
    arch: Arch,
    tapes: Tapes,
}

impl Stack {
    /// For a certain instruction set.
    pub(crate) fn new(shape: StackShape, arch: Arch) -> Self {
        Self {
            shape: Arc::new(shape),
            arch,
            tapes: Tapes::default(),
        }
    }

    /// What the dense layer gives, `[N, outputs]`, at the steps from `first` on, rows side by side and steps one after
    /// the other. `inputs` are the weights in the order of [`StackShape::weights`], then the context `[T B, R]` if there
    /// is one. `states` has a state for each layer; it goes in as a constant and comes out as the state after the
    /// sequence.
    ///
    /// # Errors
    /// The sizes do not fit each other.
    pub(crate) fn outputs(
        &self,
        reading: Reading,
        inputs: &[&Tensor],
        states: &mut Vec<State>,
    ) -> Result<Tensor> {
        let found: Vec<usize> = inputs.iter().map(|input| input.elem_count()).collect();
        let expected = reading.inputs();
        let sequence = reading.sequence(&[]);
        if found != expected || !sequence.fits(&reading.shape, states) {
            bail!(
                "found {} x {} places, {} states and weights of {found:?} numbers, expected a batch of what \
                 the first layer reads, states that fit {} layers, and weights of {expected:?}",
                sequence.rows,
                sequence.steps,
                states.len(),
                reading.shape.layers.len(),
            );
        }
        let shared = Arc::new(Mutex::new(std::mem::take(states)));
        let operation = StackOp {
            reading,
            states: shared.clone(),
            arch: self.arch,
            tape: Mutex::new(Some(self.tapes.take())),
            tapes: self.tapes.clone(),
        };
        let outputs = apply(operation, inputs);
        *states = std::mem::take(&mut *lock(&shared));
        outputs
    }
}

/// Memory that is used again from batch to batch.
#[derive(Clone, Debug, Default)]
struct Tapes(Arc<Mutex<Vec<StackTape>>>);

impl Tapes {
    fn take(&self) -> StackTape {
        lock(&self.0).pop().unwrap_or_default()
    }

    fn give_back(&self, tape: StackTape) {
        lock(&self.0).push(tape);
    }
}

/// As [`Input`], owned.
#[derive(Clone, Debug)]
pub(crate) enum BatchInput {
    /// `[T, B]`.
    Tokens(Arc<[u8]>),
    /// `[T, B, C]`.
    Values(Arc<[f32]>),
}

/// What is read, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// The network.
    pub(crate) shape: Arc<StackShape>,
    /// What the first layer reads.
    pub(crate) input: BatchInput,
    /// Steps, T.
    pub(crate) steps: usize,
    /// Rows, B.
    pub(crate) rows: usize,
    /// The first step whose outputs are wanted.
    pub(crate) first: usize,
    /// Whether a context stands after the weights.
    pub(crate) has_context: bool,
}

impl Reading {
    pub(crate) fn sequence<'a>(&'a self, context: &'a [f32]) -> Sequence<'a> {
        Sequence {
            steps: self.steps,
            rows: self.rows,
            input: match &self.input {
                BatchInput::Tokens(tokens) => Input::Tokens(tokens),
                BatchInput::Values(values) => Input::Values(values),
            },
            first: self.first,
            context,
        }
    }

    /// The shape of what the dense layer gives, `[N, outputs]`.
    pub(crate) fn outputs(&self) -> Shape {
        let rows = (self.steps - self.first) * self.rows;
        Shape::from((rows, self.shape.outputs))
    }

    /// Number of numbers of each input.
    fn inputs(&self) -> Vec<usize> {
        let mut lengths = self.shape.weights();
        if self.has_context {
            lengths.push(self.steps * self.rows * self.shape.layers[0].output());
        }
        lengths
    }

    /// The weights and the context.
    fn split<'i, 'f>(&self, inputs: &'i [&'f [f32]]) -> (&'i [&'f [f32]], &'f [f32]) {
        match inputs.split_last() {
            Some((context, weights)) if self.has_context => (weights, context),
            _ => (inputs, &[]),
        }
    }
}

struct StackOp {
    reading: Reading,
    /// Before the sequence; after it, once it has run.
    states: Arc<Mutex<Vec<State>>>,
    arch: Arch,
    tape: Mutex<Option<StackTape>>,
    tapes: Tapes,
}

impl Operation for StackOp {
    fn name(&self) -> &'static str {
        "recurrent-stack"
    }

    fn forward(&self, inputs: &[&[f32]]) -> Result<(Vec<f32>, Shape)> {
        let shape = self.reading.outputs();
        let mut outputs = vec![0.0; shape.elem_count()];
        if let Some(tape) = &mut *lock(&self.tape) {
            let (weights, context) = self.reading.split(inputs);
            let (network, sequence) = (&self.reading.shape, self.reading.sequence(context));
            let states = &mut lock(&self.states)[..];
            tape.forward(self.arch, network, weights, sequence, states, &mut outputs);
        }
        Ok((outputs, shape))
    }

    fn backward(&self, inputs: &[&[f32]], gradient: &[f32]) -> Result<Vec<Vec<f32>>> {
        let Some(mut tape) = lock(&self.tape).take() else {
            bail!("{}: the way back is gone once", self.name());
        };
        let (_, context) = self.reading.split(inputs);
        let (network, sequence) = (&self.reading.shape, self.reading.sequence(context));
        let gradients = tape.backward(self.arch, network, sequence, gradient);
        self.tapes.give_back(tape);
        Ok(gradients)
    }
}

/// A forward pass alone leaves its memory for the next one, too.
impl Drop for StackOp {
    fn drop(&mut self) {
        if let Some(tape) = lock(&self.tape).take() {
            self.tapes.give_back(tape);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cell::Step;
    use crate::kernels::gemm::{Matrix, gemm};
    use crate::kernels::layer::LayerShape;
    use crate::kernels::random::Random;
    use crate::kernels::stack::RecordedLayer;
    use crate::network::config::{LayerConfig, NetworkConfig};
    use crate::network::state::zero_states;
    use crate::text::alphabet::Alphabet;

    /// What a layer computes, row by row.
    #[derive(Default)]
    struct Recorded {
        kept: Vec<f32>,
        states: Vec<f32>,
        units: Vec<f32>,
        h0: Vec<f32>,
        outputs: Vec<f32>,
    }

    /// Runs one layer from its input products `[T, B, G H]`.
    fn run(
        shape: LayerShape,
        batch: usize,
        input: &[f32],
        (w_hh, projection): (&[f32], Option<&[f32]>),
        state: &State,
    ) -> Recorded {
        let (hidden, output) = (shape.hidden, shape.output());
        let (columns, kept) = (shape.cell.gates() * hidden, shape.cell.kept() * hidden);
        let mut found = Recorded {
            states: state.c.clone(),
            h0: state.h.clone(),
            ..Recorded::default()
        };
        let mut h = state.h.clone();
        for input in input.chunks_exact(batch * columns) {
            let before = found.states[found.states.len() - batch * hidden..].to_vec();
            let mut products = vec![0.0; batch * columns];
            let w_hh = Matrix::new(w_hh, output, columns);
            gemm(Matrix::new(&h, batch, output), w_hh, &mut products, false);
            let mut m = vec![0.0; batch * hidden];
            for row in 0..batch {
                let at = |width: usize| row * width..(row + 1) * width;
                let (mut values, mut after) = (vec![0.0; kept], vec![0.0; hidden]);
                let step = Step {
                    input: &input[at(columns)],
                    recurrent: &products[at(columns)],
                    kept: &mut values,
                    before: &before[at(hidden)],
                    after: &mut after,
                    output: &mut m[at(hidden)],
                };
                shape.cell.step(Arch::new(), step);
                found.kept.extend(values);
                found.states.extend(after);
            }
            h = match projection {
                None => m,
                Some(projection) => {
                    let mut h = vec![0.0; batch * output];
                    let projection = Matrix::new(projection, hidden, output);
                    gemm(Matrix::new(&m, batch, hidden), projection, &mut h, false);
                    found.units.extend(m);
                    h
                }
            };
            found.outputs.extend(&h);
        }
        found
    }

    #[test]
    fn a_recorded_run_has_the_gradients_of_a_run() {
        let random = &mut Random::new(3);
        let (steps, rows) = (5, 11);
        let mut config = NetworkConfig::lstm(&Alphabet::letters(), 1, 19, 2);
        config.layers[0] = LayerConfig::cifg(21, 18);
        let shape = StackShape {
            outputs: 27,
            layers: config.layer_shapes(),
        };
        let weights: Vec<Vec<f32>> = (shape.weights().into_iter())
            .map(|length| random.uniform_vec(length, 0.5))
            .collect();
        let weights: Vec<&[f32]> = weights.iter().map(Vec::as_slice).collect();
        let [table, w_hh, projection, w_ih, bias, above_w_hh, ..] = weights[..] else {
            unreachable!("two layers");
        };
        let tokens: Vec<u8> = (0..steps * rows).map(|_| random.below(27) as u8).collect();
        let sequence = Sequence {
            steps,
            rows,
            input: Input::Tokens(&tokens),
            first: 2,
            context: &[],
        };
        let mut start = zero_states(&config.layers, rows);
        for state in &mut start {
            state.h = random.uniform_vec(state.h.len(), 0.5);
            state.c = random.uniform_vec(state.c.len(), 0.5);
        }
        let count = sequence.counted() * rows * 27;
        let d_logits = random.uniform_vec(count, 0.5);

        let (mut tape, mut states) = (StackTape::default(), start.clone());
        let arch = Arch::new();
        let mut logits = vec![0.0; count];
        tape.forward(arch, &shape, &weights, sequence, &mut states, &mut logits);
        let expected = tape.backward(arch, &shape, sequence, &d_logits);

        let columns = config.layers[0].columns();
        let row = |&token: &u8| &table[usize::from(token) * columns..][..columns];
        let input: Vec<f32> = tokens.iter().flat_map(row).copied().collect();
        let own = (w_hh, Some(projection));
        let below = run(shape.layers[0], rows, &input, own, &start[0]);
        let mut input = bias.repeat(steps * rows);
        let outputs = Matrix::new(&below.outputs, steps * rows, 18);
        gemm(outputs, Matrix::new(w_ih, 18, bias.len()), &mut input, true);
        let own = (above_w_hh, None);
        let above = run(shape.layers[1], rows, &input, own, &start[1]);
        let layers = [&below, &above].map(|run| RecordedLayer {
            kept: &run.kept,
            states: &run.states,
            units: &run.units,
            h0: &run.h0,
            outputs: &run.outputs,
            recurrent_inputs: &[],
        });
        let top = &above.outputs[2 * rows * 19..];
        let mut tape = StackTape::default();
        tape.record(&shape, &weights, sequence, &layers, top);
        let found = tape.backward(arch, &shape, sequence, &d_logits);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.len(), expected.len());
            for (f, e) in found.iter().zip(expected) {
                assert!((f - e).abs() <= 1e-5 * (1.0 + e.abs()), "{f} {e}");
            }
        }
    }
}

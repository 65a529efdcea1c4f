//! The recurrent layers and the dense layer of a network as one operation of a candle graph, computed by the
//! kernels.

use crate::engine::many::{Operation, apply, lock};
use crate::kernels::stack::{Sequence, StackShape, StackTape, State};
use candle_core::{Result, Shape, Tensor, bail};
use pulp::Arch;
use std::sync::{Arc, Mutex};

/// Memory that is used again from batch to batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tapes(Arc<Mutex<Vec<StackTape>>>);

impl Tapes {
    fn take(&self) -> StackTape {
        lock(&self.0).pop().unwrap_or_default()
    }

    fn give_back(&self, tape: StackTape) {
        lock(&self.0).push(tape);
    }
}

/// What is read, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// The network.
    pub(crate) shape: Arc<StackShape>,
    /// `[T, B]`.
    pub(crate) tokens: Arc<[u8]>,
    /// Rows, B.
    pub(crate) rows: usize,
    /// The first step whose logits are wanted.
    pub(crate) first: usize,
}

impl Reading {
    pub(crate) fn sequence(&self) -> Sequence<'_> {
        Sequence {
            steps: self.tokens.len() / self.rows.max(1),
            rows: self.rows,
            tokens: &self.tokens,
            first: self.first,
        }
    }

    /// The shape of the logits, `[N, V]`.
    pub(crate) fn logits(&self) -> Shape {
        let rows = self.sequence().counted() * self.rows;
        Shape::from((rows, self.shape.vocabulary))
    }
}

/// The logits `[N, V]` of the steps from `first` on, rows side by side and steps one after the other. `inputs` are
/// the weights in the order of [`StackShape::weights`]. `states` has a state for each layer; it goes in as a
/// constant and comes out as the state after the sequence.
///
/// # Errors
/// The sizes do not fit each other.
pub(crate) fn logits(
    reading: Reading,
    inputs: &[&Tensor],
    states: &mut Vec<State>,
    arch: Arch,
    tapes: &Tapes,
) -> Result<Tensor> {
    let found: Vec<usize> = inputs.iter().map(|input| input.elem_count()).collect();
    let expected = reading.shape.weights();
    if found != expected || !reading.sequence().fits(&reading.shape, states) {
        let sequence = reading.sequence();
        bail!(
            "found {} x {} tokens, {} states and weights of {found:?} numbers, expected a batch of tokens \
             below {}, states that fit {} layers, and weights of {expected:?}",
            sequence.rows,
            sequence.steps,
            states.len(),
            reading.shape.vocabulary,
            reading.shape.layers.len(),
        );
    }
    let shared = Arc::new(Mutex::new(std::mem::take(states)));
    let operation = StackOp {
        reading,
        states: shared.clone(),
        arch,
        tape: Mutex::new(Some(tapes.take())),
        tapes: tapes.clone(),
    };
    let logits = apply(operation, inputs);
    *states = std::mem::take(&mut *lock(&shared));
    logits
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
        let shape = self.reading.logits();
        let mut logits = vec![0.0; shape.elem_count()];
        if let Some(tape) = &mut *lock(&self.tape) {
            let (network, sequence) = (&self.reading.shape, self.reading.sequence());
            let states = &mut lock(&self.states)[..];
            tape.forward(self.arch, network, inputs, sequence, states, &mut logits);
        }
        Ok((logits, shape))
    }

    fn backward(&self, _inputs: &[&[f32]], gradient: &[f32]) -> Result<Vec<Vec<f32>>> {
        let Some(mut tape) = lock(&self.tape).take() else {
            bail!("{}: the way back is gone once", self.name());
        };
        let (network, sequence) = (&self.reading.shape, self.reading.sequence());
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

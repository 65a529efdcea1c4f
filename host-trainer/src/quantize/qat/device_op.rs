//! The network of the device as an operation of a candle graph: forward in its integers, backward through the values
//! that they stand for.

use super::forward::{IntegerNetwork, Run, counted, logits};
use crate::engine::many::{Operation, lock};
use crate::engine::stack_op::Reading;
use crate::kernels::stack::{RecordedLayer, StackTape};
use crate::network::state::State;
use crate::quantize::fixed_point::output_unit;
use candle_core::{Result, Shape, bail};
use pulp::Arch;
use std::sync::{Arc, Mutex};

/// The operation. Its inputs are the values that the integers stand for, in the order of
/// [`StackShape::weights`](crate::kernels::stack::StackShape::weights); the way back takes each rounding for the identity.
pub(crate) struct DeviceOp {
    integers: Arc<IntegerNetwork>,
    reading: Reading,
    /// The context in steps of the hidden state, `[T B, R]`; empty without one.
    context: Vec<f32>,
    /// Before the sequence; after it, once it has run.
    states: Arc<Mutex<Vec<State>>>,
    /// What each layer computed, until the way back.
    runs: Mutex<Vec<Run>>,
    /// Memory that is used again from batch to batch.
    tape: Arc<Mutex<StackTape>>,
}

impl DeviceOp {
    /// An operation that reads on from `states`.
    pub(crate) fn new(
        integers: Arc<IntegerNetwork>,
        (reading, context): (Reading, Vec<f32>),
        states: Arc<Mutex<Vec<State>>>,
        tape: Arc<Mutex<StackTape>>,
    ) -> Self {
        Self {
            integers,
            reading,
            context,
            states,
            runs: Mutex::default(),
            tape,
        }
    }
}

impl Operation for DeviceOp {
    fn name(&self) -> &'static str {
        "device"
    }

    fn forward(&self, _values: &[&[f32]]) -> Result<(Vec<f32>, Shape)> {
        let sequence = self.reading.sequence(&self.context);
        let runs = self.integers.run(sequence, &mut lock(&self.states));
        let top = runs.last().expect("at least one layer");
        let width = top.outputs.len() / sequence.steps;
        let counted = &top.outputs[sequence.first * width..];
        let logits = logits(&self.integers.dense, counted);
        *lock(&self.runs) = runs;
        Ok((logits, self.reading.outputs()))
    }

    fn backward(&self, values: &[&[f32]], gradient: &[f32]) -> Result<Vec<Vec<f32>>> {
        let mut runs = std::mem::take(&mut *lock(&self.runs));
        if runs.is_empty() {
            bail!("{}: the way back is gone once", self.name());
        }
        let sequence = self.reading.sequence(&[]);
        // From here on in the values that the integers stand for.
        let mut top = Vec::new();
        for (run, layer) in runs.iter_mut().zip(&self.integers.layers) {
            let unit = output_unit(layer.config);
            let numbers = run.outputs.iter_mut().chain(&mut run.h0);
            let numbers = numbers.chain(&mut run.recurrent_inputs);
            numbers.for_each(|h| *h /= unit);
            let width = run.outputs.len() / sequence.steps;
            top = run.outputs[sequence.first * width..].to_vec();
            // What did not count has no part in the gradient of its weights, but in that of the dense layer.
            let zone = layer.dead_zones.own / unit;
            counted(&mut run.outputs, zone);
            counted(&mut run.h0, zone);
            counted(&mut run.recurrent_inputs, zone);
        }
        let layers: Vec<RecordedLayer<'_>> = runs.iter().map(Run::recorded).collect();
        let (network, mut tape) = (&self.reading.shape, lock(&self.tape));
        tape.record(network, values, sequence, &layers, &top);
        Ok(tape.backward(Arch::new(), network, sequence, gradient))
    }
}

//! One step of tuning: loss and gradients of a batch.

use super::forward::{Below, IntegerNetwork, Trace, counted, logits};
use super::masters::Masters;
use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::lstm::{self, Record, Sizes, Tape, Weights};
use crate::network::config::LayerConfig;
use crate::network::state::State;
use crate::quantize::fixed_point::{HIDDEN_UNIT, output_unit};
use crate::text::batches::{Batch, LossOn};
use serde::{Deserialize, Serialize};

/// What a step computes with, besides the weights and the batch.
#[derive(Debug)]
pub struct Engine {
    /// Threads to split the rows of a batch over.
    pub threads: usize,
    traces: Vec<Trace>,
    tapes: Vec<Tape>,
}

/// What a batch cost.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Cross-entropy with the text, nats a character.
    pub text: f64,
    /// Divergence from the teacher, nats a character.
    pub teacher: f64,
}

impl Engine {
    /// An engine with its own memory.
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            traces: Vec::new(),
            tapes: Vec::new(),
        }
    }

    /// Loss and the gradient of every parameter of the masters, in their order. `integers` are the
    /// masters' own; `states` go forward. The loss, of the steps that count, is `share` of the divergence from the teacher,
    /// whose logits `[T, B, V]` are given, and `1 - share` of the text's.
    pub fn loss_and_gradients(
        &mut self,
        masters: &Masters,
        integers: &IntegerNetwork,
        (batch, loss_on): (&Batch, LossOn),
        states: &mut [State],
        (teacher, share): (&[f32], f32),
    ) -> (Loss, Vec<Vec<f32>>) {
        let (mut outputs, mut starts) = self.forward(integers, batch, states);
        let top = outputs.last().expect("at least one layer");
        let mut errors = logits(&integers.dense, top);
        let vocabulary = errors.len() / batch.targets.len();
        let ignored = match loss_on {
            LossOn::EveryStep => 0,
            LossOn::LastStep => (batch.steps - 1) * batch.rows,
        };
        let (before, scored) = errors.split_at_mut(ignored * vocabulary);
        before.fill(0.0);
        let (teacher, targets) = (&teacher[before.len()..], &batch.targets[ignored..]);
        let loss = distill(vocabulary, scored, teacher, targets, share);
        // From here on in the values that the integers stand for.
        let values = outputs.iter_mut().zip(&mut starts).zip(&integers.layers);
        for ((hs, start), layer) in values {
            let unit = output_unit(layer.config);
            hs.iter_mut().chain(start).for_each(|h| *h /= unit);
        }
        let config = integers.layers.last().expect("at least one layer").config;
        let dense = integers
            .dense
            .values(0..config.output(), 1.0 / output_unit(config));
        let top = outputs.last().expect("at least one layer");
        let (d_dense, mut d_hs) = matrix_gradients(&dense, top, &errors, vocabulary);
        let d_bias = column_sums(&errors, vocabulary);
        let mut gradients = vec![masters.dense_gradients(integers, d_dense, d_bias)];
        for index in (0..integers.layers.len()).rev() {
            let sequence = Sequence {
                batch,
                vocabulary,
                starts: &starts,
                outputs: &outputs,
            };
            let (found, below) = self.layer_gradients(masters, integers, sequence, index, &d_hs);
            gradients.push(found);
            d_hs = below;
        }
        gradients.reverse();
        (loss, gradients.into_iter().flatten().collect())
    }

    /// Runs all layers; `states` go forward. Gives each layer's hidden state before the sequence
    /// `[B, R]` and over it `[T, B, R]`, in its units; the rest is in the traces.
    fn forward(
        &mut self,
        integers: &IntegerNetwork,
        batch: &Batch,
        states: &mut [State],
    ) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        self.traces.resize(integers.layers.len(), Trace::default());
        self.tapes.resize(integers.layers.len(), Tape::default());
        let mut outputs: Vec<Vec<f32>> = Vec::new();
        let mut starts = Vec::new();
        let layers = integers.layers.iter().zip(states).zip(&mut self.traces);
        for ((layer, state), trace) in layers {
            let below = match outputs.last() {
                None => Below::Tokens(&batch.inputs),
                Some(below) => Below::Hidden(below),
            };
            starts.push(state.h.clone());
            let sizes = sizes(batch, layer.config, self.threads);
            let mut hs = vec![0.0; sizes.steps * sizes.batch * layer.config.output()];
            layer.forward(sizes, below, state, trace, &mut hs);
            outputs.push(hs);
        }
        (outputs, starts)
    }

    /// From the gradient of layer `index`'s hidden state `[T, B, R]`, those of its parameters in the
    /// order of [`Masters::parameters_mut`], and that of the hidden state below.
    fn layer_gradients(
        &mut self,
        masters: &Masters,
        integers: &IntegerNetwork,
        sequence: Sequence<'_>,
        index: usize,
        d_hs: &[f32],
    ) -> (Vec<Vec<f32>>, Vec<f32>) {
        let layer = &integers.layers[index];
        let config = layer.config;
        let sizes = sizes(sequence.batch, config, self.threads);
        let below = index.checked_sub(1);
        let below = below.map(|i| (&sequence.outputs[i], integers.layers[i].config));
        let below_width = below.map_or(0, |(_, config)| config.output());
        let own = below_width..below_width + config.output();
        let w_hh = layer.gates.values(own, 1.0 / output_unit(config));
        let projection = layer.projection.as_ref();
        let projection = projection.map(|p| p.values(0..config.hidden, 1.0 / HIDDEN_UNIT));
        let weights = Weights {
            w_hh: &w_hh,
            projection: projection.as_deref(),
        };
        let (tape, trace) = (&mut self.tapes[index], &self.traces[index]);
        let tokens = (sequence.vocabulary, &sequence.batch.inputs[..]);
        // What did not count has no part in the gradient of its weights.
        let zone = layer.dead_zones.own / HIDDEN_UNIT;
        let record = Record {
            gates: &trace.gates,
            cells: &trace.cells,
            units: &trace.units,
            h0: &counted(&sequence.starts[index], zone),
            hs: &counted(&sequence.outputs[index], zone),
        };
        tape.record(sizes, below.is_none().then_some(tokens), weights, record);
        let found = lstm::backward(sizes, tape, d_hs);
        let d_projection_bias = tape.projection_bias_gradient(sizes);
        let d_projection = found.projection.map(|d| (d, d_projection_bias));
        let (d_table, mut d_gates, d_bias, d_below) = match below {
            None => (found.input, Vec::new(), Vec::new(), Vec::new()),
            Some((below, config)) => {
                let values = layer
                    .gates
                    .values(0..below_width, 1.0 / output_unit(config));
                let below = counted(below, layer.dead_zones.below / HIDDEN_UNIT);
                let columns = layer.config.columns();
                let (d_gates, d_below) = matrix_gradients(&values, &below, &found.input, columns);
                (
                    Vec::new(),
                    d_gates,
                    column_sums(&found.input, columns),
                    d_below,
                )
            }
        };
        d_gates.extend(found.w_hh);
        let d_gates = (d_gates, d_bias);
        let gradients = masters.layer_gradients(integers, index, d_table, d_gates, d_projection);
        (gradients, d_below)
    }
}

/// A batch and what the layers made of it, as the values that the integers stand for.
#[derive(Clone, Copy)]
struct Sequence<'s> {
    batch: &'s Batch,
    vocabulary: usize,
    /// Of each layer, `[B, R]`.
    starts: &'s [Vec<f32>],
    /// Of each layer, `[T, B, R]`.
    outputs: &'s [Vec<f32>],
}

fn sizes(batch: &Batch, layer: LayerConfig, threads: usize) -> Sizes {
    Sizes {
        steps: batch.steps,
        batch: batch.rows,
        layer,
        threads,
    }
}

/// Of `y = x · weights`, with `x` `[N, width]` and `weights` `[width, columns]`: the gradients of the
/// weights and of `x`, from that of `y`.
fn matrix_gradients(
    weights: &[f32],
    x: &[f32],
    d_y: &[f32],
    columns: usize,
) -> (Vec<f32>, Vec<f32>) {
    let (n, width) = (d_y.len() / columns, weights.len() / columns);
    let d_y = Matrix::new(d_y, n, columns);
    let mut d_weights = vec![0.0; weights.len()];
    gemm(
        Matrix::new(x, n, width).transposed(),
        d_y,
        &mut d_weights,
        false,
    );
    let mut d_x = vec![0.0; x.len()];
    let weights = Matrix::new(weights, width, columns);
    gemm(d_y, weights.transposed(), &mut d_x, false);
    (d_weights, d_x)
}

/// The sum of the rows of a matrix.
fn column_sums(matrix: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0; columns];
    for row in matrix.chunks_exact(columns) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    sums
}

/// Turns logits `[N, V]` into the gradient of the loss, given the teacher's.
fn distill(
    vocabulary: usize,
    logits: &mut [f32],
    teacher: &[f32],
    targets: &[u8],
    share: f32,
) -> Loss {
    let mut loss = Loss::default();
    let count = targets.len() as f32;
    let mut wanted = vec![0.0; vocabulary];
    let lines = logits
        .chunks_exact_mut(vocabulary)
        .zip(teacher.chunks_exact(vocabulary));
    for ((line, teacher), &target) in lines.zip(targets) {
        let target = usize::from(target);
        wanted.copy_from_slice(teacher);
        softmax(line);
        softmax(&mut wanted);
        loss.text -= f64::from(line[target].max(1e-30)).ln();
        for (p, t) in line.iter_mut().zip(&wanted) {
            if *t > 0.0 {
                loss.teacher += f64::from(*t) * (f64::from(*t) / f64::from(p.max(1e-30))).ln();
            }
            *p -= share * t;
        }
        line[target] -= 1.0 - share;
        line.iter_mut().for_each(|p| *p /= count);
    }
    loss.text /= f64::from(count);
    loss.teacher /= f64::from(count);
    loss
}

fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for z in row.iter_mut() {
        *z = (*z - max).exp();
    }
    let total: f32 = row.iter().sum();
    row.iter_mut().for_each(|z| *z /= total);
}

//! One step of tuning: loss and gradients of a batch.

use super::forward::{Below, IntegerNetwork, IntegerState, Trace, counted, logits};
use super::masters::Masters;
use crate::gemm::{Matrix, gemm};
use crate::lstm::{self, Record, Sizes, Tape, Weights};
use crate::quantize::fixed_point::{HIDDEN_UNIT, output_unit};
use crate::step::Batch;

/// What a step computes with, besides the weights and the batch.
#[derive(Debug)]
pub struct Engine {
    /// Threads to split the rows of a batch over.
    pub threads: usize,
    traces: Vec<Trace>,
    tapes: Vec<Tape>,
}

/// What a batch cost.
#[derive(Clone, Copy, Debug, Default)]
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
    /// masters' own; `states` go forward. The loss is `share` of the divergence from the teacher,
    /// whose logits `[T, B, V]` are given, and `1 - share` of the text's.
    pub fn loss_and_gradients(
        &mut self,
        masters: &Masters,
        integers: &IntegerNetwork,
        batch: &Batch,
        states: &mut [IntegerState],
        (teacher, share): (&[f32], f32),
    ) -> (Loss, Vec<Vec<f32>>) {
        let (steps, rows, threads) = (batch.steps, batch.rows, self.threads);
        self.traces.resize(integers.layers.len(), Trace::default());
        self.tapes.resize(integers.layers.len(), Tape::default());
        let mut outputs: Vec<Vec<f32>> = Vec::new();
        let mut starts = Vec::new();
        let sizes = |layer| Sizes {
            steps,
            batch: rows,
            layer,
            threads,
        };
        for (layer, (state, trace)) in integers
            .layers
            .iter()
            .zip(states.iter_mut().zip(&mut self.traces))
        {
            let below = match outputs.last() {
                None => Below::Tokens(&batch.inputs),
                Some(below) => Below::Hidden(below),
            };
            starts.push(state.h.clone());
            let mut hs = vec![0.0; steps * rows * layer.config.output()];
            layer.forward(sizes(layer.config), below, state, trace, &mut hs);
            outputs.push(hs);
        }
        let top = outputs.last().expect("at least one layer");
        let mut errors = logits(&integers.dense, top);
        let vocabulary = errors.len() / (steps * rows);
        let loss = distill(vocabulary, &mut errors, teacher, &batch.targets, share);
        // From here on in the values that the integers stand for.
        for (hs, (start, layer)) in outputs
            .iter_mut()
            .zip(starts.iter_mut().zip(&integers.layers))
        {
            let unit = output_unit(layer.config);
            hs.iter_mut().chain(start).for_each(|h| *h /= unit);
        }
        let top = outputs.last().expect("at least one layer");
        let config = integers.layers.last().expect("at least one layer").config;
        let width = config.output();
        let dense = integers.dense.values(0..width, 1.0 / output_unit(config));
        let d_logits = Matrix::new(&errors, steps * rows, vocabulary);
        let mut d_hs = vec![0.0; top.len()];
        gemm(
            d_logits,
            Matrix::new(&dense, width, vocabulary).transposed(),
            &mut d_hs,
            false,
        );
        let mut d_dense = vec![0.0; dense.len()];
        gemm(
            Matrix::new(top, steps * rows, width).transposed(),
            d_logits,
            &mut d_dense,
            false,
        );
        let mut gradients =
            vec![masters.dense_gradients(integers, d_dense, column_sums(&errors, vocabulary))];
        for (index, layer) in integers.layers.iter().enumerate().rev() {
            let config = layer.config;
            let columns = config.columns();
            let below = match index {
                0 => None,
                _ => Some((&outputs[index - 1], integers.layers[index - 1].config)),
            };
            let below_width = below.map_or(0, |(_, config)| config.output());
            let w_hh = layer.gates.values(
                below_width..below_width + config.output(),
                1.0 / output_unit(config),
            );
            let projection = layer
                .projection
                .as_ref()
                .map(|p| p.values(0..config.hidden, 1.0 / HIDDEN_UNIT));
            let weights = Weights {
                w_hh: &w_hh,
                projection: projection.as_deref(),
            };
            let (tape, trace) = (&mut self.tapes[index], &self.traces[index]);
            let tokens = below.is_none().then_some((vocabulary, &batch.inputs[..]));
            // What did not count has no part in the gradient of its weights.
            let zone = |zone: f32| zone / HIDDEN_UNIT;
            let own = zone(layer.dead_zones.own);
            let record = Record {
                gates: &trace.gates,
                cells: &trace.cells,
                units: &trace.units,
                h0: &counted(&starts[index], own),
                hs: &counted(&outputs[index], own),
            };
            tape.record(sizes(config), tokens, weights, record);
            let found = lstm::backward(sizes(config), tape, &d_hs);
            let d_projection_bias = tape.projection_bias_gradient(sizes(config));
            let (mut d_gates, mut d_bias) = (Vec::new(), Vec::new());
            if let Some((below, config)) = below {
                let d_pre = Matrix::new(&found.input, steps * rows, columns);
                let values = layer
                    .gates
                    .values(0..below_width, 1.0 / output_unit(config));
                d_hs = vec![0.0; below.len()];
                gemm(
                    d_pre,
                    Matrix::new(&values, below_width, columns).transposed(),
                    &mut d_hs,
                    false,
                );
                d_gates = vec![0.0; values.len()];
                let below = counted(below, zone(layer.dead_zones.below));
                gemm(
                    Matrix::new(&below, steps * rows, below_width).transposed(),
                    d_pre,
                    &mut d_gates,
                    false,
                );
                d_bias = column_sums(&found.input, columns);
            }
            d_gates.extend(found.w_hh);
            let d_table = match below {
                None => found.input,
                Some(_) => Vec::new(),
            };
            let d_projection = found.projection.map(|d| (d, d_projection_bias));
            gradients.push(masters.layer_gradients(
                integers,
                index,
                d_table,
                (d_gates, d_bias),
                d_projection,
            ));
        }
        gradients.reverse();
        (loss, gradients.into_iter().flatten().collect())
    }
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

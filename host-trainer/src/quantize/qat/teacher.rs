//! The f32 network as a teacher: its logits over the same text.

use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::lstm::{self, Input, Sizes, Tape, Weights};
use crate::network::parameters::Network;
use crate::network::state::{State, zero_states};
use crate::text::batches::Batch;

/// A network that reads along.
#[derive(Debug)]
pub struct Teacher<'n> {
    network: &'n Network,
    table: Vec<f32>,
    /// A state for each layer; none where nothing was read.
    pub states: Vec<State>,
    tape: Tape,
}

impl<'n> Teacher<'n> {
    /// A teacher that has read nothing.
    pub fn new(network: &'n Network) -> Self {
        Self {
            table: network.folded_table(),
            states: Vec::new(),
            tape: Tape::default(),
            network,
        }
    }

    /// Forgets the text read so far.
    pub fn reset(&mut self) {
        self.states.clear();
    }

    /// Reads on; gives the logits after each character, `[T, B, V]`.
    pub fn logits(&mut self, batch: &Batch, threads: usize) -> Vec<f32> {
        if self.states.is_empty() {
            self.states = zero_states(&self.network.config.layers, batch.rows);
        }
        let (steps, rows) = (batch.steps, batch.rows);
        let config = &self.network.config;
        let mut below: Vec<f32> = Vec::new();
        for (index, &layer) in config.layers.iter().enumerate() {
            let weights = &self.network.layers[index];
            let mut pre;
            let input = if index == 0 {
                Input::Table(&self.table, &batch.inputs)
            } else {
                pre = weights.bias.repeat(steps * rows);
                let width = config.input_width(index);
                let below = Matrix::new(&below, steps * rows, width);
                gemm(
                    below,
                    Matrix::new(&weights.w_ih, width, layer.columns()),
                    &mut pre,
                    true,
                );
                Input::Dense(&pre)
            };
            let sizes = Sizes {
                steps,
                batch: rows,
                layer,
                threads,
            };
            let state = &mut self.states[index];
            let mut hs = vec![0.0; steps * rows * layer.output()];
            let recurrence = Weights {
                w_hh: &weights.w_hh,
                projection: weights.projection.as_deref(),
            };
            lstm::forward(
                sizes,
                input,
                recurrence,
                (&state.h, &mut state.c),
                &mut self.tape,
                &mut hs,
            );
            state.h = hs[hs.len() - rows * layer.output()..].to_vec();
            below = hs;
        }
        let mut logits = self.network.dense_bias.repeat(steps * rows);
        let (width, vocabulary) = (config.input_width(config.layers.len()), config.vocabulary());
        let weight = Matrix::new(&self.network.dense_weight, width, vocabulary);
        gemm(
            Matrix::new(&below, steps * rows, width),
            weight,
            &mut logits,
            true,
        );
        logits
    }
}

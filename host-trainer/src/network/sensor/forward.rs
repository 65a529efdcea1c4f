//! A network that reads values, a step at a time, in plain loops: what the engine is compared with, and what tells the
//! range of every number in it.

use super::config::{Activation, Cell, LayerConfig};
use super::weights::{Dense, SensorNetwork};
use crate::network::parameters::Layer;

/// A network with its state.
#[derive(Clone, Debug)]
pub struct Forward<'n> {
    network: &'n SensorNetwork,
    input: Vec<f32>,
    layers: Vec<Look>,
    dense: Vec<Vec<f32>>,
}

/// What a recurrent layer had and made in its last step.
#[derive(Clone, Debug)]
pub struct Look {
    /// The own output before the step, `[R]`.
    pub before: Vec<f32>,
    /// What the candidate's recurrent product read in a GRU with the reset gate before it, `[H]`; else empty.
    pub reset: Vec<f32>,
    /// The gates before their activations, `[G H]`.
    pub sums: Vec<f32>,
    /// What the reset gate was multiplied with in a GRU with the reset gate after the product, `[H]`; else empty.
    pub candidate: Vec<f32>,
    /// The cell state, `[H]`; of a GRU its output.
    pub cells: Vec<f32>,
    /// The units' outputs, `[H]`, which a projection reads.
    pub units: Vec<f32>,
    /// The output, `[R]`.
    pub output: Vec<f32>,
}

impl<'n> Forward<'n> {
    /// At the zero state.
    pub fn new(network: &'n SensorNetwork) -> Self {
        let layers = network.config.layers.iter().map(|layer| Look {
            before: vec![0.0; layer.output()],
            reset: Vec::new(),
            sums: vec![0.0; layer.columns()],
            candidate: Vec::new(),
            cells: vec![0.0; layer.hidden],
            units: vec![0.0; layer.hidden],
            output: vec![0.0; layer.output()],
        });
        Self {
            input: Vec::new(),
            layers: layers.collect(),
            dense: vec![Vec::new(); network.dense.len()],
            network,
        }
    }

    /// Back to the zero state.
    pub fn reset(&mut self) {
        for layer in &mut self.layers {
            layer.cells.fill(0.0);
            layer.output.fill(0.0);
        }
    }

    /// Reads the values of a step, in the user's units, `[C]`. Gives the outputs of the head as the network has them,
    /// `[N]`: logits, or values before their scale.
    ///
    /// # Panics
    /// There are more or fewer.
    pub fn step(&mut self, values: &[f32]) -> &[f32] {
        let config = &self.network.config;
        assert_eq!(values.len(), config.channels.len());
        let normalized = values.iter().zip(&config.channels);
        self.input.clear();
        self.input
            .extend(normalized.map(|(x, channel)| (x - channel.mean) * channel.scale));
        let mut below = &self.input;
        let layers = config.layers.iter().zip(&self.network.layers);
        for ((&config, weights), layer) in layers.zip(&mut self.layers) {
            layer.step(config, weights, below);
            below = &layer.output;
        }
        let activations = config.dense.iter().map(|dense| dense.activation);
        let activations = activations.chain([Activation::Linear]);
        for ((weights, activation), output) in self
            .network
            .dense
            .iter()
            .zip(activations)
            .zip(&mut self.dense)
        {
            *output = weights.of(below);
            output.iter_mut().for_each(|x| *x = activation.of(*x));
            below = output;
        }
        below
    }

    /// What the first layer read in the last step, `[C]`.
    pub fn input(&self) -> &[f32] {
        &self.input
    }

    /// The recurrent layers.
    pub fn layers(&self) -> &[Look] {
        &self.layers
    }

    /// What each dense layer gave in the last step, the head last.
    pub fn dense(&self) -> &[Vec<f32>] {
        &self.dense
    }
}

impl Dense {
    fn of(&self, x: &[f32]) -> Vec<f32> {
        let mut sums = self.bias.clone();
        add_product(x, &self.weight, &mut sums);
        sums
    }
}

impl Look {
    fn step(&mut self, config: LayerConfig, weights: &Layer, below: &[f32]) {
        std::mem::swap(&mut self.before, &mut self.output);
        self.sums.clone_from(&weights.bias);
        add_product(below, &weights.w_ih, &mut self.sums);
        match config.cell {
            Cell::Lstm => {
                add_product(&self.before, &weights.w_hh, &mut self.sums);
                for u in 0..config.hidden {
                    let gate = |k: usize| self.sums[k * config.hidden + u];
                    let [i, f, o] = [gate(0), gate(1), gate(3)].map(sigmoid);
                    self.cells[u] = f * self.cells[u] + i * gate(2).tanh();
                    self.units[u] = o * self.cells[u].tanh();
                }
            }
            Cell::Cifg => {
                add_product(&self.before, &weights.w_hh, &mut self.sums);
                for u in 0..config.hidden {
                    let gate = |k: usize| self.sums[k * config.hidden + u];
                    let [i, o] = [gate(0), gate(2)].map(sigmoid);
                    self.cells[u] = (1.0 - i) * self.cells[u] + i * gate(1).tanh();
                    self.units[u] = o * self.cells[u].tanh();
                }
            }
            Cell::Gru => {
                let zeros = || vec![0.0; config.columns()];
                let mut recurrent = weights.recurrent_bias.clone().unwrap_or_else(zeros);
                add_product(&self.before, &weights.w_hh, &mut recurrent);
                self.candidate.clear();
                (self.candidate).extend(&recurrent[2 * config.hidden..]);
                for u in 0..config.hidden {
                    let [r, z, n] = [0, 1, 2].map(|k| k * config.hidden + u);
                    self.sums[r] += recurrent[r];
                    self.sums[z] += recurrent[z];
                    self.sums[n] += sigmoid(self.sums[r]) * recurrent[n];
                }
                self.mix(config.hidden);
            }
            Cell::GruResetBefore => {
                let (gates, candidate) = self.sums.split_at_mut(2 * config.hidden);
                let columns = config.columns();
                add_columns(&self.before, &weights.w_hh, columns, 0, gates);
                let reset = gates.iter().zip(&self.before);
                self.reset = reset.map(|(&r, h)| sigmoid(r) * h).collect();
                let from = 2 * config.hidden;
                add_columns(&self.reset, &weights.w_hh, columns, from, candidate);
                self.mix(config.hidden);
            }
        }
        match &weights.projection {
            None => self.output.clone_from(&self.units),
            Some(projection) => {
                self.output.clear();
                self.output.resize(config.output(), 0.0);
                add_product(&self.units, projection, &mut self.output);
            }
        }
    }

    /// A GRU's new output, from all its sums.
    fn mix(&mut self, hidden: usize) {
        for u in 0..hidden {
            let z = sigmoid(self.sums[hidden + u]);
            let n = self.sums[2 * hidden + u].tanh();
            self.cells[u] = z * self.cells[u] + (1.0 - z) * n;
            self.units[u] = self.cells[u];
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    Activation::Sigmoid.of(x)
}

/// `out += x · matrix`, with `matrix` `[x, out]`.
fn add_product(x: &[f32], matrix: &[f32], out: &mut [f32]) {
    add_columns(x, matrix, out.len(), 0, out);
}

/// `out += x · matrix` for the columns from `first` on, with `matrix` `[x, columns]`.
fn add_columns(x: &[f32], matrix: &[f32], columns: usize, first: usize, out: &mut [f32]) {
    assert_eq!(x.len() * columns, matrix.len());
    for (x, row) in x.iter().zip(matrix.chunks_exact(columns)) {
        for (out, w) in out.iter_mut().zip(&row[first..]) {
            *out += x * w;
        }
    }
}

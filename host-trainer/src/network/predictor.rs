//! Running a network a character at a time.

use crate::kernels::cell::Step;
use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::vectorize::vectorized;
use crate::network::config::CellKind;
use crate::network::parameters::Network;
use crate::ngram::{MemoryReader, NATS, push};
use lstm_core::export::ngram::History;
use pulp::Arch;
use std::collections::VecDeque;

/// Anything that predicts the next character from the ones before.
pub trait Predictor {
    /// Forgets all text.
    fn reset(&mut self);

    /// Reads one token; returns the logits of the token that comes next, one a symbol.
    fn step(&mut self, token: u8) -> &[f32];
}

impl<P: Predictor + ?Sized> Predictor for &mut P {
    fn reset(&mut self) {
        (**self).reset();
    }

    fn step(&mut self, token: u8) -> &[f32] {
        (**self).step(token)
    }
}

/// A trained [`Network`] with its state: f32, one text.
#[derive(Clone, Debug)]
pub struct NetworkPredictor<'n> {
    network: &'n Network,
    /// `[V, G H]`: the embedding folded into the first layer.
    table: Vec<f32>,
    layers: Vec<LayerState>,
    logits: Vec<f32>,
    memory: Option<MemoryReader<'n>>,
    history: History,
    /// What the first layer's recurrent product reads, `[R]`, where that is not its output.
    recurrent_input: Vec<f32>,
    costs: Vec<u8>,
}

/// State and scratch memory of one layer.
#[derive(Clone, Debug)]
struct LayerState {
    h: Vec<f32>,
    c: Vec<f32>,
    /// Products of the input and of the output before.
    input: Vec<f32>,
    recurrent: Vec<f32>,
    /// What the cell keeps: the gates first.
    kept: Vec<f32>,
    cells_after: Vec<f32>,
    /// What goes into the projection; empty without one.
    units: Vec<f32>,
}

impl<'n> NetworkPredictor<'n> {
    /// A predictor at the start of a text.
    pub fn new(network: &'n Network) -> Self {
        let layers = network.config.layers.iter().map(|layer| LayerState {
            h: vec![0.0; layer.output()],
            c: vec![0.0; layer.hidden],
            input: vec![0.0; layer.columns()],
            recurrent: vec![0.0; layer.columns()],
            kept: vec![0.0; layer.cell.definition().kernel().kept() * layer.hidden],
            cells_after: vec![0.0; layer.hidden],
            units: vec![0.0; layer.projection.map_or(0, |_| layer.hidden)],
        });
        Self {
            table: network.folded_table(),
            layers: layers.collect(),
            logits: vec![0.0; network.config.vocabulary()],
            memory: network
                .memory()
                .map(|memory| memory.reader().expect("checked before")),
            history: History::default(),
            recurrent_input: Vec::new(),
            costs: vec![0; network.config.vocabulary()],
            network,
        }
    }
}

impl NetworkPredictor<'_> {
    /// What layer `index` gave at the last step.
    pub(crate) fn output(&self, index: usize) -> &[f32] {
        &self.layers[index].h
    }

    /// Its gates at the last step, after their activations: `[G H]`.
    pub(crate) fn gates(&self, index: usize) -> &[f32] {
        &self.layers[index].kept[..self.network.config.layers[index].columns()]
    }

    /// Its gates at the last step, before their activations: `[G H]`.
    pub(crate) fn gate_sums(&self, index: usize) -> Vec<f32> {
        let layer = &self.layers[index];
        let config = self.network.config.layers[index];
        let sums = layer.input.iter().zip(&layer.recurrent);
        match config.cell {
            CellKind::Lstm | CellKind::Cifg => sums.map(|(x, h)| x + h).collect(),
            CellKind::Gru => {
                let candidate = 2 * config.hidden;
                let reset = |column: usize| match column.checked_sub(candidate) {
                    None => 1.0,
                    Some(unit) => layer.kept[unit],
                };
                let sums = sums.enumerate();
                sums.map(|(column, (x, h))| x + reset(column) * h).collect()
            }
        }
    }

    /// What the reset gate of a GRU was multiplied with at the last step, `[H]`.
    pub(crate) fn candidate_sums(&self, index: usize) -> &[f32] {
        let hidden = self.network.config.layers[index].hidden;
        &self.layers[index].recurrent[2 * hidden..][..hidden]
    }

    /// Its cells after the last step, `[H]`.
    pub(crate) fn cells(&self, index: usize) -> &[f32] {
        &self.layers[index].c
    }

    /// What its recurrent product read at the last step, where that is not what it gave before.
    pub(crate) fn recurrent_input(&self, index: usize) -> Option<&[f32]> {
        (index == 0 && !self.recurrent_input.is_empty()).then_some(&self.recurrent_input)
    }

    /// Cuts its cells and its output off beyond these.
    pub(crate) fn limit(&mut self, index: usize, cell: f32, output: f32) {
        let layer = &mut self.layers[index];
        let cut = |values: &mut [f32], limit: f32| {
            values.iter_mut().for_each(|x| *x = x.clamp(-limit, limit));
        };
        cut(&mut layer.c, cell);
        cut(&mut layer.h, output);
    }

    /// The logits of the last step, `[V]`.
    pub(crate) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// What went into its projection; empty without one.
    pub(crate) fn units(&self, index: usize) -> &[f32] {
        &self.layers[index].units
    }
}

impl Predictor for NetworkPredictor<'_> {
    fn reset(&mut self) {
        for layer in &mut self.layers {
            layer.h.fill(0.0);
            layer.c.fill(0.0);
        }
        self.history = History::default();
    }

    fn step(&mut self, token: u8) -> &[f32] {
        push(&mut self.history, token);
        let ngrams = self.network.ngrams.as_ref().zip(self.memory.as_ref());
        self.recurrent_input.clear();
        if let Some((ngrams, memory)) = ngrams
            && self.network.config.ngrams.has_vectors()
        {
            self.recurrent_input.extend(&self.layers[0].h);
            ngrams.add_vectors(memory.rows(&self.history), &mut self.recurrent_input);
        }
        for i in 0..self.layers.len() {
            let weights = &self.network.layers[i];
            let (below, here) = self.layers.split_at_mut(i);
            let layer = &mut here[0];
            match below.last() {
                None => {
                    let width = layer.input.len();
                    let row = &self.table[usize::from(token) * width..][..width];
                    layer.input.copy_from_slice(row);
                }
                Some(below) => {
                    layer.input.copy_from_slice(&weights.bias);
                    add_product(&below.h, &weights.w_ih, &mut layer.input);
                }
            }
            match &weights.recurrent_bias {
                Some(bias) => layer.recurrent.copy_from_slice(bias),
                None => layer.recurrent.fill(0.0),
            }
            let read = match i == 0 && !self.recurrent_input.is_empty() {
                true => &self.recurrent_input,
                false => &layer.h,
            };
            add_product(read, &weights.w_hh, &mut layer.recurrent);
            let step = Step {
                input: &layer.input,
                recurrent: &layer.recurrent,
                kept: &mut layer.kept,
                before: &layer.c,
                after: &mut layer.cells_after,
                output: match weights.projection {
                    None => &mut layer.h,
                    Some(_) => &mut layer.units,
                },
            };
            let cell = self.network.config.layers[i].cell.definition();
            cell.kernel().step(Arch::new(), step);
            if let Some(projection) = &weights.projection {
                layer.h.fill(0.0);
                add_product(&layer.units, projection, &mut layer.h);
            }
            std::mem::swap(&mut layer.c, &mut layer.cells_after);
        }
        let h = &self.layers.last().expect("at least one layer").h;
        self.logits.copy_from_slice(&self.network.dense_bias);
        let (rows, columns) = (h.len(), self.logits.len());
        let weight = Matrix::new(&self.network.dense_weight, rows, columns);
        gemm(Matrix::new(h, 1, rows), weight, &mut self.logits, true);
        if let Some((ngrams, memory)) = ngrams.filter(|(ngrams, _)| ngrams.has_table()) {
            let longest = memory.costs(&self.history, &mut self.costs);
            let gate: f32 = h.iter().zip(&ngrams.gate_weight).map(|(h, w)| h * w).sum();
            let factor = ngrams.coefficients[longest] + gate + ngrams.gate_bias[0];
            for (logit, &cost) in self.logits.iter_mut().zip(&self.costs) {
                *logit -= factor * NATS * f32::from(cost);
            }
        }
        &self.logits
    }
}

vectorized! {
    /// `out += x · matrix`, with `matrix` `[x, out]`, four of its rows at a time.
    fn add_product<'a>(x: &'a [f32], matrix: &'a [f32], out: &'a mut [f32]) {
        add_product_rows(x, matrix, out);
    }
}

#[inline(always)]
fn add_product_rows(x: &[f32], matrix: &[f32], out: &mut [f32]) {
    let n = out.len();
    assert_eq!(matrix.len(), x.len() * n);
    let (fours, rest) = x.as_chunks::<4>();
    for (x, rows) in fours.iter().zip(matrix.chunks_exact(4 * n)) {
        let (a, rows) = rows.split_at(n);
        let (b, rows) = rows.split_at(n);
        let (c, d) = rows.split_at(n);
        let rows = a.iter().zip(b).zip(c.iter().zip(d));
        for (out, ((a, b), (c, d))) in out.iter_mut().zip(rows) {
            *out += (x[0] * a + x[1] * b) + (x[2] * c + x[3] * d);
        }
    }
    for (&x, row) in rest
        .iter()
        .zip(matrix[fours.len() * 4 * n..].chunks_exact(n))
    {
        for (out, w) in out.iter_mut().zip(row) {
            *out += x * w;
        }
    }
}

/// A predictor with the context that its network was trained on.
#[derive(Clone, Debug)]
pub struct InContext<P> {
    inner: P,
    window: Option<usize>,
    last: VecDeque<u8>,
}

impl<P: Predictor> InContext<P> {
    /// With a window, each step reads so many of the last characters (at least one) from a fresh
    /// state, as the many-to-one network was trained to; with `None` the state is carried.
    pub fn new(inner: P, window: Option<usize>) -> Self {
        let last = VecDeque::new();
        Self {
            inner,
            window,
            last,
        }
    }
}

impl<P: Predictor> Predictor for InContext<P> {
    fn reset(&mut self) {
        self.inner.reset();
        self.last.clear();
    }

    fn step(&mut self, token: u8) -> &[f32] {
        let Some(length) = self.window else {
            return self.inner.step(token);
        };
        if self.last.len() >= length {
            self.last.pop_front();
        }
        self.inner.reset();
        for &before in &self.last {
            self.inner.step(before);
        }
        self.last.push_back(token);
        self.inner.step(token)
    }
}

/// The window to use: as asked for, where 0 carries the state, or the network's own.
pub fn context(asked: Option<usize>, own: Option<usize>) -> Option<usize> {
    asked.or(own).filter(|&length| length > 0)
}

/// For people.
pub fn describe_context(window: Option<usize>) -> String {
    match window {
        None => "state carried".to_owned(),
        Some(n) => format!("windows of {n} characters from a zero state"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::config::NetworkConfig;
    use crate::text::alphabet::Alphabet;

    #[test]
    fn a_window_reads_its_characters_from_a_fresh_state() {
        let random = &mut Random::new(2);
        let config = NetworkConfig::lstm(&Alphabet::letters(), 8, 10, 1);
        let network = Network::new(config, random).unwrap();
        let mut windowed = InContext::new(NetworkPredictor::new(&network), Some(3));
        let mut plain = NetworkPredictor::new(&network);
        for token in [9, 4, 1, 7] {
            windowed.step(token);
        }
        plain.step(1);
        plain.step(7);
        assert_eq!(windowed.step(2), plain.step(2));
    }
}

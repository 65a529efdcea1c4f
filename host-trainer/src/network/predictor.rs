//! Running a network a character at a time, and scoring it.

use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::vectorize::vectorized;
use crate::network::cell::step_forward;
use crate::network::parameters::Network;
use lstm_core::{Session, Token};
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
    /// `[V, 4H]` or `[V, 3H]`: the embedding folded into the first layer.
    table: Vec<f32>,
    layers: Vec<LayerState>,
    logits: Vec<f32>,
}

/// State and scratch memory of one layer.
#[derive(Clone, Debug)]
struct LayerState {
    h: Vec<f32>,
    c: Vec<f32>,
    gates: Vec<f32>,
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
            gates: vec![0.0; layer.columns()],
            cells_after: vec![0.0; layer.hidden],
            units: vec![0.0; layer.projection.map_or(0, |_| layer.hidden)],
        });
        Self {
            table: network.folded_table(),
            layers: layers.collect(),
            logits: vec![0.0; network.config.vocabulary()],
            network,
        }
    }
}

impl NetworkPredictor<'_> {
    /// What layer `index` gave at the last step.
    pub(crate) fn output(&self, index: usize) -> &[f32] {
        &self.layers[index].h
    }

    /// Its gates at the last step, after their activations: `[4H]` or `[3H]`.
    pub(crate) fn gates(&self, index: usize) -> &[f32] {
        &self.layers[index].gates
    }

    /// Its cells after the last step, `[H]`.
    pub(crate) fn cells(&self, index: usize) -> &[f32] {
        &self.layers[index].c
    }

    /// What went into its projection; empty without one.
    pub(crate) fn units(&self, index: usize) -> &[f32] {
        &self.layers[index].units
    }
}

/// A `.lstm` model run by the device's engine.
#[derive(Debug)]
pub struct ModelPredictor<'s, 'm> {
    session: Session<'s, 'm>,
    logits: Vec<f32>,
}

impl<'s, 'm> ModelPredictor<'s, 'm> {
    /// A predictor that goes on from the session's state.
    pub fn new(session: Session<'s, 'm>) -> Self {
        let logits = Vec::new();
        Self { session, logits }
    }
}

impl Predictor for ModelPredictor<'_, '_> {
    fn reset(&mut self) {
        self.session.reset();
    }

    fn step(&mut self, token: u8) -> &[f32] {
        self.logits.clear();
        let logits = self.session.step(Token::new(token));
        self.logits.extend(logits.iter());
        &self.logits
    }
}

impl Predictor for NetworkPredictor<'_> {
    fn reset(&mut self) {
        for layer in &mut self.layers {
            layer.h.fill(0.0);
            layer.c.fill(0.0);
        }
    }

    fn step(&mut self, token: u8) -> &[f32] {
        for i in 0..self.layers.len() {
            let weights = &self.network.layers[i];
            let (below, here) = self.layers.split_at_mut(i);
            let layer = &mut here[0];
            match below.last() {
                None => {
                    let width = layer.gates.len();
                    let row = &self.table[usize::from(token) * width..][..width];
                    layer.gates.copy_from_slice(row);
                }
                Some(below) => {
                    layer.gates.copy_from_slice(&weights.bias);
                    add_product(&below.h, &weights.w_ih, &mut layer.gates);
                }
            }
            add_product(&layer.h, &weights.w_hh, &mut layer.gates);
            let config = self.network.config.layers[i];
            let (gates, after) = (&mut layer.gates, &mut layer.cells_after);
            match &weights.projection {
                None => step_forward(config, gates, &layer.c, after, &mut layer.h),
                Some(projection) => {
                    step_forward(config, gates, &layer.c, after, &mut layer.units);
                    layer.h.fill(0.0);
                    add_product(&layer.units, projection, &mut layer.h);
                }
            }
            std::mem::swap(&mut layer.c, &mut layer.cells_after);
        }
        let h = &self.layers.last().expect("at least one layer").h;
        self.logits.copy_from_slice(&self.network.dense_bias);
        let (rows, columns) = (h.len(), self.logits.len());
        let weight = Matrix::new(&self.network.dense_weight, rows, columns);
        gemm(Matrix::new(h, 1, rows), weight, &mut self.logits, true);
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

/// How well a text was predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Characters that were scored.
    pub characters: usize,
    /// Mean of -log2 of the probability given to each.
    pub bits_per_char: f64,
}

impl Score {
    /// 2 to the bits: the number of equally likely characters it is like choosing among.
    pub fn perplexity(&self) -> f64 {
        self.bits_per_char.exp2()
    }
}

/// Reads `warm_up` and then scores every character of `tokens`, the state carried throughout.
/// Without a warm-up the first character is only read: nothing stands before it.
pub fn bits_per_char(predictor: &mut dyn Predictor, warm_up: &[u8], tokens: &[u8]) -> Score {
    predictor.reset();
    for &token in warm_up.split_last().map_or(&[][..], |(_, before)| before) {
        predictor.step(token);
    }
    let (mut last, scored) = match (warm_up.last(), tokens.split_first()) {
        (Some(&last), _) => (last, tokens),
        (None, Some((&first, rest))) => (first, rest),
        (None, None) => (0, tokens),
    };
    let mut nats = 0.0;
    for &token in scored {
        nats += surprise(predictor.step(last), token);
        last = token;
    }
    let characters = scored.len();
    let bits_per_char = nats / std::f64::consts::LN_2 / characters.max(1) as f64;
    Score {
        characters,
        bits_per_char,
    }
}

/// -ln of the probability of `token` under softmax of `logits`.
fn surprise(logits: &[f32], token: u8) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    total.ln() - f64::from(logits[usize::from(token)] - max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::step::Engine;
    use crate::kernels::random::Random;
    use crate::network::config::{LayerConfig, NetworkConfig};
    use crate::network::state::zero_states;
    use crate::text::alphabet::Alphabet;
    use crate::text::batches::{Batch, LossOn};

    #[test]
    fn single_steps_equal_the_training_pass() {
        let lstm = LayerConfig::lstm;
        let projected = LayerConfig {
            projection: Some(9),
            ..lstm(20)
        };
        let lean = LayerConfig::lean(33, 10);
        let bare = LayerConfig {
            projection: None,
            ..lean
        };
        for (layer, layers) in [
            (lstm(10), 1),
            (lstm(33), 2),
            (lstm(64), 4),
            (projected, 2),
            (lean, 1),
            (lean, 3),
            (bare, 2),
        ] {
            let random = &mut Random::new(2);
            let config = NetworkConfig::stack(&Alphabet::letters(), 8, layer, layers);
            let network = Network::new(config, random).unwrap();
            let text: Vec<u8> = (0..51).map(|_| random.below(27) as u8).collect();
            let batch = Batch::gather(1, 50, |_, t| text[t]);
            let mut states = zero_states(&network.config.layers, 1);
            let (loss, _) = Engine::new(1)
                .loss_and_gradients(&network, &batch, LossOn::EveryStep, &mut states, &[])
                .unwrap();
            let mut predictor = NetworkPredictor::new(&network);
            let score = bits_per_char(&mut predictor, &[], &text);
            assert_eq!(score.characters, 50);
            assert!((score.bits_per_char * std::f64::consts::LN_2 - loss).abs() < 1e-5);
            for (layer, state) in predictor.layers.iter().zip(&states) {
                assert_eq!(
                    (layer.h.len(), layer.c.len()),
                    (state.h.len(), state.c.len())
                );
                let pairs = layer.h.iter().zip(&state.h);
                for (a, b) in pairs.chain(layer.c.iter().zip(&state.c)) {
                    assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }

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

    /// Predicts every symbol of four with the same probability.
    struct Uniform([f32; 4], usize);

    impl Predictor for Uniform {
        fn reset(&mut self) {
            self.1 = 0;
        }
        fn step(&mut self, _: u8) -> &[f32] {
            self.1 += 1;
            &self.0
        }
    }

    #[test]
    fn four_equal_choices_are_two_bits() {
        let mut uniform = Uniform([0.5; 4], 9);
        let score = bits_per_char(&mut uniform, &[1, 2], &[3, 0, 1]);
        assert_eq!((score.characters, uniform.1), (3, 4));
        assert!((score.bits_per_char - 2.0).abs() < 1e-9);
        assert!((score.perplexity() - 4.0).abs() < 1e-6);
        assert_eq!(bits_per_char(&mut uniform, &[], &[3, 0, 1]).characters, 2);
    }
}

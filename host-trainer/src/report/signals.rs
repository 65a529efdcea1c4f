//! What flows through a network while it reads a text: how far the device's integers are from f32,
//! how often they are at the end of their range, and how the cells are spread.

use crate::kernels::stack::{Input, Sequence};
use crate::network::cell::GateKind;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::predictor::{NetworkPredictor, Predictor};
use crate::network::state::zero_states;
use crate::quantize::QuantizedNetwork;
use crate::quantize::fixed_point::output_unit;
use crate::quantize::qat::forward::IntegerNetwork;
use lstm_core::export::integer;

/// Steps that are run in one go.
const STEPS: usize = 256;
/// Bins of a [`Histogram`].
const BINS: usize = 64;

/// The largest cell state that the device holds: Q11 in 16 bits, or 1.
pub fn cell_limit(layer: LayerConfig) -> f64 {
    match layer.cell.device().has_unit_cell_state() {
        true => 1.0,
        false => 32_767.0 / 2048.0,
    }
}

/// One signal of a layer over a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// For example `lstm.0 i`.
    pub name: String,
    /// Root mean square of the f32 network's.
    pub rms: f64,
    /// Root mean square of the difference between the integers and f32.
    pub error_rms: f64,
    /// Share of the integers that are at the end of their range.
    pub at_limit: f64,
    /// Share of the f32 values that are there or beyond.
    pub float_at_limit: f64,
}

/// How values are spread: shares in bins of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// From the left end of the first bin to the right end of the last; what is outside counts there.
    pub range: std::ops::Range<f64>,
    /// They sum to one.
    pub shares: Vec<f64>,
}

impl Histogram {
    /// Of values, over `range`.
    pub fn new(values: impl Iterator<Item = f64>, range: std::ops::Range<f64>) -> Self {
        let mut counts = vec![0u64; BINS];
        let width = (range.end - range.start) / BINS as f64;
        for value in values {
            let bin = ((value - range.start) / width).max(0.0) as usize;
            counts[bin.min(BINS - 1)] += 1;
        }
        let total = counts.iter().sum::<u64>().max(1) as f64;
        let shares = counts.into_iter().map(|n| n as f64 / total).collect();
        Self { range, shares }
    }
}

/// The signals of a layer over a text.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// The gates after their activations, `[T, G H]`.
    gates: Vec<f32>,
    /// The cells, `[T, H]`.
    cells: Vec<f32>,
    /// What goes into the projection, `[T, H]`; empty without one.
    units: Vec<f32>,
    /// The output, `[T, R]`.
    outputs: Vec<f32>,
}

/// What was observed of a network in integers beside f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Of every layer: its gates, c, and h.
    pub signals: Vec<Signal>,
    /// Of |c|, a histogram for each layer, over the same range as [`float_cells`].
    pub cells: Vec<Histogram>,
}

/// Observes integers beside the f32 network that they came from, whose [`float_flow`] on the same
/// text is `float`.
pub fn observe(
    network: &Network,
    float: &[Flow],
    quantized: &QuantizedNetwork,
    tokens: &[u8],
) -> Observed {
    let integers = integer_flow(quantized, tokens);
    let mut signals = Vec::new();
    let mut cells = Vec::new();
    for (index, (float, integers)) in float.iter().zip(&integers).enumerate() {
        let layer = network.config.layers[index];
        let name = network.config.layer_name(index);
        signals.extend(layer_signals(&name, layer, float, integers));
        cells.push(cell_histogram(&integers.cells, &float.cells));
    }
    Observed { signals, cells }
}

/// Of |c| of each layer of the f32 network.
pub fn float_cells(float: &[Flow]) -> Vec<Histogram> {
    let histogram = |flow: &Flow| cell_histogram(&flow.cells, &flow.cells);
    float.iter().map(histogram).collect()
}

/// Up to the largest of the f32 network's, or to somewhat beyond what the device holds.
fn cell_histogram(cells: &[f32], float: &[f32]) -> Histogram {
    let largest = float.iter().fold(0.0, |max: f32, c| max.max(c.abs()));
    let end = f64::from(largest.ceil()).clamp(1.0, 20.0);
    Histogram::new(cells.iter().map(|c| f64::from(c.abs())), 0.0..end)
}

fn layer_signals(name: &str, layer: LayerConfig, float: &Flow, integers: &Flow) -> Vec<Signal> {
    let hidden = layer.hidden;
    let ends = |activation: fn(i32) -> i32, one: f64| {
        [i32::MIN, i32::MAX].map(|z| f64::from(activation(z)) / one)
    };
    let mut signals = Vec::new();
    for (index, &gate) in layer.cell.gates().iter().enumerate() {
        let ends = match gate.kind {
            GateKind::Tanh => ends(integer::tanh, f64::from(1 << 14)),
            GateKind::Sigmoid => ends(integer::sigmoid, f64::from(1 << 15)),
        };
        let part = |flow: &Flow| -> Vec<f32> {
            let lines = flow.gates.chunks_exact(layer.columns());
            lines
                .flat_map(|line| &line[index * hidden..][..hidden])
                .copied()
                .collect()
        };
        signals.push(signal(name, gate.name, ends, &part(float), &part(integers)));
    }
    let limit = cell_limit(layer);
    let cell = [-limit, limit];
    signals.push(signal(name, "c", cell, &float.cells, &integers.cells));
    let one = f64::from(output_unit(layer));
    let unit = [-1.0, 1.0];
    let output = match layer.projection {
        None => unit,
        Some(_) => {
            signals.push(signal(
                name,
                "o·tanh c",
                unit,
                &float.units,
                &integers.units,
            ));
            [f64::from(i8::MIN) / one, f64::from(i8::MAX) / one]
        }
    };
    signals.push(signal(name, "h", output, &float.outputs, &integers.outputs));
    signals
}

fn signal(
    layer: &str,
    what: &str,
    [low, high]: [f64; 2],
    float: &[f32],
    integers: &[f32],
) -> Signal {
    assert_eq!(float.len(), integers.len());
    let count = float.len().max(1) as f64;
    let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
    let share = |values: &[f32]| {
        let beyond = |v: &&f32| f64::from(**v) <= low || f64::from(**v) >= high;
        values.iter().filter(beyond).count() as f64 / count
    };
    let pairs = float.iter().zip(integers);
    let mut squares = float.iter().map(|&x| f64::from(x).powi(2));
    let mut errors = pairs.map(|(&a, &b)| f64::from(a - b).powi(2));
    Signal {
        name: format!("{layer} {what}"),
        rms: (sum(&mut squares) / count).sqrt(),
        error_rms: (sum(&mut errors) / count).sqrt(),
        at_limit: share(integers),
        float_at_limit: share(float),
    }
}

/// The signals of each layer of the f32 network. The state is carried, or fresh after each window.
pub fn float_flow(network: &Network, tokens: &[u8]) -> Vec<Flow> {
    let window = network.config.window;
    let mut predictor = NetworkPredictor::new(network);
    let mut flows = vec![Flow::default(); network.config.layers.len()];
    for (at, &token) in tokens.iter().enumerate() {
        if window.is_some_and(|length| at.is_multiple_of(length)) {
            predictor.reset();
        }
        predictor.step(token);
        for (index, flow) in flows.iter_mut().enumerate() {
            flow.gates.extend(predictor.gates(index));
            flow.cells.extend(predictor.cells(index));
            flow.units.extend(predictor.units(index));
            flow.outputs.extend(predictor.output(index));
        }
    }
    flows
}

fn integer_flow(network: &QuantizedNetwork, tokens: &[u8]) -> Vec<Flow> {
    let window = network.config.window;
    let fresh = || zero_states(&network.config.layers, 1);
    let ngrams = network.ngrams.as_ref();
    let network = &IntegerNetwork::new(network);
    let mut states = fresh();
    let mut flows = vec![Flow::default(); network.layers.len()];
    let mut context = ngrams.map(|ngrams| ngrams.contexts(tokens, window.is_some()));
    for tokens in tokens.chunks(window.unwrap_or(STEPS)) {
        let context = context.as_mut().map(|contexts| contexts.next(tokens.len()));
        if window.is_some() {
            states = fresh();
        }
        let sequence = Sequence {
            steps: tokens.len(),
            rows: 1,
            input: Input::Tokens(tokens),
            first: 0,
            context: context.as_deref().unwrap_or_default(),
        };
        let runs = network.run(sequence, &mut states);
        for ((run, layer), flow) in runs.iter().zip(&network.layers).zip(&mut flows) {
            let config = layer.config;
            let kept = run.kept.chunks_exact(run.kept.len() / tokens.len());
            flow.gates
                .extend(kept.flat_map(|kept| &kept[..config.columns()]));
            flow.cells.extend(&run.states[config.hidden..]);
            flow.units.extend(&run.units);
            let unit = output_unit(config);
            flow.outputs.extend(run.outputs.iter().map(|h| h / unit));
        }
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::config::NetworkConfig;
    use crate::quantize::quantize;
    use crate::text::alphabet::Alphabet;
    use lstm_core::Format;

    fn observed(scale: f32, layers: Vec<LayerConfig>, window: Option<usize>) -> Observed {
        let random = &mut Random::new(4);
        let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 1, 1);
        config.layers = layers;
        config.window = window;
        let mut network = Network::new(config, random).unwrap();
        for weights in network.parameters_mut() {
            weights.iter_mut().for_each(|w| *w *= scale);
        }
        let (quantized, _) = quantize(&network, Format::Int8, 0).unwrap();
        let tokens: Vec<u8> = (0..600).map(|_| random.below(27) as u8).collect();
        let float = float_flow(&network, &tokens);
        observe(&network, &float, &quantized, &tokens)
    }

    #[test]
    fn small_weights_are_near_and_never_at_the_end() {
        let layers = vec![LayerConfig::cifg(12, 5), LayerConfig::lstm(9)];
        for window in [None, Some(40)] {
            let found = observed(1.0, layers.clone(), window);
            let names: Vec<&str> = found.signals.iter().map(|s| &s.name[..]).collect();
            let expected = "cifg.0 i,cifg.0 g,cifg.0 o,cifg.0 c,cifg.0 o·tanh c,cifg.0 h,\
                            lstm.1 i,lstm.1 f,lstm.1 g,lstm.1 o,lstm.1 c,lstm.1 h";
            assert_eq!(names.join(","), expected);
            for signal in &found.signals {
                assert_eq!((signal.at_limit, signal.float_at_limit), (0.0, 0.0));
                assert!(
                    signal.error_rms > 0.0 && signal.error_rms < 0.03,
                    "{signal:?}"
                );
            }
            assert_eq!(found.cells.len(), 2);
            assert!((found.cells[0].shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn large_weights_reach_the_end() {
        let found = observed(20.0, vec![LayerConfig::lstm(16)], None);
        let share = |name: &str| {
            let signal = found.signals.iter().find(|s| s.name.ends_with(name));
            (signal.unwrap().at_limit, signal.unwrap().float_at_limit)
        };
        for name in [" i", " g", " o"] {
            let (integers, float) = share(name);
            assert!(integers > 0.05 && (integers - float).abs() < 0.1, "{name}");
        }
        assert!(share(" c").0 > 0.0);
    }

    #[test]
    fn a_histogram_holds_all_values() {
        let values = [-5.0, 0.0, 0.9, 63.9, 64.0, 1e9];
        let histogram = Histogram::new(values.into_iter(), 0.0..64.0);
        assert_eq!(histogram.shares[0], 3.0 / 6.0);
        assert_eq!(histogram.shares[BINS - 1], 3.0 / 6.0);
    }
}

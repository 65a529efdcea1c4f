//! Of rounding and of the file; the networks that `qat` is tested with too.

use super::fixed_point::{ONE_Q18, PROJECTED_UNIT};
use super::rounding::round_together;
use super::*;
use crate::kernels::random::{Random, dot};
use crate::model::encode::{Labels, encode_f32, encode_quantized};
use crate::model::file::ModelFile;
use crate::model::predictor::ModelPredictor;
use crate::model::workspace::HeapWorkspace;
use crate::network::cell::GateKind;
use crate::network::config::{CellKind, LayerConfig};
use crate::network::predictor::{NetworkPredictor, Predictor};
use crate::quantize::calibrate::Columns;
use crate::text::alphabet::Alphabet;

pub(crate) const INTEGERS: [Format; 2] = [Format::Int8, Format::Int4];

/// Networks of every kind of layer, with sizes that need padding, whose weights make something
/// of their input.
pub(crate) fn networks() -> Vec<Network> {
    let lstm = LayerConfig::lstm;
    let cifg = LayerConfig::cifg;
    let gru = |hidden| LayerConfig {
        cell: CellKind::Gru,
        ..lstm(hidden)
    };
    let project = |layer, width| LayerConfig {
        projection: Some(width),
        ..layer
    };
    let bare = LayerConfig {
        projection: None,
        ..cifg(14, 1)
    };
    let stacks = [
        vec![lstm(10)],
        vec![lstm(9), lstm(20)],
        vec![project(lstm(21), 6)],
        vec![bare],
        vec![cifg(16, 16)],
        vec![cifg(23, 7)],
        vec![cifg(34, 17), cifg(18, 5), cifg(20, 20)],
        vec![lstm(12), cifg(13, 6), project(lstm(7), 3), bare],
        vec![gru(10)],
        vec![gru(18), lstm(9), project(gru(13), 5), gru(6)],
    ];
    let network = |layers: Vec<LayerConfig>| {
        let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 1, 1);
        config.layers = layers;
        let mut network = Network::new(config, &mut Random::new(5)).unwrap();
        network.embedding.iter_mut().for_each(|w| *w *= 40.0);
        // A projected state that uses its range, in a loop that forgets the rounding of it.
        for layer in &mut network.layers {
            if let Some(projection) = &mut layer.projection {
                projection.iter_mut().for_each(|w| *w *= 4.0);
                layer.w_hh.iter_mut().for_each(|w| *w *= 0.2);
            }
        }
        let dense = network.dense_weight.iter_mut();
        dense.for_each(|w| *w *= 4.0);
        network
    };
    stacks.into_iter().map(network).collect()
}

/// The network that the integers stand for. Its embedding is the identity: the table is `w_ih`.
fn dequantized(quantized: &QuantizedNetwork) -> Network {
    let mut config = quantized.config.clone();
    config.embedding = config.vocabulary();
    let mut network = Network::new(config.clone(), &mut Random::new(0)).unwrap();
    let vocabulary = config.vocabulary();
    let value = |fixed: i32, scale: u16| f64::from(fixed) * f64::from(scale) / ONE_Q18;
    let identity = |i: usize| f32::from(u8::from(i / vocabulary == i % vocabulary));
    network.embedding = (0..vocabulary * vocabulary).map(identity).collect();
    let mut below = 0.0;
    for (index, layer) in quantized.layers.iter().enumerate() {
        let weights = &mut network.layers[index];
        let shape = config.layers[index];
        let own = output_step(shape);
        let places = row_order(shape);
        let matrices = gate_matrices(&config, index).into_iter().zip(&layer.gates);
        let rows = matrices.enumerate().flat_map(|(matrix, (columns, gates))| {
            assert_eq!(places.len(), gates.rows.len());
            let rows = places.iter().zip(&gates.rows).enumerate();
            rows.map(move |row| (matrix, columns.below, gates, row))
        });
        for (matrix, input, gates, (at, (place, row))) in rows {
            let line = &gates.weights[at * gates.columns..][..gates.columns];
            let Some(place) = place else {
                assert_eq!(*row, Row::default());
                assert!(line.iter().all(|&w| w == 0));
                continue;
            };
            let column = place.column(shape);
            for (k, &w) in line.iter().enumerate() {
                let (weights, k, step) = match k.checked_sub(input) {
                    None => (&mut weights.w_ih, k, below),
                    Some(k) => (&mut weights.w_hh, k, own),
                };
                let weight = value(w.into(), row.weight_scale) / step;
                weights[k * shape.columns() + column] = weight as f32;
            }
            let gate = shape.cell.gates()[place.gate];
            let (biases, half) = match (&mut weights.recurrent_bias, gate.kind) {
                (Some(biases), _) if matrix == 1 => (biases, gate.recurrent_half),
                (_, GateKind::Tanh) => (&mut weights.bias, 16),
                (_, GateKind::Sigmoid) => (&mut weights.bias, 32),
            };
            biases[column] = value(row.bias - half, 1) as f32;
            for v in (0..vocabulary).filter(|_| index == 0 && matrix == 0) {
                let entry = quantized.table[v * places.len() + at];
                weights.w_ih[v * shape.columns() + column] =
                    value(entry.into(), row.table_scale) as f32;
            }
        }
        if let (Some(matrix), Some(weights)) = (&layer.projection, &mut weights.projection) {
            for (r, row) in matrix.rows.iter().enumerate() {
                for (k, &w) in matrix.weights[r * matrix.columns..][..matrix.columns]
                    .iter()
                    .enumerate()
                {
                    let weight = value(w.into(), row.weight_scale) / HIDDEN_STEP;
                    weights[k * matrix.rows.len() + r] = weight as f32;
                }
            }
        }
        below = own;
    }
    let dense = &quantized.dense;
    for (v, row) in dense.rows.iter().enumerate() {
        network.dense_bias[v] = value(row.bias - 32, 1) as f32;
        for k in 0..dense.columns {
            let weight = dense.weights[v * dense.columns + k];
            let weight = value(weight.into(), row.weight_scale) / below;
            network.dense_weight[k * vocabulary + v] = weight as f32;
        }
    }
    network
}

/// Root mean square of the difference of the logits, and of the logits less their mean.
fn compare(network: &Network, file: &[u8]) -> (f64, f64) {
    let file = ModelFile::from_bytes(file);
    let model = file.model().unwrap();
    let mut workspace = HeapWorkspace::new(&model);
    let mut device = ModelPredictor::new(workspace.session(&model).unwrap());
    let mut desk = NetworkPredictor::new(network);
    let random = &mut Random::new(8);
    let (mut count, mut difference, mut spread) = (0.0, 0.0, 0.0);
    for _ in 0..200 {
        let token = random.below(27) as u8;
        let (a, b) = (device.step(token), desk.step(token));
        let mean = b.iter().sum::<f32>() / 27.0;
        for (a, b) in a.iter().zip(b) {
            count += 1.0;
            difference += f64::from(a - b).powi(2);
            spread += f64::from(b - mean).powi(2);
        }
    }
    ((difference / count).sqrt(), (spread / count).sqrt())
}

#[test]
fn the_device_computes_the_network_in_f32() {
    for network in networks() {
        let file = encode_f32(&network, &Labels::default()).unwrap();
        let (difference, spread) = compare(&network, &file);
        let layers = &network.config.layers;
        assert!(spread > 0.1, "{layers:?}: {spread}");
        assert!(difference < 1e-5 * spread, "{layers:?}: {difference:e}");
    }
}

#[test]
fn the_device_computes_what_the_integers_stand_for() {
    for network in networks() {
        for format in INTEGERS {
            let (quantized, _) = quantize(&network, format, 0).unwrap();
            let file = encode_quantized(&quantized, &Labels::default()).unwrap();
            let (difference, spread) = compare(&dequantized(&quantized), &file);
            let layers = &network.config.layers;
            println!("{format} {layers:?}: {:.4}", difference / spread);
            // Only the rounding of the state and of the activations is left.
            assert!(
                difference < 0.1 * spread,
                "{format} {layers:?}: {difference} {spread}"
            );
        }
    }
}

#[test]
fn the_integers_stand_for_nearly_the_network() {
    for network in networks() {
        for (format, limit) in INTEGERS.into_iter().zip([0.1, 0.2]) {
            let (quantized, errors) = quantize(&network, format, 0).unwrap();
            let file = encode_quantized(&quantized, &Labels::default()).unwrap();
            let (difference, spread) = compare(&network, &file);
            let layers = &network.config.layers;
            println!("{format} {layers:?}: {:.4}", difference / spread);
            assert!(
                difference < limit * spread,
                "{format} {layers:?}: {difference} {spread}"
            );
            for error in errors {
                assert!(error.error_rms < 0.6 * error.rms, "{format} {error:?}");
            }
        }
    }
}

#[test]
fn int4_weights_fit_four_bits_and_leave_the_dense_layer_alone() {
    for network in networks() {
        let (int8, _) = quantize(&network, Format::Int8, 0).unwrap();
        let (int4, _) = quantize(&network, Format::Int4, DEAD_ZONE).unwrap();
        assert_eq!((&int4.table, &int4.dense), (&int8.table, &int8.dense));
        let mut largest = 0;
        for (_, format, matrix) in int4.matrices() {
            if format == WeightFormat::Int4 {
                assert!(matrix.weights.iter().all(|w| (-8..=7).contains(w)));
                largest = largest.max(matrix.weights.iter().copied().max().unwrap_or(0));
            }
        }
        assert_eq!(largest, 7);
    }
}

#[test]
fn rounding_together_errs_less_than_rounding_each() {
    let network = &networks()[6];
    let columns = &observe(network, 0)[0].gates[0];
    let n = columns.mean.len();
    let steps = column_steps(&network.config, 0, gate_matrices(&network.config, 0)[0]);
    let variance = |errors: &[f64]| -> f64 {
        let rows = columns.factor.chunks_exact(n);
        rows.map(|row| dot(row, errors).powi(2)).sum()
    };
    let (mut together, mut apart) = (0.0, 0.0);
    for row in gate_rows(network, 0, 0).iter().filter(|r| r[0] != 0.0) {
        let weights: Vec<f64> = row.iter().map(|&w| f64::from(w)).collect();
        let largest = weights.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
        let scale = (largest / 7.0 / f64::from(PROJECTED_UNIT) * ONE_Q18).round();
        let step = scale / ONE_Q18 * f64::from(PROJECTED_UNIT);
        let (found, quantized) = round_together(&weights, &steps, scale as u16, columns);
        let errors = weights.iter().zip(&quantized);
        let errors: Vec<f64> = errors.map(|(w, &q)| w - f64::from(q) * step).collect();
        assert!((found / variance(&errors) - 1.0).abs() < 1e-9);
        together += found;
        let nearest = weights.iter().map(|w| w - (w / step).round() * step);
        apart += variance(&nearest.collect::<Vec<_>>());
    }
    assert!(together < 0.7 * apart, "{together} {apart}");
}

#[test]
fn columns_that_vary_apart_are_rounded_each_to_the_nearest() {
    let columns = Columns {
        mean: vec![0.0; 3],
        counted_mean: vec![0.0; 3],
        factor: vec![2.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0],
    };
    let (scale, steps) = (100, [HIDDEN_STEP; 3]);
    let unit = f64::from(scale) / ONE_Q18 / HIDDEN_STEP;
    let weights = [2.4 * unit, -9.0 * unit, 6.6 * unit];
    let (variance, quantized) = round_together(&weights, &steps, scale, &columns);
    assert_eq!(quantized, [2, -8, 7]);
    let expected = (0.8f64.powi(2) + 0.5f64.powi(2) + 0.4f64.powi(2)) * unit * unit;
    assert!((variance / expected - 1.0).abs() < 1e-9);
}

#[test]
fn a_saved_quantized_network_loads_equal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    for network in networks() {
        for format in INTEGERS {
            let (quantized, _) = quantize(&network, format, DEAD_ZONE).unwrap();
            quantized.save(&path).unwrap();
            assert_eq!(QuantizedNetwork::load(&path).unwrap(), Some(quantized));
            assert!(Network::load(&path).is_err());
        }
        network.save(&path).unwrap();
        assert_eq!(QuantizedNetwork::load(&path).unwrap(), None);
    }
}

#[test]
fn a_saved_weight_of_more_than_four_bits_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    let (mut quantized, _) = quantize(&networks()[5], Format::Int4, DEAD_ZONE).unwrap();
    quantized.layers[0].projection.as_mut().unwrap().weights[2] = 8;
    quantized.save(&path).unwrap();
    let error = QuantizedNetwork::load(&path).unwrap_err().to_string();
    assert!(
        error.contains("found weight 8 in cifg.0.projection"),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |network: &Network, format| quantize(network, format, 0).unwrap_err().to_string();
    let mut network = networks().remove(5);
    assert!(refused(&network, Format::F32).contains("expected int8 or int4"));
    network.layers[0].projection.as_mut().unwrap()[3] = 1e4;
    assert!(refused(&network, Format::Int8).contains("does not fit"));
    network.layers[0].projection.as_mut().unwrap()[3] = 1.0;
    network.dense_bias[3] = 5000.0;
    assert!(refused(&network, Format::Int4).contains("found a bias of 5000"));
}

//! Quantization-aware fine-tuning: trains a network in the very integers that the device computes
//! with.
//!
//! The forward pass is the device's arithmetic ([`forward`]): the same integers, shifts and tables,
//! bit for bit. The backward pass takes every rounding for the identity (the straight-through
//! estimator, Bengio et al. 2013). What is tuned are f32 weights and a scale for each row, rounded
//! anew for each step ([`masters`]). The trained f32 network reads along as the teacher (Hinton et al.
//! 2015).

pub(crate) mod device_op;
pub mod forward;
pub mod masters;

#[cfg(test)]
mod tests {
    use super::forward::{IntegerNetwork, logits};
    use super::masters::Masters;
    use crate::kernels::random::Random;
    use crate::kernels::stack::{Input, Sequence};
    use crate::model::encode::{Labels, encode_quantized};
    use crate::model::file::ModelFile;
    use crate::model::predictor::ModelPredictor;
    use crate::model::workspace::HeapWorkspace;
    use crate::network::predictor::Predictor;
    use crate::network::state::State;
    use crate::ngram::{Recall, example_memory};
    use crate::quantize::ngrams;
    use crate::quantize::tests::{INTEGERS, networks};
    use crate::quantize::{DEAD_ZONE, quantize};
    use crate::text::batches::{Batch, LossOn};
    use std::sync::Arc;

    /// The logits `[T, B, V]` of texts `[T, B]`, in two batches.
    fn run(network: &IntegerNetwork, tokens: &[u8], rows: usize) -> Vec<f32> {
        let mut all = Vec::new();
        let layers = network.layers.iter();
        let mut states: Vec<State> = layers.map(|l| State::zeros(rows, l.config)).collect();
        for tokens in tokens.chunks(tokens.len() / rows / 2 * rows) {
            let sequence = Sequence {
                steps: tokens.len() / rows,
                rows,
                input: Input::Tokens(tokens),
                first: 0,
                context: &[],
            };
            let runs = network.run(sequence, &mut states);
            all.extend(logits(&network.dense, &runs.last().unwrap().outputs));
        }
        all
    }

    #[test]
    fn the_forward_pass_is_the_device() {
        let mut random = Random::new(7);
        let (steps, rows) = (60, 3);
        let tokens: Vec<u8> = (0..steps * rows).map(|_| random.below(27) as u8).collect();
        for network in networks() {
            for format in INTEGERS {
                let (quantized, _) = quantize(&network, format, DEAD_ZONE).unwrap();
                let found = run(&IntegerNetwork::new(&quantized), &tokens, rows);
                let bytes = encode_quantized(&quantized, &Labels::default()).unwrap();
                let file = ModelFile::from_bytes(&bytes);
                let model = file.model().unwrap();
                let mut workspace = HeapWorkspace::new(&model);
                for row in 0..rows {
                    let session = workspace.session(&model).unwrap();
                    let mut device = ModelPredictor::new(session);
                    device.reset();
                    for t in 0..steps {
                        let at = t * rows + row;
                        let expected = device.step(tokens[at]);
                        assert_eq!(found[at * 27..][..27], *expected, "{format} {t}");
                    }
                }
            }
        }
    }

    #[test]
    fn so_it_is_with_a_memory() {
        let random = &mut Random::new(7);
        let (steps, rows) = (60, 3);
        let text: Vec<u8> = (0..rows * (steps + 1))
            .map(|_| random.below(27) as u8)
            .collect();
        let starts = (0..rows).map(|row| row * (steps + 1)).collect();
        let batch = Batch::at(&text, starts, steps);
        for (vectors, has_table) in [([30, 40, 50], true), ([0; 3], true), ([0, 9, 0], false)] {
            for network in networks() {
                let memory = example_memory(vectors, has_table);
                let mut network = network.with_memory(Arc::new(memory));
                for values in network.ngrams.iter_mut().flat_map(|n| n.parameters_mut()) {
                    let noise = random.uniform_vec(values.len(), 0.5);
                    values.iter_mut().zip(noise).for_each(|(x, n)| *x += n);
                }
                for format in INTEGERS {
                    let (quantized, _) = quantize(&network, format, DEAD_ZONE).unwrap();
                    let ngrams = quantized.ngrams.as_ref().unwrap();
                    let recall = Recall {
                        memory: ngrams.memory.reader().unwrap(),
                        cross_fitted: None,
                        text: &text,
                        num_symbols: 27,
                    };
                    // The device begins with nothing before the first step, as in a window.
                    let recalled = recall.batch(&batch, LossOn::EveryStep, true);
                    let sequence = Sequence {
                        steps,
                        rows,
                        input: Input::Tokens(&batch.inputs),
                        first: 0,
                        context: &ngrams.context(&recalled.vectors),
                    };
                    let integers = IntegerNetwork::new(&quantized);
                    let layers = integers.layers.iter();
                    let mut states: Vec<_> = layers.map(|l| State::zeros(rows, l.config)).collect();
                    let runs = integers.run(sequence, &mut states);
                    let outputs = logits(&integers.dense, &runs.last().unwrap().outputs);
                    let found = match has_table {
                        true => ngrams::logits(&ngrams.coefficients, &outputs, &recalled),
                        false => outputs,
                    };
                    let bytes = encode_quantized(&quantized, &Labels::default()).unwrap();
                    let file = ModelFile::from_bytes(&bytes);
                    let model = file.model().unwrap();
                    let mut workspace = HeapWorkspace::new(&model);
                    for row in 0..rows {
                        let mut device = ModelPredictor::new(workspace.session(&model).unwrap());
                        device.reset();
                        for at in (0..steps).map(|t| t * rows + row) {
                            let expected = device.step(batch.inputs[at]);
                            assert_eq!(found[at * 27..][..27], *expected, "{format} {at}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn tuning_starts_where_quantization_ended() {
        for network in networks() {
            for format in INTEGERS {
                let (quantized, _) = quantize(&network, format, DEAD_ZONE).unwrap();
                let integers = IntegerNetwork::new(&quantized);
                let back = integers.quantized(
                    format,
                    quantized.dead_zone,
                    network.config.clone(),
                    quantized.ngrams.clone(),
                );
                assert!(back == quantized, "{format}");
                let masters = Masters::new(&network, &quantized).unwrap().round().unwrap();
                for (found, expected) in masters.layers.iter().zip(&integers.layers) {
                    for (found, expected) in found.gates.iter().zip(&expected.gates) {
                        assert_eq!(found.weights, expected.weights);
                    }
                    assert_eq!(found.projection, expected.projection);
                }
                assert_eq!(masters.dense, integers.dense);
            }
        }
    }
}

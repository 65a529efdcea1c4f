//! lstm-core in f32 against candle's own LSTM.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{LSTMConfig, Linear, Module, RNN, VarBuilder};
use host_trainer::kernels::random::Random;
use host_trainer::model::encode::{Labels, encode_f32};
use host_trainer::model::file::ModelFile;
use host_trainer::model::workspace::HeapWorkspace;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::text::alphabet::Alphabet;
use lstm_core::Token;

/// The largest difference of a logit that is accepted.
const TOLERANCE: f32 = 1e-5;

/// The logits of candle-nn's LSTM and linear layer, a vector a token.
fn candle_logits(network: &Network, tokens: &[u8]) -> candle_core::Result<Vec<Vec<f32>>> {
    let device = &Device::Cpu;
    let config = &network.config;
    let (vocab, width) = (config.vocabulary(), config.embedding);
    let embedding = Tensor::from_slice(&network.embedding, (vocab, width), device)?;
    let mut xs: Vec<Tensor> = tokens
        .iter()
        .map(|&token| embedding.narrow(0, token.into(), 1))
        .collect::<Result<_, _>>()?;
    let mut input = width;
    for (layer, shape) in network.layers.iter().zip(&config.layers) {
        let hidden = shape.hidden;
        let matrix = |values: &[f32], rows| Tensor::from_slice(values, (rows, 4 * hidden), device);
        let bias = Tensor::from_slice(&layer.bias, 4 * hidden, device)?;
        let tensors = HashMap::from([
            (
                "weight_ih_l0".to_owned(),
                matrix(&layer.w_ih, input)?.t()?.contiguous()?,
            ),
            (
                "weight_hh_l0".to_owned(),
                matrix(&layer.w_hh, hidden)?.t()?.contiguous()?,
            ),
            ("bias_ih_l0".to_owned(), bias.clone()),
            ("bias_hh_l0".to_owned(), bias.zeros_like()?),
        ]);
        let weights = VarBuilder::from_tensors(tensors, DType::F32, device);
        let lstm = candle_nn::lstm(input, hidden, LSTMConfig::default(), weights)?;
        let mut state = lstm.zero_state(1)?;
        for x in &mut xs {
            state = lstm.step(x, &state)?;
            *x = state.h().clone();
        }
        input = hidden;
    }
    let weight = Tensor::from_slice(&network.dense_weight, (input, vocab), device)?;
    let bias = Tensor::from_slice(&network.dense_bias, vocab, device)?;
    let dense = Linear::new(weight.t()?.contiguous()?, Some(bias));
    xs.iter()
        .map(|h| dense.forward(h)?.flatten_all()?.to_vec1())
        .collect()
}

#[test]
fn f32_logits_are_those_of_candle() {
    for (hidden, layers) in [(64, 1), (256, 1), (30, 3)] {
        let mut random = Random::new(5);
        let shape = LayerConfig::lstm(hidden);
        let config = NetworkConfig::stack(&Alphabet::letters(), 64, shape, layers);
        let mut network = Network::new(config, &mut random).unwrap();
        // As large as trained weights, so that the gates are not all near one half.
        for weight in network.parameters_mut().into_iter().flatten() {
            *weight *= 2.0;
        }
        let tokens: Vec<u8> = (0..200).map(|_| random.below(27) as u8).collect();
        let expected = candle_logits(&network, &tokens).unwrap();

        let file = ModelFile::from_bytes(&encode_f32(&network, &Labels::default()).unwrap());
        let model = file.model().unwrap();
        let mut workspace = HeapWorkspace::new(&model);
        let mut session = workspace.session(&model).unwrap();
        let mut largest = 0f32;
        for (&token, expected) in tokens.iter().zip(&expected) {
            let found = session.step(Token::new(token));
            for (found, expected) in found.iter().zip(expected) {
                largest = largest.max((found - expected).abs());
            }
        }
        assert!(largest < TOLERANCE, "LSTM {hidden} x {layers}: {largest}");
    }
}

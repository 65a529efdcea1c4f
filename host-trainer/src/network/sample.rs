//! Text written by a network while it trains.

use crate::kernels::random::Random;
use crate::network::parameters::Network;
use crate::network::predictor::{NetworkPredictor, Predictor};

/// As the notebook's many-to-one network writes: for each letter the last `window.len()` letters
/// are read again from a zero state, then the window slides by one. Returns `count` letters.
pub fn by_window(network: &Network, window: &[u8], count: usize, random: &mut Random) -> Vec<u8> {
    let mut predictor = NetworkPredictor::new(network);
    let mut text = window.to_vec();
    for start in 0..count {
        predictor.reset();
        for &token in &text[start..text.len() - 1] {
            predictor.step(token);
        }
        let logits = predictor.step(text[text.len() - 1]);
        text.push(random.sample(logits, 1.0));
    }
    text.split_off(window.len())
}

/// Reads `prompt` (not empty), then feeds each character it draws back in. Returns `count`
/// characters, the prompt not among them.
pub fn by_state(
    network: &Network,
    prompt: &[u8],
    count: usize,
    temperature: f32,
    random: &mut Random,
) -> Vec<u8> {
    let mut predictor = NetworkPredictor::new(network);
    let (&last, before) = prompt
        .split_last()
        .expect("a prompt of at least one character");
    for &token in before {
        predictor.step(token);
    }
    let mut text = vec![last];
    for i in 0..count {
        let logits = predictor.step(text[i]);
        text.push(random.sample(logits, temperature));
    }
    text.split_off(1)
}

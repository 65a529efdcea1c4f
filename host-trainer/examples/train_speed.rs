//! Milliseconds a training batch (forward, backward, Adam) for the notebook's two networks and for
//! the lean one.
//! Run with: RAYON_NUM_THREADS=1 cargo run --release -p host-trainer --example train_speed

use host_trainer::alphabet::Alphabet;
use host_trainer::network::{LayerConfig, Network, NetworkConfig};
use host_trainer::optimizer::{Adam, AdamConfig};
use host_trainer::random::Random;
use host_trainer::step::{Batch, Engine, LossOn, zero_states};
use std::time::Instant;

fn main() {
    for (layer, loss_on) in [
        (LayerConfig::lstm(64), LossOn::LastStep),
        (LayerConfig::lstm(256), LossOn::EveryStep),
        (LayerConfig::lean(384, 96), LossOn::EveryStep),
    ] {
        for threads in [1, 2] {
            measure(layer, loss_on, threads);
        }
    }
}

fn measure(layer: LayerConfig, loss_on: LossOn, threads: usize) {
    let (rows, steps) = (128, 40);
    let random = &mut Random::new(1);
    let config = NetworkConfig::stack(&Alphabet::letters(), 64, layer, 1);
    let mut network = Network::new(config, random).expect("a valid config");
    let lengths: Vec<usize> = network.parameters().iter().map(|p| p.len()).collect();
    let mut adam = Adam::new(AdamConfig::KERAS, lengths.into_iter());
    let text: Vec<u8> = (0..rows * (steps + 1))
        .map(|_| random.below(27) as u8)
        .collect();
    let batch = Batch::gather(rows, steps, |r, t| text[r * (steps + 1) + t]);
    let engine = Engine::new(threads);
    let mut times = Vec::new();
    for _ in 0..31 {
        let start = Instant::now();
        let mut states = zero_states(&network, rows);
        let (_, gradients) = engine
            .loss_and_gradients(&network, &batch, loss_on, &mut states, &[])
            .expect("shapes that fit");
        adam.update(&mut network.parameters_mut(), &gradients, &[true; 7], 1e-3);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let (median, least) = (times[times.len() / 2], times[0]);
    println!(
        "{layer}, batch {rows} x {steps}, {threads} thread(s): median {median:.1} ms, least {least:.1} ms"
    );
}

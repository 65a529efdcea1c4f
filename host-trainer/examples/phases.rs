use candle_core::Device;
use candle_nn::Optimizer;
use host_trainer::engine::loss::cross_entropy;
use host_trainer::engine::model::Model;
use host_trainer::engine::optimizer::{Adam, AdamConfig};
use host_trainer::kernels::pool::Pool;
use host_trainer::kernels::random::Random;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::network::state::zero_states;
use host_trainer::text::alphabet::Alphabet;
use host_trainer::text::batches::{Batch, LossOn};
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let threads: usize = a[2].parse().unwrap();
    let n: usize = a[3].parse().unwrap();
    let (layer, loss_on) = match &a[1][..] { "A" => (LayerConfig::lstm(64), LossOn::LastStep), _ => (LayerConfig::lstm(256), LossOn::EveryStep) };
    let random = &mut Random::new(1);
    let config = NetworkConfig::stack(&Alphabet::letters(), 64, layer, 1);
    let layers = config.layers.clone();
    let model = Model::new(&Network::new(config, random).unwrap(), &Device::Cpu).unwrap();
    let text: Vec<u8> = (0..128 * 41).map(|_| random.below(27) as u8).collect();
    let batch = Batch::gather(128, 40, |r, t| text[r * 41 + t]);
    let pool = Pool::new(threads).unwrap();
    let mut adam = Adam::new(model.vars().to_vec(), AdamConfig::KERAS).unwrap();
    adam.set_learning_rate(1e-3);
    let mut best = [f64::MAX; 6];
    for _ in 0..n {
        let t = pool.run(|| {
            host_trainer::kernels::pool::mark("start"); let mut t = vec![Instant::now()];
            let mut states = zero_states(&layers, 128);
            let logits = model.logits(&batch, loss_on, &mut states, &[]).unwrap();
            t.push(Instant::now());
            let (loss, _) = cross_entropy(&logits, batch.counted_targets(loss_on)).unwrap();
            t.push(Instant::now());
            let g = loss.backward().unwrap();
            t.push(Instant::now());
            host_trainer::kernels::pool::mark("i grads");
            adam.step(&g).unwrap(); host_trainer::kernels::pool::mark("j adam");
            t.push(Instant::now());
            drop((g, loss, logits));
            t.push(Instant::now());
            t
        });
        for (i, w) in t.windows(2).enumerate() { best[i] = best[i].min((w[1] - w[0]).as_secs_f64() * 1e3); }
        best[5] = best[5].min((t[5] - t[0]).as_secs_f64() * 1e3);
    }
    println!("{} {threads}: logits {:.3} loss {:.3} backward {:.3} adam {:.3} drop {:.3} total {:.3}", a[1], best[0], best[1], best[2], best[3], best[4], best[5]);
}

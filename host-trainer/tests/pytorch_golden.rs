//! One training step against PyTorch's nn.LSTM: loss, logits, final state and every gradient.
//! The command that made the reference is on the first line of its file.

use candle_core::{Device, Var};
use host_trainer::engine::loss::cross_entropy;
use host_trainer::engine::model::{Beside, Model};
use host_trainer::kernels::pool::Pool;
use host_trainer::kernels::random::Random;
use host_trainer::network::config::NetworkConfig;
use host_trainer::network::parameters::Network;
use host_trainer::network::predictor::{NetworkPredictor, Predictor};
use host_trainer::network::state::State;
use host_trainer::text::alphabet::Alphabet;
use host_trainer::text::batches::{Batch, LossOn};
use std::collections::BTreeMap;

const GOLDEN: &str = include_str!("../../tests/golden/lstm_golden.json");
/// Largest error relative to the largest number of a tensor. The reference is in double precision.
const TOLERANCE: f32 = 2e-6;

#[derive(serde::Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    vocabulary: usize,
    embedding: usize,
    hidden: usize,
    layers: usize,
    steps: usize,
    batch: usize,
    loss_on: LossOn,
    tokens: Vec<u8>,
    h0: Vec<f32>,
    c0: Vec<f32>,
    weights: BTreeMap<String, Vec<f32>>,
    logits: Vec<f32>,
    h: Vec<f32>,
    c: Vec<f32>,
    loss: f64,
    gradients: BTreeMap<String, Vec<f32>>,
}

impl Case {
    fn network(&self) -> Network {
        let symbols = ('a'..).take(self.vocabulary).collect();
        let alphabet = Alphabet {
            symbols,
            fold_case: false,
        };
        let config = NetworkConfig::lstm(&alphabet, self.embedding, self.hidden, self.layers);
        let mut network = Network::new(config, &mut Random::new(0)).unwrap();
        let names = network.config.shapes();
        for ((name, _), values) in names.iter().zip(network.parameters_mut()) {
            values.copy_from_slice(&self.weights[name]);
        }
        network
    }

    fn states(&self) -> Vec<State> {
        let slab = self.batch * self.hidden;
        let pairs = self.h0.chunks(slab).zip(self.c0.chunks(slab));
        pairs
            .map(|(h, c)| State {
                h: h.to_vec(),
                c: c.to_vec(),
            })
            .collect()
    }
}

fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let error = (a - b).abs() / largest;
        assert!(error <= TOLERANCE, "{what}[{i}]: found {a}, expected {b}");
    }
}

fn cases() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(golden.cases.len(), 4);
    golden.cases
}

#[test]
fn a_training_step_equals_pytorchs() {
    for case in cases() {
        let network = case.network();
        let rows = case.batch;
        let batch = Batch::gather(rows, case.steps, |r, t| case.tokens[t * rows + r]);
        let check = |model: &Model| {
            let mut states = case.states();
            let logits = model
                .logits(&batch, case.loss_on, &mut states, Beside::default())
                .unwrap();
            let targets = batch.counted_targets(case.loss_on);
            let (node, loss) = cross_entropy(&logits, targets).unwrap();
            assert!((loss - case.loss).abs() < 1e-6, "loss {loss} {}", case.loss);
            let gradients = node.backward().unwrap();
            let gradient = |var: &Var| {
                let gradient = gradients.get(var).unwrap().flatten_all();
                gradient.unwrap().to_vec1::<f32>().unwrap()
            };
            for ((name, _), var) in network.config.shapes().iter().zip(model.vars()) {
                assert_near(name, &gradient(var), &case.gradients[name]);
            }
            let h: Vec<f32> = states.iter().flat_map(|s| s.h.clone()).collect();
            let c: Vec<f32> = states.iter().flat_map(|s| s.c.clone()).collect();
            assert_near("h", &h, &case.h);
            assert_near("c", &c, &case.c);
        };
        check(&Model::with_candle(&network, &Device::Cpu).unwrap());
        let model = Model::new(&network, &Device::Cpu).unwrap();
        for threads in [1, 2] {
            Pool::new(threads).unwrap().run(|| check(&model));
        }
    }
}

#[test]
fn single_steps_give_pytorchs_logits() {
    let mut compared = 0;
    for case in cases()
        .iter()
        .filter(|c| c.h0.iter().chain(&c.c0).all(|&x| x == 0.0))
    {
        let network = case.network();
        let mut predictor = NetworkPredictor::new(&network);
        for row in 0..case.batch {
            predictor.reset();
            for t in 0..case.steps {
                let at = t * case.batch + row;
                let expected = &case.logits[at * case.vocabulary..][..case.vocabulary];
                assert_near("logits", predictor.step(case.tokens[at]), expected);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 63);
}

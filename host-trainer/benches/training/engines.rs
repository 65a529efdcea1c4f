//! What is timed in this process: our engine, candle's own LSTM, and the peak of the processor.

use candle_core::{D, DType, Device, IndexOp, Tensor};
use candle_nn::{AdamW, LSTMConfig, Module, Optimizer, ParamsAdamW, RNN, VarBuilder, VarMap};
use host_trainer::engine::loss::cross_entropy;
use host_trainer::engine::model::{Beside, Model};
use host_trainer::engine::optimizer::{Optimizer as OwnOptimizer, OptimizerConfig};
use host_trainer::engine::sensor::{SensorBatch, SensorModel};
use host_trainer::files::error::Error;
use host_trainer::kernels::pool::Pool;
use host_trainer::kernels::random::Random;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::network::sensor::{self, Cell, Channel, Head, SensorConfig, SensorNetwork};
use host_trainer::network::state::zero_states;
use host_trainer::text::alphabet::Alphabet;
use host_trainer::text::batches::{Batch, LossOn};
use pulp::{Arch, Simd, WithSimd};
use std::time::Instant;

const ROWS: usize = 128;
const STEPS: usize = 40;
const EMBEDDING: usize = 64;

pub(crate) type Failure = Box<dyn std::error::Error>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Engine {
    /// What `train` runs.
    Ours,
    /// Candle's own LSTM.
    CandleNn,
    /// In a process of its own.
    PyTorch,
}

/// Trains so many batches, and gives the milliseconds of each.
pub(crate) type Train = Box<dyn FnMut(usize) -> Result<Vec<f64>, Failure>>;

/// A batch of an engine and a model, forward, backward, Adam: 128 windows of 40 random characters, or sequences of
/// random values.
///
/// `A` is many-to-one, `B` many-to-many, `C` CIFG, `D` reads values.
pub(crate) fn prepare(engine: Engine, model: &str, threads: usize) -> Result<Train, Failure> {
    if (engine, model) == (Engine::Ours, "D") {
        return of_values(threads);
    }
    let (layer, loss_on) = match model {
        "A" => (LayerConfig::lstm(64), LossOn::LastStep),
        "B" => (LayerConfig::lstm(256), LossOn::EveryStep),
        "C" => (LayerConfig::cifg(384, 96), LossOn::EveryStep),
        _ => return Err(format!("found model {model}").into()),
    };
    let random = &mut Random::new(1);
    let config = NetworkConfig::stack(&Alphabet::letters(), EMBEDDING, layer, 1);
    let layers = config.layers.clone();
    let model = Model::new(&Network::new(config, random)?, &Device::Cpu)?;
    let text: Vec<u8> = (0..ROWS * (STEPS + 1))
        .map(|_| random.below(27) as u8)
        .collect();
    let batch = Batch::gather(ROWS, STEPS, |r, t| text[r * (STEPS + 1) + t]);
    Ok(match engine {
        Engine::Ours => {
            let pool = Pool::new(threads)?;
            let mut adam = OwnOptimizer::new(model.vars().to_vec(), OptimizerConfig::ADAM)?;
            adam.set_learning_rate(1e-3);
            let mut train = move || {
                let mut states = zero_states(&layers, ROWS);
                let logits = model.logits(&batch, loss_on, &mut states, Beside::default())?;
                let (loss, _) = cross_entropy(&logits, batch.counted_targets(loss_on))?;
                adam.step(&loss.backward()?)?;
                Ok::<_, Error>(())
            };
            Box::new(move |batches| Ok(pool.run(|| timed(batches, &mut train))?))
        }
        Engine::CandleNn if layer.projection.is_none() => {
            candle_nn_lstm(layer.hidden, loss_on, batch)?
        }
        Engine::CandleNn | Engine::PyTorch => return Err("that is not trained here".into()),
    })
}

/// The training of a classifier of sequences.
fn of_values(threads: usize) -> Result<Train, Failure> {
    let (rows, steps, channels, classes) = (16, 100, 6, 4);
    let random = &mut Random::new(1);
    let config = SensorConfig {
        channels: vec![Channel::plain(""); channels],
        layers: vec![sensor::LayerConfig::new(Cell::Lstm, 32)],
        dense: Vec::new(),
        head: Head::Classes(vec![String::new(); classes]),
        window: None,
        backwards: false,
    };
    let model = SensorModel::new(&SensorNetwork::new(config, random)?, &Device::Cpu)?;
    let last = (steps - 1) * rows;
    let batch = SensorBatch {
        rows,
        steps,
        inputs: random.uniform_vec(steps * rows * channels, 1.0).into(),
        places: (last..last + rows).map(|place| place as u32).collect(),
    };
    let targets: Vec<u8> = (0..rows).map(|_| random.below(classes) as u8).collect();
    let pool = Pool::new(threads)?;
    let mut adam = OwnOptimizer::new(model.vars().to_vec(), OptimizerConfig::ADAM)?;
    adam.set_learning_rate(1e-3);
    let mut train = move || {
        let (loss, _) = cross_entropy(&model.outputs(&batch, &[])?, &targets)?;
        adam.step(&loss.backward()?)?;
        Ok::<_, Error>(())
    };
    Ok(Box::new(move |batches| {
        Ok(pool.run(|| timed(batches, &mut train))?)
    }))
}

/// The same training with the LSTM that candle-nn has.
fn candle_nn_lstm(hidden: usize, loss_on: LossOn, batch: Batch) -> Result<Train, Failure> {
    let device = Device::Cpu;
    let variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let embedding = candle_nn::embedding(27, EMBEDDING, builder.pp("embedding"))?;
    let lstm = candle_nn::lstm(EMBEDDING, hidden, LSTMConfig::default(), builder.pp("lstm"))?;
    let dense = candle_nn::linear(hidden, 27, builder.pp("dense"))?;
    let settings = ParamsAdamW {
        lr: 1e-3,
        weight_decay: 0.0,
        ..ParamsAdamW::default()
    };
    let mut optimizer = AdamW::new(variables.all_vars(), settings)?;
    let tokens = |tokens: &[u8]| {
        let tokens: Vec<u32> = tokens.iter().map(|&t| u32::from(t)).collect();
        Tensor::from_vec(tokens, (STEPS, ROWS), &device)?
            .t()?
            .contiguous()
    };
    let (inputs, targets) = (tokens(&batch.inputs)?, tokens(&batch.targets)?);
    let mut train = move || {
        let states = lstm.seq(&embedding.forward(&inputs)?)?;
        let (hs, targets) = match loss_on {
            LossOn::EveryStep => {
                let hs = lstm.states_to_tensor(&states)?;
                (hs.reshape((ROWS * STEPS, hidden))?, targets.flatten_all()?)
            }
            LossOn::LastStep => (
                states[STEPS - 1].h().clone(),
                targets.i((.., STEPS - 1))?.contiguous()?,
            ),
        };
        debug_assert_eq!(hs.dim(D::Minus1)?, hidden);
        let loss = candle_nn::loss::cross_entropy(&dense.forward(&hs)?, &targets)?;
        optimizer.backward_step(&loss)?;
        Ok::<_, candle_core::Error>(())
    };
    Ok(Box::new(move |batches| Ok(timed(batches, &mut train)?)))
}

/// Milliseconds of each of so many batches.
fn timed<E>(batches: usize, train: &mut impl FnMut() -> Result<(), E>) -> Result<Vec<f64>, E> {
    let timed = (0..batches).map(|_| {
        let start = Instant::now();
        train()?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    });
    timed.collect()
}

/// The most multiply-adds that so many threads do together, in GFLOP/s (two operations each).
pub(crate) fn peak(threads: usize) -> f64 {
    const ROUNDS: usize = 2_000_000;
    let barrier = std::sync::Barrier::new(threads);
    let run = || {
        barrier.wait();
        let start = Instant::now();
        let operations = Arch::new().dispatch(MultiplyAdds { rounds: ROUNDS });
        operations / start.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let own = run();
        let others = others
            .into_iter()
            .map(|other| other.join().expect("no panic"));
        own + others.sum::<f64>()
    })
}

/// Multiply-adds that do not wait for each other: as many as hide the latency of one.
struct MultiplyAdds {
    rounds: usize,
}

impl WithSimd for MultiplyAdds {
    /// Operations done.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums: [S::f32s; 12] = std::array::from_fn(|i| simd.splat_f32s(i as f32));
        let factor = simd.splat_f32s(std::hint::black_box(0.999_999));
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, factor);
            }
        }
        std::hint::black_box(&sums);
        (self.rounds * sums.len() * S::F32_LANES * 2) as f64
    }
}

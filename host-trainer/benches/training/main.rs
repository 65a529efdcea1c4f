//! The time of a training batch, beside PyTorch's and candle's: `cargo bench -p host-trainer`.
//!
//! All contenders run in turns, a few batches at a time, for many rounds: what slows the machine
//! down for a while slows all of them.

mod contenders;
mod engines;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, ExitCode},
};

use clap::Parser;
use comfy_table::{CellAlignment, Table};

use contenders::{Contender, Contenders};
use engines::Failure;

/// Time a training batch on this computer, beside PyTorch and candle
#[derive(Parser)]
struct Options {
    /// How often each engine has its turn
    #[arg(long, default_value_t = 9, value_name = "N")]
    rounds: usize,
    /// A Python that has PyTorch; without it PyTorch is installed from PyPI into target/tmp
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// What cargo gives to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Candle's own pool is for the other work of a graph; more of its threads slow it down.
const CANDLE_THREADS: (&str, &str) = ("RAYON_NUM_THREADS", "1");

fn main() -> ExitCode {
    let options = Options::parse();
    let (name, value) = CANDLE_THREADS;
    let result = match std::env::var(name).as_deref() == Ok(value) {
        true => run(&options).map(|()| ExitCode::SUCCESS),
        false => run_again(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// Runs this program as it was called, but for [`CANDLE_THREADS`].
fn run_again() -> Result<ExitCode, Failure> {
    let (name, value) = CANDLE_THREADS;
    let mut program = Command::new(std::env::current_exe()?);
    program.args(std::env::args_os().skip(1)).env(name, value);
    match program.status()?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

/// A network to train.
struct Model {
    name: &'static str,
    description: &'static str,
    /// Multiply-adds of a batch: forward, and twice that backward.
    multiply_adds: f64,
    /// Batches in a round.
    batches: usize,
}

/// Rows times steps of a batch.
const CHARACTERS: f64 = 128.0 * 40.0;

const MODELS: [Model; 4] = [
    Model {
        name: "A",
        description: "LSTM of 64 units, loss on the last character (many-to-one)",
        multiply_adds: 3.0 * (CHARACTERS * 64.0 * 256.0 + 128.0 * 64.0 * 27.0),
        batches: 45,
    },
    Model {
        name: "B",
        description: "LSTM of 256 units, loss on every character (many-to-many)",
        multiply_adds: 3.0 * CHARACTERS * 256.0 * (1024.0 + 27.0),
        batches: 3,
    },
    Model {
        name: "C",
        description: "CIFG layer of 384 units, projected to 96, loss on every character",
        multiply_adds: 3.0 * CHARACTERS * 96.0 * (1152.0 + 384.0 + 27.0),
        batches: 3,
    },
    Model {
        name: "D",
        description: "LSTM of 32 units on 16 sequences of 100 steps of 6 values, loss on the last step",
        multiply_adds: 3.0 * (1600.0 * (6.0 + 32.0) * 128.0 + 16.0 * 32.0 * 4.0),
        batches: 45,
    },
];

/// Times of one contender with one model, in milliseconds a batch.
#[derive(Default)]
struct Times {
    batches: Vec<f64>,
    /// Processor time of all threads, where the system tells it.
    processor: Vec<f64>,
}

/// Runs the rounds and prints the table.
fn run(options: &Options) -> Result<(), Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut contenders = Contenders::start(threads, options.python.as_deref())?;
    let mut times: BTreeMap<(usize, usize), Times> = BTreeMap::new();
    let mut peaks: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let list = contenders.list();
    // The first round makes the networks and warms everything up.
    for round in 0..=options.rounds.max(1) {
        println!("round {round} of {}", options.rounds.max(1));
        for threads in [1, threads] {
            let peak = engines::peak(threads);
            peaks.entry(threads).or_default().push(peak);
        }
        for (m, model) in MODELS.iter().enumerate() {
            for (c, &contender) in list.iter().enumerate() {
                if !contender.can_train(model.name) {
                    continue;
                }
                let (batches, processor) =
                    contenders.train(contender, model.name, model.batches)?;
                if round > 0 {
                    let times = times.entry((m, c)).or_default();
                    times.batches.extend(batches);
                    times.processor.extend(processor);
                }
            }
        }
    }
    let peak = |threads: usize| peaks[&threads].iter().copied().fold(0.0, f64::max);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "model",
        "engine",
        "threads",
        "median",
        "least",
        "processor",
        "GFLOP/s",
        "% of peak",
        "% by processor",
        "x ours",
    ]);
    for (m, model) in MODELS.iter().enumerate() {
        let ours = list
            .iter()
            .position(|c| c.is_ours() && c.threads == threads);
        let ours = median(&times[&(m, ours.ok_or("we take part")?)].batches);
        for (c, contender) in list.iter().enumerate() {
            let Some(times) = times.get(&(m, c)) else {
                continue;
            };
            let middle = median(&times.batches);
            let rate = 2.0 * model.multiply_adds / middle / 1e6;
            let least = times.batches.iter().copied().fold(f64::INFINITY, f64::min);
            let processor = mean(&times.processor);
            // Of what one thread could do in the processor time that all threads took.
            let busy = processor.map(|ms| 200.0 * model.multiply_adds / ms / 1e6 / peak(1));
            let show = |value: Option<f64>, digits: usize| match value {
                Some(value) => format!("{value:.digits$}"),
                None => "-".to_owned(),
            };
            let (processor, busy) = (show(processor, 1), show(busy, 0));
            let share = 100.0 * rate / peak(contender.threads);
            table.add_row([
                model.name.to_owned(),
                contender.to_string(),
                contender.threads.to_string(),
                format!("{middle:.1}"),
                format!("{least:.1}"),
                processor,
                format!("{rate:.0}"),
                format!("{share:.0}"),
                busy,
                format!("{:.2}", middle / ours),
            ]);
        }
    }
    println!(
        "\nPyTorch {}; milliseconds a batch, of 128 x 40 characters in A to C:\n",
        contenders.version
    );
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{}", table.trim_fmt());
    for model in &MODELS {
        println!("{}: {}.", model.name, model.description);
    }
    for &threads in peaks.keys() {
        println!(
            "Peak of multiply-adds, {threads} thread(s): {:.0} GFLOP/s.",
            peak(threads)
        );
    }
    for (m, model) in MODELS.iter().enumerate() {
        let of = |wanted: &dyn Fn(&Contender) -> bool| {
            let them = list
                .iter()
                .enumerate()
                .filter(|(_, contender)| wanted(contender));
            let medians = them.filter_map(|(c, _)| Some(median(&times.get(&(m, c))?.batches)));
            medians.min_by(f64::total_cmp)
        };
        let ours = of(&|c| c.is_ours() && c.threads == threads);
        if let (Some(ours), Some(theirs)) = (ours, of(&Contender::is_pytorch)) {
            let ratio = theirs / ours;
            println!(
                "{}: {ratio:.2} times as fast as PyTorch's better setting.",
                model.name
            );
        }
    }
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

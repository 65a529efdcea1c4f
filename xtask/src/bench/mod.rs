//! `cargo xtask bench`: the instructions of a character on every core, counted under QEMU.
//!
//! The programs that count are in `firmware-demo/bench`. With `--training` it times the trainer
//! instead.

mod count;
mod machine;
mod picture;
mod report;
mod training;

pub use machine::{MACHINES, Machine};
pub use report::{Report, measure};

use std::path::PathBuf;

use anyhow::Result;

use crate::{setup, shell::step};
use count::{Count, ModelFile, table};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Count on this machine only
    #[arg(long, value_parser = Machine::parse)]
    machine: Option<&'static Machine>,
    /// Count this model, and compare nothing
    #[arg(long)]
    model: Option<PathBuf>,
    /// Write the figures to docs/bench.txt, docs/bench.svg and the README, instead of comparing them
    #[arg(long, conflicts_with_all = ["machine", "model"])]
    bless: bool,
    /// Time a training batch on this computer instead, beside PyTorch (which it installs) and candle
    #[arg(long, conflicts_with_all = ["machine", "model", "bless"])]
    training: bool,
    /// Rounds of --training
    #[arg(long, requires = "training", default_value_t = 9, value_name = "N")]
    rounds: usize,
    /// A Python that has PyTorch, for --training: then none is installed
    #[arg(long, requires = "training", value_name = "PROGRAM")]
    python: Option<PathBuf>,
}

/// `cargo xtask bench`.
pub fn run(options: &Options) -> Result<()> {
    if options.training {
        return training::run(training::Options {
            rounds: options.rounds.max(1),
            python: options.python.as_deref(),
        });
    }
    setup::all()?;
    let machines = match options.machine {
        Some(machine) => std::slice::from_ref(machine),
        None => MACHINES,
    };
    if let Some(path) = &options.model {
        let file = ModelFile::read(path)?;
        let mut counts = Vec::new();
        for machine in machines {
            let programs = machine.build(&["bench"], &[])?;
            counts.push(Count::new(machine, &programs.join("bench"), &file)?);
        }
        print!("\n{}", table(&counts));
        return Ok(());
    }
    for machine in machines {
        let what = format!("comparing the kernels on {}", machine.name);
        step(&what, || {
            print!("    {}", machine.test_kernels()?);
            Ok(())
        })?;
    }
    let report = measure(machines)?;
    println!("\n{}", report.text());
    if options.bless {
        report.bless()
    } else {
        report.check()
    }
}

//! `cargo xtask bench`: the instructions of a character on every core, counted under QEMU.
//!
//! The programs that count are in `firmware-demo/bench`.

mod count;
mod machine;
mod report;

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
    /// Write the figures to docs/bench.txt and the README, instead of comparing them
    #[arg(long, conflicts_with_all = ["machine", "model"])]
    bless: bool,
}

/// `cargo xtask bench`.
pub fn run(options: &Options) -> Result<()> {
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

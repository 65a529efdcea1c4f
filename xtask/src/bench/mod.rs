//! `cargo xtask bench`: the instructions of a character on every core, counted under QEMU, and its
//! cycles, estimated.
//!
//! The programs that count are in `firmware-demo/bench`. How fast the trainer is, is timed by
//! `cargo bench -p host-trainer`.

mod count;
mod cycles;
mod layers;
mod machine;
mod picture;
mod report;
mod shipped;

pub use machine::{MACHINES, Machine};
pub use report::{Report, measure};

use std::path::PathBuf;

use anyhow::Result;

use crate::{setup, shell::step};
use count::{Count, ModelFile, table};
use layers::LayerCount;

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Count on this machine of QEMU only, for example microbit
    #[arg(long, value_name = "NAME", value_parser = Machine::parse)]
    machine: Option<&'static Machine>,
    /// Count layers over the values of sensors only, and compare nothing
    #[arg(long, conflicts_with_all = ["model", "program"])]
    layers: bool,
    /// Count for this model, and compare nothing
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Count the calls of a function of another program, on the machine of --machine; the program ends
    /// by semihosting
    #[arg(long, value_name = "ELF", requires_all = ["machine", "function"], conflicts_with = "model")]
    program: Option<PathBuf>,
    /// With --program: a text that stands in the function's name, and in no other's
    #[arg(long, value_name = "NAME", requires = "program")]
    function: Option<String>,
}

/// `cargo xtask bench`.
pub fn run(options: &Options) -> Result<()> {
    setup::install(MACHINES.iter().map(|machine| machine.qemu))?;
    let machines = match options.machine {
        Some(machine) => std::slice::from_ref(machine),
        None => MACHINES,
    };
    if let (Some(program), Some(function)) = (&options.program, &options.function) {
        for call in cycles::calls(&machines[0], program, function, &[], usize::MAX)? {
            println!("{call}");
        }
        return Ok(());
    }
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
    if options.layers {
        let mut counts = Vec::new();
        for machine in machines {
            counts.extend(LayerCount::all(machine)?);
        }
        print!("\n{}", layers::table(&counts));
        return Ok(());
    }
    let report = count(machines)?;
    report.check()
}

/// Counts on all machines, and writes the figures into docs/bench.txt, docs/bench.svg, docs/FIGURES.md and the README.
pub(crate) fn bless() -> Result<()> {
    count(MACHINES)?.bless()
}

/// Compares the kernels with each other, then counts what all models take, and shows it.
fn count(machines: &'static [Machine]) -> Result<Report> {
    for machine in machines {
        let what = format!("comparing the kernels on {}", machine.name);
        step(&what, || {
            print!("    {}", machine.test_kernels()?);
            Ok(())
        })?;
    }
    let report = measure(machines)?;
    println!("\n{}", report.text());
    Ok(report)
}

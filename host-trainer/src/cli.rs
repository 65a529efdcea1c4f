//! The command line: one module a command.

use crate::error::{Error, Result};
use crate::{budget, evaluate, export, generate, import, inspect, quantize, train};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Trains character-level LSTMs and prepares them for a microcontroller
#[derive(Debug, Parser)]
#[command(name = "host-trainer", version, arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a network on a text
    Train(Box<train::Args>),
    /// Score a network on the parts of a text
    Evaluate(evaluate::Args),
    /// Choose the integers that the device computes with
    Quantize(quantize::Args),
    /// Write a .lstm file, and a readable .txt beside it
    Export(export::Args),
    /// Write text with a .lstm model, as the device would
    Generate(generate::Args),
    /// Tell what a model will cost on a chip, before it is trained
    Budget(budget::Args),
    /// Take weights from Keras or PyTorch
    Import(import::Args),
    /// Tell what is in a .lstm file
    Inspect(inspect::Args),
}

/// Parses the command line and runs it; an error is one line on stderr.
pub fn main() -> ExitCode {
    match Cli::try_parse().map_or_else(|e| explain(&e), run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Budget(args) => budget::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Inspect(args) => inspect::run(&args),
    }
}

/// Prints help and version as they are; makes one line of everything else.
fn explain(error: &clap::Error) -> Result<()> {
    if !error.use_stderr() {
        let _ = error.print();
        return Ok(());
    }
    let text = error.to_string();
    let is_part = |line: &&str| !line.is_empty() && !line.starts_with("Usage:");
    let lines = text.lines().map(str::trim).take_while(is_part);
    let line = lines.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    Err(Error::bad_input(format!("{line} (see --help)")))
}

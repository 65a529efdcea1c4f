//! The command line: one module a command.

use crate::error::{Error, Result};
use crate::{budget, evaluate, export, generate, import, inspect, output, quantize, report, train};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
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
    /// Make a page of a run: its course, its formats, its text, the boards that it fits
    Report(report::Args),
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
    let done = parse().and_then(|cli| cli.map_or(Ok(()), run));
    match done.and_then(|()| output::check()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

/// What was typed, with what a config file adds to it; nothing if help was asked for, and given.
fn parse() -> Result<Option<Cli>> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return Ok(None);
        }
        Err(error) => return Err(refused(&error)),
    };
    let Command::Train(args) = &cli.command else {
        return Ok(Some(cli));
    };
    let Some(path) = args.config() else {
        return Ok(Some(cli));
    };
    // After the command's name and before all that was typed, which overrides it.
    words.splice(2..2, train::config_file::flags(path)?);
    Cli::try_parse_from(words)
        .map(Some)
        .map_err(|e| refused(&e))
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Train(args) => train::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Budget(args) => budget::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Inspect(args) => inspect::run(&args),
    }
}

fn refused(error: &clap::Error) -> Error {
    Error::bad_input(format!("{} (see --help)", one_line(error)))
}

/// What clap says, without usage and tips, as one line.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let is_part = |line: &&str| !line.is_empty() && !line.starts_with("Usage:");
    let lines = text.lines().map(str::trim).take_while(is_part);
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

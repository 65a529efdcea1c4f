//! The command line: one module a command.

use crate::commands::refusal::one_line;
use crate::commands::{
    average, budget, completions, evaluate, export, generate, header, image, import, inspect,
    quantize, report, train,
};
use crate::files::caller::{Caller, call_from};
use crate::files::error::{Error, Result};
use crate::files::stdout;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Trains character-level LSTMs and GRUs and prepares them for a microcontroller
#[derive(Debug, Parser)]
#[command(name = "host-trainer", version, arg_required_else_help = true)]
struct Cli {
    /// Print only results and errors
    #[arg(short, long, global = true)]
    quiet: bool,
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
    /// Take the mean of the weights of several networks
    Average(average::Args),
    /// Choose the integers that the device computes with
    Quantize(quantize::Args),
    /// Write a .lstm file from a network, and a readable .txt beside it
    Export(export::Args),
    /// Write text with a .lstm model, as the device would
    Generate(generate::Args),
    /// Tell what a model will cost on a chip, before it is trained
    Budget(budget::Args),
    /// Take weights from Keras, PyTorch or ONNX
    Import(import::Args),
    /// Tell what is in a .lstm file
    Inspect(inspect::Args),
    /// Make the file for the flash of a board, with a model
    Image(image::Args),
    /// Write a .lstm file as an array of C, for a program with lstm.h
    Header(header::Args),
    /// Print the completions of a shell
    Completions(completions::Args),
}

/// Parses the command line and runs it; an error is one line on stderr.
pub fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    stdout::set_quiet(cli.quiet);
    match run(cli).and_then(|()| stdout::check()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match &error {
                // It is what was asked for.
                Error::Interrupted(_) => eprintln!("{error}"),
                _ => eprintln!("error: {error}"),
            }
            error.exit_code()
        }
    }
}

/// Runs a command for another program: `words` are what would be typed, without the name of this one. Its lines go to the
/// caller instead of standard output, and the caller may stop it. Another call waits until it is over.
///
/// # Errors
/// The words are no command, or the command fails; [`Error::Interrupted`] if the caller stopped it.
pub fn call(words: impl IntoIterator<Item = OsString>, caller: Caller) -> Result<()> {
    let program = std::iter::once("host-trainer".into());
    let cli = parsed(program.chain(words)).map_err(|error| Error::bad_input(one_line(&error)))?;
    let _turn = call_from(caller);
    stdout::set_quiet(cli.quiet);
    run(cli)
}

/// The commands with their flags.
pub fn program() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.allow_negative_numbers(true))
}

fn parsed(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = program().try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches)
}

/// What was typed; or how the program ends if help was asked for, and given, or it cannot be parsed.
fn parse() -> Result<Cli, ExitCode> {
    parsed(std::env::args_os()).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()) * 2)
        }
        _ => {
            let error = Error::bad_input(format!("{} (see --help)", one_line(&error)));
            eprintln!("error: {error}");
            error.exit_code()
        }
    })
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Train(args) => train::run(*args),
        Command::Report(args) => report::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Average(args) => average::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Budget(args) => budget::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Header(args) => header::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_help_is_in_one_style() {
        let program = Cli::command();
        let mut options = 0;
        for command in program.get_subcommands() {
            let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
            for argument in arguments.filter(|arg| arg.get_id() != "help") {
                let name = format!("{} {}", command.get_name(), argument.get_id());
                let help = argument.get_help().expect(&name).to_string();
                assert!(
                    !help.ends_with('.') && !help.contains("(default"),
                    "{name}: {help}"
                );
                let default = help.find("[default: ");
                let is_last =
                    default.is_none_or(|at| help[at..].find(']') == Some(help.len() - at - 1));
                assert!(is_last, "{name}: {help}");
                // A choice shows itself, and what has its place has its name.
                let is_free = argument.get_possible_values().is_empty();
                if argument.get_action().takes_values() && is_free && !argument.is_positional() {
                    let own = argument.get_id().as_str().to_uppercase();
                    let shown = argument.get_value_names().expect(&name);
                    assert!(
                        shown.iter().all(|shown| **shown != own),
                        "{name}: {shown:?}"
                    );
                    options += 1;
                }
            }
        }
        assert!(options > 50, "{options}");
    }
}

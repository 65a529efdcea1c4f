//! `cargo xtask COMMAND`: see `cargo xtask --help`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{
    bench, boards::Board, corpus, demo, deny, firmware, fuzz, image, miri, mutants, qemu, setup,
    sizes, test,
};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "Everything a person runs in this repository"
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train on the sonnets, quantize, and show the firmware writing text under QEMU
    Demo(demo::Options),
    /// Set up, and run rustfmt, clippy, builds and all tests but the long ones, which --full adds
    Test(test::Options),
    /// Run the firmware of a board under QEMU, until Ctrl-C
    Qemu {
        /// The board, as its folder in firmware-demo/boards is called
        #[arg(value_parser = Board::parse_emulated)]
        board: &'static Board,
        /// The model for its flash region, instead of the best in models/ that fits
        #[arg(long)]
        model: Option<PathBuf>,
        /// Stop after this many characters of text
        #[arg(long)]
        chars: Option<usize>,
        /// A firmware built before, instead of building it now
        #[arg(long)]
        elf: Option<PathBuf>,
    },
    /// Write one file for a board's flash: the firmware with a model, or a model alone
    Image(image::Options),
    /// Count the instructions of a character on every core, and compare them with the last ones
    Bench(bench::Options),
    /// Measure the memory that each firmware takes, and compare it with the last figures
    Sizes(sizes::Options),
    /// Check the licences, versions and sources of all dependencies, and known vulnerabilities
    Deny(deny::Options),
    /// Change the reader, the numbers and the sampler in every small way; a test must fail
    Mutants(mutants::Options),
    /// Run the tests of lstm-core under Miri, also as a big-endian and as a 32-bit computer
    Miri(miri::Options),
    /// Try hostile input on everything that reads: files, snapshots, kernels
    Fuzz(fuzz::Options),
    /// Install what the other commands need: Rust targets and components, QEMU
    Setup,
    /// Fetch the rest of Shakespeare for pre-training, into target/corpus/pretrain.txt
    Corpus,
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

fn main() -> ExitCode {
    end_with_the_reader();
    match run(Args::parse().command) {
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
            chars,
            elf,
        } => {
            let model = model.unwrap_or_else(|| demo::default_model(board));
            qemu::check_model(board, &model).map_err(BadInput)?;
            let elf = match elf {
                Some(elf) => elf,
                None => firmware::build(board)?,
            };
            qemu::show(board, &elf, &model, chars)
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
        Command::Sizes(options) => sizes::run(&options),
        Command::Deny(options) => deny::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Miri(options) => miri::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Setup => setup::all(),
        Command::Corpus => corpus::run(),
    }
}

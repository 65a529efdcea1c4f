//! Trains character-level LSTMs and GRUs and prepares them for a microcontroller.

use std::process::ExitCode;

fn main() -> ExitCode {
    host_trainer::commands::cli::main()
}

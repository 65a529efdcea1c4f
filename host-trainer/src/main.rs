//! Trains character-level LSTMs and GRUs and prepares them for a microcontroller.
#![allow(
    unsafe_code,
    reason = "setting an environment variable is unsafe while threads run"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // This crate splits the work over threads itself; candle's own pool would spin beside them.
    // SAFETY: this is the only thread so far.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    host_trainer::commands::cli::main()
}

//! Trains character-level LSTMs and GRUs and prepares them for a microcontroller.
#![allow(
    unsafe_code,
    reason = "setting an environment variable is unsafe while threads run"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // Candle keeps threads of its own for small products (`candle_core::utils::barrier_pool`), one a core but one,
    // which spin beside the pool of this crate. It takes their number from the environment alone.
    // SAFETY: this is the only thread so far.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    host_trainer::commands::cli::main()
}

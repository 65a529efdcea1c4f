//! `engine` without the engine: start-up code, vectors and the region.

#![no_std]
#![no_main]

use core::hint::black_box;

use firmware_bench::{WORDS, entry, model_region};
use lstm_core::{MAX_SYMBOLS, Workspace};
use semihosting::process;

/// Runs all but the engine.
#[entry]
fn main() -> ! {
    let region = model_region();
    let mut workspace = Workspace::<WORDS, MAX_SYMBOLS>::new();
    black_box(&mut workspace);
    if region.first() != Some(&b'L') {
        process::exit(1)
    }
    loop {
        black_box(region);
    }
}

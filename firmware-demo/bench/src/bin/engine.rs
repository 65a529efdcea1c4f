//! The engine alone: reads the model, steps, samples, decodes. Its size less that of `no-engine` is
//! the engine's.

#![no_std]
#![no_main]

use core::hint::black_box;

use firmware_bench::{WORDS, entry, model_region};
use lstm_core::{MAX_SYMBOLS, Model, Sampler, Session, Token, Workspace};
use semihosting::process;

/// Runs the engine once.
#[entry]
fn main() -> ! {
    let region = model_region();
    let mut workspace = Workspace::<WORDS, MAX_SYMBOLS>::new();
    let Ok(model) = Model::from_region(region) else {
        process::exit(1)
    };
    let Ok(mut session) = Session::new(model, &mut workspace) else {
        process::exit(1)
    };
    let Ok(mut sampler) = Sampler::new(1).with_temperature(0.8) else {
        process::exit(1)
    };
    let mut token = Token::default();
    loop {
        token = sampler.sample(session.step(token));
        black_box(model.alphabet().decode(token));
    }
}

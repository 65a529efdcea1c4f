//! Writes the text of the model in memory, or runs random inputs where it gives no symbols, and prints
//! digests of that, one after each block.
//!
//! Arguments, by semihosting: where the model begins in its region, the tokens of a block, the
//! number of blocks. A model that is refused is a line `refused: ...`.

#![no_std]
#![no_main]

use firmware_bench::{WORDS, entry, model_region};
use lstm_core::{Error, MAX_SYMBOLS, Model, Workspace};
use semihosting::{experimental::env, println, process};
use text_digest::Run;

/// QEMU hands over the arguments only, no path.
const ARGUMENTS_BYTES: usize = 256;

/// Runs the model and prints digests.
#[entry]
fn main() -> ! {
    let Some((offset, tokens, blocks)) = arguments() else {
        println!("usage: digest OFFSET TOKENS BLOCKS");
        process::exit(2)
    };
    if let Err(error) = write(offset, tokens, blocks) {
        println!("refused: {error}");
    }
    process::exit(0)
}

fn arguments() -> Option<(usize, u32, u32)> {
    let arguments = env::args::<ARGUMENTS_BYTES>().ok()?;
    let mut numbers = (&arguments).map(|argument| argument.ok()?.parse::<u32>().ok());
    let mut next = || numbers.next()?;
    Some((next()? as usize, next()?, next()?))
}

fn write(offset: usize, tokens: u32, blocks: u32) -> Result<(), Error> {
    let model = Model::from_region(model_region().get(offset..).unwrap_or_default())?;
    let mut workspace = Workspace::<WORDS, MAX_SYMBOLS>::new();
    let mut state = [0; 4 * WORDS];
    let mut run = Run::new(model, &mut workspace)?;
    for _ in 0..blocks {
        println!("{}", run.go_on(tokens, &mut state)?);
    }
    Ok(())
}

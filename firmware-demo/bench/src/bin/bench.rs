//! Counts the instructions of a character: a step and a sample of the model in memory.
//!
//! Prints one line, such as
//!
//! ```text
//! bench format=int8 warm-up=8 characters=200 instructions=53123456 minimum=265000 maximum=266000
//!     tokens=1f2e3d4c workspace=1364 room=40960 stack=600 load-stack=900
//! ```
//!
//! `instructions` is the sum over `characters`, `minimum` and `maximum` are those of a single one,
//! to a tick of the counter; `tokens` is the CRC-32 of all tokens drawn, warm-up included;
//! `workspace` the bytes of RAM that this model needs, of the `room` there is; `stack` and
//! `load-stack` the bytes of stack that a character and the reader of the file take besides.

#![no_std]
#![no_main]

use core::hint::black_box;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use firmware_bench::{WORDS, counter::Counter, entry, model_region, stack};
use lstm_core::{
    Error, Format, MAX_SYMBOLS, Memory, Model, ModelError, Sampler, Session, Token, Workspace,
};
use semihosting::{println, process};

const SEED: u64 = 1;
const TEMPERATURE: f32 = 0.8;
/// Characters before the count starts.
const WARM_UP: u32 = 8;

/// Characters that are counted. Where floats are soft, an f32 model takes millions of instructions;
/// what int4 takes depends on the text.
fn characters(format: Format) -> u32 {
    match format {
        Format::F32 => 20,
        Format::Int4 => 1000,
        _ => 200,
    }
}

/// Counts, prints, and exits.
#[entry]
fn main() -> ! {
    match bench() {
        Ok(()) => process::exit(0),
        Err(error) => {
            println!("no model runs: {error}");
            process::exit(1)
        }
    }
}

fn bench() -> Result<(), Error> {
    let (model, load_stack) = stack::depth(load);
    let model = model?;
    let mut workspace = Workspace::<WORDS, MAX_SYMBOLS>::new();
    let mut session = Session::new(model, &mut workspace)?;
    let mut sampler = Sampler::new(SEED).with_temperature(TEMPERATURE)?;
    let crc = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
    let mut tokens = crc.digest();
    let mut token = Token::default();

    let mut stack = 0;
    for _ in 0..WARM_UP {
        let bytes;
        (token, bytes) = stack::depth(|| character(&mut session, &mut sampler, token));
        tokens.update(&[token.index() as u8]);
        stack = stack.max(bytes);
    }
    let counter = Counter::start();
    let characters = characters(model.format());
    let (mut sum, mut minimum, mut maximum) = (0, u32::MAX, 0);
    for _ in 0..characters {
        let ticks;
        (token, ticks) = counter.ticks(|| character(&mut session, &mut sampler, black_box(token)));
        tokens.update(&[token.index() as u8]);
        sum += u64::from(ticks);
        minimum = minimum.min(ticks);
        maximum = maximum.max(ticks);
    }

    println!(
        "bench format={} warm-up={WARM_UP} characters={characters} instructions={} minimum={} maximum={} \
         tokens={:08x} workspace={} room={} stack={stack} load-stack={load_stack}",
        model.format(),
        counter.instructions(sum, characters),
        counter.instructions(minimum.into(), 1),
        counter.instructions(maximum.into(), 1),
        tokens.finalize(),
        size_of::<u32>() * (model.workspace_words() + model.alphabet().len()),
        size_of::<Workspace<WORDS, MAX_SYMBOLS>>(),
    );
    Ok(())
}

#[inline(never)]
fn load() -> Result<Model<'static>, ModelError> {
    Model::from_region(model_region())
}

/// One character. Not inlined, so that it is compiled as in a firmware, and nothing of it leaves
/// the measurement.
#[inline(never)]
fn character<M: Memory>(
    session: &mut Session<'_, M>,
    sampler: &mut Sampler,
    token: Token,
) -> Token {
    start_marker();
    let token = sampler.sample(session.step(token));
    stop_marker();
    token
}

#[inline(always)]
#[cfg_attr(
    feature = "markers",
    allow(unsafe_code, reason = "an instruction that a compiler never writes")
)]
fn start_marker() {
    #[cfg(all(feature = "markers", target_arch = "arm"))]
    // SAFETY: it moves a register to itself.
    unsafe {
        core::arch::asm!("mov r9, r9", options(nostack, preserves_flags));
    }
    #[cfg(all(feature = "markers", target_arch = "riscv32"))]
    // SAFETY: it writes the register that is always zero.
    unsafe {
        // As a word, or the assembler would take the short form.
        core::arch::asm!(
            ".4byte 0x01100013 // addi x0, x0, 17",
            options(nostack, preserves_flags)
        );
    }
}

#[inline(always)]
#[cfg_attr(
    feature = "markers",
    allow(unsafe_code, reason = "an instruction that a compiler never writes")
)]
fn stop_marker() {
    #[cfg(all(feature = "markers", target_arch = "arm"))]
    // SAFETY: it moves a register to itself.
    unsafe {
        core::arch::asm!("mov r10, r10", options(nostack, preserves_flags));
    }
    #[cfg(all(feature = "markers", target_arch = "riscv32"))]
    // SAFETY: it writes the register that is always zero.
    unsafe {
        core::arch::asm!(
            ".4byte 0x01200013 // addi x0, x0, 18",
            options(nostack, preserves_flags)
        );
    }
}

//! Counts the instructions of a step of the model in memory, which reads values: of its recurrent layers alone.
//!
//! Prints one line, such as
//!
//! ```text
//! layer warm-up=4 steps=20 instructions=164800 minimum=8240 maximum=8280 state=1f2e3d4c
//! ```
//!
//! `instructions` is the sum over `steps`, `minimum` and `maximum` are those of a single one, to a tick of the
//! counter; `state` is the CRC-32 of the state at the end.

#![no_std]
#![no_main]

use core::hint::black_box;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use firmware_bench::{WORDS, counter::Counter, entry, model_region};
use lstm_core::{Error, MAX_CHANNELS, MAX_SYMBOLS, Memory, Model, SensorSession, Workspace};
use semihosting::{println, process};

/// Steps before the count starts, and steps that are counted.
const WARM_UP: u32 = 4;
const STEPS: u32 = 20;

/// Counts, prints, and exits.
#[entry]
fn main() -> ! {
    match count() {
        Ok(()) => process::exit(0),
        Err(error) => {
            println!("no model runs: {error}");
            process::exit(1)
        }
    }
}

fn count() -> Result<(), Error> {
    let model = Model::from_region(model_region())?;
    let mut workspace = Workspace::<WORDS, MAX_SYMBOLS>::new();
    let mut session = SensorSession::new(model, &mut workspace)?;
    let mut columns = [0; MAX_CHANNELS];
    let columns = &mut columns[..model.num_channels()];
    for n in 0..WARM_UP {
        fill(columns, n);
        layer_step(&mut session, columns)?;
    }
    let counter = Counter::start();
    let (mut sum, mut minimum, mut maximum) = (0, u32::MAX, 0);
    for n in WARM_UP..WARM_UP + STEPS {
        fill(columns, n);
        let (result, ticks) = counter.ticks(|| layer_step(&mut session, black_box(columns)));
        result?;
        sum += u64::from(ticks);
        minimum = minimum.min(ticks);
        maximum = maximum.max(ticks);
    }
    let mut state = [0; 4 * WORDS];
    let state = &mut state[..session.state_bytes()];
    session.save(state)?;
    println!(
        "layer warm-up={WARM_UP} steps={STEPS} instructions={} minimum={} maximum={} state={:08x}",
        counter.instructions(sum, STEPS),
        counter.instructions(minimum.into(), 1),
        counter.instructions(maximum.into(), 1),
        Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC).checksum(state),
    );
    Ok(())
}

/// The columns of step `n`: from -127 to 127, here and there.
fn fill(columns: &mut [i8], n: u32) {
    for (k, column) in (0..).zip(columns) {
        *column = ((n * 101 + k * 59) % 255) as u8 as i8;
    }
}

/// One step. Not inlined, so that it is compiled as in a firmware, and nothing of it leaves the
/// measurement.
#[inline(never)]
fn layer_step<M: Memory>(session: &mut SensorSession<'_, M>, columns: &[i8]) -> Result<(), Error> {
    session.advance_quantized(columns)?;
    Ok(())
}

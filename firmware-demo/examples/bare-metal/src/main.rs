//! A model in a firmware without an operating system: on Cortex-M with `cortex-m-rt`, on RISC-V with
//! `riscv-rt`. It writes over a serial port, goes back to where it was saved, and writes the same.
//!
//! The release build cannot panic: `panic-never` stops the linker if a panic can be reached.

#![no_std]
#![no_main]

mod poet;

use core::fmt::Write;

#[cfg(target_arch = "arm")]
use cortex_m as _;
#[cfg(target_arch = "arm")]
use cortex_m_rt::entry;
use lstm_core::Error;
#[cfg(debug_assertions)]
use panic_halt as _;
#[cfg(not(debug_assertions))]
use panic_never as _;
use poet::Poet;
use portable_atomic as _;
#[cfg(target_arch = "riscv32")]
use riscv as _;
#[cfg(target_arch = "riscv32")]
use riscv_rt::entry;
use static_cell::StaticCell;
use uart::Uart;

/// The model's state and scratch, at a fixed place in RAM.
static POET: StaticCell<Poet> = StaticCell::new();

#[entry]
fn main() -> ! {
    let mut uart = Uart::start();
    if let Err(error) = run(&mut uart) {
        // A UART takes everything.
        let _ = writeln!(uart, "error: {error}");
    }
    let _ = writeln!(uart, "end");
    loop {
        core::hint::spin_loop();
    }
}

fn run(uart: &mut Uart) -> Result<(), Error> {
    #[cfg(feature = "planted-panic")]
    assert!(uart.is_ready());
    let poet = Poet::new(1)?;
    // It is taken once, here.
    let Some(poet) = POET.try_init(poet) else {
        return Ok(());
    };
    poet::demonstrate(poet, |character| {
        let _ = uart.write_char(character);
    })
}

//! Stellaris LM3S6965 evaluation board: a Cortex-M3 with 256 KB of flash and 64 KB of RAM, as QEMU
//! emulates it. The real board would also need its clock, its pins and a baud rate.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M lm3s6965evb`).

#![no_std]
#![no_main]

use board_support::{ANY_MODEL, Ram, Register, Uart, entry, start};
use lstm_core::Workspace;

static WORKSPACE: Ram<ANY_MODEL> = Ram::new(Workspace::new());

#[entry]
fn main() -> ! {
    start(Pl011::new(), &WORKSPACE)
}

/// UART0, an Arm PL011.
struct Pl011 {
    data: Register,
    flags: Register,
    control: Register,
}

impl Pl011 {
    const FLAGS_TX_FULL: u32 = 1 << 5;
    const FLAGS_BUSY: u32 = 1 << 3;
    const CONTROL_ENABLE_TX: u32 = 1 << 8 | 1;

    #[allow(unsafe_code, reason = "the addresses of the registers")]
    fn new() -> Self {
        // SAFETY: the registers of UART0 on this machine, which touch no memory.
        let uart = unsafe {
            Pl011 {
                data: Register::at(0x4000_c000),
                flags: Register::at(0x4000_c018),
                control: Register::at(0x4000_c030),
            }
        };
        uart.control.write(Self::CONTROL_ENABLE_TX);
        uart
    }
}

impl Uart for Pl011 {
    fn send(&mut self, byte: u8) {
        while self.flags.read() & Self::FLAGS_TX_FULL != 0 {}
        self.data.write(byte.into());
    }

    fn flush(&mut self) {
        while self.flags.read() & Self::FLAGS_BUSY != 0 {}
    }
}

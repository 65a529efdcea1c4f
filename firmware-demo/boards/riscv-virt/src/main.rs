//! QEMU's riscv32 `virt` machine: an RV32IMAC core. All its memory is RAM; `memory.x` uses it as
//! on a chip with flash.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M virt`).

#![no_std]
#![no_main]

use board_support::{ANY_MODEL, Ram, Register, Uart, entry, start};
use lstm_core::Workspace;

static WORKSPACE: Ram<ANY_MODEL> = Ram::new(Workspace::new());

#[entry]
fn main() -> ! {
    start(Ns16550::new(), &WORKSPACE)
}

/// The UART, an NS16550A.
struct Ns16550 {
    data: Register<u8>,
    line_status: Register<u8>,
}

impl Ns16550 {
    const LINE_STATUS_TX_EMPTY: u8 = 1 << 5;

    #[allow(unsafe_code, reason = "the addresses of the registers")]
    fn new() -> Self {
        // SAFETY: the registers of the UART on this machine, which touch no memory.
        unsafe {
            Ns16550 {
                data: Register::at(0x1000_0000),
                line_status: Register::at(0x1000_0005),
            }
        }
    }
}

impl Uart for Ns16550 {
    fn send(&mut self, byte: u8) {
        self.flush();
        self.data.write(byte);
    }

    fn flush(&mut self) {
        while self.line_status.read() & Self::LINE_STATUS_TX_EMPTY == 0 {}
    }
}

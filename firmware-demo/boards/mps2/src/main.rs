//! Arm MPS2 with the AN385 image, a Cortex-M3, or with the AN386 image, a Cortex-M4F: the target
//! makes the difference. Both have 4 MB of code memory and 4 MB of RAM.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M mps2-an386`).

#![no_std]
#![no_main]

use board_support::{ANY_MODEL, Ram, Register, Uart, entry, start};
use lstm_core::Workspace;

static WORKSPACE: Ram<ANY_MODEL> = Ram::new(Workspace::new());

#[entry]
fn main() -> ! {
    start(Cmsdk::new(), &WORKSPACE)
}

/// UART0, an Arm CMSDK APB UART.
struct Cmsdk {
    data: Register,
    state: Register,
    control: Register,
    divider: Register,
}

impl Cmsdk {
    const STATE_TX_FULL: u32 = 1;
    const CONTROL_TX_ENABLE: u32 = 1;
    /// 25 MHz / 217 = 115,200 baud.
    const DIVIDER: u32 = 217;

    #[allow(unsafe_code, reason = "the addresses of the registers")]
    fn new() -> Self {
        // SAFETY: the registers of UART0 on this machine, which touch no memory.
        let uart = unsafe {
            Cmsdk {
                data: Register::at(0x4000_4000),
                state: Register::at(0x4000_4004),
                control: Register::at(0x4000_4008),
                divider: Register::at(0x4000_4010),
            }
        };
        uart.divider.write(Self::DIVIDER);
        uart.control.write(Self::CONTROL_TX_ENABLE);
        uart
    }
}

impl Uart for Cmsdk {
    fn send(&mut self, byte: u8) {
        self.flush();
        self.data.write(byte.into());
    }

    fn flush(&mut self) {
        while self.state.read() & Self::STATE_TX_FULL != 0 {}
    }
}

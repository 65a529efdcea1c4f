//! The serial port of the computers that QEMU emulates: `mps2-an385` and `mps2-an386` on Arm, `virt`
//! on RISC-V. In a firmware of one's own the HAL of the chip stands in its place.

#![no_std]

use core::fmt;

/// The sending half of the serial port.
#[derive(Debug)]
pub struct Uart(());

#[cfg(target_arch = "arm")]
mod registers {
    //! An Arm CMSDK APB UART.
    use super::{read, write};

    const UART: usize = 0x4000_4000;
    const STATE_TX_FULL: u32 = 1;

    pub(super) fn start() {
        write(UART + 0x10, 16u32);
        write(UART + 0x08, 1u32);
    }

    pub(super) fn is_ready() -> bool {
        read::<u32>(UART + 0x04) & STATE_TX_FULL == 0
    }

    pub(super) fn send(byte: u8) {
        write(UART, u32::from(byte));
    }
}

#[cfg(target_arch = "riscv32")]
mod registers {
    //! An NS16550A.
    use super::{read, write};

    const UART: usize = 0x1000_0000;
    const LINE_STATUS_TX_EMPTY: u8 = 1 << 5;

    pub(super) fn start() {}

    pub(super) fn is_ready() -> bool {
        read::<u8>(UART + 5) & LINE_STATUS_TX_EMPTY != 0
    }

    pub(super) fn send(byte: u8) {
        write(UART, byte);
    }
}

#[allow(unsafe_code, reason = "registers of a device")]
fn read<T>(address: usize) -> T {
    // SAFETY: only called with the addresses above, registers that touch no memory.
    unsafe { core::ptr::with_exposed_provenance::<T>(address).read_volatile() }
}

#[allow(unsafe_code, reason = "registers of a device")]
fn write<T>(address: usize, value: T) {
    // SAFETY: only called with the addresses above, registers that touch no memory.
    unsafe { core::ptr::with_exposed_provenance_mut::<T>(address).write_volatile(value) }
}

impl Uart {
    /// Switches the port on.
    pub fn start() -> Self {
        registers::start();
        Uart(())
    }

    /// Whether a byte can be sent at once.
    pub fn is_ready(&self) -> bool {
        registers::is_ready()
    }

    /// Sends a byte as soon as the port is ready.
    pub fn send(&mut self, byte: u8) {
        while !self.is_ready() {}
        registers::send(byte);
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.send(byte));
        Ok(())
    }
}

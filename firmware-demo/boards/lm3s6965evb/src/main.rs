//! Stellaris LM3S6965 evaluation board: a Cortex-M3 with 256 KB of flash and 64 KB of RAM, as QEMU
//! emulates it. The real board would also need its clock, its pins and a baud rate.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M lm3s6965evb`).

#![no_std]
#![no_main]

use support_uart::{
    ANY_MODEL, Device, Fault, Ram, SysTick, Uart, entry, hertz, listen, ram, receive_by_interrupt,
    start,
};

static WORKSPACE: Ram<ANY_MODEL> = ram();

#[allow(unsafe_code, reason = "the address of a device")]
// SAFETY: UART0 of this machine, which touches no memory.
const UART: Pl011 = Pl011(unsafe { Device::at(0x4000_c000) });
const UART_INTERRUPT: u16 = 5;
/// In hertz.
const CLOCK: u32 = hertz(env!("BOARD_CLOCK"));

receive_by_interrupt!(UART, UART_INTERRUPT);

#[entry]
fn main() -> ! {
    UART.start();
    listen(UART_INTERRUPT);
    start(env!("BOARD_LABEL"), UART, SysTick::start(CLOCK), &WORKSPACE)
}

/// UART0, an Arm PL011.
#[derive(Clone, Copy)]
struct Pl011(Device);

impl Pl011 {
    const DATA: usize = 0x00;
    const FLAGS: usize = 0x18;
    const CONTROL: usize = 0x30;
    const INTERRUPT_MASK: usize = 0x38;
    const INTERRUPT_CLEAR: usize = 0x44;
    const FLAGS_BUSY: u32 = 1 << 3;
    const FLAGS_RX_EMPTY: u32 = 1 << 4;
    const FLAGS_TX_FULL: u32 = 1 << 5;
    const CONTROL_ENABLE_TX_RX: u32 = 3 << 8 | 1;
    const INTERRUPT_RX: u32 = 1 << 4;

    fn start(self) {
        self.0.write(Self::INTERRUPT_MASK, Self::INTERRUPT_RX);
        self.0.write(Self::CONTROL, Self::CONTROL_ENABLE_TX_RX);
    }
}

impl Uart for Pl011 {
    fn receive(self, mut take: impl FnMut(Result<u8, Fault>)) {
        self.0.write(Self::INTERRUPT_CLEAR, Self::INTERRUPT_RX);
        while self.0.read(Self::FLAGS) & Self::FLAGS_RX_EMPTY == 0 {
            take(Ok(self.0.read(Self::DATA) as u8));
        }
    }

    fn send(self, byte: u8) {
        while self.0.read(Self::FLAGS) & Self::FLAGS_TX_FULL != 0 {}
        self.0.write(Self::DATA, byte.into());
    }

    fn flush(self) {
        while self.0.read(Self::FLAGS) & Self::FLAGS_BUSY != 0 {}
    }
}

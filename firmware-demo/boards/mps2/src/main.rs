//! Arm MPS2 with the AN385 image, a Cortex-M3, or with the AN386 or the AN500 image, a Cortex-M4F
//! or M7: the target makes the difference. All have 4 MB of code memory and 4 MB of RAM.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M mps2-an386`).

#![no_std]
#![no_main]

use support_uart::{
    ANY_MODEL, Device, Fault, Ram, SysTick, Uart, entry, hertz, listen, ram, receive_by_interrupt,
    start,
};

static WORKSPACE: Ram<ANY_MODEL> = ram();

#[allow(unsafe_code, reason = "the address of a device")]
// SAFETY: UART0 of this machine, which touches no memory.
const UART: Cmsdk = Cmsdk(unsafe { Device::at(0x4000_4000) });
const UART_INTERRUPT: u16 = 0;
/// In hertz.
const CLOCK: u32 = hertz(env!("BOARD_CLOCK"));

receive_by_interrupt!(UART, UART_INTERRUPT);

#[entry]
fn main() -> ! {
    UART.start();
    listen(UART_INTERRUPT);
    start(env!("BOARD_LABEL"), UART, SysTick::start(CLOCK), &WORKSPACE)
}

/// UART0, an Arm CMSDK APB UART.
#[derive(Clone, Copy)]
struct Cmsdk(Device);

impl Cmsdk {
    const DATA: usize = 0x00;
    const STATE: usize = 0x04;
    const CONTROL: usize = 0x08;
    const INTERRUPT_CLEAR: usize = 0x0c;
    const DIVIDER: usize = 0x10;
    const STATE_TX_FULL: u32 = 1;
    const STATE_RX_FULL: u32 = 1 << 1;
    const CONTROL_TX_RX_AND_RX_INTERRUPT: u32 = 0b1011;
    const INTERRUPT_RX: u32 = 1 << 1;

    fn start(self) {
        self.0.write(Self::DIVIDER, CLOCK / 115_200);
        self.0
            .write(Self::CONTROL, Self::CONTROL_TX_RX_AND_RX_INTERRUPT);
    }
}

impl Uart for Cmsdk {
    fn receive(self, mut take: impl FnMut(Result<u8, Fault>)) {
        self.0.write(Self::INTERRUPT_CLEAR, Self::INTERRUPT_RX);
        while self.0.read(Self::STATE) & Self::STATE_RX_FULL != 0 {
            take(Ok(self.0.read(Self::DATA) as u8));
        }
    }

    fn send(self, byte: u8) {
        self.flush();
        self.0.write(Self::DATA, byte.into());
    }

    fn flush(self) {
        while self.0.read(Self::STATE) & Self::STATE_TX_FULL != 0 {}
    }
}

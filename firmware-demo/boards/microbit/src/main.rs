//! BBC micro:bit v1: an nRF51822 with a Cortex-M0, 256 KB of flash and 16 KB of RAM. The same image
//! runs on the board, where the interface chip shows the UART as a USB serial port (115,200 baud),
//! and under QEMU.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M microbit`).

#![no_std]
#![no_main]

use board_support::{Ram, Register, Uart, entry, start, words_for_integers};
use lstm_core::file::MAX_HIDDEN;
use lstm_core::{Format, LayerShape, Workspace, workspace_words};

/// Half of the RAM.
const WORDS: usize = 8 * 1024 / size_of::<u32>();
// More fits in it than in the flash: an integer layer of any width, or each of these.
const _: () = {
    let widest = LayerShape::lstm(MAX_HIDDEN as u16).project(MAX_HIDDEN as u16);
    assert!(words_for_integers(&[widest]) <= WORDS);
    assert!(words_for_integers(&[LayerShape::lstm(384); 4]) <= WORDS);
    assert!(workspace_words(Format::F32, &[LayerShape::lstm(640)]) <= WORDS);
    assert!(workspace_words(Format::F32, &[LayerShape::lstm(192); 4]) <= WORDS);
};

static WORKSPACE: Ram<WORDS> = Ram::new(Workspace::new());

#[entry]
fn main() -> ! {
    start_crystal();
    start(Nrf51Uart::new(), &WORKSPACE)
}

/// Takes the clock from the 16 MHz crystal: the oscillator inside the chip, which runs after reset,
/// may be too far off for a UART.
#[allow(unsafe_code, reason = "the addresses of the registers")]
fn start_crystal() {
    // SAFETY: HFCLKSTART and HFCLKSTARTED of the nRF51's CLOCK, which touches no memory.
    let (start, started) = unsafe { (Register::at(0x4000_0000), Register::<u32>::at(0x4000_0100)) };
    start.write(1);
    while started.read() == 0 {}
}

/// UART0 of the nRF51, on the pin that leads to the interface chip.
struct Nrf51Uart {
    sent: Register,
    data: Register,
}

impl Nrf51Uart {
    const TX_PIN: u32 = 24;
    const BAUD_115_200: u32 = 0x01d7_e000;
    const ENABLED: u32 = 4;

    #[allow(unsafe_code, reason = "the addresses of the registers")]
    fn new() -> Self {
        // SAFETY: OUTSET and DIRSET of GPIO; ENABLE, PSELTXD, BAUDRATE, STARTTX, TXDRDY and TXD of
        // UART0. The UART of the nRF51 has no DMA, so none touches memory.
        let (gpio, settings, start, uart) = unsafe {
            (
                [Register::at(0x5000_0508), Register::at(0x5000_0518)],
                [
                    (Register::at(0x4000_250c), Self::TX_PIN),
                    (Register::at(0x4000_2524), Self::BAUD_115_200),
                    (Register::at(0x4000_2500), Self::ENABLED),
                ],
                Register::at(0x4000_2008),
                Nrf51Uart {
                    sent: Register::at(0x4000_211c),
                    data: Register::at(0x4000_251c),
                },
            )
        };
        // The line is an output and at rest before the UART takes it.
        for register in gpio {
            register.write(1 << Self::TX_PIN);
        }
        for (register, value) in settings {
            register.write(value);
        }
        start.write(1);
        uart
    }
}

impl Uart for Nrf51Uart {
    fn send(&mut self, byte: u8) {
        self.sent.write(0);
        self.data.write(byte.into());
        while self.sent.read() == 0 {}
    }

    /// Nothing is left when `send` returns.
    fn flush(&mut self) {}
}

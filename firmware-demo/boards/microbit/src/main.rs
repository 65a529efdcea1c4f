//! BBC micro:bit v1: an nRF51822 with a Cortex-M0, 256 KB of flash and 16 KB of RAM. The same image
//! runs on the board, where the interface chip shows the UART as a USB serial port (115,200 baud),
//! and under QEMU.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M microbit`).

#![no_std]
#![no_main]

use lstm_core::{Format, LayerShape, MAX_INTEGER_COLUMNS, workspace_words};
use support_uart::{
    NrfPin, NrfTimer, NrfUart, Ram, entry, listen, ram, receive_by_interrupt, start,
    words_for_integers,
};

/// Nearly half of the RAM: the stack takes less than half of what is left.
const WORDS: usize = (8 * 1024 - 256) / size_of::<u32>();
// More fits in it than in the flash: an integer layer of any width, or each of these.
const _: () = {
    let widest = LayerShape::lstm(MAX_INTEGER_COLUMNS as u16).project(MAX_INTEGER_COLUMNS as u16);
    assert!(words_for_integers(&[widest]) <= WORDS);
    assert!(words_for_integers(&[LayerShape::lstm(384); 4]) <= WORDS);
    assert!(workspace_words(Format::F32, &[LayerShape::lstm(640)]) <= WORDS);
    assert!(workspace_words(Format::F32, &[LayerShape::lstm(192); 4]) <= WORDS);
};

static WORKSPACE: Ram<WORDS> = ram();

receive_by_interrupt!(NrfUart, NrfUart::INTERRUPT);

#[entry]
fn main() -> ! {
    // To and from the interface chip.
    NrfUart.start(NrfPin(0, 24), NrfPin(0, 25));
    listen(NrfUart::INTERRUPT);
    start(env!("BOARD_LABEL"), NrfUart, NrfTimer::start(), &WORKSPACE)
}

//! A serial port on USB for the console.
//!
//! It is generic over the trait that every HAL of the Embassy project implements for its USB
//! ([`Driver`]), so a board gives a driver, its name and its memory, and calls [`serve`]. The tests
//! give a driver that is a computer.
//!
//! Bytes that arrive while a character is computed wait in the computer: USB holds them back, and none
//! is lost.

#![no_std]

mod port;

use embassy_usb::driver::Driver;
use firmware_app::{Board, Console, Ram, drive};
use lstm_core::Model;

pub use port::{Buffers, Port, connect};

/// Runs the firmware for ever: the console and the text of the model in this region, for whoever opens
/// the serial port. The computer shows the port as this product.
pub fn serve<'d, D, B, const WORDS: usize>(
    driver: D,
    product: &'d str,
    buffers: &'d mut Buffers<'d>,
    board: &mut B,
    region: &[u8],
    ram: &mut Ram<WORDS>,
) -> !
where
    D: Driver<'d>,
    B: Board,
{
    let model = Model::from_region(region);
    let mut console = Console::new(model, region, ram);
    connect(driver, product, buffers, |port| {
        loop {
            session(port, &mut console, board);
        }
    })
}

/// Waits until a terminal program opens the port, greets it, and goes on until it goes.
pub fn session<'d, D: Driver<'d>>(
    port: &mut Port<'_, 'd, D>,
    console: &mut Console<'_, '_>,
    board: &mut impl Board,
) {
    port.wait_for_terminal();
    console.greet();
    drive(console, port, board);
}

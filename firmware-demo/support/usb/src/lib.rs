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

pub use port::{Buffers, Identity, Port, connect};

/// Runs the firmware for ever: the console and the text of the model in this region, which is copied to
/// `copy` if it fits, for whoever opens the serial port. The computer shows the port as this.
pub fn serve<'d, D, B, const WORDS: usize>(
    driver: D,
    identity: Identity<'d>,
    buffers: &'d mut Buffers<'d>,
    board: &mut B,
    region: &[u8],
    copy: &mut [u8],
    ram: &mut Ram<WORDS>,
) -> !
where
    D: Driver<'d>,
    B: Board,
{
    let mut console = Console::copied(region, copy, ram);
    connect(driver, identity, buffers, |port| {
        loop {
            session(port, &mut console, board);
        }
    })
}

/// Waits until a terminal program opens the port, greets it a tenth of a second later, and goes on until
/// it goes.
///
/// Linux opens a port in echo mode, and a terminal program ends that mode a moment later. What comes until
/// then is dropped.
pub fn session<'d, D: Driver<'d>>(
    port: &mut Port<'_, 'd, D>,
    console: &mut Console<'_, '_>,
    board: &mut impl Board,
) {
    port.wait_for_terminal();
    let (start, wait) = (board.ticks(), board.ticks_per_second() / 10);
    while board.ticks().wrapping_sub(start) < wait {
        port.drop_received();
    }
    console.greet();
    drive(console, port, board);
}

//! Nordic nRF52840 DK: an nRF52840 with a Cortex-M4F, 1 MB of flash and 256 KB of RAM. The J-Link on
//! the board shows the UART as a USB serial port (115,200 baud).

#![no_std]
#![no_main]

use support_uart::{
    ANY_MODEL, NrfPin, NrfTimer, NrfUart, Ram, entry, listen, ram, receive_by_interrupt, start,
};

static WORKSPACE: Ram<ANY_MODEL> = ram();

receive_by_interrupt!(NrfUart, NrfUart::INTERRUPT);

#[entry]
fn main() -> ! {
    // To and from the J-Link.
    NrfUart.start(NrfPin(0, 6), NrfPin(0, 8));
    listen(NrfUart::INTERRUPT);
    start(env!("BOARD_LABEL"), NrfUart, NrfTimer::start(), &WORKSPACE)
}

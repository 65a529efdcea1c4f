//! BBC micro:bit v2: an nRF52833 with a Cortex-M4F, 512 KB of flash and 128 KB of RAM. The interface
//! chip shows the UART as a USB serial port (115,200 baud).

#![no_std]
#![no_main]

use support_uart::{
    ANY_MODEL, NrfPin, NrfTimer, NrfUart, Ram, entry, listen, ram, receive_by_interrupt, start,
};

static WORKSPACE: Ram<ANY_MODEL> = ram();

receive_by_interrupt!(NrfUart, NrfUart::INTERRUPT);

#[entry]
fn main() -> ! {
    // To and from the interface chip.
    NrfUart.start(NrfPin(0, 6), NrfPin(1, 8));
    listen(NrfUart::INTERRUPT);
    start(env!("BOARD_LABEL"), NrfUart, NrfTimer::start(), &WORKSPACE)
}

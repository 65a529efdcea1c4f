//! Raspberry Pi Pico 2: an RP2350 and 4 MB of flash.

#![no_std]
#![no_main]

#[support_rp::entry]
fn main() -> ! {
    support_rp::start(env!("BOARD_TITLE"))
}

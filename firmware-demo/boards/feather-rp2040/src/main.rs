//! Adafruit Feather RP2040: an RP2040 and 8 MB of flash.

#![no_std]
#![no_main]

#[support_rp::entry]
fn main() -> ! {
    support_rp::start(env!("BOARD_TITLE"))
}

//! The firmware, started.

use core::convert::Infallible;

use static_cell::ConstStaticCell;

use crate::{board::Board, clock::Clock, serial::Serial, stop::park, uart::Uart};

/// The RAM of the console and of a model of any alphabet, in a `static` of the board.
pub type Ram<const WORDS: usize> = ConstStaticCell<firmware_app::Ram<WORDS>>;

/// That RAM, not yet taken.
pub const fn ram<const WORDS: usize>() -> Ram<WORDS> {
    Ram::new(firmware_app::Ram::new())
}

/// Runs the firmware for ever: the console and the text of the model in the region that the board's
/// `board.toml` names, on this UART. `label` is the board's name and clock for people.
pub fn start<U: Uart, C: Clock, const WORDS: usize>(
    label: &'static str,
    uart: U,
    clock: C,
    ram: &'static Ram<WORDS>,
) -> ! {
    support_memory::paint();
    #[cfg(feature = "planted-panic")]
    assert_eq!(crate::serial::RECEIVED.lost(), 0);
    #[cfg(feature = "planted-fault")]
    plant_fault();
    // The entry of a board is the only caller, so the RAM has not been taken before.
    if let Some(ram) = ram.try_take() {
        let mut board = Board { label, clock };
        let mut serial = Serial(uart);
        // A UART never fails, so this does not return.
        let _: Infallible =
            firmware_app::run(&mut serial, &mut board, support_memory::model_region(), ram);
    }
    park()
}

/// Reads where there is nothing.
#[cfg(feature = "planted-fault")]
#[allow(unsafe_code, reason = "a fault for a test")]
fn plant_fault() {
    // SAFETY: the core calls the handler of faults instead.
    unsafe { crate::Device::<u32>::at(0xa000_0000) }.read(0);
}

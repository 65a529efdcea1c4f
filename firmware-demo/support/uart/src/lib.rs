//! What the boards share.
//!
//! A board is its memory map (`memory.x`), its registers, a [`Uart`] over them, and an entry:
//!
//! ```ignore
//! static WORKSPACE: Ram<ANY_MODEL> = ram();
//!
//! receive_by_interrupt!(UART, UART_INTERRUPT);
//!
//! #[entry]
//! fn main() -> ! {
//!     UART.start();
//!     listen(UART_INTERRUPT);
//!     start(UART, SysTick::start(CLOCK), &WORKSPACE)
//! }
//! ```

#![no_std]

mod board;
mod clock;
mod device;
mod figures;
mod interrupt;
mod memory;
#[cfg(target_arch = "arm")]
mod nrf;
mod region;
mod ring;
mod serial;
#[cfg(target_arch = "arm")]
mod stm32;

use core::{convert::Infallible, panic::PanicInfo};

#[cfg(target_arch = "arm")]
use cortex_m::asm::wfi;
#[cfg(target_arch = "arm")]
pub use cortex_m_rt::{entry, exception};
use lstm_core::file::MAX_HIDDEN;
use lstm_core::{Format, LayerShape, MAX_LAYERS, workspace_words};
#[cfg(target_arch = "riscv32")]
use riscv::asm::wfi;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
use static_cell::ConstStaticCell;

pub use clock::Clock;
#[cfg(target_arch = "arm")]
pub use clock::SysTick;
pub use device::Device;
pub use interrupt::listen;
#[cfg(target_arch = "arm")]
pub use nrf::{NrfPin, NrfTimer, NrfUart};
pub use serial::{Fault, Uart, keep_received};
#[cfg(target_arch = "arm")]
pub use stm32::Stm32Usart;

/// The RAM of the console and of a model of any alphabet, in a `static` of the board.
pub type Ram<const WORDS: usize> = ConstStaticCell<firmware_app::Ram<WORDS>>;

/// That RAM, not yet taken.
pub const fn ram<const WORDS: usize>() -> Ram<WORDS> {
    Ram::new(firmware_app::Ram::new())
}

/// Words of the workspace for every model that the file format can describe.
pub const ANY_MODEL: usize = {
    let widest = LayerShape::lstm(MAX_HIDDEN as u16).project(MAX_HIDDEN as u16);
    words_for_any_format(&[widest; MAX_LAYERS])
};

/// Words of the workspace for these layers in every format.
pub const fn words_for_any_format(layers: &[LayerShape]) -> usize {
    let f32 = workspace_words(Format::F32, layers);
    let integer = words_for_integers(layers);
    if f32 > integer { f32 } else { integer }
}

/// Words of the workspace for these layers in the integer formats.
pub const fn words_for_integers(layers: &[LayerShape]) -> usize {
    let int8 = workspace_words(Format::Int8, layers);
    let int4 = workspace_words(Format::Int4, layers);
    if int8 > int4 { int8 } else { int4 }
}

/// Runs the firmware for ever: the console and the text of the model in the region that memory.x
/// names, on this UART.
pub fn start<U: Uart, C: Clock, const WORDS: usize>(
    uart: U,
    clock: C,
    ram: &'static Ram<WORDS>,
) -> ! {
    memory::paint();
    #[cfg(feature = "planted-panic")]
    assert_eq!(serial::RECEIVED.lost(), 0);
    // The entry of a board is the only caller, so the RAM has not been taken before.
    if let Some(ram) = ram.try_take() {
        let mut board = board::Board(clock);
        let mut serial = serial::Serial(uart);
        // A UART never fails, so this does not return.
        let _: Infallible = firmware_app::run(&mut serial, &mut board, region::model_region(), ram);
    }
    park()
}

/// In a release build it calls what no library has: if a panic could be reached, the firmware
/// would not link. So a firmware that there is cannot panic.
#[panic_handler]
#[cfg_attr(
    not(debug_assertions),
    allow(unsafe_code, reason = "a function that does not exist")
)]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(not(debug_assertions))]
    {
        unsafe extern "C" {
            fn a_panic_can_be_reached() -> !;
        }
        // SAFETY: no program with this call exists.
        unsafe { a_panic_can_be_reached() }
    }
    #[cfg(debug_assertions)]
    park()
}

fn park() -> ! {
    loop {
        wfi();
    }
}

//! What the boards share.
//!
//! A board is its memory map (`memory.x`), its registers, a [`Uart`] over them, and an entry:
//!
//! ```ignore
//! static WORKSPACE: Ram<ANY_MODEL> = Ram::new(Workspace::new());
//!
//! receive_by_interrupt!(UART);
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

use core::panic::PanicInfo;

#[cfg(target_arch = "arm")]
use cortex_m::asm::wfi;
#[cfg(target_arch = "arm")]
pub use cortex_m_rt::{entry, exception};
use lstm_core::file::MAX_HIDDEN;
use lstm_core::{Format, LayerShape, MAX_LAYERS, MAX_SYMBOLS, Workspace, workspace_words};
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
pub use serial::{Uart, keep_received};
#[cfg(target_arch = "arm")]
pub use stm32::Stm32Usart;

/// The RAM of a model of any alphabet, in a `static` of the board.
pub type Ram<const WORDS: usize> = ConstStaticCell<Workspace<WORDS, MAX_SYMBOLS>>;

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

/// Runs the firmware for ever: the text of the model in the region that memory.x names, on this
/// UART.
pub fn start<U: Uart, C: Clock, const WORDS: usize>(
    uart: U,
    clock: C,
    ram: &'static Ram<WORDS>,
) -> ! {
    memory::paint();
    #[cfg(feature = "planted-panic")]
    assert_eq!(serial::RECEIVED.lost(), 0);
    // The entry of a board is the only caller, so the workspace has not been taken before.
    if let Some(workspace) = ram.try_take() {
        let mut serial = serial::Serial(uart);
        let _board = board::Board(clock);
        // When it returns, it has said why on the port, and nothing is left to do.
        let _ = firmware_app::run(&mut serial, region::model_region(), workspace);
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

//! What boards without a HAL share.
//!
//! A board is what its `board.toml` says, its registers, a [`Uart`] over them, and an entry:
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
//!     start("my-board, 48 MHz", UART, SysTick::start(CLOCK), &WORKSPACE)
//! }
//! ```
//!
//! The interrupt of the UART puts each byte into a ring of 1,024; the console takes them from there.
//! Before it is full, the other side is asked to wait (XOFF), and later to go on (XON).
//! A firmware that is built on this crate cannot panic: one that could does not link.

#![cfg_attr(not(test), no_std)]

mod board;
mod clock;
mod device;
mod flow;
mod nrf;
mod ring;
mod serial;
mod start;
mod stm32;
mod stop;
mod uart;
mod words;

// What only a chip has.
#[cfg(target_os = "none")]
mod figures;
#[cfg(target_os = "none")]
mod interrupt;
#[cfg(target_os = "none")]
mod panic;
#[cfg(all(target_os = "none", target_arch = "arm"))]
mod systick;

#[cfg(all(target_os = "none", target_arch = "arm"))]
pub use cortex_m_rt::{entry, exception};
#[cfg(all(target_os = "none", target_arch = "riscv32"))]
pub use riscv_rt::entry;

pub use clock::{Clock, hertz};
pub use device::Device;
#[cfg(target_os = "none")]
pub use interrupt::listen;
pub use nrf::{NrfPin, NrfTimer, NrfUart};
pub use serial::keep_received;
pub use start::{Ram, ram, start};
pub use stm32::Stm32Usart;
#[cfg(target_os = "none")]
pub use stop::stop;
#[cfg(all(target_os = "none", target_arch = "arm"))]
pub use systick::SysTick;
pub use uart::{Fault, Uart};
pub use words::{ANY_MODEL, words_for_any_format, words_for_integers};

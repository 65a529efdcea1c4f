//! The memory of a board, as its linker script names it.
//!
//! * [`model_region`]: the flash in which a model may lie.
//! * [`ModelCopy`]: RAM to which a model is copied that would be slow to read from flash.
//! * [`paint`] and [`measure`]: how much memory the firmware takes, and how deep its stack got, with
//!   the start-up code of cortex-m-rt or riscv-rt.
//! * [`esp_hal::measure`]: the same with esp-hal, which guards its stack.

#![no_std]

#[cfg(feature = "copy")]
mod copy;
mod region;

#[cfg(feature = "measure")]
pub mod esp_hal;
#[cfg(feature = "measure")]
mod measure;

#[cfg(feature = "copy")]
pub use copy::{ModelCopy, bytes, model_copy};
#[cfg(feature = "measure")]
pub use measure::{measure, paint};
pub use region::model_region;

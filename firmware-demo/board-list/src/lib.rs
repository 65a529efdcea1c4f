//! The boards, as their folders tell.
//!
//! A board is a folder in `firmware-demo/boards` whose `board.toml` says everything about it once:
//! the chip, its clock and memory, the image that its flash is written from, the machine of QEMU that
//! stands for it. From there it goes
//!
//! * with the feature `all` into [`all`], for the programs of the desk: `cargo xtask`, and
//!   `host-trainer budget`, which works without this repository;
//! * by [`read`] and [`memory_x`](Board::memory_x) into the linker script of the board, by its build
//!   script.
//!
//! A wrong `board.toml` stops the build, with a line that says what is wrong.

mod board;
mod error;
mod file;
mod linker;
mod units;

#[cfg(feature = "all")]
mod all;

#[cfg(feature = "all")]
pub use all::all;
pub use board::{Board, Core, Drive, Emulator, Flash, Flashing, Image, Memory, Runtime, UsbId};
pub use error::{Error, Result};
pub use file::read;
pub use units::{Bytes, Region};

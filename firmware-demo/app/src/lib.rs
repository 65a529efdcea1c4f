//! The firmware without its board.
//!
//! A board gives a serial port ([`embedded_io`]), what only it knows ([`Board`]), the flash region
//! in which a model may lie, and [`Ram`]. [`run`] checks the model, prints one banner line and
//! then streams its text for ever. Meanwhile it listens:
//!
//! ```text
//! # model sonnets-256, int8, checksum 7f3a90c1; type :help
//! the sweet of beauty ...
//! > :temp 0.5
//! # temperature 0.5
//! and all the world ...
//! > shall i compare thee to the summer of thy heart ...
//! ```
//!
//! A typed line primes the model: it reads the line, and the text goes on from there. A line that
//! starts with `:` is a command. While a line is being typed the text waits. What cannot be used
//! gets one line that says what was found and what was expected.
//!
//! A model that reads values writes no text: a typed line of numbers is a step of its sequence, and is answered in
//! one line.
//!
//! ```text
//! # model motions, int8, checksum 51d0c2e9, 6 channels, 4 classes; type :help
//! > 0.07 0.39 -0.03 0.01 0.02 -0.06
//! # standing 0.97
//! ```
//!
//! The firmware holds no model. A region without one, or with a damaged one, gets one line that
//! says what was found; nothing of it is run, and the console answers all the same.
//!
//! # Layers
//!
//! * [`Poet`] writes: a [`Poet::write`] is one character. `sensor` answers: a line is one step.
//! * [`Console`] is the heart: [`Console::input`] takes a byte, [`Console::step`] gives what is to
//!   be sent. It knows neither ports nor interrupts.
//! * [`drive`] moves bytes between a console and a port.
//! * `boards/NAME` is the rest: what the board is, UART registers, entry. What boards share is in
//!   `support`.

#![no_std]
#![forbid(unsafe_code)]

/// The program of that page.
#[cfg(all(doctest, feature = "sensor"))]
#[doc = include_str!("../../../docs/SENSORS.md")]
struct Sensors;

mod base64;
mod bench;
mod board;
mod commands;
mod console;
mod driver;
mod editor;
mod number;
mod output;
mod poet;
mod program;
mod selftest;
#[cfg(feature = "sensor")]
mod sensor;
mod told;

pub use board::{Board, Memory};
pub use console::{Console, Ram, Step};
pub use driver::{drive, run};
pub use poet::{Generator, Poet};

/// Fed to the network before it writes: a text starts where a line starts.
pub const PROMPT: &str = "\n";
/// Every start writes the same text, on every board and on the host.
pub const SEED: u64 = 1;
/// Below 1, so that likely characters come more often than the network says.
pub const TEMPERATURE: f32 = 0.8;
/// What every line of the firmware itself starts with, to tell it from the text of the model.
pub const REMARK: &str = "# ";

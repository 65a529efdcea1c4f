//! A board that lives in a browser: the engine and the console of the firmware as a WebAssembly module.
//!
//! The page has one import to give, `page.ticks`, a clock in microseconds. Everything else it calls
//! (`exports`). A call that gives a number of bytes has written them to the start of `buffer`. An instance
//! runs one model: for another the page makes a new one, and drops this with its memory.
//!
//! ```text
//! room(bytes) -> place for the file      start(code) -> 0, or bytes of why the model is refused
//! input(byte) -> echo                    step() -> what was done, and bytes of its text
//! units()  weights()  symbols()  shape()  name()    settings, a number each
//! ```

#![cfg_attr(target_family = "wasm", no_std)]

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
mod exports;
#[cfg(target_family = "wasm")]
mod page;
#[cfg(target_family = "wasm")]
mod units;

//! lstm-core for C: functions with C's names and types over the crate's own. It computes nothing and
//! checks nothing of a model itself.
//!
//! C gives every object its memory; the header `include/lstm.h` has the sizes. `cargo xtask capi` makes
//! a static library for each chip.
//!
//! * `pointer`: pointers of C, checked. All that is unsafe stands there.
//! * `object`: Rust values in memory of C
//! * `error`: what can go wrong, and its codes
//! * `report`: errors told to C
//! * `workspace`, `windowed`: how a workspace is shared out; a session with its window
//! * `model`, `sampler`, `session`, `generator`, `sensor`: the functions

#![no_std]
#![deny(missing_docs, clippy::undocumented_unsafe_blocks)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "every function asks for the same, which the header says once"
)]

#[cfg(all(feature = "archive", not(test)))]
mod panic;
mod pointer;

// In the order of the header.
mod error;

mod report;

mod object;

mod model;

mod generator;

mod session;

mod sampler;

mod sensor;
mod windowed;
mod workspace;

pub use error::Status;
pub use generator::*;
pub use model::*;
pub use object::{
    ERROR_WORDS, ErrorMemory, GENERATOR_WORDS, GeneratorMemory, MODEL_WORDS, ModelMemory,
    SAMPLER_WORDS, SENSOR_WORDS, SESSION_WORDS, SamplerMemory, SensorMemory, SessionMemory,
};
pub use report::{lstm_error_text, lstm_status_text};
pub use sampler::*;
pub use sensor::*;
pub use session::*;

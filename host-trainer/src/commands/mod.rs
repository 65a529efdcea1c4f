//! The command line: one file a command, with its arguments and a `run` that calls what lies below.
//!
//! May import every other folder; no other folder imports it.

pub mod budget;
pub mod cli;
pub mod evaluate;
pub mod export;
pub mod generate;
pub mod import;
pub mod inspect;
pub mod quantize;
pub(crate) mod refusal;
pub mod report;
pub mod train;
pub mod tuning;
mod values;

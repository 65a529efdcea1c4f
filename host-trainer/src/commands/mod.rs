//! The command line: one file a command, with its arguments and a `run` that calls what lies below.
//!
//! May import every other folder; no other folder imports it.

pub mod average;
pub mod budget;
pub mod cli;
pub mod completions;
pub mod evaluate;
pub mod export;
pub mod generate;
pub mod header;
pub mod image;
pub mod import;
pub mod inspect;
mod model_name;
pub mod numbers;
pub mod quantize;
pub(crate) mod refusal;
pub mod report;
mod text;
pub mod train;
pub mod tuning;
mod values;

/// The threads to compute with, one a core if none are asked for.
fn threads(asked: Option<numbers::Count<256>>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or_else(|| cores().min(256), numbers::Whole::size)
}

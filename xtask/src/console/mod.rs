//! The console of a board: its serial port, and what a person types on the way there.

mod keys;
mod port;
mod serial;
mod terminal;

#[cfg(test)]
pub(crate) use keys::tests::Keys;
pub(crate) use {keys::Flow, terminal::Terminal};
pub use {port::Port, serial::show};

//! Chips: the boards of the firmware, and what a model costs on their cores.
//!
//! May import [`network`](crate::network) and what is below it.

mod board_table;
pub mod boards;
pub mod cost;
pub mod figures;
pub mod flash;

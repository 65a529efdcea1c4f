//! Everything a person runs in this repository, in Rust, so that there is nothing to install first.
//!
//! The command line is in `main.rs`; the cross-crate tests use the same [`boards`] and [`qemu`].

pub mod bench;
pub mod boards;
pub mod corpus;
pub mod demo;
pub mod deny;
pub mod firmware;
pub mod fuzz;
pub mod image;
pub mod miri;
pub mod mutants;
pub mod qemu;
pub mod random_model;
pub mod setup;
pub mod shell;
pub mod sizes;
pub mod table;
pub mod test;
pub mod trainer;

//! What a person runs in this repository, in Rust, so that there is nothing to install first.
//!
//! The command line is in [`cli`]; the cross-crate tests use the same [`boards`] and [`qemu`].

pub mod aligned;
pub mod bench;
mod bless;
pub mod boards;
pub mod capi;
pub mod cli;
pub mod console;
pub mod corpus;
pub mod demo;
pub mod firmware;
pub mod flash;
pub mod image;
pub mod list;
pub mod models;
pub mod motions;
pub mod pypi;
pub mod python;
pub mod qemu;
pub mod random_model;
pub mod record;
pub mod release;
pub mod run;
pub mod sensor_demo;
pub mod setup;
pub mod shell;
pub mod table;
pub mod test;
pub mod trainer;
pub mod web;

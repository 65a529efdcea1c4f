//! The training of a network: recipes and their phases, the loop, and what a run leaves in its folder.
//!
//! May import every folder but [`report`](crate::report) and [`commands`](crate::commands).

pub(crate) mod average;
pub mod chart;
pub mod checkpoint;
pub(crate) mod curve;
pub(crate) mod display;
pub(crate) mod dropout;
pub(crate) mod interrupt;
pub(crate) mod learner;
pub mod memory;
pub mod metrics;
pub mod phase;
pub(crate) mod phases;
pub mod recipe;
pub(crate) mod reports;
pub mod run_config;
pub mod run_folder;
pub(crate) mod texts;
pub(crate) mod trainer;
pub mod tuning;

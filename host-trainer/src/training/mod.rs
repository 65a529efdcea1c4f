//! The training of a network: recipes and their phases, the loop, and what a run leaves in its folder.
//!
//! May import every folder but [`report`](crate::report) and [`commands`](crate::commands).

pub mod chart;
pub mod checkpoint;
pub(crate) mod curve;
pub(crate) mod display;
pub(crate) mod dropout;
pub(crate) mod interrupt;
pub mod memory;
pub mod metrics;
pub(crate) mod network_task;
pub mod phase;
pub(crate) mod phases;
pub mod recipe;
pub(crate) mod run;
pub mod run_config;
pub mod run_folder;
pub mod sensor;
pub mod stage;
pub(crate) mod task;
mod teachers;
pub(crate) mod texts;
pub mod trainer;
mod tuned_file;
pub mod tuning;

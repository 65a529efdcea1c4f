//! The training of a network that reads values: from a person's data to a network that tells classes or values.
//!
//! It is the loop of all trainings ([`Trainer`](crate::training::trainer)): a sequence of the data is what a place in a text is
//! there.

mod config;
mod lesson;
mod run;
mod sensor_task;
mod tuning;

pub use config::{Recipe, SensorRunConfig, TaskKind, held_out};
pub(crate) use run::{Run, start};
pub use tuning::SensorTuning;

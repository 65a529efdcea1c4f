//! A network that reads a vector of values a step, and answers with classes or values.

mod config;
mod forward;
mod weights;

pub use config::{
    Activation, Cell, Channel, DenseConfig, Head, LayerConfig, OutputValue, SensorConfig,
};
pub use forward::{Forward, Look};
pub use weights::{Dense, SensorNetwork};

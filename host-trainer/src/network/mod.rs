//! The network in plain memory: its shape, its weights, the equations of its cells, its state, and what it
//! predicts.
//!
//! May import [`text`](crate::text), [`kernels`](crate::kernels) and [`files`](crate::files).

pub mod cell;
pub mod config;
pub mod mean;
pub mod parameters;
pub mod predictor;
pub mod sample;
pub mod score;
pub mod sensor;
pub mod state;
pub mod symbols;

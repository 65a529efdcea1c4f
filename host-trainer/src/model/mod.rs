//! The `.lstm` file: its bytes, the file in memory run by the device's own engine, what is in it for people, and
//! the state of a session.
//!
//! May import [`quantize`](crate::quantize), [`hardware`](crate::hardware), [`network`](crate::network) and what
//! is below them.

pub mod compare;
pub mod describe;
pub mod encode;
pub mod file;
pub mod generate;
mod ngrams;
pub mod predictor;
pub mod sensor;
pub mod snapshot;
pub mod workspace;

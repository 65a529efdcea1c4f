//! How a token is chosen.

pub(crate) mod random;
mod sampler;

pub use sampler::{Sampler, Settings};

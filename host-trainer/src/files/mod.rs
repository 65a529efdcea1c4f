//! What is read and written: errors, standard output, files that are never seen half-written, tensors in
//! safetensors, hashes.
//!
//! Imports no other folder.

pub mod caller;
pub mod error;
pub mod hash;
pub(crate) mod lock;
pub mod output;
pub(crate) mod progress;
pub(crate) mod registry;
pub(crate) mod stdout;
pub(crate) mod table;
pub mod tensors;

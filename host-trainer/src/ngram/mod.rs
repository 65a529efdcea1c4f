//! A memory of the last few characters.
mod batch;

pub use batch::Recalled;

use crate::files::error::Result;
use crate::files::tensors::TensorFile;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A quarter of a bit in nats: the unit of the back-off table's costs.
pub const NATS: f32 = std::f32::consts::LN_2 / 4.0;

/// What a network looks up of the last few characters, beside what it computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NgramConfig {
    /// Contexts of 2, 3 and 4 characters that have a vector of their own; 0 where that length has no vectors.
    pub vectors: [usize; 3],
    /// Lengths of the back-off table's contexts beyond those that stand dense; `None` without a table.
    pub table: Option<usize>,
}

impl NgramConfig {
    /// Nothing.
    pub const NONE: Self = Self {
        vectors: [0; 3],
        table: None,
    };

    /// Whether nothing is looked up.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether there are vectors.
    pub fn has_vectors(&self) -> bool {
        self.vectors != [0; 3]
    }
}

/// The newest tokens, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History(pub [u8; 12]);

impl History {
    pub fn push(&mut self, token: u8) {
        self.0.rotate_right(1);
        self.0[0] = token;
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    config: NgramConfig,
}

impl Memory {
    pub fn of_shape(vectors: [usize; 3], table: Option<usize>) -> Self {
        Self {
            config: NgramConfig { vectors, table },
        }
    }
    pub fn config(&self) -> NgramConfig {
        self.config
    }
    pub fn rows(&self, _: &History) -> [usize; 3] {
        [0; 3]
    }
    pub fn costs(&self, _: &History, _: &mut [u8]) -> usize {
        0
    }
    pub fn take(
        path: &Path,
        config: NgramConfig,
        symbols: usize,
        file: &mut TensorFile,
    ) -> Result<Self> {
        Self::from_tensors(path, config, symbols, |name| file.take_bytes(path, name))
    }
    pub fn insert(&self, file: &mut TensorFile) {
        for (name, bytes) in self.tensors() {
            file.bytes.insert(name.to_owned(), bytes);
        }
    }
    pub fn tensors(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![]
    }
    pub fn from_tensors(
        _path: &Path,
        config: NgramConfig,
        _symbols: usize,
        mut _take: impl FnMut(&str) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        Ok(Self { config })
    }
}

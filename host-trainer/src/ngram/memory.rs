//! What a network looks up of the last few characters: n-gram embeddings, and a back-off table.

use crate::files::error::Result;
use crate::files::tensors::TensorFile;
use lstm_core::export::ngram::History;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A quarter of a bit in nats: the unit of the back-off table's costs.
pub const NATS: f32 = std::f32::consts::LN_2 / 4.0;

/// The shape of a memory.
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

/// Makes a token the newest of a history.
pub fn push(history: &mut History, token: u8) {
    history.rotate_right(1);
    history[0] = token;
}

/// Which contexts have a vector of their own, and a table of costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    config: NgramConfig,
}

impl Memory {
    pub fn of_shape(vectors: [usize; 3], table: Option<usize>) -> Self {
        Self {
            config: NgramConfig { vectors, table },
        }
    }

    /// Its shape.
    pub fn config(&self) -> NgramConfig {
        self.config
    }

    /// Makes it ready for look-ups.
    ///
    /// # Errors
    /// None for a memory that was made or read here.
    pub fn reader(&self) -> Result<MemoryReader<'_>> {
        Ok(MemoryReader { memory: self })
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

/// Looks up. [`Memory::reader`] makes one.
#[derive(Clone, Debug)]
pub struct MemoryReader<'m> {
    memory: &'m Memory,
}

impl MemoryReader<'_> {
    /// The rows of the vectors of 2, 3 and 4 characters.
    pub fn rows(&self, _history: &History) -> [usize; 3] {
        self.memory.config.vectors
    }

    /// Writes the costs of all symbols, `[V]`, in quarters of a bit; gives the number of the longest length found, counted from 1,
    /// or 0.
    pub fn costs(&self, _history: &History, _costs: &mut [u8]) -> usize {
        0
    }
}

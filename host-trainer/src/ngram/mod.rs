//! A memory of the last few characters.
pub mod batch;

use crate::files::error::Result;
use crate::files::tensors::TensorFile;

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
    pub vectors: [usize; 3],
    pub table: Option<usize>,
}

impl Memory {
    pub fn of_shape(vectors: [usize; 3], table: Option<usize>) -> Self {
        Self { vectors, table }
    }
    pub fn rows(&self, _: &History) -> [usize; 3] {
        [0; 3]
    }
    pub fn costs(&self, _: &History, _: &mut [u8]) -> usize {
        0
    }
    pub fn take(_: &std::path::Path, _: &mut TensorFile) -> Result<Self> {
        unimplemented!()
    }
    pub fn insert(&self, _: &mut TensorFile) {}
}

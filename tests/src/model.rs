use std::{
    fs,
    path::{Path, PathBuf},
};

use xtask::shell::root;

/// Bytes at an aligned address, as in flash.
pub struct Flash {
    words: Vec<u128>,
    len: usize,
}

impl Flash {
    /// A copy of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(size_of::<u128>())];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Flash {
            words,
            len: bytes.len(),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    /// The bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}

/// The shipped models, by path.
pub fn shipped() -> Vec<PathBuf> {
    models_in(&root().join("models"))
}

/// The `.lstm` files of a folder, by name.
///
/// # Panics
///
/// There is none.
pub fn models_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|e| e.expect("the folder is read").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "lstm"));
    paths.sort();
    assert!(!paths.is_empty(), "no .lstm file in {}", folder.display());
    paths
}

use std::{
    fs,
    path::{Path, PathBuf},
};

use xtask::shell::root;

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

use std::{fs, path::PathBuf};

use xtask::shell::root;

/// The shipped models, by path.
pub fn shipped() -> Vec<PathBuf> {
    let folder = root().join("models");
    let entries = fs::read_dir(&folder).expect("models/ is there");
    let mut paths: Vec<_> = entries
        .map(|e| e.expect("models/ is read").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "lstm"));
    paths.sort();
    assert!(!paths.is_empty(), "no .lstm file in {}", folder.display());
    paths
}

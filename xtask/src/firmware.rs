//! Building the firmware of a board.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    boards::Board,
    shell::{self, cargo, root, run},
};

/// The workspace of the firmware.
pub fn workspace() -> PathBuf {
    root().join("firmware-demo")
}

/// The folder for what is built of it: its own, or one in the caller's `CARGO_TARGET_DIR`, which may stand for a
/// checkout that nobody writes to. There it does not mix with what is built for the desk.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(_) => shell::target().join("firmware"),
        None => workspace().join("target"),
    }
}

/// The folder of a board.
pub fn folder(board: &Board) -> PathBuf {
    workspace().join("boards").join(&board.folder)
}

/// Builds the firmware of a board and gives its ELF file.
pub fn build(board: &Board) -> Result<PathBuf> {
    let target_dir = target();
    // In the board's folder, whose .cargo/config.toml may change the profile.
    run(cargo(&folder(board))
        .args(["build", "--quiet", "--release"])
        .args(["--target", &board.target])
        .arg("--target-dir")
        .arg(&target_dir))?;
    Ok(target_dir
        .join(&board.target)
        .join("release")
        .join(&board.folder))
}

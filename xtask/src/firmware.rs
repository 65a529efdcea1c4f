//! Building the firmware of a board.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    boards::Board,
    shell::{cargo, root, run},
};

/// The workspace of the firmware.
pub fn workspace() -> PathBuf {
    root().join("firmware-demo")
}

/// The folder of a board.
pub fn folder(board: &Board) -> PathBuf {
    workspace().join("boards").join(&board.folder)
}

/// Builds the firmware of a board and gives its ELF file.
pub fn build(board: &Board) -> Result<PathBuf> {
    // Named here, so that a CARGO_TARGET_DIR of the caller does not move it.
    let target_dir = workspace().join("target");
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

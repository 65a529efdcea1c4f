//! Building host-trainer, the program that trains and exports models.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{cargo, root, run, target};

/// Builds host-trainer as its users build it, and gives the program.
pub fn build() -> Result<PathBuf> {
    // Named here, so that the caller's configuration of cargo does not move it.
    let target = target();
    run(cargo(&root())
        .args(["build", "--release", "--package", "host-trainer"])
        .arg("--target-dir")
        .arg(&target))?;
    let name = format!("host-trainer{}", std::env::consts::EXE_SUFFIX);
    Ok(target.join("release").join(name))
}

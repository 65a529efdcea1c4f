//! Building host-trainer, the program that trains and exports models.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{cargo, root, run, target};

/// Builds host-trainer as its users build it, and gives the program.
pub fn build() -> Result<PathBuf> {
    run(cargo(&root()).args(["build", "--release", "--package", "host-trainer"]))?;
    let name = format!("host-trainer{}", std::env::consts::EXE_SUFFIX);
    Ok(target().join("release").join(name))
}

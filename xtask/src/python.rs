//! The wheel for Python: the package `lstm-mcu` of the folder `python`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    pypi::environment,
    shell::{root, run, target},
};

/// What makes a wheel of the crate.
const MAKER: &str = "maturin==1.16.0";

/// Builds the wheel for this computer into a folder, and gives its path.
///
/// # Errors
///
/// There is no Python, or it does not build.
pub fn wheel(folder: &Path) -> Result<PathBuf> {
    let python = environment("maturin", &[MAKER])?;
    let made = target().join("wheel");
    if made.exists() {
        fs::remove_dir_all(&made).with_context(|| made.display().to_string())?;
    }
    run(Command::new(&python)
        .args(["-m", "maturin", "build", "--release", "--interpreter"])
        .arg(&python)
        .arg("--out")
        .arg(&made)
        .arg("--target-dir")
        .arg(target())
        .current_dir(root().join("python")))?;
    let mut files = made.read_dir()?.flatten();
    let wheel = files.next().context("maturin has made no wheel")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(wheel.file_name());
    fs::copy(wheel.path(), &path).with_context(|| path.display().to_string())?;
    Ok(path)
}

//! `cargo xtask capi`: lstm-core for C and C++, in `target/capi`.

mod archive;
mod model;
mod packages;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

pub use archive::{CHIPS, build, desk};
pub use model::header;

use crate::shell::{root, step, target};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Make the library for this target alone, and no packages; may be given again [default: every chip
    /// and this computer]
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// The model of the examples
    #[arg(long, value_name = "FILE", default_value = "models/sonnets-64.lstm")]
    model: PathBuf,
}

/// Where everything lies that is made here.
pub fn folder() -> PathBuf {
    target().join("capi")
}

/// `cargo xtask capi`.
pub fn run(options: &Options) -> Result<()> {
    let all = options.targets.is_empty();
    let targets = match all {
        true => CHIPS
            .into_iter()
            .map(str::to_owned)
            .chain([desk()?])
            .collect(),
        false => options.targets.clone(),
    };
    for target in &targets {
        step(&format!("the library for {target}"), || {
            build(target, &[], &folder().join("lib").join(target))
        })?;
    }
    step("the header", || include(&folder().join("include")))?;
    if all {
        let file = root().join(&options.model);
        step("the packages", || packages::make(&folder(), &file))?;
    }
    println!("all of it is in {}", folder().display());
    Ok(())
}

/// Copies the header into a folder.
pub fn include(folder: &Path) -> Result<()> {
    copy(&root().join("capi/include/lstm.h"), &folder.join("lstm.h"))
}

/// Copies a file, into a folder that is made if it is not there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}

/// Writes a file, likewise.
fn write(path: &Path, content: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(path, content).with_context(|| path.display().to_string())
}

//! `cargo xtask capi`: lstm-core for C and C++, in `target/capi`.

mod archive;
mod motions;
mod packages;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

pub use archive::{CHIPS, build, desk};
pub use motions::{motions_header, sequences};
pub use packages::names as package_names;

use crate::shell::{root, step, target};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Make the library for this target alone, and no packages; may be given again [default: each chip's
    /// and this computer's, and the packages]
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// A model of yours in the examples: in those that write, or, of one that reads values, in Classifier
    #[arg(long, value_name = "FILE", default_value = packages::POET)]
    model: PathBuf,
}

/// Where everything lies that is made here.
pub fn folder() -> PathBuf {
    target().join("capi")
}

/// `cargo xtask capi`.
pub fn run(options: &Options) -> Result<()> {
    match &options.targets[..] {
        [] => make(&root().join(&options.model))?,
        targets => libraries(targets)?,
    }
    println!("it is in {}", folder().display());
    Ok(())
}

/// Makes everything, with this model in the examples that write, or in the one that reads values if it does.
///
/// # Errors
///
/// A library does not build; a file is not read or written.
pub fn make(model: &Path) -> Result<()> {
    let mut targets = CHIPS.map(str::to_owned).to_vec();
    targets.push(desk()?);
    libraries(&targets)?;
    step("the packages", || packages::make(&folder(), model))
}

/// Makes the libraries for some targets, and the header.
fn libraries(targets: &[String]) -> Result<()> {
    for target in targets {
        step(&format!("the library for {target}"), || {
            build(target, &[], &folder().join("lib").join(target))
        })?;
    }
    step("the header", || include(&folder().join("include")))
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

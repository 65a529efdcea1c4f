//! Static libraries.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::copy;
use crate::{
    setup::rust_tool,
    shell::{self, cargo, output, root, run},
};

/// The chips for which there is a library.
pub const CHIPS: [&str; 6] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabihf",
    "riscv32imc-unknown-none-elf",
    "riscv32imac-unknown-none-elf",
];

/// The target of this computer.
pub fn desk() -> Result<String> {
    output(Command::new("rustc").args(["--print", "host-tuple"]))
}

/// Builds the library for a target, with these features besides all formats, and puts it into `folder`
/// without what a debugger reads. Gives its path.
///
/// # Errors
///
/// It does not build; a tool is missing.
pub fn build(target: &str, features: &[&str], folder: &Path) -> Result<PathBuf> {
    // Apart for each choice of features, so that none takes another's place.
    let built = match features {
        [] => shell::target(),
        _ => shell::target().join(features.join("-")),
    };
    let features = [&["archive"], features].concat().join(",");
    let mut command = cargo(&root());
    command.args(["rustc", "--quiet", "--package", "lstm-capi", "--lib"]);
    command.args(["--crate-type", "staticlib", "--profile", "capi"]);
    command.args(["--features", &features, "--target", target]);
    run(command.arg("--target-dir").arg(&built))?;
    let folder_of_cargo = built.join(target).join("capi");
    let mut names = ["liblstm.a", "lstm.lib"].into_iter();
    let name = names
        .find(|name| folder_of_cargo.join(name).exists())
        .with_context(|| format!("found no library in {}", folder_of_cargo.display()))?;
    let path = folder.join(name);
    copy(&folder_of_cargo.join(name), &path)?;
    let mut strip = Command::new(rust_tool("llvm-strip")?);
    run(strip.arg("--strip-debug").arg(&path))?;
    Ok(path)
}

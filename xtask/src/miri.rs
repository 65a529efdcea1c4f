//! `cargo xtask miri`: the tests of lstm-core under Miri, which finds undefined behaviour.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{
    setup,
    shell::{self, output, root, step, target, works},
};

/// Miri comes with nightly toolchains alone.
const TOOLCHAIN: &str = "nightly";
/// No pointer out of a number, and no alignment by luck: bytes are aligned only where their type
/// says so.
const FLAGS: &str = "-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check";

/// The kinds of computer that Miri plays, and flags for their compiler.
const TARGETS: [(&str, &str, &str); 3] = [
    (
        "x86_64-unknown-linux-gnu",
        "-Ctarget-feature=+avx2",
        "64 bits, kernels with AVX2",
    ),
    ("i686-unknown-linux-gnu", "", "32 bits"),
    ("s390x-unknown-linux-gnu", "", "big-endian"),
];

/// What a person may choose.
#[derive(clap::Args, Default)]
pub struct Options {
    /// Only for this target
    #[arg(long, value_parser = TARGETS.map(|(target, ..)| target))]
    target: Option<String>,
}

/// `cargo xtask miri`.
pub fn run(options: &Options) -> Result<()> {
    step("checking for Miri", install)?;
    step("Miri finds a misaligned word", find_misaligned)?;
    for (target, flags, what) in TARGETS {
        if options.target.as_deref().is_none_or(|t| t == target) {
            step(&format!("lstm-core under Miri, {target}: {what}"), || {
                shell::run(&mut tests(target, flags))
            })?;
        }
    }
    Ok(())
}

/// The tests that do not say why Miri leaves them out, each with its time.
fn tests(target_triple: &str, flags: &str) -> Command {
    let mut command = cargo();
    command
        .args(["miri", "test", "--package", "lstm-core", "--lib", "--tests"])
        .args(["--target", target_triple, "--target-dir"])
        .arg(target().join("miri"))
        .args(["--", "-Zunstable-options", "--report-time"])
        .env("MIRIFLAGS", FLAGS)
        .env("RUSTFLAGS", flags);
    command
}

/// Reads a word from bytes, at an address that happens to be aligned: what the tests must not do.
const MISALIGNED: &str = "fn main() {
    let bytes = [1u8; 8];
    let first = bytes.as_ptr().addr().wrapping_neg() % 4;
    let word = unsafe { *bytes.as_ptr().add(first).cast::<u32>() };
    std::process::exit(i32::from(word != 0x0101_0101));
}
";

/// Fails unless Miri, with [`FLAGS`], finds what is wrong with [`MISALIGNED`].
fn find_misaligned() -> Result<()> {
    let folder = target().join("miri-control");
    fs::create_dir_all(folder.join("src"))?;
    let manifest = "[package]\nname = \"control\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/main.rs"), MISALIGNED)?;
    let mut run = cargo();
    run.args(["miri", "run", "--quiet"])
        .current_dir(&folder)
        .env("MIRIFLAGS", FLAGS);
    let output = run.output()?;
    let message = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !message.contains("Undefined Behavior") {
        bail!(
            "Miri did not find the misaligned word: {}, {message}",
            output.status
        );
    }
    Ok(())
}

/// The cargo of [`TOOLCHAIN`].
fn cargo() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", TOOLCHAIN, "cargo"])
        .current_dir(root());
    command
}

fn install() -> Result<()> {
    if !works("rustup", &["run", TOOLCHAIN, "rustc", "--version"]) {
        setup::rustup(
            &["toolchain", "install", "--profile", "minimal"],
            &[TOOLCHAIN],
        )?;
    }
    let mut rustc = Command::new("rustup");
    let sysroot = output(rustc.args(["run", TOOLCHAIN, "rustc", "--print", "sysroot"]))?;
    let has_source = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    let has_miri = works("rustup", &["run", TOOLCHAIN, "cargo", "miri", "--version"]);
    if !has_miri || !has_source.is_dir() {
        let add = ["component", "add", "--toolchain", TOOLCHAIN];
        setup::rustup(&add, &["miri", "rust-src"])?;
    }
    Ok(())
}

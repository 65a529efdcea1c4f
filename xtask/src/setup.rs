//! Installing what the other commands need.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    bench::MACHINES,
    boards::BOARDS,
    shell::{self, output, root, step, works},
};

/// The targets for which lstm-core is built.
pub const TARGETS: [&str; 5] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabihf",
    "riscv32imac-unknown-none-elf",
    "wasm32-unknown-unknown",
];

/// Installs what is missing for every command.
pub fn all() -> Result<()> {
    run()?;
    step("checking the QEMU of the bench", bench_qemu)
}

/// Installs what is missing for a board.
pub fn run() -> Result<()> {
    step("checking the Rust targets and components, and QEMU", || {
        rust()?;
        qemu()
    })
}

fn rust() -> Result<()> {
    let sysroot = output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(root()),
    )?;
    let rustlib = Path::new(&sysroot).join("lib/rustlib");
    let missing: Vec<_> = TARGETS
        .into_iter()
        .filter(|target| !rustlib.join(target).is_dir())
        .collect();
    if !missing.is_empty() {
        rustup(&["target", "add"], &missing)?;
    }
    let has_llvm_tools = rustlib
        .read_dir()?
        .flatten()
        .any(|target| target.path().join("bin/llvm-objcopy").exists());
    let missing: Vec<_> = [
        ("rustfmt", works("cargo", &["fmt", "--version"])),
        ("clippy", works("cargo", &["clippy", "--version"])),
        ("llvm-tools", has_llvm_tools),
    ]
    .into_iter()
    .filter_map(|(component, there)| (!there).then_some(component))
    .collect();
    if !missing.is_empty() {
        rustup(&["component", "add"], &missing)?;
    }
    Ok(())
}

fn rustup(command: &[&str], what: &[&str]) -> Result<()> {
    if !works("rustup", &["--version"]) {
        bail!(
            "found no rustup to add {}; it is at https://rustup.rs",
            what.join(", ")
        );
    }
    shell::run(
        Command::new("rustup")
            .args(command)
            .args(what)
            .current_dir(root()),
    )
}

/// How a person installs QEMU.
pub const QEMU_HINT: &str = "install it with `apt-get install qemu-system-arm` (Debian, Ubuntu), \
    `brew install qemu` (macOS) or from https://www.qemu.org/download";

/// Fails with a line that says how to install QEMU, unless it is there.
pub fn check_qemu() -> Result<()> {
    for board in BOARDS {
        if !works(board.qemu, &["--version"]) {
            bail!("{} is missing; {QEMU_HINT}", board.qemu);
        }
    }
    Ok(())
}

fn qemu() -> Result<()> {
    if check_qemu().is_ok() {
        return Ok(());
    }
    install_qemu("qemu-system-arm").with_context(|| format!("QEMU is missing; {QEMU_HINT}"))?;
    check_qemu()
}

/// No board needs this part of QEMU, so `cargo xtask demo` does without.
fn bench_qemu() -> Result<()> {
    let missing = || {
        let mut programs = MACHINES.iter().map(|m| m.qemu);
        programs.find(|qemu| !works(qemu, &["--version"]))
    };
    // Debian moved RISC-V from the first package to the second.
    for package in ["qemu-system-misc", "qemu-system-riscv"] {
        if missing().is_some() {
            // If it fails, the line below says what to do.
            let _ = install_qemu(package);
        }
    }
    if let Some(qemu) = missing() {
        bail!(
            "{qemu} is missing; it is in `qemu-system-misc` or `qemu-system-riscv` (Debian, \
             Ubuntu), or {QEMU_HINT}"
        );
    }
    Ok(())
}

/// Installs QEMU where this needs no password.
fn install_qemu(package: &str) -> Result<()> {
    if !works("apt-get", &["--version"]) {
        if works("brew", &["--version"]) {
            shell::run(Command::new("brew").args(["install", "qemu"]))?;
        }
        return Ok(());
    }
    let is_root = output(Command::new("id").arg("-u"))? == "0";
    let sudo: &[&str] = match is_root {
        true => &["env"],
        false if works("sudo", &["-n", "true"]) => &["sudo", "-n", "env"],
        false => return Ok(()),
    };
    let apt_get = |args: &[&str]| {
        shell::run(
            Command::new(sudo[0])
                .args(&sudo[1..])
                .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"])
                .args(["-o", "DPkg::Lock::Timeout=120"])
                .args(args),
        )
    };
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", package])
}

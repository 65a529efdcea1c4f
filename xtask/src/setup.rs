//! Installing what the other commands need.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{
    bench::MACHINES,
    boards::{BOARDS, Board},
    shell::{self, output, root, step, works},
};

/// The targets for which lstm-core is built.
pub const TARGETS: [&str; 7] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabihf",
    "riscv32imc-unknown-none-elf",
    "riscv32imac-unknown-none-elf",
    "wasm32-unknown-unknown",
];

/// Installs what is missing for every command.
pub fn all() -> Result<()> {
    run()?;
    step("checking the QEMU of the other boards", || {
        let boards = BOARDS.iter().filter_map(|board| board.emulator.as_ref());
        let machines = MACHINES.iter().map(|machine| machine.qemu);
        let mut programs = boards.map(|emulator| emulator.program).chain(machines);
        programs.try_for_each(qemu)
    })
}

/// Fails with a line that says how to install it, unless Python can make the virtual environment in
/// which the tests of `--full` install Keras and PyTorch.
pub fn check_python() -> Result<()> {
    // Debian's Python has `venv`, but without this it makes none.
    if works("python3", &["-c", "import ensurepip, venv"]) {
        return Ok(());
    }
    bail!(
        "found no Python 3 with its venv module; install it with `apt-get install python3-venv` \
         (Debian, Ubuntu) or `brew install python` (macOS)"
    )
}

/// Installs what is missing for the demo, which needs one board.
pub fn run() -> Result<()> {
    step("checking the Rust targets and components, and QEMU", || {
        rust()?;
        qemu(Board::DEFAULT.emulator()?.program)
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

pub(crate) fn rustup(command: &[&str], what: &[&str]) -> Result<()> {
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

/// The packages that may hold a QEMU program. Debian moved RISC-V from the first to the second.
fn packages(program: &str) -> &'static [&'static str] {
    match program {
        "qemu-system-riscv32" => &["qemu-system-misc", "qemu-system-riscv"],
        _ => &["qemu-system-arm"],
    }
}

/// Fails with a line that says how to install it, unless this QEMU program is there.
pub fn check_qemu(program: &str) -> Result<()> {
    if works(program, &["--version"]) {
        return Ok(());
    }
    let packages = packages(program).join("` or `apt-get install ");
    bail!(
        "{program} is missing; install it with `apt-get install {packages}` (Debian, Ubuntu), \
         `brew install qemu` (macOS) or from https://www.qemu.org/download"
    )
}

fn qemu(program: &str) -> Result<()> {
    for package in packages(program) {
        if check_qemu(program).is_err() {
            // If it fails, the line below says what to do.
            let _ = install_qemu(package);
        }
    }
    check_qemu(program)
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

/// Installs a cargo subcommand from crates.io, unless it is there.
pub(crate) fn cargo_tool(name: &str) -> Result<()> {
    let subcommand = name.trim_start_matches("cargo-");
    if works("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    step(&format!("installing {name}"), || {
        shell::run(shell::cargo(&root()).args(["install", "--locked", "--quiet", name]))
    })
}

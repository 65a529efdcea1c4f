//! Installing what the other commands need.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::shell::{attach, line, output, root, step, works};

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

/// Installs the Rust targets and components, and these programs of QEMU, where they are missing.
pub fn install(qemu: impl IntoIterator<Item = &'static str>) -> Result<()> {
    step("checking the Rust targets and components", install_rust)?;
    let programs = BTreeSet::from_iter(qemu);
    if programs.is_empty() {
        return Ok(());
    }
    step("checking QEMU", || {
        programs.into_iter().try_for_each(install_qemu)
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

/// Fails with a line that says how to install it, unless there is Node.js with npm, for the emulator of the
/// Pico's chip.
pub fn check_node() -> Result<()> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    if works("node", &["--version"]) && works(npm, &["--version"]) {
        return Ok(());
    }
    bail!(
        "found no Node.js with npm, in which the Pico is emulated; install it with `apt-get install nodejs npm` \
         (Debian, Ubuntu) or `brew install node` (macOS)"
    )
}

/// The names of Chromium, and of its kin.
const BROWSERS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The browser in which the page is tested. Fails with a line that says how to install it.
pub fn check_browser() -> Result<&'static str> {
    let browser = BROWSERS
        .into_iter()
        .find(|browser| works(browser, &["--version"]));
    browser.context(
        "found no Chromium; install it with `apt-get install chromium` (Debian) or \
         `brew install --cask google-chrome` (macOS)",
    )
}

/// Installs that browser where it is missing and that needs no password, and says so first.
pub fn install_browser() -> Result<()> {
    step("checking the browser", || {
        let has_apt_get = works("apt-get", &["--version"]);
        if check_browser().is_err() && has_apt_get {
            install_package("chromium", "chromium");
        }
        check_browser().map(|_| ())
    })
}

fn install_rust() -> Result<()> {
    let sysroot = output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(root()),
    )?;
    let rustlib = Path::new(&sysroot).join("lib/rustlib");
    let has_llvm_tools = rustlib
        .read_dir()?
        .flatten()
        .any(|target| target.path().join("bin/llvm-objcopy").exists());
    let targets = TARGETS.map(|target| (target, rustlib.join(target).is_dir()));
    let components = [
        ("rustfmt", works("cargo", &["fmt", "--version"])),
        ("clippy", works("cargo", &["clippy", "--version"])),
        ("llvm-tools", has_llvm_tools),
    ];
    rustup("target", &targets)?;
    rustup("component", &components)
}

/// Adds those that are not there.
fn rustup(kind: &str, names: &[(&str, bool)]) -> Result<()> {
    let missing = names.iter().filter(|(_, is_there)| !is_there);
    let missing: Vec<_> = missing.map(|&(name, _)| name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !works("rustup", &["--version"]) {
        bail!(
            "found no rustup to add {}; it is at https://rustup.rs",
            missing.join(", ")
        );
    }
    let mut rustup = Command::new("rustup");
    attach(rustup.args([kind, "add"]).args(missing).current_dir(root()))
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

/// Installs a QEMU program where it is missing and that needs no password, and says so first.
fn install_qemu(program: &str) -> Result<()> {
    for package in packages(program) {
        if check_qemu(program).is_ok() {
            break;
        }
        install_package(program, package);
    }
    check_qemu(program)
}

/// Installs a package with this program, if that needs no password. Whether it is there then, the caller
/// checks.
fn install_package(program: &str, package: &str) {
    let commands = installers(package);
    let Some(last) = commands.last() else { return };
    println!("    {program} is missing; installing it: {}", line(last));
    // Where one fails, the caller's check says what to do.
    let _ = commands.into_iter().try_for_each(|mut c| attach(&mut c));
}

/// The commands that install a package here without a password; none where that is not possible.
fn installers(package: &str) -> Vec<Command> {
    let command = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    };
    if !works("apt-get", &["--version"]) {
        let has_brew = works("brew", &["--version"]);
        return Vec::from_iter(has_brew.then(|| command(&["brew", "install", "qemu"])));
    }
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    let env: &[&str] = match is_root {
        true => &["env"],
        false if works("sudo", &["-n", "true"]) => &["sudo", "-n", "env"],
        false => return Vec::new(),
    };
    let apt_get = |words: &[&str]| {
        let mut command = command(env);
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]);
        command.args(["-o", "DPkg::Lock::Timeout=120"]).args(words);
        command
    };
    vec![
        apt_get(&["update"]),
        apt_get(&["install", "--yes", "--no-install-recommends", package]),
    ]
}

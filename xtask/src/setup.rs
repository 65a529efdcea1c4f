//! Installing what the other commands need.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::shell::{attach, line, output, root, step, works};

/// The name of Python's program.
pub const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

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

/// What the tests of the C library build programs with. Each says where it is missing.
pub const C_TOOLS: [&str; 3] = ["arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "cmake"];

/// Installs the Rust targets and components, and these programs of QEMU, where they are missing.
pub fn install(qemu: impl IntoIterator<Item = &'static str>) -> Result<()> {
    step("checking the Rust targets and components", install_rust)?;
    let programs = BTreeSet::from_iter(qemu);
    if programs.is_empty() {
        return Ok(());
    }
    step("checking QEMU", || {
        programs.into_iter().try_for_each(install_program)
    })
}

/// Installs [`C_TOOLS`] where they are missing and that can be done. A line tells which are missing
/// still; only some tests need them.
pub fn install_c_tools() -> Result<()> {
    step("checking the C compilers", || {
        let missing = C_TOOLS
            .into_iter()
            .filter_map(|tool| install_program(tool).err());
        missing.for_each(|error| println!("    {error}"));
        Ok(())
    })
}

/// Fails with a line that says how to install it, unless Python can make a virtual environment, in which
/// packages are installed.
pub fn check_python() -> Result<()> {
    // Debian's Python has `venv`, but without this it makes none.
    if works(PYTHON, &["-c", "import ensurepip, venv"]) {
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
            install_packages("chromium", &["chromium"], None);
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
    let has_llvm_tools = rust_tool("llvm-objcopy").is_ok();
    let targets = TARGETS.map(|target| (target, rustlib.join(target).is_dir()));
    let components = [
        ("rustfmt", works("cargo", &["fmt", "--version"])),
        ("clippy", works("cargo", &["clippy", "--version"])),
        ("llvm-tools", has_llvm_tools),
    ];
    rustup("target", &targets)?;
    rustup("component", &components)
}

/// A program that comes with Rust, where it does.
///
/// # Errors
///
/// It does not, with the line that installs it.
pub fn rust_tool(name: &str) -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let sysroot = output(rustc.args(["--print", "sysroot"]).current_dir(root()))?;
    let targets = Path::new(&sysroot)
        .join("lib/rustlib")
        .read_dir()?
        .flatten();
    let file = format!("bin/{name}{}", std::env::consts::EXE_SUFFIX);
    let mut programs = targets.map(|target| target.path().join(&file));
    let found = programs.find(|program| program.exists());
    found.with_context(|| format!("found no {name}; `rustup component add llvm-tools` installs it"))
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

/// The packages that may hold a program, the first that there are. Debian moved RISC-V's QEMU from the
/// first to the second.
fn packages(program: &str) -> &'static [&'static [&'static str]] {
    match program {
        "arm-none-eabi-gcc" => &[&["gcc-arm-none-eabi", "picolibc-arm-none-eabi"]],
        "riscv64-unknown-elf-gcc" => {
            &[&["gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf"]]
        }
        "cmake" => &[&["cmake"]],
        "qemu-system-riscv32" => &[&["qemu-system-misc"], &["qemu-system-riscv"]],
        _ => &[&["qemu-system-arm"]],
    }
}

/// The package of Homebrew, if there is one.
fn formula(program: &str) -> Option<&'static str> {
    match program {
        "cmake" => Some("cmake"),
        _ if program.starts_with("qemu") => Some("qemu"),
        _ => None,
    }
}

/// Fails with a line that says how to install it, unless this program is there.
pub fn check_program(program: &str) -> Result<()> {
    let arguments: &[&str] = match program.ends_with("-gcc") {
        // The library for programs without an operating system.
        true => &["--specs=picolibc.specs", "--version"],
        false => &["--version"],
    };
    if works(program, arguments) {
        return Ok(());
    }
    let packages = packages(program).iter().map(|packages| packages.join(" "));
    let packages = packages.collect::<Vec<_>>().join("` or `apt-get install ");
    let elsewhere = match formula(program) {
        Some("qemu") => {
            ", `brew install qemu` (macOS) or from https://www.qemu.org/download".into()
        }
        Some(formula) => format!(" or `brew install {formula}` (macOS)"),
        None => String::new(),
    };
    bail!(
        "{program} is missing; install it with `apt-get install {packages}` (Debian, Ubuntu){elsewhere}"
    )
}

/// Installs a program where it is missing and that needs no password, and says so first.
fn install_program(program: &str) -> Result<()> {
    for packages in packages(program) {
        if check_program(program).is_ok() {
            break;
        }
        install_packages(program, packages, formula(program));
    }
    check_program(program)
}

/// Installs the packages with this program, if that needs no password. Whether it is there then, the caller
/// checks.
fn install_packages(program: &str, packages: &[&str], formula: Option<&str>) {
    let commands = installers(packages, formula);
    let Some(last) = commands.last() else { return };
    println!("    {program} is missing; installing it: {}", line(last));
    // Where one fails, the caller's check says what to do.
    let _ = commands.into_iter().try_for_each(|mut c| attach(&mut c));
}

/// The commands that install packages here without a password; none where that is not possible.
fn installers(packages: &[&str], formula: Option<&str>) -> Vec<Command> {
    let command = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    };
    if !works("apt-get", &["--version"]) {
        let formula = formula.filter(|_| works("brew", &["--version"]));
        return Vec::from_iter(formula.map(|formula| command(&["brew", "install", formula])));
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
        apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat()),
    ]
}

//! The build script of both examples: hands the memory of the target to the linker.

use std::{env, fs, path::Path};

fn main() {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let memory = match arch.as_str() {
        "riscv32" => "../memory/riscv.x",
        _ => "../memory/arm.x",
    };
    fs::copy(memory, Path::new(&out).join("memory.x")).expect("OUT_DIR is writable");
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    // On Arm, link.x includes it.
    if arch == "riscv32" {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // The strings of defmt, which stay on the desk.
    if env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "embassy") {
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    }
    println!("cargo::rerun-if-changed={memory}");
    println!("cargo::rerun-if-changed=../build.rs");
}

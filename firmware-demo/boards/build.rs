//! The build script of every board: hands its memory.x to the linker, and common.x.

use std::{env, fs, path::Path};

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let memory = fs::read_to_string("memory.x").expect("a board has a memory.x");
    fs::write(Path::new(&out).join("memory.x"), &memory).expect("OUT_DIR is writable");
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    // On Arm, link.x includes it.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "riscv32") {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    if memory.contains("BOOT2") {
        println!("cargo::rustc-link-arg-bins=-Tlink-rp.x");
    }
    println!("cargo::rustc-link-arg-bins=-T{here}/../common.x");
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rerun-if-changed=../common.x");
    println!("cargo::rerun-if-changed=../build.rs");
}

//! Hands the memory map of the machine to the linker.

use std::{env, fs, path::Path};

fn main() {
    let memory_x = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("arm") => "memory/arm.x",
        Ok("riscv32") => "memory/riscv.x",
        // `cargo metadata` and the like; src/lib.rs refuses other targets.
        _ => return,
    };
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::copy(memory_x, Path::new(&out).join("memory.x")).expect("memory/ lies beside build.rs");
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    if memory_x == "memory/riscv.x" {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rerun-if-changed=memory");
    println!("cargo::rerun-if-changed=build.rs");
}

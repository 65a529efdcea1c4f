//! The build script of every board: hands its memory.x to the linker, with common.x behind it.

use std::{env, fs, path::Path};

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let script = ["memory.x", "../common.x"]
        .map(|path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}")));
    fs::write(Path::new(&out).join("memory.x"), script.concat()).expect("OUT_DIR is writable");
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    // On Arm, link.x includes it.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "riscv32") {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    if script[0].contains("BOOT2") {
        println!("cargo::rustc-link-arg-bins=-Tlink-rp.x");
    }
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rerun-if-changed=../common.x");
    println!("cargo::rerun-if-changed=../build.rs");
}

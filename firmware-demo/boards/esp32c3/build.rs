//! Hands the linker the scripts of esp-hal and the bounds of the model region.

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo::rustc-link-arg-bins=-T{here}/model.x");
    println!("cargo::rustc-link-arg-bins=-Tlinkall.x");
    println!("cargo::rerun-if-changed=model.x");
    println!("cargo::rerun-if-changed=build.rs");
}

//! How the WebAssembly module is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("wasm") {
        // Addresses in as few bytes as they take, a tenth of the module.
        println!("cargo::rustc-cdylib-link-arg=--compress-relocations");
    }
}

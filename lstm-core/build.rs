//! Tells the kernels what the target's CPU can do.
//!
//! rustc has no stable `cfg` for the Thumb instruction sets, so they are read off the target's name.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(thumb, values(\"v6m\", \"v7m\", \"v7em\"))");
    let target = std::env::var("TARGET").unwrap_or_default();
    let thumb = match target.split('-').next() {
        Some("thumbv6m") => "v6m",
        Some("thumbv7m") => "v7m",
        // Cortex-M33 in its usual form has the DSP extension of ARMv7E-M.
        Some("thumbv7em" | "thumbv8m.main") => "v7em",
        _ => return,
    };
    println!("cargo::rustc-cfg=thumb=\"{thumb}\"");
}

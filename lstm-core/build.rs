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
        Some("thumbv7em") => "v7em",
        // A Cortex-M33 may have the DSP extension of ARMv7E-M.
        Some("thumbv8m.main") if has_dsp() => "v7em",
        Some("thumbv8m.main") => "v7m",
        _ => return,
    };
    println!("cargo::rustc-cfg=thumb=\"{thumb}\"");
    // LLVM reads a naked function without what rustc was told of the CPU.
    let is_v8 = target.starts_with("thumbv8m");
    let directive = if is_v8 { ".cpu cortex-m33" } else { "" };
    println!("cargo::rustc-env=CPU_DIRECTIVE={directive}");
}

/// Whether rustc was told of the DSP extension: `-C target-cpu=cortex-m33` or
/// `-C target-feature=+dsp`.
fn has_dsp() -> bool {
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    flags.contains("cortex-m33") && !flags.contains("-dsp") || flags.contains("+dsp")
}

//! Chooses the kernel of the target's CPU: sets the cfg `lstm_kernel` to the name of its file.
//!
//! rustc has no stable `cfg` for the Thumb instruction sets, so they are read off the target's name.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(lstm_kernel, values(any()))");
    println!("cargo::rustc-check-cfg=cfg(lstm_core_kernel, values(\"portable\"))");
    let text = |name| var(name).unwrap_or_default();
    let target = Target {
        name: &text("TARGET"),
        arch: &text("CARGO_CFG_TARGET_ARCH"),
        endian: &text("CARGO_CFG_TARGET_ENDIAN"),
        features: &text("CARGO_CFG_TARGET_FEATURE"),
        flags: &text("CARGO_ENCODED_RUSTFLAGS"),
    };
    // As RUSTFLAGS='--cfg lstm_core_kernel="portable"' asks.
    let kernel = match text("CARGO_CFG_LSTM_CORE_KERNEL").as_str() {
        "portable" => "portable",
        _ => kernel(&target),
    };
    println!("cargo::rustc-cfg=lstm_kernel=\"{kernel}\"");
    // Those with the equations of cells in assembly.
    println!("cargo::rustc-check-cfg=cfg(lstm_units)");
    if kernel.starts_with("cortex_m") {
        println!("cargo::rustc-cfg=lstm_units");
    }
    // LLVM reads a naked function without what rustc was told of the CPU.
    let is_v8 = target.name.starts_with("thumbv8m");
    let directive = if is_v8 { ".cpu cortex-m33" } else { "" };
    println!("cargo::rustc-env=CPU_DIRECTIVE={directive}");
}

/// What cargo tells of the target.
pub(crate) struct Target<'a> {
    /// The target triple.
    pub(crate) name: &'a str,
    pub(crate) arch: &'a str,
    pub(crate) endian: &'a str,
    /// Those of `cfg(target_feature)`, with commas between.
    pub(crate) features: &'a str,
    /// The arguments of rustc, with 0x1f between.
    pub(crate) flags: &'a str,
}

/// The file in `src/kernel` whose kernels the target's CPU runs.
pub(crate) fn kernel(target: &Target<'_>) -> &'static str {
    let has = |feature| target.features.split(',').any(|f| f == feature);
    match target.arch {
        "x86_64" if has("sse2") => return "x86_64",
        "aarch64" if has("neon") && target.endian == "little" => return "aarch64",
        // RV32E lacks half of the registers.
        "riscv32" if has("m") && !has("e") => return "riscv32",
        _ => {}
    }
    match target.name.split('-').next() {
        Some("thumbv6m") => "cortex_m0",
        Some("thumbv7m") => "cortex_m3",
        Some("thumbv7em") => "cortex_m4",
        // A Cortex-M33 may have the DSP extension of ARMv7E-M.
        Some("thumbv8m.main") if has_dsp(target.flags) => "cortex_m4",
        Some("thumbv8m.main") => "cortex_m3",
        _ => "portable",
    }
}

/// Whether rustc was told of a CPU that has the DSP extension, or of the extension:
/// `-C target-cpu=cortex-m33`, `-C target-feature=+dsp`.
fn has_dsp(flags: &str) -> bool {
    const WITH_DSP: [&str; 5] = [
        "cortex-m33",
        "cortex-m35p",
        "cortex-m52",
        "cortex-m55",
        "cortex-m85",
    ];
    // `-C option` may be one argument or two. The last that is said of a CPU or of the extension
    // counts, and the extension counts more than the CPU.
    let options = || {
        let flags = flags.split('\x1f');
        flags.map(|flag| flag.strip_prefix("-C").unwrap_or(flag).trim())
    };
    let mut cpus = options().filter_map(|option| option.strip_prefix("target-cpu="));
    let features = options()
        .filter_map(|option| option.strip_prefix("target-feature="))
        .flat_map(|features| features.split(','));
    let mut said = features.filter_map(|feature| match feature {
        "+dsp" => Some(true),
        "-dsp" => Some(false),
        _ => None,
    });
    said.next_back()
        .unwrap_or_else(|| cpus.next_back().is_some_and(|cpu| WITH_DSP.contains(&cpu)))
}

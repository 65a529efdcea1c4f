//! Which kernel the build script chooses.

#[allow(dead_code, reason = "cargo runs the whole of it")]
#[path = "../build.rs"]
mod build;

use build::{Target, kernel};

fn of_arch(arch: &str, features: &str, endian: &str) -> &'static str {
    kernel(&Target {
        name: "unknown",
        arch,
        endian,
        features,
        flags: "",
    })
}

fn of_cortex_m(name: &str, flags: &str) -> &'static str {
    kernel(&Target {
        name,
        arch: "arm",
        endian: "little",
        features: "",
        flags,
    })
}

/// The kernel multiplies, and uses all 32 registers.
#[test]
fn a_risc_v_without_multiplication_or_with_half_of_the_registers_gets_the_portable_kernel() {
    for (features, expected) in [
        ("", "portable"),
        ("c", "portable"),
        ("zmmul", "portable"),
        ("c,e,m", "portable"),
        ("m", "riscv32"),
        ("a,c,m", "riscv32"),
    ] {
        let found = of_arch("riscv32", features, "little");
        assert_eq!(found, expected, "{features}");
    }
    assert_eq!(of_arch("riscv64", "m", "little"), "portable");
}

#[test]
fn a_vector_kernel_is_for_cpus_that_have_the_vectors() {
    for (arch, features, endian, expected) in [
        ("x86_64", "fxsr,sse,sse2", "little", "x86_64"),
        ("x86_64", "", "little", "portable"),
        ("aarch64", "neon", "little", "aarch64"),
        ("aarch64", "neon", "big", "portable"),
        ("aarch64", "", "little", "portable"),
        ("x86", "sse2", "little", "portable"),
        ("s390x", "vector", "big", "portable"),
        ("wasm32", "", "little", "portable"),
    ] {
        let found = of_arch(arch, features, endian);
        assert_eq!(found, expected, "{arch} {features} {endian}");
    }
}

#[test]
fn a_cortex_m_gets_the_kernel_of_its_instruction_set() {
    for (name, expected) in [
        ("thumbv6m-none-eabi", "cortex_m0"),
        ("thumbv7m-none-eabi", "cortex_m3"),
        ("thumbv7em-none-eabi", "cortex_m4"),
        ("thumbv7em-none-eabihf", "cortex_m4"),
        ("thumbv8m.main-none-eabi", "cortex_m3"),
        ("thumbv8m.base-none-eabi", "portable"),
        ("armv7r-none-eabihf", "portable"),
    ] {
        assert_eq!(of_cortex_m(name, ""), expected, "{name}");
    }
}

#[test]
fn the_extension_of_a_cortex_m33_is_read_off_the_flags() {
    let (with, without) = ("cortex_m4", "cortex_m3");
    for (flags, expected) in [
        ("-Ctarget-cpu=cortex-m33", with),
        ("-C\x1ftarget-cpu=cortex-m33", with),
        ("-C target-cpu=cortex-m33", with),
        ("-Ctarget-cpu=cortex-m35p", with),
        ("-Ctarget-cpu=cortex-m52", with),
        ("-Ctarget-cpu=cortex-m55", with),
        ("-Ctarget-cpu=cortex-m85", with),
        ("-Ctarget-feature=+dsp", with),
        ("-Ctarget-feature=+mve,+dsp", with),
        ("-Ctarget-cpu=cortex-m33\x1f-Ctarget-feature=-dsp", without),
        ("-Ctarget-feature=-dsp\x1f-Ctarget-cpu=cortex-m33", without),
        ("-Ctarget-feature=-dsp,+dsp", with),
        ("-Ctarget-cpu=cortex-m23", without),
        // The last one counts.
        (
            "-Ctarget-cpu=cortex-m33\x1f-Ctarget-cpu=cortex-m23",
            without,
        ),
        // Names of files.
        ("-Clink-arg=-Tcortex-m33.x", without),
        ("-Clink-arg=-Ttarget-cpu=cortex-m33.x", without),
        ("-Clinker=target-feature=+dsp", without),
        ("", without),
    ] {
        let found = of_cortex_m("thumbv8m.main-none-eabihf", flags);
        assert_eq!(found, expected, "{flags}");
    }
}

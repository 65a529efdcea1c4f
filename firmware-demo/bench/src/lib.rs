//! What the programs that measure the engine share: the machine, and the model in its memory.
//!
//! * `bench` counts the instructions of a character.
//! * `layer` counts those of a step of a model that reads values.
//! * `kernel-test` compares the dot products of this CPU with the portable ones.
//! * `digest` writes a long text and prints digests of it.
//! * `engine` is the engine alone, and `no-engine` the same program without it: the difference of
//!   their sizes is the engine's.
//!
//! The machine is a feature: `mps2`, `microbit` or `virt`. `cargo xtask bench` builds all and runs
//! them under QEMU. Programs print and exit through semihosting.

#![no_std]

pub mod counter;
pub mod stack;

use core::panic::PanicInfo;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
use lstm_core::{Format, LayerShape, MAX_LAYERS, workspace_words};
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
pub use support_memory::model_region;

#[cfg(not(any(
    all(target_arch = "arm", feature = "mps2", not(feature = "microbit")),
    all(target_arch = "arm", feature = "microbit", not(feature = "mps2")),
    all(target_arch = "riscv32", feature = "virt"),
)))]
compile_error!("choose a machine: mps2 or microbit on Arm, virt on riscv32");

/// Words of the workspace: the largest model here has four layers of 512 units, in any format.
pub const WORDS: usize = {
    let largest = [LayerShape::lstm(512); MAX_LAYERS];
    let f32 = workspace_words(Format::F32, &largest);
    let int8 = workspace_words(Format::Int8, &largest);
    if f32 > int8 { f32 } else { int8 }
};

/// State and scratch of one layer take at most so many bytes for each hidden unit.
const _: () = {
    // On Cortex-M4F in int8, and otherwise.
    let int8 = if cfg!(target_abi = "eabihf") { 6 } else { 10 };
    let mut hidden = 32;
    while hidden <= 512 {
        let layer = [LayerShape::lstm(hidden)];
        let bytes = [
            4 * workspace_words(Format::Int8, &layer),
            4 * workspace_words(Format::Int4, &layer),
        ];
        assert!(bytes[0] <= int8 * hidden as usize);
        assert!(bytes[1] <= 10 * hidden as usize);
        hidden += 32;
    }
};

/// Exits without a message: one would bring the formatting of numbers into `engine`.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    semihosting::process::exit(101)
}

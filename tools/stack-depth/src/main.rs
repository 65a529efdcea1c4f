//! `stack-depth FIRMWARE.elf`: how deep its stack can get, and by which calls.

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [elf] = &arguments[..] else {
        eprintln!(
            "error: found {} arguments, expected one: the ELF file of a firmware for Cortex-M or RISC-V",
            arguments.len()
        );
        return ExitCode::from(2);
    };
    match stack_depth::depth(Path::new(elf)) {
        Ok(depth) => {
            println!(
                "{} bytes, by estimate: {}",
                depth.bytes,
                depth.path.join(" > ")
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

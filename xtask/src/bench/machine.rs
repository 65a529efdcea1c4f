//! The emulated machines, and running a program on them.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    firmware,
    shell::{self, cargo},
};

/// QEMU needs a few seconds for the slowest program.
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes for a model on every machine, as in `firmware-demo/bench/memory`.
pub(super) const MODEL_ROOM: usize = 3 << 20;

/// An emulated machine.
#[derive(Debug)]
pub struct Machine {
    /// QEMU's name of it.
    pub name: &'static str,
    /// Its core, for people.
    pub(super) core: &'static str,
    /// The QEMU program.
    pub qemu: &'static str,
    options: &'static [&'static str],
    /// The target triple of its core.
    pub target: &'static str,
    /// The feature of `firmware-bench` that stands for it.
    pub feature: &'static str,
    /// Where the model lies, as in `firmware-demo/bench/memory`.
    pub(super) model_address: u64,
    /// Instructions that CMSIS-NN's int8 LSTM and dense layer take for the networks A and B, without
    /// sampling. It has no lean layer.
    pub(super) cmsis_nn: [u64; 2],
}

/// Every machine.
pub const MACHINES: &[Machine] = &[
    Machine {
        name: "mps2-an386",
        core: "Cortex-M4F",
        qemu: "qemu-system-arm",
        options: &[],
        target: "thumbv7em-none-eabihf",
        feature: "mps2",
        model_address: 0x0010_0000,
        cmsis_nn: [110_448, 778_778],
    },
    Machine {
        name: "mps2-an385",
        core: "Cortex-M3",
        qemu: "qemu-system-arm",
        options: &[],
        target: "thumbv7m-none-eabi",
        feature: "mps2",
        model_address: 0x0010_0000,
        cmsis_nn: [147_763, 1_148_350],
    },
    Machine {
        name: "microbit",
        core: "Cortex-M0",
        qemu: "qemu-system-arm",
        // Memory for every model; it changes no count.
        options: &[
            "-global",
            "nrf51-soc.flash-size=0x400000",
            "-global",
            "nrf51-soc.sram-size=0x400000",
        ],
        target: "thumbv6m-none-eabi",
        feature: "microbit",
        model_address: 0x0010_0000,
        cmsis_nn: [311_964, 2_267_012],
    },
    Machine {
        name: "virt",
        core: "RV32IMAC",
        qemu: "qemu-system-riscv32",
        options: &["-bios", "none"],
        target: "riscv32imac-unknown-none-elf",
        feature: "virt",
        model_address: 0x8010_0000,
        cmsis_nn: [222_242, 1_836_925],
    },
];

impl Machine {
    /// The machine of this name.
    ///
    /// # Errors
    ///
    /// A line with the names there are.
    pub fn parse(name: &str) -> Result<&'static Machine, String> {
        MACHINES.iter().find(|m| m.name == name).ok_or_else(|| {
            let names: Vec<_> = MACHINES.iter().map(|m| m.name).collect();
            format!("found {name:?}, expected one of: {}", names.join(", "))
        })
    }

    /// Builds programs of `firmware-bench` and gives the folder in which they lie.
    pub(super) fn build(&self, programs: &[&str], features: &[&str]) -> Result<PathBuf> {
        let features = features.iter().flat_map(|&feature| ["--features", feature]);
        self.build_with(programs, &features.collect::<Vec<_>>())
    }

    fn build_with(&self, programs: &[&str], options: &[&str]) -> Result<PathBuf> {
        let target_dir = firmware::workspace().join("target");
        let mut command = cargo(&firmware::workspace());
        command
            .args(["build", "--quiet", "--release"])
            .args(["--package", "firmware-bench", "--target", self.target])
            .args(["--features", self.feature, "--target-dir"])
            .arg(&target_dir);
        for program in programs {
            command.args(["--bin", program]);
        }
        command.args(options);
        shell::run(&mut command)?;
        Ok(target_dir.join(self.target).join("release"))
    }

    /// Builds the engine for some formats alone, and the same program without it.
    pub(super) fn build_engine(&self, formats: &[&str]) -> Result<[PathBuf; 2]> {
        let mut features = vec!["--no-default-features"];
        for format in formats {
            features.extend(["--features", format]);
        }
        let programs = self.build_with(&["engine", "no-engine"], &features)?;
        Ok(["engine", "no-engine"].map(|program| programs.join(program)))
    }

    /// Runs a program to its end, and gives what it prints.
    pub(super) fn run(&self, program: &Path, options: &[&str]) -> Result<String> {
        let mut qemu = Command::new(self.qemu)
            .args(["-M", self.name, "-display", "none"])
            .args(["-monitor", "none", "-serial", "none"])
            .args(["-chardev", "stdio,id=out", "-semihosting-config"])
            .arg("enable=on,target=native,chardev=out")
            .args(self.options)
            .args(options)
            .arg("-kernel")
            .arg(program)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!(
                    "{} does not start; `cargo xtask setup` installs it",
                    self.qemu
                )
            })?;
        let mut stdout = qemu.stdout.take().context("standard output is piped")?;
        let reader = thread::spawn(move || {
            let mut output = String::new();
            stdout.read_to_string(&mut output).map(|_| output)
        });
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = qemu.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                qemu.kill()?;
                bail!("{} ran for more than {LIMIT:?}", program.display());
            }
            thread::sleep(Duration::from_millis(10));
        };
        let output = match reader.join() {
            Ok(output) => output?,
            Err(_) => bail!("the output was not read"),
        };
        ensure!(
            status.success(),
            "{} failed on {}: {status}: {output}",
            program.display(),
            self.name
        );
        Ok(output)
    }

    /// Compares this core's dot products with the portable ones, on the machine.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn test_kernels(&self) -> Result<String> {
        let programs = self.build(&["kernel-test"], &["kernel-test"])?;
        self.run(&programs.join("kernel-test"), &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_machine_is_named_with_those_there_are() {
        let error = Machine::parse("m4").unwrap_err();
        assert!(error.starts_with("found \"m4\", expected one of: mps2-an386"));
    }
}

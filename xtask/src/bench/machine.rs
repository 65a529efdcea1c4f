//! The emulated machines, and running a program on them.

use std::{
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use lstm_core::Format;

use super::cycles::timing::{CORTEX_M0, CORTEX_M3, CORTEX_M4, Timing};
use crate::{
    firmware,
    shell::{self, cargo},
};

/// The longest that a program may keep silent. The slowest takes a few seconds.
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes for a model on every machine, as in `firmware-demo/bench/memory`.
pub(super) const MODEL_ROOM: usize = 3 << 20;

/// An emulated machine.
#[derive(Debug)]
pub struct Machine {
    /// QEMU's name of it.
    pub name: &'static str,
    /// Its core, for people.
    pub core: &'static str,
    /// The QEMU program.
    pub qemu: &'static str,
    options: &'static [&'static str],
    /// The target triple of its core.
    pub target: &'static str,
    /// The feature of `firmware-bench` that stands for it.
    pub feature: &'static str,
    /// Where the model lies, as in `firmware-demo/bench/memory`.
    model_address: u64,
    /// What CMSIS-NN takes for the networks A and B.
    pub(super) cmsis_nn: [CmsisNn; 2],
    /// What its int8 LSTM takes for a step of the first layers of the module `layers`, without a dense layer.
    pub(super) cmsis_nn_layers: &'static [CmsisNn],
    /// The cycles of its core's instructions, if they are known.
    pub(super) timing: Option<&'static Timing>,
}

/// What the int8 LSTM, dense layer and softmax of CMSIS-NN take for a character, over an embedding of
/// 64, without a sample. Constants: nothing here counts them again; docs/CYCLES.md tells how they were
/// counted, and how anybody may. It has no CIFG layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct CmsisNn {
    pub(super) instructions: u64,
    /// By the same tables as ours.
    pub(super) cycles: Option<u64>,
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
        cmsis_nn: [
            CmsisNn {
                instructions: 110_448,
                cycles: Some(143_703),
            },
            CmsisNn {
                instructions: 778_778,
                cycles: Some(1_036_000),
            },
        ],
        cmsis_nn_layers: &[
            CmsisNn {
                instructions: 28_956,
                cycles: Some(37_900),
            },
            CmsisNn {
                instructions: 49_744,
                cycles: Some(65_000),
            },
            CmsisNn {
                instructions: 71_694,
                cycles: Some(93_900),
            },
            CmsisNn {
                instructions: 198_903,
                cycles: Some(262_000),
            },
        ],
        timing: Some(&CORTEX_M4),
    },
    Machine {
        name: "mps2-an385",
        core: "Cortex-M3",
        qemu: "qemu-system-arm",
        options: &[],
        target: "thumbv7m-none-eabi",
        feature: "mps2",
        model_address: 0x0010_0000,
        cmsis_nn: [
            CmsisNn {
                instructions: 147_763,
                cycles: Some(259_001),
            },
            CmsisNn {
                instructions: 1_148_350,
                cycles: Some(2_111_000),
            },
        ],
        cmsis_nn_layers: &[
            CmsisNn {
                instructions: 33_255,
                cycles: Some(54_200),
            },
            CmsisNn {
                instructions: 60_667,
                cycles: Some(102_000),
            },
            CmsisNn {
                instructions: 88_628,
                cycles: Some(151_000),
            },
            CmsisNn {
                instructions: 270_184,
                cycles: Some(478_000),
            },
        ],
        timing: Some(&CORTEX_M3),
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
        cmsis_nn: [
            CmsisNn {
                instructions: 311_964,
                cycles: Some(449_240),
            },
            CmsisNn {
                instructions: 2_267_012,
                cycles: Some(3_264_000),
            },
        ],
        cmsis_nn_layers: &[
            CmsisNn {
                instructions: 73_154,
                cycles: Some(106_000),
            },
            CmsisNn {
                instructions: 131_716,
                cycles: Some(191_000),
            },
            CmsisNn {
                instructions: 189_689,
                cycles: Some(273_000),
            },
            CmsisNn {
                instructions: 553_959,
                cycles: Some(793_000),
            },
        ],
        timing: Some(&CORTEX_M0),
    },
    Machine {
        name: "virt",
        core: "RV32IMAC",
        qemu: "qemu-system-riscv32",
        options: &["-bios", "none"],
        target: "riscv32imac-unknown-none-elf",
        feature: "virt",
        model_address: 0x8010_0000,
        cmsis_nn: [
            CmsisNn {
                instructions: 222_242,
                cycles: None,
            },
            CmsisNn {
                instructions: 1_836_925,
                cycles: None,
            },
        ],
        cmsis_nn_layers: &[],
        timing: None,
    },
];

/// A program that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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

    /// Whether cycles are estimated for models of this format: for soft floats they would take long.
    pub(super) fn has_cycles(&self, format: Format) -> bool {
        self.timing.is_some() && (format != Format::F32 || self.target.ends_with("hf"))
    }

    /// Builds programs of `firmware-bench` and gives the folder in which they lie.
    pub(super) fn build(&self, programs: &[&str], features: &[&str]) -> Result<PathBuf> {
        let features = features.iter().flat_map(|&feature| ["--features", feature]);
        self.build_with(programs, &features.collect::<Vec<_>>())
    }

    fn build_with(&self, programs: &[&str], options: &[&str]) -> Result<PathBuf> {
        let target_dir = firmware::target();
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

    /// Runs a program to its end, and gives what it prints by semihosting.
    ///
    /// # Errors
    ///
    /// It does not start, ends in failure, or prints nothing for minutes.
    pub fn run(&self, program: &Path, options: &[&str]) -> Result<String> {
        let mut output = String::new();
        self.run_lines(program, &[], options, |line| {
            output += line;
            output.push('\n');
            Ok(())
        })?;
        Ok(output)
    }

    /// Runs a program with arguments until it ends or `each`, which gets every line that it prints,
    /// fails.
    fn run_lines(
        &self,
        program: &Path,
        arguments: &[String],
        options: &[&str],
        mut each: impl FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let mut qemu = self.start(program, arguments, options, |qemu| {
            qemu.stdout(Stdio::piped());
        })?;
        let stdout = qemu.0.stdout.take().context("standard output is piped")?;
        let (send, lines) = channel();
        // Ends with QEMU.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut last = String::new();
        loop {
            match lines.recv_timeout(LIMIT) {
                Ok(line) => {
                    last = line?;
                    each(&last)?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} was silent for {LIMIT:?}", program.display())
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = qemu.0.wait()?;
        ensure!(
            status.success(),
            "{} failed on {}: {status}: {last}",
            program.display(),
            self.name
        );
        Ok(())
    }

    /// Starts a program, with QEMU's standard output and error as `pipe` says.
    fn start(
        &self,
        program: &Path,
        arguments: &[String],
        options: &[&str],
        pipe: impl FnOnce(&mut Command),
    ) -> Result<Running> {
        let mut semihosting = "enable=on,target=native,chardev=out".to_owned();
        for argument in arguments {
            semihosting += ",arg=";
            semihosting += argument;
        }
        let mut qemu = Command::new(self.qemu);
        qemu.args(["-M", self.name, "-display", "none"])
            .args(["-monitor", "none", "-serial", "none"])
            .args(["-chardev", "stdio,id=out", "-semihosting-config"])
            .arg(semihosting)
            .args(self.options)
            .args(options)
            .arg("-kernel")
            .arg(program)
            .stdin(Stdio::null());
        pipe(&mut qemu);
        let qemu = qemu.spawn().with_context(|| {
            format!(
                "{} does not start; `cargo xtask setup` installs it",
                self.qemu
            )
        })?;
        Ok(Running(qemu))
    }

    /// Runs a program until it ends or `each` wants no more, and gives each line of QEMU's log of the
    /// blocks that it translates and executes.
    pub(super) fn log(
        &self,
        program: &Path,
        options: &[&str],
        mut each: impl FnMut(&str) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let options = [options, &["-d", "in_asm,exec,nochain"]].concat();
        let mut qemu = self.start(program, &[], &options, |qemu| {
            qemu.stdout(Stdio::null()).stderr(Stdio::piped());
        })?;
        let log = qemu.0.stderr.take().context("standard error is piped")?;
        let mut log = BufReader::with_capacity(1 << 20, log);
        let mut line = String::new();
        while log.read_line(&mut line)? > 0 {
            if each(line.trim_end())?.is_break() {
                return Ok(());
            }
            line.clear();
        }
        let status = qemu.0.wait()?;
        ensure!(
            status.success(),
            "{} failed on {}: {status}",
            program.display(),
            self.name
        );
        Ok(())
    }

    /// Builds the program that runs a model at length and prints digests of that.
    pub fn build_digest(&self) -> Result<PathBuf> {
        Ok(self.build(&["digest"], &["sensor"])?.join("digest"))
    }

    /// Has the model of a file write a text, or run random inputs where it gives no symbols, placed so
    /// many bytes from the start of the model region. `each` gets a line after each block of so many tokens
    /// or steps: their number so far, their digest, and that of the state; or `refused: ` and the reason.
    pub fn digests(
        &self,
        program: &Path,
        model: &Path,
        offset: u64,
        [tokens, blocks]: [u32; 2],
        each: impl FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let arguments = [offset, tokens.into(), blocks.into()].map(|n| n.to_string());
        let loader = self.loader(model, offset);
        self.run_lines(program, &arguments, &["-device", &loader], each)
    }

    /// What QEMU calls a file in the model region, so many bytes from its start.
    pub(super) fn loader(&self, model: &Path, offset: u64) -> String {
        // A comma in a file name is doubled; QEMU takes a single one for the end of it.
        let path = model.display().to_string().replace(',', ",,");
        let address = self.model_address + offset;
        format!("loader,file={path},addr={address:#x},force-raw=on")
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

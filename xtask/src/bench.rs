//! `cargo xtask bench`: the instructions of a character on every core, counted under QEMU.
//!
//! The programs that count are in `firmware-demo/bench`.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use crc::{CRC_32_ISO_HDLC, Crc};
use lstm_core::file::BLOCK_ROWS;
use lstm_core::{Format, LayerShape, Model, Sampler, Session, Token};
use object::{Object, ObjectSection, SectionKind};

use crate::{
    firmware,
    random_model::random_model,
    setup,
    shell::{self, cargo, root, step, target},
    table::{Table, differences, grouped},
};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Count on this machine only
    #[arg(long, value_parser = Machine::parse)]
    machine: Option<&'static Machine>,
    /// Count this model, and compare nothing
    #[arg(long)]
    model: Option<PathBuf>,
    /// Write the figures to docs/bench.txt, instead of comparing them with it
    #[arg(long, conflicts_with_all = ["machine", "model"])]
    bless: bool,
}

/// An emulated machine.
#[derive(Debug)]
pub struct Machine {
    /// QEMU's name of it.
    pub name: &'static str,
    /// Its core, for people.
    core: &'static str,
    /// The QEMU program.
    pub qemu: &'static str,
    options: &'static [&'static str],
    /// The target triple of its core.
    pub target: &'static str,
    /// The feature of `firmware-bench` that stands for it.
    pub feature: &'static str,
    /// Where the model lies, as in `firmware-demo/bench/memory`.
    model_address: u64,
    /// Instructions that CMSIS-NN's int8 LSTM and dense layer take for the networks A and B, without
    /// sampling. It has no lean layer.
    cmsis_nn: [u64; 2],
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

/// A network, but for its format and its weights.
struct Network {
    name: &'static str,
    description: &'static str,
    layer: LayerShape,
}

const NETWORKS: [Network; 4] = [
    Network {
        name: "A",
        description: "an LSTM of 64 units",
        layer: LayerShape::lstm(64),
    },
    Network {
        name: "B",
        description: "an LSTM of 256 units",
        layer: LayerShape::lstm(256),
    },
    Network {
        name: "C",
        description: "a lean layer of 384 units, projected to 96",
        layer: LayerShape::lean(384).project(96),
    },
    Network {
        name: "D",
        description: "a lean layer of 96 units, projected to 32",
        layer: LayerShape::lean(96).project(32),
    },
];
const SYMBOLS: &str = " abcdefghijklmnopqrstuvwxyz";
const FORMATS: [Format; 3] = [Format::Int8, Format::Int4, Format::F32];
/// As the program `bench`.
const SEED: u64 = 1;
const TEMPERATURE: f32 = 0.8;
/// QEMU needs a few seconds for the slowest.
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes for a model, as in `firmware-demo/bench/memory`.
const MODEL_ROOM: usize = 3 << 20;
/// A figure may differ from the snapshot by this share.
const TOLERANCE: f64 = 0.02;

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
    fn build(&self, programs: &[&str], features: &[&str]) -> Result<PathBuf> {
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
        for feature in features {
            command.args(["--features", feature]);
        }
        shell::run(&mut command)?;
        Ok(target_dir.join(self.target).join("release"))
    }

    /// Runs a program to its end, and gives what it prints.
    fn run(&self, program: &Path, options: &[&str]) -> Result<String> {
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

    /// Counts one model, and checks that it draws the same tokens as on the host. Gives the cells
    /// of [`count_table`].
    fn count(&self, programs: &Path, file: &ModelFile) -> Result<Vec<String>> {
        ensure!(
            file.len <= MODEL_ROOM,
            "{} does not fit: found {} bytes, expected at most {MODEL_ROOM}",
            file.path.display(),
            file.len
        );
        let model = file.model()?;
        // A comma in a file name is doubled; QEMU takes a single one for the end of it.
        let path = file.path.display().to_string().replace(',', ",,");
        let address = self.model_address;
        let loader = format!("loader,file={path},addr={address:#x},force-raw=on");
        let line = self.run(
            &programs.join("bench"),
            &["-icount", "shift=0", "-device", &loader],
        )?;
        let field = |name: &str| -> Result<&str> {
            let mut words = line.split_whitespace();
            let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.with_context(|| format!("found {line:?}, expected {name}="))
        };
        let number = |name| -> Result<u64> { Ok(field(name)?.parse()?) };

        let characters = number("characters")?;
        let found = u32::from_str_radix(field("tokens")?, 16)?;
        let expected = host_tokens(&model, number("warm-up")? + characters)?;
        ensure!(
            found == expected,
            "{} does not write what the host writes with {}: \
             found {found:08x}, expected {expected:08x}",
            self.name,
            file.path.display()
        );

        let mean = number("instructions")? as f64 / characters as f64;
        let multiply_adds = model.multiply_adds();
        // CMSIS-NN has no float arithmetic to compare with.
        let cmsis_nn = file.network.filter(|_| model.format() != Format::F32);
        let cmsis_nn = cmsis_nn.and_then(|network| self.cmsis_nn.get(network).copied());
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        Ok(vec![
            self.name.to_owned(),
            self.core.to_owned(),
            model.format().to_string(),
            file.name.clone(),
            grouped(mean.round() as u64),
            grouped(number("minimum")?),
            grouped(number("maximum")?),
            grouped(multiply_adds as u64),
            format!("{:.3}", mean / multiply_adds as f64),
            or_none(cmsis_nn.map(grouped)),
            or_none(cmsis_nn.map(|n| format!("{:.2}", n as f64 / mean))),
            grouped(file.len as u64),
            grouped(number("workspace")?),
            grouped(number("stack")?.max(number("load-stack")?)),
        ])
    }
}

/// The CRC-32 of the tokens that a model draws on the host.
fn host_tokens(model: &Model<'_>, characters: u64) -> Result<u32> {
    let mut words = vec![0; Session::words(model)];
    let mut logits = vec![0; model.alphabet().len()];
    let mut session = Session::from_slices(model, &mut words, &mut logits)?;
    let mut sampler = Sampler::new(SEED).temperature(TEMPERATURE)?;
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    let mut tokens = crc.digest();
    let mut token = Token::default();
    for _ in 0..characters {
        token = sampler.sample(session.step(token));
        tokens.update(&[token.index() as u8]);
    }
    Ok(tokens.finalize())
}

/// Bytes in the sections of a program.
#[derive(Clone, Copy, Debug, Default)]
struct Sections {
    text: u64,
    constants: u64,
    variables: u64,
}

impl Sections {
    fn of(program: &Path) -> Result<Self> {
        let elf = fs::read(program).with_context(|| program.display().to_string())?;
        let elf = object::File::parse(&*elf).with_context(|| program.display().to_string())?;
        let mut sections = Sections::default();
        for section in elf.sections() {
            let sum = match section.kind() {
                SectionKind::Text => &mut sections.text,
                SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => &mut sections.constants,
                SectionKind::Data | SectionKind::UninitializedData => &mut sections.variables,
                _ => continue,
            };
            *sum += section.size();
        }
        Ok(sections)
    }

    fn without(self, other: Self) -> Self {
        Sections {
            text: self.text.saturating_sub(other.text),
            constants: self.constants.saturating_sub(other.constants),
            variables: self.variables.saturating_sub(other.variables),
        }
    }
}

/// `cargo xtask bench`.
pub fn run(options: &Options) -> Result<()> {
    setup::all()?;
    let machines = match options.machine {
        Some(machine) => std::slice::from_ref(machine),
        None => MACHINES,
    };
    for machine in machines {
        step(
            &format!("comparing the kernels on {}", machine.name),
            || {
                print!("    {}", machine.test_kernels()?);
                Ok(())
            },
        )?;
    }
    if let Some(path) = &options.model {
        let file = ModelFile::read(path)?;
        let mut counts = count_table();
        for machine in machines {
            let programs = machine.build(&["bench"], &[])?;
            counts.push(machine.count(&programs, &file)?);
        }
        print!("\n{}", counts.render());
        return Ok(());
    }
    let report = measure(machines)?;
    print!("\n{report}");
    let path = snapshot();
    if options.bless {
        fs::write(&path, &report).with_context(|| path.display().to_string())?;
        println!("\n==> {} is renewed", path.display());
        return Ok(());
    }
    check(&report)
}

fn snapshot() -> PathBuf {
    root().join("docs/bench.txt")
}

/// Counts every network in every format on these machines, and writes what docs/bench.txt holds.
///
/// # Errors
///
/// A program that does not build or run; a machine that writes other text than the host.
pub fn measure(machines: &[Machine]) -> Result<String> {
    let files = random_models()?;
    let mut counts = count_table();
    let mut sizes = Table::new(&["machine", "core", "code", "constants", "sum", "variables"]);
    for machine in machines {
        let programs = step(&format!("building for {}", machine.name), || {
            machine.build(&["bench", "engine", "no-engine"], &[])
        })?;
        step(&format!("counting on {}", machine.name), || {
            for file in &files {
                counts.push(machine.count(&programs, file)?);
            }
            Ok(())
        })?;
        let engine = Sections::of(&programs.join("engine"))?;
        let engine = engine.without(Sections::of(&programs.join("no-engine"))?);
        sizes.push(vec![
            machine.name.into(),
            machine.core.into(),
            grouped(engine.text),
            grouped(engine.constants),
            grouped(engine.text + engine.constants),
            grouped(engine.variables),
        ]);
    }
    let networks = NETWORKS.map(|network| format!("{}: {}", network.name, network.description));
    Ok(format!(
        "Instructions of one character under QEMU: a step, the dense layer and a sample at\n\
         temperature {TEMPERATURE}. `cargo xtask bench` compares this file, `--bless` renews it.\n\
         {} symbols. {}.\n\
         CMSIS-NN: its int8 LSTM and dense layer, without a sample.\n\
         RAM: state, scratch and logits. Stack: the deepest of reading the file and a character.\n\n{}\n\
         Bytes of the engine in flash: file reader, steps of all formats, sampler, tables.\n\n{}",
        SYMBOLS.len(),
        networks.join("; "),
        counts.render(),
        sizes.render()
    ))
}

/// A model on disk and in memory.
struct ModelFile {
    /// For the table.
    name: String,
    /// The index of the network, if it is one of [`NETWORKS`].
    network: Option<usize>,
    path: PathBuf,
    /// In words, for the alignment.
    words: Vec<u128>,
    len: usize,
}

impl ModelFile {
    fn new(name: String, network: Option<usize>, path: PathBuf, bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(size_of::<u128>())];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        ModelFile {
            name,
            network,
            path,
            words,
            len: bytes.len(),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().display().to_string();
        Ok(Self::new(name, None, path.to_owned(), &bytes))
    }

    fn model(&self) -> Result<Model<'_>> {
        let bytes = &bytemuck::cast_slice(&self.words)[..self.len];
        Model::from_bytes(bytes).with_context(|| self.path.display().to_string())
    }
}

/// Every network in every format, written to disk.
fn random_models() -> Result<Vec<ModelFile>> {
    let folder = target().join("bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for format in FORMATS {
        for (index, network) in NETWORKS.iter().enumerate() {
            let bytes = random_model(format, SYMBOLS, &[network.layer], SEED);
            let path = folder.join(format!("{}-{format}.lstm", network.name));
            fs::write(&path, &bytes).with_context(|| path.display().to_string())?;
            let name = network.name.to_owned();
            files.push(ModelFile::new(name, Some(index), path, &bytes));
        }
    }
    Ok(files)
}

fn count_table() -> Table {
    Table::new(&[
        "machine",
        "core",
        "format",
        "network",
        "mean",
        "minimum",
        "maximum",
        "multiply-adds",
        "per multiply-add",
        "CMSIS-NN",
        "ratio",
        "model bytes",
        "RAM bytes",
        "stack bytes",
    ])
}

/// Compares a report with the snapshot.
///
/// # Errors
///
/// Every line that differs by more than the tolerance.
pub fn check(report: &str) -> Result<()> {
    let path = snapshot();
    let snapshot = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let differences = differences(&snapshot, report, TOLERANCE);
    ensure!(
        differences.is_empty(),
        "{} differs by more than {} %; `cargo xtask bench --bless` renews it:\n{}",
        path.display(),
        100.0 * TOLERANCE,
        differences.join("\n")
    );
    println!("==> as in {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_machine_is_named_with_those_there_are() {
        let error = Machine::parse("m4").unwrap_err();
        assert!(error.starts_with("found \"m4\", expected one of: mps2-an386"));
    }

    #[test]
    fn multiply_adds_are_those_of_the_matrices() {
        let layers = [LayerShape::lstm(16), LayerShape::lean(32).project(24)];
        let bytes = random_model(Format::Int8, "abc", &layers, 1);
        let file = ModelFile::new(String::new(), None, PathBuf::new(), &bytes);
        let expected = 64 * 16 + 96 * (16 + 24) + 32 * 24 + 3 * 24;
        assert_eq!(file.model().unwrap().multiply_adds(), expected);
    }
}

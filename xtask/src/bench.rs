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
use lstm_core::{Format, Model, Sampler, Session, Token};
use object::{Object, ObjectSection, SectionKind};

use crate::{
    firmware,
    random_model::random_model,
    setup,
    shell::{self, cargo, root, step, target},
};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Count on this machine only
    #[arg(long, value_parser = Machine::parse)]
    machine: Option<&'static Machine>,
    /// Write the figures to docs/bench.txt, instead of comparing them with it
    #[arg(long, conflicts_with = "machine")]
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
    /// Instructions that CMSIS-NN's int8 LSTM and dense layer take for each network, without
    /// sampling.
    cmsis_nn: [u64; NETWORKS.len()],
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
    hidden: usize,
}

const NETWORKS: [Network; 2] = [
    Network {
        name: "A",
        hidden: 64,
    },
    Network {
        name: "B",
        hidden: 256,
    },
];
const SYMBOLS: &str = " abcdefghijklmnopqrstuvwxyz";
const FORMATS: [Format; 3] = [Format::Int8, Format::Int4, Format::F32];
/// As the program `bench`.
const SEED: u64 = 1;
const TEMPERATURE: f32 = 0.8;
/// QEMU needs a few seconds for the slowest.
const LIMIT: Duration = Duration::from_secs(300);
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
    fn run(&self, program: &Path, options: &[String]) -> Result<String> {
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
            .with_context(|| format!("{} does not start; `cargo xtask setup` installs it", self.qemu))?;
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

    /// Counts one model, and checks that it drew the same tokens as on the host.
    fn count(&self, program: &Path, path: &Path, model: &Model<'_>) -> Result<Count> {
        // A comma in a file name is doubled; QEMU takes a single one for the end of it.
        let file = path.display().to_string().replace(',', ",,");
        let address = self.model_address;
        let line = self.run(
            program,
            &[
                "-icount".to_owned(),
                "shift=0".to_owned(),
                "-device".to_owned(),
                format!("loader,file={file},addr={address:#x},force-raw=on"),
            ],
        )?;
        let field = |name: &str| -> Result<&str> {
            let mut words = line.split_whitespace();
            let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.with_context(|| format!("found {line:?}, expected {name}="))
        };
        let number = |name| -> Result<u64> { Ok(field(name)?.parse()?) };
        let characters = number("characters")?;
        let found = u32::from_str_radix(field("tokens")?, 16)?;
        let expected = host_tokens(model, number("warm-up")? + characters)?;
        ensure!(
            found == expected,
            "{} does not write what the host writes with {}: \
             found {found:08x}, expected {expected:08x}",
            self.name,
            path.display()
        );
        Ok(Count {
            mean: number("instructions")? / characters,
            minimum: number("minimum")?,
            maximum: number("maximum")?,
            workspace: number("workspace")?,
            stack: number("stack")?.max(number("load-stack")?),
        })
    }
}

/// What the program `bench` finds for one model.
struct Count {
    mean: u64,
    minimum: u64,
    maximum: u64,
    workspace: u64,
    stack: u64,
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

/// Counts every model on these machines, and writes what docs/bench.txt holds.
///
/// # Errors
///
/// A program that does not build or run; a machine that writes other text than the host.
pub fn measure(machines: &[Machine]) -> Result<String> {
    let models = write_models()?;
    let mut counts = Table::new(&[
        "machine",
        "core",
        "format",
        "network",
        "mean",
        "minimum",
        "maximum",
        "per multiply-add",
        "CMSIS-NN",
        "ratio",
        "model bytes",
        "RAM bytes",
        "stack bytes",
    ]);
    let mut sizes = Table::new(&["machine", "core", "code", "constants", "sum", "variables"]);
    for machine in machines {
        let programs = step(&format!("building for {}", machine.name), || {
            machine.build(&["bench", "engine", "no-engine"], &[])
        })?;
        step(
            &format!("comparing the kernels on {}", machine.name),
            || {
                let line = machine.test_kernels()?;
                print!("    {line}");
                Ok(())
            },
        )?;
        step(&format!("counting on {}", machine.name), || {
            for file in &models {
                let model = Model::from_region(file.bytes())?;
                let count = machine.count(&programs.join("bench"), &file.path, &model)?;
                counts.push(machine.row(file, &count));
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
    let networks = NETWORKS.map(|network| {
        let (hidden, multiply_adds) = (network.hidden, grouped(network.multiply_adds()));
        format!(
            "{}: an LSTM of {hidden} units, {multiply_adds} multiply-adds.",
            network.name
        )
    });
    Ok(format!(
        "Instructions of one character under QEMU: an LSTM step, the dense layer and a sample at\n\
         temperature {TEMPERATURE}. `cargo xtask bench` compares this file, `--bless` renews it.\n\
         {} symbols. {}\n\
         CMSIS-NN: its int8 LSTM and dense layer, without a sample.\n\
         RAM: state, scratch and logits. Stack: the deepest of reading the file and a character.\n\n{}\n\
         Bytes of the engine in flash: file reader, steps of all formats, sampler, tables.\n\n{}",
        SYMBOLS.len(),
        networks.join(" "),
        counts.render(),
        sizes.render()
    ))
}

impl Network {
    fn multiply_adds(&self) -> u64 {
        (4 * self.hidden * self.hidden + SYMBOLS.len() * self.hidden) as u64
    }
}

impl Machine {
    fn row(&self, file: &ModelFile, count: &Count) -> Vec<String> {
        let network = &NETWORKS[file.network];
        let cmsis_nn = self.cmsis_nn[file.network];
        let mean = count.mean as f64;
        // CMSIS-NN has no such arithmetic to compare with.
        let is_float = file.format == Format::F32;
        let comparison = |text: String| if is_float { "-".to_owned() } else { text };
        vec![
            self.name.into(),
            self.core.into(),
            file.format.to_string(),
            network.name.into(),
            grouped(count.mean),
            grouped(count.minimum),
            grouped(count.maximum),
            format!("{:.3}", mean / network.multiply_adds() as f64),
            comparison(grouped(cmsis_nn)),
            comparison(format!("{:.2}", cmsis_nn as f64 / mean)),
            grouped(file.len as u64),
            grouped(count.workspace),
            grouped(count.stack),
        ]
    }
}

/// A model of random weights, on disk and in memory.
struct ModelFile {
    network: usize,
    format: Format,
    path: PathBuf,
    /// In words, for the alignment.
    words: Vec<u128>,
    len: usize,
}

impl ModelFile {
    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

fn write_models() -> Result<Vec<ModelFile>> {
    let folder = target().join("bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut models = Vec::new();
    for format in FORMATS {
        for (index, network) in NETWORKS.iter().enumerate() {
            let file = random_model(format, SYMBOLS, &[network.hidden], SEED);
            let path = folder.join(format!("{}-{format}.lstm", network.name));
            fs::write(&path, &file).with_context(|| path.display().to_string())?;
            let mut words = vec![0; file.len().div_ceil(size_of::<u128>())];
            bytemuck::cast_slice_mut(&mut words)[..file.len()].copy_from_slice(&file);
            models.push(ModelFile {
                network: index,
                format,
                path,
                words,
                len: file.len(),
            });
        }
    }
    Ok(models)
}

/// Columns of text, aligned.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        let head = head.iter().map(|&title| title.to_owned()).collect();
        Table { rows: vec![head] }
    }

    fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Words to the left, numbers to the right.
    fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let column = |k: usize| self.rows.iter().filter_map(move |row| row.get(k));
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (k, cell) in row.iter().enumerate().take(columns) {
                let width = column(k).map(String::len).max().unwrap_or(0);
                let is_number = column(k).skip(1).any(|cell| number(cell).is_some());
                let cell = if is_number {
                    format!("{cell:>width$}  ")
                } else {
                    format!("{cell:width$}  ")
                };
                line += &cell;
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The number that [`grouped`] or a format wrote.
fn number(word: &str) -> Option<f64> {
    word.replace(',', "").parse().ok()
}

/// Compares a report with the snapshot.
///
/// # Errors
///
/// Every line that differs by more than the tolerance.
pub fn check(report: &str) -> Result<()> {
    let path = snapshot();
    let snapshot = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let differences = differences(&snapshot, report);
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

/// The lines of the report that have no match in the snapshot.
fn differences(snapshot: &str, report: &str) -> Vec<String> {
    let mut differences = Vec::new();
    for line in report.lines() {
        if !snapshot.lines().any(|expected| is_near(expected, line)) {
            // The line that begins alike is the one that was meant.
            let common = |other: &&str| {
                let pairs = other.split_whitespace().zip(line.split_whitespace());
                pairs.take_while(|(a, b)| a == b).count()
            };
            let expected = snapshot.lines().max_by_key(common).unwrap_or_default();
            differences.push(format!("found    {line}\nexpected {expected}"));
        }
    }
    differences
}

/// Whether two lines have the same words, and numbers within the tolerance.
fn is_near(expected: &str, found: &str) -> bool {
    let (mut expected, mut found) = (expected.split_whitespace(), found.split_whitespace());
    loop {
        let is_same = match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) => match (number(a), number(b)) {
                (Some(a), Some(b)) => (b - a).abs() <= TOLERANCE * a.abs(),
                _ => a == b,
            },
            _ => false,
        };
        if !is_same {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_read_back() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(value), text);
            assert_eq!(number(text), Some(value as f64));
        }
        assert_eq!(number("microbit"), None);
    }

    #[test]
    fn a_figure_may_move_by_two_percent() {
        let snapshot = "a  x  1,000  2.00\nb  x  1,000  2.00\n";
        assert_eq!(differences(snapshot, snapshot), [""; 0]);
        assert_eq!(differences(snapshot, "b  x   980  2.03\n"), [""; 0]);
        assert_eq!(
            differences(snapshot, "b  x   979  2.00\n"),
            ["found    b  x   979  2.00\nexpected b  x  1,000  2.00"]
        );
        assert_eq!(differences(snapshot, "c  x  1,000  2.00\n").len(), 1);
        assert_eq!(differences(snapshot, "a  x  1,000\n").len(), 1);
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Table::new(&["name", "n"]);
        table.push(vec!["a".into(), "1,000".into()]);
        table.push(vec!["longer".into(), "7".into()]);
        assert_eq!(
            table.render(),
            "name        n\na       1,000\nlonger      7\n"
        );
    }

    #[test]
    fn an_unknown_machine_is_named_with_those_there_are() {
        let error = Machine::parse("m4").unwrap_err();
        assert!(error.starts_with("found \"m4\", expected one of: mps2-an386"));
    }
}

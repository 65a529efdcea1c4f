//! Every shipped model writes the same long text everywhere, and networks of values give the same outputs: the kernel of this CPU, the portable
//! kernel, a WebAssembly module and the cores under QEMU are compared by digests, of the tokens and
//! of the state, block by block.
//!
//! A million tokens of every model on every core take more than an hour. A pair of model and computer that came
//! to its end is recorded under `target/equal`, and is not run again as long as neither the program,
//! nor what runs it, nor the model changes. `DIGEST_MODEL=cifg-96` takes the models alone whose file begins so,
//! `DIGEST_FOLDER=FOLDER` the networks of values in a folder: its path as seen from the root of the repository.

#[path = "../../../lstm-core/tests/common/mod.rs"]
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use common::{
    Net, Plan,
    ngrams::{Table, Vectors, ngrams},
    sensors::{F32SensorNet, Head, Int8SensorNet},
};
use crc::{CRC_32_ISO_HDLC, Crc};
use cross_tests::{models_in, shipped};
use lstm_core::{Activation, CellKind, DenseShape, Format, LayerShape, Model, WorkspaceSlices};
use text_digest::{Digest, Run};
use wasmtime::{Engine, Instance, Module, Store};
use xtask::{
    aligned::AlignedBytes,
    bench::{MACHINES, Machine},
    shell::{cargo, root, run, target},
};

/// What is compared with the kernel of this CPU.
#[derive(Clone, Copy, Debug)]
enum Computer {
    /// The portable kernel on this CPU.
    Portable,
    /// The portable kernel as WebAssembly.
    Wasm,
    Core(&'static Machine),
}

impl Computer {
    fn name(self) -> &'static str {
        match self {
            Computer::Portable => "portable",
            Computer::Wasm => "wasm32",
            Computer::Core(machine) => machine.core,
        }
    }

    /// The core of this name.
    fn core(name: &str) -> Self {
        let machine = MACHINES.iter().find(|machine| machine.core == name);
        Computer::Core(machine.expect("a core of the benchmarks"))
    }

    /// The program that runs there, built once.
    fn program(self) -> PathBuf {
        static BUILT: Mutex<Vec<(&str, PathBuf)>> = Mutex::new(Vec::new());
        let mut built = BUILT.lock().unwrap();
        if let Some((_, program)) = built.iter().find(|(name, _)| *name == self.name()) {
            return program.clone();
        }
        let build = |command: &str| {
            let mut build = cargo(&root());
            build.args([command, "--quiet", "--release", "--package", "text-digest"]);
            build
        };
        let program = match self {
            Computer::Core(machine) => machine.build_digest(),
            Computer::Portable => {
                let folder = target().join("portable");
                let mut build = build("build");
                build.env("RUSTFLAGS", "--cfg lstm_core_kernel=\"portable\"");
                build
                    .args(["--bin", "text-digest", "--target-dir"])
                    .arg(&folder);
                let program = format!("release/text-digest{}", std::env::consts::EXE_SUFFIX);
                run(&mut build).map(|()| folder.join(program))
            }
            Computer::Wasm => {
                let triple = "wasm32-unknown-unknown";
                let mut build = build("rustc");
                build.args(["--lib", "--crate-type", "cdylib", "--target", triple]);
                build.arg("--target-dir").arg(target());
                let module = target().join(triple).join("release/text_digest.wasm");
                run(&mut build).map(|()| module)
            }
        };
        let program = program.unwrap_or_else(|error| panic!("{error:#}"));
        built.push((self.name(), program.clone()));
        program
    }

    /// That program, with what runs it: the version of QEMU, or this test, which has the WebAssembly
    /// runtime in it.
    fn programs(self) -> anyhow::Result<Vec<u8>> {
        let mut programs = fs::read(self.program())?;
        match self {
            Computer::Portable => {}
            Computer::Wasm => programs.extend(fs::read(std::env::current_exe()?)?),
            Computer::Core(machine) => {
                programs.extend(Command::new(machine.qemu).arg("--version").output()?.stdout);
            }
        }
        Ok(programs)
    }

    /// Writes the text of a model there, and calls `each` with the line of each block until it
    /// gives an error.
    fn write(
        self,
        model: &Path,
        [tokens, blocks]: [u32; 2],
        each: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let program = self.program();
        match self {
            Computer::Core(machine) => machine.digests(&program, model, 0, [tokens, blocks], each),
            Computer::Portable => lines(
                Command::new(program)
                    .arg(model)
                    .args([tokens, blocks].map(|n| n.to_string())),
                each,
            ),
            Computer::Wasm => {
                let engine = Engine::default();
                let module = Module::new(&engine, fs::read(program)?)?;
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[])?;
                let room = instance.get_typed_func::<u32, u32>(&mut store, "room")?;
                let start = instance.get_typed_func::<(), ()>(&mut store, "start")?;
                let write = instance.get_typed_func::<u32, u64>(&mut store, "write")?;
                let file = fs::read(model)?;
                let place = room.call(&mut store, file.len().try_into()?)?;
                let memory = instance.get_memory(&mut store, "memory").expect("exported");
                memory.write(&mut store, place as usize, &file)?;
                start.call(&mut store, ())?;
                for block in 1..=blocks {
                    let digests = write.call(&mut store, tokens)?;
                    let digest = Digest {
                        count: block * tokens,
                        tokens: (digests >> 32) as u32,
                        state: digests as u32,
                    };
                    each(&digest.to_string())?;
                }
                Ok(())
            }
        }
    }
}

/// The lines that a program prints, each as soon as it is there.
fn lines(
    command: &mut Command,
    each: &mut dyn FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let result = lines.try_for_each(|line| each(&line?));
    if result.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    result?;
    anyhow::ensure!(status.success(), "{status}");
    Ok(())
}

/// The digests of the kernel of this CPU.
fn host(path: &Path, [tokens, blocks]: [u32; 2]) -> Vec<String> {
    let flash = AlignedBytes::new(&fs::read(path).unwrap());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.num_outputs()];
    let workspace = WorkspaceSlices::new(&mut words, &mut logits);
    let mut run = Run::new(model, workspace).unwrap();
    let mut state = vec![0; run.state_bytes()];
    let mut block = || run.go_on(tokens, &mut state).unwrap().to_string();
    (0..blocks).map(|_| block()).collect()
}

/// A model with its multiply-adds a token.
struct Shipped {
    path: PathBuf,
    format: Format,
    multiply_adds: usize,
}

impl Shipped {
    fn new(path: PathBuf) -> Self {
        let flash = AlignedBytes::new(&fs::read(&path).unwrap());
        let model = Model::from_bytes(flash.bytes()).unwrap();
        Shipped {
            path,
            format: model.format(),
            multiply_adds: model.multiply_adds(),
        }
    }
}

/// The shipped network of values, and networks of random weights that read values, or read symbols and give classes; of all
/// cells and activations together, and the last in floats. `DIGEST_FOLDER` takes the models of a folder instead.
fn networks_of_values() -> Vec<Shipped> {
    if let Some(folder) = std::env::var_os("DIGEST_FOLDER") {
        let models = models_in(&root().join(folder));
        return models.into_iter().map(Shipped::new).collect();
    }
    // Millions of instructions a step, were it as large as the others.
    let small = Plan {
        channels: 3,
        shapes: vec![
            LayerShape::new(CellKind::GruResetBefore, 4),
            LayerShape::lstm(3),
        ],
        dense: vec![DenseShape::new(4, Activation::Tanh)],
        outputs: 3,
        ..Plan::default()
    };
    let files = [
        Int8SensorNet::random(Format::Int8, 8).file(),
        Int8SensorNet::random(Format::Int8, 6).file(),
        Int8SensorNet::random(Format::Int4, 9).file(),
        Int8SensorNet::random(Format::Int4, 15).file(),
        F32SensorNet::random_plan(&small, Head::Values, 1).file(),
    ];
    let network = |(index, file): (usize, Vec<u8>)| {
        let path = target().join(format!("values-{index}.lstm"));
        fs::write(&path, file).unwrap();
        Shipped::new(path)
    };
    let shipped = models_in(&root().join("models/sensors"));
    let shipped = shipped.into_iter().map(Shipped::new);
    shipped
        .chain(files.into_iter().enumerate().map(network))
        .collect()
}

/// Models of random weights with both n-gram sections, of which the text meets many contexts.
fn made() -> Vec<PathBuf> {
    let layers = [
        (Format::Int8, LayerShape::cifg(40).project(12)),
        (Format::Int4, LayerShape::lstm(21)),
    ];
    let make = |(format, shape): (Format, LayerShape)| {
        let vectors = Vectors::random(5, shape.output(), [16, 40, 90], 1);
        let table = Table::random(5, shape.output(), 1, &[16, 40, 90, 0, 60], 1);
        let net = Net::<i8, _>::random_shapes(format, 5, &[shape], 1);
        let file = net.file_with(&ngrams(Some(&vectors), Some(&table)));
        let path = target().join(format!("ngrams-{format}.lstm"));
        fs::write(&path, file).unwrap();
        path
    };
    layers.into_iter().map(make).collect()
}

/// The shipped models of integers and those with n-gram sections, the small ones first.
fn models() -> &'static [Shipped] {
    static MODELS: OnceLock<Vec<Shipped>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let only = std::env::var("DIGEST_MODEL").unwrap_or_default();
        let named = |path: &PathBuf| {
            let name = path.file_stem().unwrap().to_string_lossy();
            name.starts_with(&only)
        };
        let mut models: Vec<_> = shipped()
            .into_iter()
            .chain(made())
            .filter(named)
            .map(Shipped::new)
            .filter(|model| model.format != Format::F32)
            .collect();
        assert!(
            !models.is_empty(),
            "no model of integers begins with {only:?}"
        );
        models.sort_by_key(|model| model.multiply_adds);
        models
    })
}

/// Says a line past the capture of the test's output: a run may take hours.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Compares so many blocks of so many tokens or steps of each model on each computer, as many pairs at a time
/// as this computer has cores, the large models first.
fn compare(models: &[Shipped], computers: &[Computer], plan: [u32; 2], length: Length) {
    let pairs: Vec<_> = models
        .iter()
        .rev()
        .flat_map(|model| computers.iter().map(move |&computer| (computer, model)))
        .collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(&(computer, model)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = compare_pair(computer, model, plan, length) {
                failures.lock().unwrap().push(format!("{error:#}"));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn compare_pair(
    computer: Computer,
    model: &Shipped,
    plan: [u32; 2],
    length: Length,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let name = model.path.file_stem().unwrap_or_default().display();
    let what = format!("{name} on {}", computer.name());
    let expected = host(&model.path, plan);
    let record = Record::new(&what, &computer.programs()?, &model.path, &expected)?;
    if length == Length::Long && record.exists() {
        say(&format!("{what}: equal, says {}", record.path.display()));
        return Ok(());
    }
    let mut found = 0;
    computer.write(&model.path, plan, &mut |line| {
        let expected = &expected[found];
        anyhow::ensure!(
            line == expected,
            "{what}: found {line}, expected {expected}"
        );
        found += 1;
        if length == Length::Long {
            let (done, seconds) = (found as u32 * plan[0], start.elapsed().as_secs());
            say(&format!("{what}: {done} tokens equal after {seconds} s"));
        }
        Ok(())
    })?;
    anyhow::ensure!(
        found == expected.len(),
        "{what}: found {found} digests, expected {}",
        expected.len()
    );
    println!(
        "{what}: {} tokens in {:?}",
        plan[0] * plan[1],
        start.elapsed()
    );
    if length == Length::Long {
        record.write()?;
    }
    Ok(())
}

/// How long a comparison takes: a long one says how far it is, and is not begun anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Short,
    Long,
}

/// A note that a model was equal to the end on a computer.
struct Record {
    path: PathBuf,
    /// What was compared: checksums of the programs and of the model, and the last digest.
    content: String,
}

impl Record {
    fn new(what: &str, programs: &[u8], model: &Path, expected: &[String]) -> anyhow::Result<Self> {
        let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC);
        let [programs, model] = [programs, &fs::read(model)?].map(|bytes| crc.checksum(bytes));
        let last = expected.last().map_or("", String::as_str);
        Ok(Record {
            path: target().join("equal").join(what.replace(' ', "-")),
            content: format!("{programs:08x} {model:08x} {last}\n"),
        })
    }

    fn exists(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|content| content == self.content)
    }

    fn write(&self) -> anyhow::Result<()> {
        fs::create_dir_all(target().join("equal"))?;
        Ok(fs::write(&self.path, &self.content)?)
    }
}

const CORES: [&str; 4] = ["Cortex-M0", "Cortex-M3", "Cortex-M4F", "RV32IMAC"];

#[test]
fn shipped_models_write_the_same_text_everywhere() {
    compare(models(), &computers(), [10_000, 2], Length::Short);
}

/// All computers but this CPU's kernel.
fn computers() -> Vec<Computer> {
    let mut computers = vec![Computer::Portable, Computer::Wasm];
    computers.extend(CORES.map(Computer::core));
    computers
}

#[test]
fn networks_of_values_give_the_same_everywhere() {
    let models = networks_of_values();
    compare(&models, &computers(), [10_000, 2], Length::Short);
}

#[test]
#[ignore = "10 minutes; cargo xtask test --full runs it"]
fn a_hundred_thousand_steps_of_networks_of_values() {
    let models = networks_of_values();
    compare(&models, &computers(), [20_000, 5], Length::Long);
}

/// A million tokens, with a word on each 20,000.
fn a_million(computer: Computer) {
    compare(models(), &[computer], [20_000, 50], Length::Long);
}

#[test]
#[ignore = "5 minutes; cargo xtask test --full runs it"]
fn a_million_tokens_with_the_portable_kernel() {
    a_million(Computer::Portable);
}

#[test]
#[ignore = "5 minutes; cargo xtask test --full runs it"]
fn a_million_tokens_on_wasm32() {
    a_million(Computer::Wasm);
}

#[test]
#[ignore = "20 minutes; cargo xtask test --full runs it"]
fn a_million_tokens_on_cortex_m0() {
    a_million(Computer::core("Cortex-M0"));
}

#[test]
#[ignore = "20 minutes; cargo xtask test --full runs it"]
fn a_million_tokens_on_cortex_m3() {
    a_million(Computer::core("Cortex-M3"));
}

#[test]
#[ignore = "20 minutes; cargo xtask test --full runs it"]
fn a_million_tokens_on_cortex_m4() {
    a_million(Computer::core("Cortex-M4F"));
}

#[test]
#[ignore = "20 minutes; cargo xtask test --full runs it"]
fn a_million_tokens_on_rv32() {
    a_million(Computer::core("RV32IMAC"));
}

/// Two models, whatever `DIGEST_MODEL` says.
fn two_models() -> [PathBuf; 2] {
    ["cifg-96", "sonnets-64"].map(|name| root().join(format!("models/{name}.lstm")))
}

/// A record of another program, another model or another text is none.
#[test]
fn a_record_is_of_what_was_compared() {
    let [one, other] = two_models();
    let folder = tempfile::tempdir().unwrap();
    let record = |program: &[u8], model: &Path, last: &str| {
        let mut record = Record::new("a test", program, model, &[last.to_owned()]).unwrap();
        record.path = folder.path().join("a-test");
        record
    };
    let written = record(b"a", &one, "1");
    assert!(!written.exists());
    written.write().unwrap();
    assert!(written.exists() && record(b"a", &one, "1").exists());
    for differs in [
        record(b"b", &one, "1"),
        record(b"a", &other, "1"),
        record(b"a", &one, "2"),
    ] {
        assert!(!differs.exists());
    }
}

/// A digest that differs is seen, and named.
#[test]
fn a_difference_is_noticed() {
    let [model, other] = two_models();
    let expected = host(&other, [10, 2]);
    let mut blocks = 0;
    let result = Computer::Portable.write(&model, [10, 2], &mut |line| {
        anyhow::ensure!(line == expected[blocks], "found {line}");
        blocks += 1;
        Ok(())
    });
    assert!(result.unwrap_err().to_string().starts_with("found 10 "));
}

/// The engine reads weights where they lie; a core may not be able to load a word from anywhere.
#[test]
fn misplaced_models_are_right_or_refused_on_every_core() {
    let model = &models()[0].path;
    let expected = host(model, [50, 2]);
    for machine in MACHINES {
        let program = Computer::Core(machine).program();
        for offset in [1, 2, 4, 8] {
            let mut found = Vec::new();
            let run = machine.digests(&program, model, offset, [50, 2], |line| {
                found.push(line.to_owned());
                Ok(())
            });
            run.unwrap_or_else(|error| panic!("{error:#}"));
            if offset % 4 == 0 {
                assert_eq!(found, expected, "{}, offset {offset}", machine.core);
            } else {
                let [line] = found.as_slice() else {
                    panic!("{}, offset {offset}: found {found:?}", machine.core);
                };
                assert!(line.starts_with("refused: "), "{line}");
                assert!(line.contains("align"), "{line}");
            }
        }
    }
}

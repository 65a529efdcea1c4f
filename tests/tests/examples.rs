//! The examples in `firmware-demo/examples`: built for each kind of core, and run under QEMU, where
//! they write what the host writes.

#[path = "../../firmware-demo/examples/bare-metal/src/poet.rs"]
mod poet;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use object::{Object, ObjectSymbol};
use xtask::firmware;

/// What an emulator may take for a text of a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// A target with a computer that runs its code.
struct Machine {
    target: &'static str,
    emulator: &'static [&'static str],
}

const MACHINES: [Machine; 3] = [
    // A Cortex-M3 runs what was built for a Cortex-M0.
    Machine {
        target: "thumbv6m-none-eabi",
        emulator: &["qemu-system-arm", "-M", "mps2-an385"],
    },
    Machine {
        target: "thumbv7em-none-eabihf",
        emulator: &["qemu-system-arm", "-M", "mps2-an386"],
    },
    Machine {
        target: "riscv32imc-unknown-none-elf",
        emulator: &["qemu-system-riscv32", "-M", "virt", "-bios", "none"],
    },
];

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../firmware-demo/examples"
    ))
}

/// Apart from the firmware, whose features differ.
fn built() -> PathBuf {
    firmware::target().join("examples")
}

fn cargo_build(name: &str, target: &str, more: &[&str]) -> Output {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--release", "--locked"]);
    build.args(["--target", target, "--target-dir"]);
    build.arg(built()).args(more);
    build.current_dir(folder().join(name)).output().unwrap()
}

/// The program of an example.
fn build(name: &str, target: &str) -> PathBuf {
    let output = cargo_build(name, target, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} for {target}: {stderr}");
    built().join(target).join("release").join(name)
}

/// What a program sends over the serial port of an emulated computer, up to the line `end`.
fn run(machine: &Machine, program: &Path) -> String {
    let [emulator, args @ ..] = machine.emulator else {
        panic!("an emulator")
    };
    let mut qemu = Command::new(emulator);
    qemu.args(args)
        .args(["-display", "none", "-monitor", "none"]);
    qemu.args(["-serial", "stdio", "-kernel"]).arg(program);
    let mut qemu = qemu
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(qemu.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut text = String::new();
    let ended = loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line == "end" => break true,
            Ok(line) => text += &format!("{line}\n"),
            Err(_) => break false,
        }
    };
    qemu.kill().unwrap();
    qemu.wait().unwrap();
    reader.join().unwrap();
    assert!(ended, "{emulator} sent no end: {text}");
    text
}

/// The same on this computer.
fn host_text() -> String {
    let mut text = String::new();
    let mut poet = poet::Poet::new(1).unwrap();
    poet::demonstrate(&mut poet, |character| text.push(character)).unwrap();
    text
}

#[test]
fn a_restored_state_writes_the_same_again() {
    let text = host_text();
    let lines: Vec<&str> = text.lines().collect();
    let [verse, first, second, completion] = lines[..] else {
        panic!("four lines: {text}")
    };
    assert_eq!([verse.len(), first.len(), completion.len()], [200, 60, 40]);
    assert_eq!(first, second);
    assert!(!verse.contains(first), "the text goes on, and not round");
}

#[test]
fn the_bare_metal_example_writes_what_the_host_writes_on_every_core() {
    for machine in MACHINES {
        let program = build("bare-metal", machine.target);
        assert_eq!(run(&machine, &program), host_text(), "{}", machine.target);
    }
}

#[test]
fn the_embassy_example_writes_what_the_host_writes_on_every_core() {
    for machine in MACHINES {
        let program = build("embassy", machine.target);
        assert_eq!(run(&machine, &program), host_text(), "{}", machine.target);
    }
}

/// panic-never links only what cannot panic: with a panic it must not.
#[test]
fn the_bare_metal_example_cannot_panic() {
    for machine in MACHINES {
        let target = machine.target;
        let bytes = std::fs::read(build("bare-metal", target)).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let mut names = elf.symbols().filter_map(|symbol| symbol.name().ok());
        assert_eq!(names.find(|name| name.contains("panicking")), None);
        let planted = cargo_build("bare-metal", target, &["--features", "planted-panic"]);
        let stderr = String::from_utf8_lossy(&planted.stderr);
        assert!(!planted.status.success(), "{target} links with a panic");
        assert!(stderr.contains("panicking branch"), "{target}: {stderr}");
    }
}

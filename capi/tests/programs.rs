//! The examples in C, built by gcc and by g++ for the desk and for each kind of core, write what the host
//! writes in Rust.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{EXAMPLES, classifier, example_text, folder, library, model};
use cross_tests::assert_same_text;
use lstm_core::export::c_header;
use xtask::{
    bench::MACHINES,
    capi::{desk, motions_header, sequences},
    setup::check_program,
};

const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Os"];
/// As languages: the program is both.
const LANGUAGES: [&[&str]; 2] = [
    &["-x", "c", "-std=c11"],
    &["-x", "c++", "-std=c++11", "-fno-exceptions", "-fno-rtti"],
];

/// A compiler with what it must know of a chip.
struct Compiler {
    target: &'static str,
    program: &'static str,
    chip: &'static [&'static str],
    /// Where flash and RAM are.
    memory: [u64; 2],
}

const COMPILERS: [Compiler; 4] = [
    Compiler {
        target: "thumbv6m-none-eabi",
        program: "arm-none-eabi-gcc",
        chip: &["-mcpu=cortex-m0", "-mthumb"],
        memory: [0, 0x2000_0000],
    },
    Compiler {
        target: "thumbv7m-none-eabi",
        program: "arm-none-eabi-gcc",
        chip: &["-mcpu=cortex-m3", "-mthumb"],
        memory: [0, 0x2000_0000],
    },
    Compiler {
        target: "thumbv7em-none-eabihf",
        program: "arm-none-eabi-gcc",
        chip: &[
            "-mcpu=cortex-m4",
            "-mthumb",
            "-mfpu=fpv4-sp-d16",
            "-mfloat-abi=hard",
        ],
        memory: [0, 0x2000_0000],
    },
    Compiler {
        target: "riscv32imac-unknown-none-elf",
        program: "riscv64-unknown-elf-gcc",
        chip: &["-march=rv32imac", "-mabi=ilp32"],
        memory: [0x8000_0000, 0x8010_0000],
    },
];

/// An example with its model, to be compiled.
fn command(compiler: &str, language: &[&str], example: &str, of_model: &Path) -> Command {
    let mut command = Command::new(compiler);
    command.args(STRICT).args(language);
    command
        .arg("-I")
        .arg(folder("include"))
        .arg("-I")
        .arg(of_model);
    command.arg(folder("examples").join(format!("{example}.c")));
    command
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
}

/// A folder with the model of an example as a header in it, and the motions.
fn folder_with_model(example: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = match example {
        "poet" => model(),
        _ => classifier(),
    };
    fs::write(folder.path().join("model.h"), c_header(&model)).unwrap();
    let motions = motions_header(&sequences().unwrap()).unwrap();
    fs::write(folder.path().join("motions.h"), motions).unwrap();
    folder
}

impl Compiler {
    /// Compiles an example and links it with the library.
    fn build(&self, language: &[&str], example: &str, folder: &Path) -> PathBuf {
        let program = folder.join(language[1]);
        let mut command = command(self.program, language, example, folder);
        command.args(self.chip);
        // A C library that writes and ends by semihosting, and its linker script.
        command.args([
            "--specs=picolibc.specs",
            "--oslib=semihost",
            "--crt0=hosted",
        ]);
        command.args(["-ffunction-sections", "-Wl,--gc-sections", "-Tpicolibc.ld"]);
        let [flash, ram] = self.memory;
        let places = [
            ("flash", flash),
            ("flash_size", 256 << 10),
            ("ram", ram),
            ("ram_size", 16 << 10),
            ("stack_size", 4 << 10),
        ];
        for (name, value) in places {
            command.arg(format!("-Wl,--defsym=__{name}={value:#x}"));
        }
        command.args(["-x", "none"]).arg(library(self.target));
        run(command.arg("-o").arg(&program));
        program
    }
}

#[test]
fn the_examples_in_c_and_in_cpp_write_the_hosts_text_on_a_chip_of_each_kind() {
    for (example, compiler) in EXAMPLES.into_iter().flat_map(|e| COMPILERS.map(|c| (e, c))) {
        let folder = folder_with_model(example);
        check_program(compiler.program).unwrap_or_else(|error| panic!("{error:#}"));
        let mut machines = MACHINES.iter().filter(|m| m.target == compiler.target);
        let machine = machines.next().unwrap();
        for language in LANGUAGES {
            let program = compiler.build(language, example, folder.path());
            let found = machine.run(&program, &[]).unwrap();
            println!(
                "{example}, {}, {}: {} characters",
                machine.core,
                language[1],
                found.len()
            );
            assert_same_text(&found, &example_text(example));
        }
    }
}

#[test]
#[cfg(unix)]
fn the_examples_in_c_and_in_cpp_write_the_hosts_text_on_the_desk() {
    let compilers = || ["cc", "c++"].into_iter().zip(LANGUAGES);
    for (example, (compiler, language)) in EXAMPLES
        .into_iter()
        .flat_map(|example| compilers().map(move |c| (example, c)))
    {
        let folder = folder_with_model(example);
        let program = folder.path().join(compiler);
        let mut command = command(compiler, language, example, folder.path());
        command.args(["-x", "none"]).arg(library(&desk().unwrap()));
        run(command.arg("-o").arg(&program));
        let output = Command::new(&program).output().unwrap();
        assert!(output.status.success(), "{}", output.status);
        assert_same_text(
            &String::from_utf8(output.stdout).unwrap(),
            &example_text(example),
        );
    }
}

//! The packages that `cargo xtask capi` makes. The one for CMake is configured, built and run; of the
//! others, whose build systems are not in the registries that tests may ask, the examples are built with
//! stand-ins of these (`tests/arduino`, `tests/esp-idf`, `tests/zephyr`) and run under QEMU.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use common::{EXAMPLES, example_text, folder, host_text};
use cross_tests::assert_same_text;
use xtask::{
    bench::{MACHINES, Machine},
    capi::{self, CHIPS},
    setup::check_program,
    shell::root,
};

/// The folder of a package, which are made once.
fn package(name: &str) -> PathBuf {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let model = root().join("models/sonnets-64.lstm");
        capi::make(&model).unwrap_or_else(|error| panic!("{error:#}"));
    });
    capi::folder().join(name)
}

fn machine(target: &str) -> &'static Machine {
    let mut machines = MACHINES.iter().filter(|machine| machine.target == target);
    machines.next().unwrap()
}

fn cmake(arguments: &[&str], folders: &[(&str, &Path)]) -> Output {
    check_program("cmake").unwrap_or_else(|error| panic!("{error:#}"));
    let mut cmake = Command::new("cmake");
    for (option, folder) in folders {
        cmake.arg(option).arg(folder);
    }
    cmake.args(arguments).output().unwrap()
}

fn assert_success(output: &Output) {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{text}");
}

/// The options of CMake for programs of a chip, in QEMU's memory.
fn chip(compiler: &str, flags: &str, [flash, ram]: [&str; 2]) -> Vec<String> {
    check_program(compiler).unwrap_or_else(|error| panic!("{error:#}"));
    let memory = format!(
        "-Wl,--defsym=__flash={flash},--defsym=__flash_size=256k,--defsym=__ram={ram},--defsym=__ram_size=16k"
    );
    let library = "--specs=picolibc.specs --oslib=semihost --crt0=hosted";
    vec![
        "-DCMAKE_SYSTEM_NAME=Generic".into(),
        format!("-DCMAKE_C_COMPILER={compiler}"),
        format!("-DCMAKE_C_FLAGS={flags} {library} -Wall -Wextra -Werror"),
        format!("-DCMAKE_EXE_LINKER_FLAGS={memory},--defsym=__stack_size=4k -Tpicolibc.ld"),
    ]
}

fn cortex_m0() -> Vec<String> {
    chip(
        "arm-none-eabi-gcc",
        "-mcpu=cortex-m0 -mthumb",
        ["0", "0x20000000"],
    )
}

fn rv32imac() -> Vec<String> {
    let flags = "-march=rv32imac -mabi=ilp32";
    chip(
        "riscv64-unknown-elf-gcc",
        flags,
        ["0x80000000", "0x80100000"],
    )
}

/// Configures and builds a project of CMake, and gives its program, which bears the name of the example.
fn build(project: &Path, options: &[String], example: &str, built: &Path) -> PathBuf {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    assert_success(&cmake(&options, &[("-S", project), ("-B", built)]));
    assert_success(&cmake(&[], &[("--build", built)]));
    built.join(example)
}

/// The line with which CMake refuses to configure a project.
fn refusal(project: &Path, options: &[String], built: &Path) -> String {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = cmake(&options, &[("-S", project), ("-B", built)]);
    assert!(!output.status.success());
    // CMake breaks lines.
    let text = String::from_utf8_lossy(&output.stderr);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The option that tells CMake where the package is.
fn found() -> String {
    format!("-Dlstm_DIR={}", package("cmake").display())
}

#[test]
fn the_cmake_package_is_found_built_and_run() {
    for example in EXAMPLES {
        let built = tempfile::tempdir().unwrap();
        let project = package("cmake").join("examples").join(example);
        let program = build(&project, &[found()], example, built.path());
        let output = Command::new(program).output().unwrap();
        assert_success(&output);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_same_text(&text, &example_text(example));
    }
}

#[test]
fn the_cmake_package_is_built_and_run_on_a_chip_that_is_named() {
    let built = tempfile::tempdir().unwrap();
    let examples = package("cmake").join("examples");
    let target = "thumbv6m-none-eabi";
    let mut options = cortex_m0();
    options.push(found());
    let refused = refusal(
        &examples.join("poet"),
        &options,
        &built.path().join("refused"),
    );
    let expected = format!("found LSTM_TARGET=\"\", expected one of: {}", CHIPS[5]);
    assert!(refused.contains(&expected), "{refused}");
    options.push(format!("-DLSTM_TARGET={target}"));
    for example in EXAMPLES {
        let built = built.path().join(example);
        let program = build(&examples.join(example), &options, example, &built);
        let text = machine(target).run(&program, &[]).unwrap();
        assert_same_text(&text, &example_text(example));
    }
}

#[test]
fn the_esp_idf_component_and_its_examples_are_built_and_run_on_a_chip() {
    let built = tempfile::tempdir().unwrap();
    let project = folder("tests/esp-idf");
    let mut options = rv32imac();
    options.push(format!("-DCOMPONENT={}", package("esp-idf").display()));
    let with = |chip: &str, example: &str| {
        let choice = [
            format!("-DIDF_TARGET={chip}"),
            format!("-DEXAMPLE={example}"),
        ];
        [&options[..], &choice].concat()
    };
    for (chip, example) in ["esp32c3", "esp32c6"].into_iter().zip(EXAMPLES) {
        let program = build(
            &project,
            &with(chip, example),
            example,
            &built.path().join(chip),
        );
        let text = machine("riscv32imac-unknown-none-elf")
            .run(&program, &[])
            .unwrap();
        assert_same_text(&text, &example_text(example));
    }
    let refused = refusal(
        &project,
        &with("esp32s3", "poet"),
        &built.path().join("xtensa"),
    );
    assert!(
        refused.contains("lstm: found esp32s3, expected esp32c2"),
        "{refused}"
    );
}

#[test]
fn the_zephyr_module_and_its_samples_are_built_and_run_on_a_chip() {
    let built = tempfile::tempdir().unwrap();
    let project = folder("tests/zephyr");
    let module = format!("-DMODULE={}", package("zephyr").display());
    let riscv = [
        "RISCV",
        "RISCV_ISA_EXT_M",
        "RISCV_ISA_EXT_C",
        "RISCV_ISA_EXT_A",
    ];
    for (example, target, options, config) in [
        (
            "poet",
            "thumbv6m-none-eabi",
            cortex_m0(),
            &["CPU_CORTEX_M0"][..],
        ),
        (
            "classifier",
            "riscv32imac-unknown-none-elf",
            rv32imac(),
            &riscv[..],
        ),
    ] {
        let config = config.iter().map(|name| format!("-DCONFIG_{name}=y"));
        let options: Vec<String> = options
            .into_iter()
            .chain(config)
            .chain([module.clone(), format!("-DEXAMPLE={example}")])
            .collect();
        let program = build(&project, &options, example, &built.path().join(target));
        let text = machine(target).run(&program, &[]).unwrap();
        assert_same_text(&text, &example_text(example));
    }
    let mut options = cortex_m0();
    options.extend([
        module,
        "-DEXAMPLE=poet".into(),
        "-DCONFIG_CPU_CORTEX_A53=y".into(),
    ]);
    let refused = refusal(&project, &options, &built.path().join("refused"));
    assert!(
        refused.contains("lstm: found a core without a library"),
        "{refused}"
    );
}

/// The sketches, with a stand-in of the Arduino core that writes by semihosting and ends after some loops.
#[test]
fn the_arduino_sketches_are_built_and_run_on_a_chip() {
    check_program("arm-none-eabi-gcc").unwrap_or_else(|error| panic!("{error:#}"));
    let built = tempfile::tempdir().unwrap();
    let package = package("arduino");
    let target = "thumbv6m-none-eabi";
    let sketch = |name: &str, loops: usize| {
        let folder_of_sketch = package.join("examples").join(name);
        let program = built.path().join(name);
        // It compiles C++, and as the linker it wants no libstdc++, which not every installation has.
        let mut gcc = Command::new("arm-none-eabi-gcc");
        gcc.args(["-mcpu=cortex-m0", "-mthumb", "-Os", "-std=gnu++11"]);
        gcc.args([
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fno-exceptions",
            "-fno-rtti",
        ]);
        gcc.args([
            "--specs=picolibc.specs",
            "--oslib=semihost",
            "--crt0=hosted",
        ]);
        gcc.args(["-ffunction-sections", "-Wl,--gc-sections", "-Tpicolibc.ld"]);
        gcc.args(["-Wl,--defsym=__flash=0,--defsym=__flash_size=256k"]);
        gcc.args(["-Wl,--defsym=__ram=0x20000000,--defsym=__ram_size=16k"]);
        gcc.arg("-Wl,--defsym=__stack_size=4k");
        gcc.arg(format!("-DLOOPS={loops}"));
        gcc.arg("-I")
            .arg(folder("tests/arduino"))
            .arg("-I")
            .arg(package.join("src"));
        // As the IDE: the core's header comes first.
        gcc.args(["-include", "Arduino.h", "-x", "c++"]);
        gcc.arg(folder_of_sketch.join(format!("{name}.ino")));
        gcc.arg(folder("tests/arduino/main.cpp"));
        gcc.args(["-x", "none", "-L"])
            .arg(package.join("src/cortex-m0"));
        assert_success(&gcc.arg("-llstm").arg("-o").arg(&program).output().unwrap());
        machine(target).run(&program, &[]).unwrap()
    };
    let (prompt, characters) = ("shall i compare thee ", 100);
    let poet = sketch("Poet", characters);
    assert_same_text(
        poet.trim_end_matches('\n'),
        &host_text(prompt, 0.8, characters),
    );
    let text = host_text("", 1.0, 120);
    let (first, second) = text.split_at(60);
    let lines = format!("{first}\n{first}\n{second}\n{second}\n");
    assert_same_text(&sketch("SaveAndRestore", 2), &lines);
    // 100 steps of each class.
    let classifier = sketch("Classifier", 400);
    let names = classifier.lines().map(str::to_owned).collect::<Vec<_>>();
    let expected = example_text("classifier");
    let expected = expected
        .lines()
        .map(|line| line.split_once(' ').unwrap().0.to_owned());
    assert_eq!(names, expected.collect::<Vec<_>>());
}

#[test]
fn the_arduino_library_says_what_it_is_and_has_a_library_for_each_core() {
    let package = package("arduino");
    let properties = fs::read_to_string(package.join("library.properties")).unwrap();
    let keys: Vec<&str> = properties
        .lines()
        .map(|line| line.split_once('=').unwrap().0)
        .collect();
    // Those that the IDE asks for, and those of a library that comes compiled.
    for key in [
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
        "includes",
        "precompiled",
        "ldflags",
    ] {
        assert!(keys.contains(&key), "{key}");
    }
    let version = format!("version={}", env!("CARGO_PKG_VERSION"));
    assert!(properties.lines().any(|line| line == version), "{version}");
    for core in ["cortex-m0plus", "cortex-m4/fpv4-sp-d16-hard", "esp32c3"] {
        assert!(
            package.join("src").join(core).join("liblstm.a").exists(),
            "{core}"
        );
    }
}

#[test]
fn every_package_has_a_page_of_ten_lines_that_begins_with_where_to_click() {
    for entry in fs::read_dir(folder("packages")).unwrap() {
        let page = fs::read_to_string(entry.unwrap().path().join("README.md")).unwrap();
        assert!(page.lines().count() <= 10, "{page}");
        assert!(page.lines().nth(2).unwrap().starts_with("1. "), "{page}");
    }
}

//! What the Rust firmware promises holds for the libraries: no panic, no heap, nothing global; how much
//! flash and how much stack they take is in `docs/capi.txt`.

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{EXAMPLES, declared, folder, functions, library};
use cross_tests::{Sizes, compare_figures};
use object::{Object, ObjectSymbol, read::archive::ArchiveFile};
use xtask::{
    capi::{self, CHIPS},
    setup::rust_tool,
    table::{Table, grouped},
};

const SNAPSHOT: &str = "docs/capi.txt";
const HEAD: &str = "\
What the library for C takes on each chip, in bytes. A test compares this file, to 2 %;
`BLESS=1 cargo test --release -p lstm-capi --test archives` writes it anew.
all: flash of all functions, for f32, int8 and int4. poet, classifier: of those that capi/examples/poet.c and
classifier.c call. init, next, step, text: the deepest that lstm_model_init, lstm_generator_next, lstm_sensor_step and
lstm_error_text can take the stack, estimated from the machine code by tools/stack-depth; deepest: that any
function can.

";

/// Links functions of a library, and what they need, into a program without anything else.
fn link(library: &Path, functions: &BTreeSet<String>, program: &Path) -> Output {
    let mut linker = Command::new(rust_tool("rust-lld").unwrap());
    linker.args([
        "-flavor",
        "gnu",
        "--gc-sections",
        "--entry",
        "lstm_model_init",
    ]);
    linker.args(functions.iter().flat_map(|name| ["--undefined", name]));
    linker.arg("-o").arg(program).arg(library);
    linker.output().unwrap()
}

/// A program of these functions alone.
fn program(target: &str, functions: &BTreeSet<String>, folder: &Path) -> PathBuf {
    let program = folder.join(target);
    let output = link(&library(target), functions, &program);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{target}: {stderr}");
    program
}

/// The functions that a library offers.
fn offered(library: &Path) -> BTreeSet<String> {
    let bytes = fs::read(library).unwrap();
    let archive = ArchiveFile::parse(&*bytes).unwrap();
    let mut names = BTreeSet::new();
    for member in archive.members() {
        let data = member.unwrap().data(&*bytes).unwrap();
        let Ok(object) = object::File::parse(data) else {
            continue;
        };
        let symbols = object
            .symbols()
            .filter(|s| s.is_global() && s.is_definition());
        names.extend(symbols.filter_map(|s| s.name().ok().map(str::to_owned)));
    }
    names.retain(|name| name.starts_with("lstm_"));
    names
}

#[test]
fn every_library_offers_the_functions_of_the_header() {
    let declared = declared();
    assert!(declared.contains("lstm_sensor_step"), "{declared:?}");
    for target in CHIPS {
        assert_eq!(offered(&library(target)), declared, "{target}");
    }
}

/// A panic handler calls what is nowhere, an allocator would have to come from somewhere: that all
/// functions link without either shows that they need none.
#[test]
fn all_functions_link_alone_and_there_is_no_heap_no_panic_and_no_variable() {
    let folder = tempfile::tempdir().unwrap();
    for target in CHIPS {
        let sizes = Sizes::of(&program(target, &declared(), folder.path()));
        let parts = [
            "panic",
            "__rust_alloc",
            "__rdl_alloc",
            "__rg_alloc",
            "malloc",
        ];
        let is_refused = |name: &&str| parts.iter().any(|part| name.contains(part));
        assert_eq!(sizes.names().find(is_refused), None, "{target}");
        assert!(sizes.names().any(|name| name == "lstm_generator_next"));
        assert_eq!((sizes.data, sizes.bss), (0, 0), "{target}");
    }
}

/// That a program links shows that no panic can be reached; so with one it must not.
#[test]
fn with_a_panic_nothing_links() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["thumbv6m-none-eabi", "riscv32imac-unknown-none-elf"] {
        let library = capi::build(target, &["planted-panic"], folder.path()).unwrap();
        let output = link(&library, &declared(), &folder.path().join(target));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{target} links with a panic");
        let expected = "undefined symbol: lstm_a_panic_can_be_reached";
        assert!(stderr.contains(expected), "{target}: {stderr}");
    }
}

/// The figures of every chip.
fn table() -> String {
    let folder_of_programs = tempfile::tempdir().unwrap();
    let all = declared();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let calls = EXAMPLES.map(|example| {
        let source = folder("examples").join(format!("{example}.c"));
        functions(&fs::read_to_string(source).unwrap())
    });
    let head = [
        "target",
        "all",
        "poet",
        "classifier",
        "init",
        "next",
        "step",
        "text",
        "deepest",
    ];
    let mut table = Table::new(&head);
    for target in CHIPS {
        let folder = folder_of_programs.path();
        let [poet, classifier] = calls
            .each_ref()
            .map(|calls| Sizes::of(&program(target, calls, folder)).flash);
        let program = program(target, &all, folder);
        let depths = stack_depth::depths(&program, &names).unwrap();
        let deepest = depths.iter().max_by_key(|depth| depth.bytes).unwrap();
        println!("{target}: {}", deepest.path.join(" > "));
        let depth = |name: &str| {
            let at = names.iter().position(|known| *known == name).unwrap();
            depths[at].bytes
        };
        let mut row = vec![target.to_owned()];
        let figures = [
            Sizes::of(&program).flash,
            poet,
            classifier,
            depth("lstm_model_init"),
            depth("lstm_generator_next"),
            depth("lstm_sensor_step"),
            depth("lstm_error_text"),
            deepest.bytes,
        ];
        row.extend(figures.map(grouped));
        table.push(row);
    }
    table.render()
}

#[test]
fn flash_and_stack_are_those_of_the_snapshot() {
    let is_blessed = std::env::var_os("BLESS").is_some();
    compare_figures(SNAPSHOT, HEAD, &table(), is_blessed);
}

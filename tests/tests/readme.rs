//! The firmware of docs/FIRMWARE.md, as it stands there: built for a chip, and run here, with models of each
//! kind. The lines of README.md are from it.

#[path = "../../lstm-core/tests/common/mod.rs"]
mod common;

use std::{fs, path::Path, process::Command};

use common::{At, Int8Plain, Net};
use lstm_core::{Format, LayerShape, Model, Sampler, Session, WorkspaceSlices};

const README: &str = include_str!("../../README.md");
const PAGE: &str = include_str!("../../docs/FIRMWARE.md");
const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lstm-core");

/// The first block of the page in this language.
fn block(language: &str) -> &str {
    block_of(PAGE, language)
}

fn block_of<'t>(page: &'t str, language: &str) -> &'t str {
    let (_, block) = page.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```\n").unwrap().0
}

/// A package with the dependencies of the page: a library that is its program for a chip, and a
/// program that prints what it writes.
fn write_package(folder: &Path) {
    let path = r#"path = "../sonnets/lstm-core""#;
    let dependencies = block("toml").replace(path, &format!("path = {CORE:?}"));
    assert!(dependencies.contains(CORE), "the page names {path}");
    let head = "[package]\nname = \"firmware\"\nedition = \"2024\"\n\n[workspace]\n\n";
    fs::create_dir(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), format!("{head}{dependencies}")).unwrap();
    let program = block("rust");
    let library = format!("#![no_std]\n#![deny(warnings)]\n{program}");
    // Nothing in the library calls it.
    let library = library.replace("\nfn write_verse", "\npub fn write_verse");
    fs::write(folder.join("src/lib.rs"), library).unwrap();
    let main =
        "fn main() {\n    write_verse(7, |character| print!(\"{character}\")).unwrap();\n}\n";
    fs::write(folder.join("src/main.rs"), format!("{program}\n{main}")).unwrap();
}

fn cargo(folder: &Path, args: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(args).current_dir(folder).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the program should print.
fn expected(model: Model<'_>) -> String {
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.alphabet().len()];
    let memory = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = Session::new(model, memory).unwrap();
    let mut sampler = Sampler::new(7).with_temperature(0.8).unwrap();
    let mut token = model.alphabet().encode('\n');
    let mut next = || {
        token = sampler.sample(session.step(token));
        model.alphabet().decode(token)
    };
    (0..1000).map(|_| next()).collect()
}

#[test]
fn the_lines_of_the_readme_are_those_of_the_page() {
    let lines = |block: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        block.lines().map(words).collect()
    };
    let (page, readme) = (lines(block("rust")), lines(block_of(README, "rust")));
    assert!(!readme.is_empty());
    for line in readme {
        assert!(page.contains(&line), "docs/FIRMWARE.md has no {line:?}");
    }
}

#[test]
fn the_firmware_of_the_page_is_built_and_writes_with_every_kind_of_model() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path());
    for layers in [
        vec![LayerShape::lstm(20)],
        vec![LayerShape::cifg(30).project(9)],
        vec![LayerShape::gru(10)],
        vec![LayerShape::lstm(8), LayerShape::cifg(16).project(5)],
    ] {
        let net = Net::<i8, Int8Plain>::random_shapes(Format::Int8, 27, &layers, 3);
        let file = net.file();
        fs::write(folder.path().join("src/model.lstm"), &file).unwrap();
        let target = ["--target", "thumbv6m-none-eabi"];
        cargo(
            folder.path(),
            &[&["build", "--quiet", "--release", "--lib"], &target[..]].concat(),
        );
        let found = cargo(folder.path(), &["run", "--quiet", "--release"]);
        let at = At::new(&file, 0);
        assert!(found == expected(at.model()), "{layers:?}: {found}");
    }
}

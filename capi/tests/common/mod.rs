//! What the tests of the libraries share.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cross_tests::HostText;
use lstm_core::{MAX_SYMBOLS, Model};
use xtask::{aligned::AlignedBytes, capi, sensor_demo::answers, shell::root};

/// The folder of a kind of thing in this crate.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The library for a target, built once.
pub(crate) fn library(target: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let folder = capi::folder().join("lib").join(target);
        capi::build(target, &[], &folder).unwrap_or_else(|error| panic!("{error:#}"))
    };
    built.entry(target.to_owned()).or_insert_with(build).clone()
}

/// The functions that a C text names.
pub(crate) fn functions(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let calls = text.split('(').filter_map(|before| {
        let name = before.rsplit(|c| !is_word(c)).next()?;
        name.starts_with("lstm_").then(|| name.to_owned())
    });
    calls.collect()
}

/// The functions of the header.
pub(crate) fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(folder("include/lstm.h")).unwrap();
    let lines = header.lines().filter(|line| !line.trim().starts_with('*'));
    let code: Vec<&str> = lines.collect();
    functions(&code.join("\n"))
}

/// The model of the example that writes.
pub(crate) fn model() -> Vec<u8> {
    fs::read(root().join("models/sonnets-64.lstm")).unwrap()
}

/// What the host writes with that model, in Rust.
pub(crate) fn host_text(prompt: &str, temperature: f32, characters: usize) -> String {
    let flash = AlignedBytes::new(&model());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let text = HostText {
        prompt,
        seed: 1,
        temperature,
        top_k: MAX_SYMBOLS,
    };
    text.write(&model, characters)
}

/// The examples that are programs.
pub(crate) const EXAMPLES: [&str; 2] = ["poet", "classifier"];

/// What `examples/NAME.c` writes.
pub(crate) fn example_text(example: &str) -> String {
    match example {
        "poet" => poet_text(),
        _ => classifier_text(),
    }
}

/// What the engine tells of the recorded motions on the desk, in Rust.
fn classifier_text() -> String {
    let flash = AlignedBytes::new(&classifier());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let answers = answers(model, &capi::sequences().unwrap()).unwrap();
    answers.iter().map(|answer| format!("{answer}\n")).collect()
}

/// The model of the example that classifies.
pub(crate) fn classifier() -> Vec<u8> {
    fs::read(root().join("models/sensors/motions-gru.lstm")).unwrap()
}

fn poet_text() -> String {
    let text = host_text("shall i compare thee ", 0.8, 260);
    let (verse, line) = text.split_at(200);
    format!("{verse}\n{line}\n{line}\n")
}

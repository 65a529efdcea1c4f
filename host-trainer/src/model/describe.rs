//! What is in a model, for people.

use crate::hardware::cost::{Shape, layer_name};
use crate::hardware::figures::CORES;
use crate::network::predictor::describe_context;
use crate::quantize::{TensorError, error_table};
use lstm_core::{Format, Golden, Model};

/// Whether a text begins as [`describe`] does.
pub fn is_description(text: &str) -> bool {
    let labels = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    labels.take(2).eq(["name", "checksum"])
}

/// State, scratch and logits on each core.
fn ram(shape: &Shape) -> String {
    let mut needs: Vec<(usize, Vec<&str>)> = Vec::new();
    for core in &CORES {
        let bytes = core.ram(shape);
        match needs.iter_mut().find(|(known, _)| *known == bytes) {
            Some((_, cores)) => cores.push(core.name),
            None => needs.push((bytes, vec![core.name])),
        }
    }
    let needs = needs.iter();
    let needs = needs.map(|(bytes, cores)| format!("{bytes} bytes on {}", cores.join(", ")));
    needs.collect::<Vec<_>>().join("; ")
}

/// What is in a model: what is told, and what is so.
pub fn facts(model: &Model<'_>) -> Vec<(&'static str, String)> {
    let alphabet = model.alphabet();
    let vocabulary = alphabet.len();
    let layers: Vec<String> = model.layers().iter().copied().map(layer_name).collect();
    let numbers = match model.format() {
        Format::F32 => "f32".to_owned(),
        Format::Int8 => "int8 (weights, table and h 8 bits, c 16 bits; one scale a row)".to_owned(),
        Format::Int4 => format!(
            "int4 (recurrent weights 4 bits; dense weights, table and h 8, c 16; one scale a row; {})",
            match model.dead_zone() {
                0 | 1 => "zeros skipped".to_owned(),
                zone => format!("below {zone}/127 skipped"),
            }
        ),
    };
    let golden = match model.golden() {
        None => "no digest in the file".to_owned(),
        Some(digest) => format!("{} tokens, digest {digest:08x}", Golden::TOKENS),
    };
    vec![
        ("name", model.name().to_owned()),
        ("checksum", format!("{:08x}", model.checksum())),
        ("golden text", golden),
        ("format", numbers),
        (
            "network",
            format!("{}, dense {vocabulary}", layers.join(", ")),
        ),
        (
            "alphabet",
            format!(
                "{vocabulary} symbols{}: {:?}",
                if alphabet.fold_case() {
                    ", capitals folded"
                } else {
                    ""
                },
                alphabet.symbols()
            ),
        ),
        ("context", describe_context(model.window())),
        ("flash", format!("{} bytes", model.file_bytes())),
        ("RAM", ram(&Shape::of(model))),
        (
            "multiply-adds",
            format!("{} a character", model.multiply_adds()),
        ),
    ]
}

/// What is in a model, a line each.
pub fn describe(model: &Model<'_>) -> String {
    let lines = facts(model).into_iter();
    lines
        .map(|(what, value)| format!("{what:<14} {value}\n"))
        .collect()
}

/// The text that stands beside a `.lstm` file: what is in it, and how it was measured.
pub fn description(model: &Model<'_>, errors: &[TensorError], notes: &[String]) -> String {
    let mut text = describe(model);
    if !errors.is_empty() {
        text += "\nquantization, by tensor\n";
        text += &error_table(errors);
    }
    for note in notes {
        text += &format!("\n{note}\n");
    }
    text
}

//! What is in a model, for people.

use crate::hardware::cost::{Shape, layer_name};
use crate::hardware::figures::CORES;
use crate::network::predictor::describe_context;
use crate::quantize::{TensorError, error_table};
use crate::text::text_file::{TextFile, TrainingText};
use lstm_core::export::{Feature, HISTORY};
use lstm_core::{Format, Golden, Input, LayerShape, Model, OutputGolden, OutputHead};

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

/// Words of the workspace that a model takes in C, on the core that takes most: those of its RAM, and of its window if it reads values
/// in windows.
pub fn c_workspace_words(model: &Model<'_>) -> usize {
    let shape = Shape::of(model);
    let bytes = CORES.iter().map(|core| core.ram(&shape)).max();
    let window = model
        .window()
        .map_or(0, |length| model.window_words(length));
    bytes.unwrap_or_default().div_ceil(4) + window
}

/// The workspace of a model in Rust, for a firmware.
fn workspace(shape: &Shape) -> String {
    let layer = |layer: &LayerShape| {
        let new = format!(
            "LayerShape::new(CellKind::{:?}, {})",
            layer.cell, layer.hidden
        );
        match layer.projection {
            None => new,
            Some(width) => format!("{new}.project({width})"),
        }
    };
    let layers: Vec<String> = shape.layers.iter().map(layer).collect();
    let (format, layers) = (shape.format, layers.join(", "));
    let dense = shape.dense.iter().map(|dense| {
        format!(
            "DenseShape::new({}, Activation::{:?})",
            dense.width, dense.activation
        )
    });
    let dense: Vec<String> = dense.collect();
    let mut words = match shape.channels {
        0 if dense.is_empty() => format!("workspace_words(Format::{format:?}, &[{layers}])"),
        channels => format!(
            "sensor_workspace_words(Format::{format:?}, {channels}, &[{layers}], &[{}])",
            dense.join(", ")
        ),
    };
    if shape.has_memory {
        // The last characters, and room for what each symbol costs.
        words += &format!(" + {}", HISTORY / 4 + shape.symbols.div_ceil(4));
    }
    format!("Workspace<{{ {words} }}, {}>", shape.symbols)
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
    let writes_text = model.head() == OutputHead::Symbols;
    let golden = match model.golden() {
        None => "no digest in the file".to_owned(),
        Some(digest) if writes_text => format!("{} tokens, digest {digest:08x}", Golden::TOKENS),
        Some(digest) => format!("{} steps, digest {digest:08x}", OutputGolden::STEPS),
    };
    let dense = model.dense_layers().iter();
    let dense = dense.map(|dense| format!("dense {} {}", dense.width, dense.activation));
    let head = format!("dense {}", model.num_outputs());
    let network: Vec<String> = layers.into_iter().chain(dense).chain([head]).collect();
    let mut facts = vec![
        ("name", model.name().to_owned()),
        ("checksum", format!("{:08x}", model.checksum())),
        (
            match writes_text {
                true => "golden text",
                false => "golden steps",
            },
            golden,
        ),
        ("format", numbers),
        ("network", network.join(", ")),
    ];
    match model.input() {
        Input::Symbols { .. } => facts.push((
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
        )),
        Input::Values { count, .. } => {
            facts.push((
                "reads",
                named(count.into(), "values a step", model.channels()),
            ));
        }
    }
    let names = || model.head().names();
    match model.head() {
        OutputHead::Symbols => {}
        OutputHead::Classes { .. } => {
            facts.push(("tells", named(names().count(), "classes", names())))
        }
        OutputHead::Values { .. } => {
            facts.push(("tells", named(names().count(), "values", names())))
        }
    }
    let context = match (model.window(), writes_text) {
        (Some(window), false) => format!(
            "windows of {window} steps from a zero state{}",
            if model.reads_backwards() {
                ", read backwards"
            } else {
                ""
            }
        ),
        (window, _) => describe_context(window),
    };
    facts.extend([
        ("context", context),
        ("flash", format!("{} bytes", model.file_bytes())),
        ("in a firmware", workspace(&Shape::of(model))),
        ("features", features(model)),
        ("RAM", ram(&Shape::of(model))),
        (
            "in C",
            format!(
                "a workspace of {} words on a chip",
                c_workspace_words(model)
            ),
        ),
        (
            "multiply-adds",
            format!(
                "{} a {}",
                model.multiply_adds(),
                if writes_text { "character" } else { "step" }
            ),
        ),
    ]);
    if model.has_ngrams() {
        let (vectors, table) = model.ngram_bytes();
        let memory = format!("{vectors} bytes of vectors, {table} bytes of a table with back-off");
        facts.push(("memory", memory));
    }
    facts
}

/// The features of lstm-core that a firmware needs for it.
fn features(model: &Model<'_>) -> String {
    let names: Vec<_> = Feature::of(model).map(Feature::name).collect();
    format!("{} of lstm-core", names.join(", "))
}

/// So many of something, with their names where they have any.
fn named<'n>(count: usize, what: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    match names.clone().all(str::is_empty) {
        true => format!("{count} {what}"),
        false => format!("{count} {what}: {}", names.collect::<Vec<_>>().join(", ")),
    }
}

/// What is in a model, a line each.
pub fn describe(model: &Model<'_>) -> String {
    let lines = facts(model).into_iter();
    lines
        .map(|(what, value)| format!("{what:<14} {value}\n"))
        .collect()
}

/// The text that stands beside a `.lstm` file: what is in it, and how it was measured.
pub fn description(
    model: &Model<'_>,
    trained_on: Option<&TrainingText>,
    errors: &[TensorError],
    notes: &[String],
) -> String {
    let mut text = describe(model);
    if let Some(trained_on) = trained_on {
        text += &training_lines(trained_on);
    }
    if !errors.is_empty() {
        text += "\nquantization, by tensor\n";
        text += &error_table(errors);
    }
    for note in notes {
        text += &format!("\n{note}\n");
    }
    text
}

/// The labels of the two lines about the text of the training.
const TRAINED_ON: &str = "trained on";
const TEXT_HASH: &str = "text hash";
/// What the first of them ends in.
const HELD_OUT: &str = ", its validation and test part held out";
const WHOLE: &str = ", all three parts";

/// On which text a network was trained, in two lines.
fn training_lines(text: &TrainingText) -> String {
    let (path, hash) = (text.file.path.display(), &text.file.hash);
    let parts = if text.held_out { HELD_OUT } else { WHOLE };
    format!("{TRAINED_ON:<14} {path}{parts}\n{TEXT_HASH:<14} {hash} (SHA-256 of its tokens)\n")
}

/// The text that a description says its network was trained on.
pub fn training_text(description: &str) -> Option<TrainingText> {
    let value = |label: &str| {
        let mut lines = description.lines();
        lines.find_map(|line| Some(line.strip_prefix(label)?.trim_start()))
    };
    let line = value(TRAINED_ON)?;
    let parts = [(HELD_OUT, true), (WHOLE, false)];
    let found = |(end, held_out)| Some((line.strip_suffix(end)?, held_out));
    let (path, held_out) = parts.into_iter().find_map(found)?;
    let hash = value(TEXT_HASH)?.split_whitespace().next()?.to_owned();
    let file = TextFile {
        path: path.into(),
        hash,
    };
    Some(TrainingText { file, held_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lstm_core::{CellKind, Workspace, workspace_words};
    use std::path::Path;

    /// Rust, without its spaces.
    macro_rules! rust {
        ($($code:tt)*) => {{
            let _: $($code)* = Workspace::new();
            stringify!($($code)*).replace(char::is_whitespace, "")
        }};
    }

    #[test]
    fn a_description_says_which_text_again() {
        for held_out in [true, false] {
            let file = TextFile::new(Path::new("a b/my, text.txt"), &[1, 2]);
            let text = TrainingText { file, held_out };
            let lines = format!("name  n\nchecksum  0\n{}\nmore\n", training_lines(&text));
            let found = training_text(&lines).unwrap();
            assert_eq!(found, text);
            assert_eq!(found.file.path, text.file.path);
            let cut = lines.replace("text hash", "hash");
            assert_eq!(training_text(&cut), None);
        }
    }

    #[test]
    fn the_workspace_of_a_firmware_is_rust() {
        let shape =
            |format, layers: &[LayerShape], symbols| Shape::text(format, layers.to_vec(), symbols);
        let (lstm, cifg) = (LayerShape::lstm, LayerShape::cifg);
        for (shape, expected) in [
            (
                shape(Format::Int8, &[lstm(256)], 27),
                rust!(Workspace<{ workspace_words(Format::Int8, &[LayerShape::new(CellKind::Lstm, 256)]) }, 27>),
            ),
            (
                shape(Format::Int4, &[cifg(384).project(96)], 62),
                rust!(Workspace<{ workspace_words(Format::Int4, &[LayerShape::new(CellKind::Cifg, 384).project(96)]) }, 62>),
            ),
            (
                shape(Format::F32, &[lstm(8), LayerShape::gru(4)], 2),
                rust!(Workspace<{ workspace_words(Format::F32, &[LayerShape::new(CellKind::Lstm, 8), LayerShape::new(CellKind::Gru, 4)]) }, 2>),
            ),
        ] {
            let found = workspace(&shape).replace(' ', "");
            assert_eq!(found, expected);
        }
    }
}

//! ONNX: a graph of operators, in which the layers are found again.

mod affine;
mod answer;
mod array;
mod beside;
mod body;
mod chain;
mod constant;
mod data;
mod evaluate;
mod gates;
mod graph;
mod message;
mod moves;
mod recurrent;
mod repeat;
mod series;
mod tokens;
mod value;

use super::format::{File, Format};
use crate::interchange::contents::{Contents, MAX_BYTES, MAX_RATIO, one_line};
use crate::interchange::context::Reads;
use crate::interchange::plan::Input;
use crate::interchange::told::Told;
use array::Budget;
use message::Model;
use prost::Message;
use std::path::Path;

pub(super) const FORMAT: Format = Format {
    recognizes: |file| file.is_plain(is_model),
    read,
};

/// The first field is the version of the format, a small number. A safetensors file may begin so too, but has its JSON
/// after the length of it.
fn is_model(bytes: &[u8]) -> bool {
    let is_json = bytes.get(4..9) == Some(b"\0\0\0\0{");
    // Texts, the graph, the operators' versions.
    let next = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];
    matches!(bytes, [0x08, 1..=0x3f, tag, ..] if next.contains(tag)) && !is_json
}

/// The same model with the numbers in it that `path` has in files beside it; other files are as they are.
///
/// # Errors
/// It names a file that is not beside it, or that has fewer numbers.
pub(in crate::interchange) fn with_numbers(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, String> {
    if !is_model(&bytes) {
        return Ok(bytes);
    }
    // What is damaged is told by the reader.
    match Model::decode(&bytes[..]) {
        Ok(mut model) if beside::is_needed(&model) => {
            beside::read(&mut model, path)?;
            Ok(model.encode_to_vec())
        }
        _ => Ok(bytes),
    }
}

fn read(file: File, _: &Told) -> Result<Contents, String> {
    let File::Plain(bytes) = file else {
        return Err("found a zip file, expected .onnx".into());
    };
    let model = Model::decode(&bytes[..]).map_err(|e| {
        format!(
            "found a damaged ONNX file ({}), expected a model",
            one_line(&e.to_string())
        )
    })?;
    let Some(graph) = model.graph else {
        return Err("found an ONNX file without a graph, expected a model".into());
    };
    if let Some(function) = model.functions.first() {
        return Err(format!(
            "found the function {}, expected a graph without functions: export the model inlined",
            function.name
        ));
    }
    let opset = model.opset_import.iter();
    let opset = opset.filter(|opset| opset.domain.is_empty() || opset.domain == b"ai.onnx");
    let opset = opset.map(|opset| opset.version).max().unwrap_or(0);
    let numbers = MAX_BYTES.min(MAX_RATIO * bytes.len() as u64) / 4;
    let plan = graph::layers(graph, opset, &Budget::new(numbers))?;
    // Values may be characters, 1 among zeros.
    let reads = match plan.input {
        Input::Characters(_) => Some(Reads::Characters),
        Input::Values(_) => None,
    };
    Ok(Contents::of_plan("ONNX model", reads, plan))
}

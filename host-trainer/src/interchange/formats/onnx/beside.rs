//! Numbers of a model that lie in files beside it, as `torch.onnx.export` puts them unless told otherwise.

use super::message::{Model, Tensor};
use crate::interchange::contents::MAX_BYTES;
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// The place of a tensor's numbers that is another file.
const EXTERNAL: i32 = 1;

fn tensors(model: &mut Model) -> impl Iterator<Item = &mut Tensor> {
    let graph = model.graph.iter_mut();
    let tensors = graph.flat_map(|graph| &mut graph.initializers);
    tensors.filter(|tensor| tensor.data_location == EXTERNAL)
}

/// Whether a model has numbers in another file.
pub(super) fn is_needed(model: &Model) -> bool {
    let graph = model.graph.iter();
    let mut tensors = graph.flat_map(|graph| &graph.initializers);
    tensors.any(|tensor| tensor.data_location == EXTERNAL)
}

/// Puts the numbers into the model that lies at `path`.
///
/// # Errors
/// A file is not beside it, or ends before the numbers do.
pub(super) fn read(model: &mut Model, path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut files, mut left) = (BTreeMap::new(), MAX_BYTES);
    for tensor in tensors(model) {
        let entries = &tensor.external_data;
        let entry = |key: &str| {
            let entry = entries.iter().find(|entry| entry.key == key);
            entry.map(|entry| entry.value.clone())
        };
        let location = entry("location").unwrap_or_default();
        let mut parts = Path::new(&location).components();
        let is_name = matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        );
        if !is_name {
            return Err(format!(
                "tensor {} has its numbers in {location:?}, expected a file in the same folder",
                tensor.name
            ));
        }
        let file = folder.join(&location);
        let failed = |e: std::io::Error| {
            format!(
                "tensor {} has its numbers in {location}, which cannot be read ({e})",
                tensor.name
            )
        };
        if !files.contains_key(&location) {
            let length = std::fs::metadata(&file).map_err(failed)?.len();
            left = left.checked_sub(length).ok_or_else(|| {
                format!("found {length} bytes in {location}, expected at most {MAX_BYTES} together")
            })?;
            files.insert(location.clone(), std::fs::read(&file).map_err(failed)?);
        }
        let bytes = &files[&location];
        let number = |key: &str, otherwise: usize| match entry(key) {
            None => Some(otherwise),
            Some(text) => text.parse().ok(),
        };
        let offset = number("offset", 0).filter(|&offset| offset <= bytes.len());
        let range = offset.and_then(|offset| {
            let length = number("length", bytes.len() - offset)?;
            bytes.get(offset..offset.checked_add(length)?)
        });
        let numbers = range.ok_or_else(|| {
            format!(
                "tensor {} reaches beyond the {} bytes of {location}, expected them within",
                tensor.name,
                bytes.len()
            )
        })?;
        // Each byte of the files is taken once by a model that is whole.
        left = left.checked_sub(numbers.len() as u64).ok_or_else(|| {
            format!("found more than {MAX_BYTES} bytes of numbers, expected weights")
        })?;
        tensor.raw_data = numbers.to_vec();
        tensor.data_location = 0;
    }
    Ok(())
}

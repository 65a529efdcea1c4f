//! The name of a model that is about to be written.

use crate::files::error::{Error, Result};
use crate::files::output::is_one_of;
use crate::model::describe::is_description;
use std::path::{Path, PathBuf};

/// The name of a model, from that of its file.
pub(super) fn stem(path: &Path) -> String {
    let stem = path.file_stem();
    stem.map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Refuses a name that is not a model's, or whose description would take the place of something else.
pub(super) fn check_model_name(out: &Path, inputs: &[&PathBuf]) -> Result<()> {
    if out.extension().is_none_or(|extension| extension != "lstm") {
        return Err(Error::bad_input(format!(
            "found --out {}, expected a name that ends in .lstm: a network that reads values is rounded to the model itself",
            out.display()
        )));
    }
    check_description(out, inputs.iter().map(|path| path.as_path()))
}

/// Refuses the name of a model whose description would take the place of the model, of an input, or
/// of a text that describes none.
pub(super) fn check_description<'p>(
    out: &Path,
    inputs: impl Iterator<Item = &'p Path>,
) -> Result<()> {
    let text = out.with_extension("txt");
    if text == out || is_one_of(&text, inputs) {
        return Err(Error::bad_input(format!(
            "found --out {}, whose description belongs into {}, expected another name",
            out.display(),
            text.display()
        )));
    }
    match std::fs::read(&text) {
        Ok(bytes) if !is_description(&String::from_utf8_lossy(&bytes)) => {
            Err(Error::bad_input(format!(
                "{} exists and describes no model, expected another --out: the description of {} \
                 belongs there",
                text.display(),
                out.display()
            )))
        }
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::reading(&text, &e)),
        _ => Ok(()),
    }
}

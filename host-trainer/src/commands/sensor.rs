//! What commands share for networks that read values.

use crate::commands::export::check_description;
use crate::files::error::{Error, Result};
use crate::network::sensor::SensorConfig;
use crate::sequences::Sequences;
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

/// Refuses data of another number of channels.
pub(super) fn check_channels(config: &SensorConfig, data: &Sequences, path: &Path) -> Result<()> {
    match (data.channels.len(), config.channels.len()) {
        (found, expected) if found == expected => Ok(()),
        (found, expected) => Err(Error::bad_input(format!(
            "{}: found {found} channels, expected {expected} for this network",
            path.display()
        ))),
    }
}

//! The models in `models/`, and which of them fit a board.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use lstm_core::export::Feature;

use crate::{aligned::AlignedBytes, boards::Board, shell::root};

/// A shipped model.
#[derive(Debug)]
pub struct Model {
    /// The name of its file, without the end.
    pub name: String,
    /// Of its file.
    pub bytes: u64,
    /// What an engine needs to run it.
    pub features: Vec<Feature>,
}

impl Model {
    /// Its file.
    pub fn path(&self) -> PathBuf {
        path(&self.name)
    }
}

fn path(name: &str) -> PathBuf {
    root().join("models").join(format!("{name}.lstm"))
}

/// The shipped models.
///
/// # Errors
///
/// The folder cannot be read.
pub fn shipped() -> Result<Vec<Model>> {
    let folder = root().join("models");
    let mut models = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_string_lossy().strip_suffix(".lstm") {
            let file = AlignedBytes::read(&entry.path())?;
            let model = lstm_core::Model::from_bytes(file.bytes());
            let model = model.with_context(|| entry.path().display().to_string())?;
            models.push(Model {
                name: name.to_owned(),
                bytes: file.bytes().len() as u64,
                features: Feature::of(&model).collect(),
            });
        }
    }
    Ok(models)
}

/// The model that is shown when none is named: the one that the board names, or the best poet that it runs.
pub fn default(board: &Board) -> PathBuf {
    const BEST_FIRST: [&str; 6] = [
        "recall-verse-96-large",
        "recall-verse-96",
        "verse-384",
        "verse-384-int4",
        "cifg-96",
        "cifg-96-int4",
    ];
    if let Some(name) = &board.model {
        return path(name);
    }
    let shipped = shipped().unwrap_or_default();
    let runs = |name: &&&str| {
        let mut models = shipped.iter();
        models.any(|model| model.name == **name && runs(board, model))
    };
    path(BEST_FIRST.iter().find(runs).unwrap_or(&BEST_FIRST[0]))
}

/// The first of these features that the firmware of the board is built without.
pub fn lacking(board: &Board, needed: impl IntoIterator<Item = Feature>) -> Option<&'static str> {
    let mut needed = needed.into_iter().map(Feature::name);
    needed.find(|&name| !board.features.iter().any(|feature| feature == name))
}

/// Whether the board runs a shipped model.
pub fn runs(board: &Board, model: &Model) -> bool {
    has_room(board, model.bytes) && lacking(board, model.features.iter().copied()).is_none()
}

fn has_room(board: &Board, bytes: u64) -> bool {
    bytes <= board.memory.model.size.0.into()
}

/// Fails unless the model is a file that fits the board's region: QEMU crashes on one that does
/// not.
///
/// # Errors
///
/// With the name of a model that fits.
pub fn check(board: &Board, model: &Path) -> Result<()> {
    let file = fs::metadata(model).with_context(|| format!("no model at {}", model.display()))?;
    if !file.is_file() {
        bail!("{} is not a file, expected a model", model.display());
    }
    let bytes = file.len();
    if !has_room(board, bytes) {
        let fitting = fitting(board, model);
        let fitting = fitting.strip_prefix(root()).unwrap_or(&fitting);
        bail!(
            "{} does not fit the model region of {}: found {bytes} bytes, expected at most {}; {} fits",
            model.display(),
            board.name,
            board.memory.model.size.0,
            fitting.display(),
        );
    }
    Ok(())
}

/// A model that fits in the place of one that does not: the same in int4, or the board's default.
fn fitting(board: &Board, model: &Path) -> PathBuf {
    let name = model.file_stem().unwrap_or_default().to_string_lossy();
    let int4 = model.with_file_name(format!("{name}-int4.lstm"));
    match fs::metadata(&int4) {
        Ok(file) if has_room(board, file.len()) => int4,
        _ => default(board),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;

    #[test]
    fn the_default_of_every_board_fits_it() {
        for board in boards::all() {
            check(board, &default(board)).unwrap();
        }
    }

    #[test]
    fn a_model_that_does_not_fit_names_one_that_does() {
        let board = Board::parse("microbit").unwrap();
        for (model, fits) in [
            ("cifg-512", "models/cifg-512-int4.lstm"),
            ("sonnets-256", "models/sonnets-256-int4.lstm"),
        ] {
            let model = path(model);
            let error = check(board, &model).unwrap_err().to_string();
            assert!(error.ends_with(&format!("; {fits} fits")), "{error}");
        }
        // Where the same in int4 does not fit either.
        let board = Board::parse("bluepill").unwrap();
        let error = check(board, &path("verse-384")).unwrap_err().to_string();
        let expected = "found 235636 bytes, expected at most 21504; models/cifg-96-int4.lstm fits";
        assert!(error.ends_with(expected), "{error}");
    }
}

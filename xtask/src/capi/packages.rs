//! Packages for the build systems of C.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{header, write};

/// Makes the packages, whose examples run this model.
pub(super) fn make(folder: &Path, model: &Path) -> Result<()> {
    let file = fs::read(model).with_context(|| model.display().to_string())?;
    write(&folder.join("examples/model.h"), &header(&file))
}

//! Snapshots of a generator as lines of text, the ones that `:save` of the firmware prints.

use crate::files::error::{Error, Result};
use crate::model::file::Generator;
use base64ct::{Base64UrlUnpadded, Encoding};
use std::path::Path;

/// What stands before the snapshot, so that the line can be pasted into the firmware's console.
const COMMAND: &str = ":load ";

/// The line of a generator's snapshot.
///
/// # Errors
///
/// None: the buffer is as long as the snapshot.
pub fn save(generator: &Generator<'_, '_>) -> Result<String> {
    let mut snapshot = vec![0; generator.snapshot_bytes()];
    let saved = generator.save(&mut snapshot);
    saved.map_err(|e| Error::failed(e.to_string()))?;
    let text = Base64UrlUnpadded::encode_string(&snapshot);
    Ok(format!("{COMMAND}{text}\n"))
}

/// Brings a generator to the snapshot in a line, or in a file of one line. On an error it is as it
/// was.
///
/// # Errors
///
/// The file cannot be read, or the snapshot is damaged or of another model.
pub fn load(generator: &mut Generator<'_, '_>, line_or_file: &str) -> Result<()> {
    let path = Path::new(line_or_file);
    let file = if path.is_file() {
        let text = std::fs::read_to_string(path).map_err(|e| Error::reading(path, &e))?;
        Some(text)
    } else {
        None
    };
    let line = file.as_deref().unwrap_or(line_or_file);
    restore(generator, line).map_err(|e| match &file {
        Some(_) => Error::bad_input(format!("{}: {e}", path.display())),
        None => Error::bad_input(format!("--state, which is not a file: {e}")),
    })
}

/// Brings a generator to the snapshot in a line. On an error it is as it was.
///
/// # Errors
///
/// The snapshot is damaged or of another model.
pub fn restore(generator: &mut Generator<'_, '_>, line: &str) -> Result<()> {
    let line = line.trim();
    let text = line.strip_prefix(COMMAND).unwrap_or(line);
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if let Some(found) = text.chars().find(|&c| !is_base64url(c)) {
        return Err(Error::bad_input(format!(
            "the snapshot holds {found:?}, expected only A-Z a-z 0-9 - _"
        )));
    }
    let snapshot = Base64UrlUnpadded::decode_vec(text).map_err(|_| {
        Error::bad_input("the snapshot is cut off: its characters do not make whole bytes")
    })?;
    let restored = generator.restore(&snapshot);
    restored.map_err(|e| lstm_core::Error::from(e).into())
}

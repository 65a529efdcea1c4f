//! Snapshots of a generator as lines of text, the ones that `:save` of the firmware prints.

use crate::files::error::{Error, Result};
use lstm_core::Generator;
use lstm_core::snapshot::{CHUNK_BYTES, Decoder, encode};
use std::path::Path;

/// What stands before the snapshot, so that the line can be pasted into the firmware's console.
const COMMAND: &str = ":load ";

/// The line of a generator's snapshot.
///
/// # Errors
///
/// None that this program can meet.
pub fn save(generator: &Generator<'_, '_>) -> Result<String> {
    let mut snapshot = vec![0; generator.snapshot_bytes()];
    let failed = |e: lstm_core::Error| Error::failed(e.to_string());
    generator.save(&mut snapshot).map_err(failed)?;
    let chunks = snapshot.chunks(CHUNK_BYTES);
    let text: String = chunks.map(|chunk| encode(chunk).to_string()).collect();
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
pub fn restore(generator: &mut Generator<'_, '_>, line: &str) -> Result<(), lstm_core::Error> {
    let line = line.trim();
    let line = line.strip_prefix(COMMAND).unwrap_or(line);
    // What is longer is only counted, for the error.
    let mut snapshot = vec![0; line.len()];
    let mut decoder = Decoder::new();
    for character in line.bytes() {
        decoder.push(character, &mut snapshot)?;
    }
    let bytes = decoder.finish(&mut snapshot)?;
    generator.restore(&snapshot[..bytes])
}

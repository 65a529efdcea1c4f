//! The text that a model writes when nothing else is asked for.

use crate::files::error::Result;
use crate::model::file::{Generator, HeapWorkspace, ModelFile, encode};
use lstm_core::Sampler;

/// Read before the first character, unless `--prompt` or `--state` say otherwise.
pub const PROMPT: &str = "\n";
/// For `--temperature`.
pub const TEMPERATURE: f32 = 0.8;

/// What a model writes from a seed, with the settings that `generate` has when none are given.
///
/// # Errors
///
/// The engine does not run it, or the window is too long.
pub fn sample_text(file: &ModelFile, seed: u64, length: usize) -> Result<String> {
    let model = file.model()?;
    let mut workspace = HeapWorkspace::new(&model);
    let session = workspace.session(&model)?;
    let sampler = Sampler::new(seed).with_temperature(TEMPERATURE)?;
    let mut generator = Generator::with_room(session, sampler)?;
    for token in encode(&model, PROMPT) {
        generator.prime(token);
    }
    let alphabet = model.alphabet();
    let tokens = generator.take(length);
    Ok(tokens.map(|token| alphabet.decode(token)).collect())
}

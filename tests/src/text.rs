use firmware_app::{PROMPT, SEED, TEMPERATURE};
use lstm_core::{Generator, MAX_SYMBOLS, MAX_WINDOW, Model, Sampler, Session, WorkspaceSlices};
use sha2::{Digest, Sha256};

/// A text as the host writes it, from the zero state.
#[derive(Clone, Copy, Debug)]
pub struct HostText<'t> {
    /// Read before.
    pub prompt: &'t str,
    /// Of the random numbers.
    pub seed: u64,
    /// Of the sampler.
    pub temperature: f32,
    /// Of the sampler.
    pub top_k: usize,
}

impl Default for HostText<'_> {
    /// As the firmware starts.
    fn default() -> Self {
        HostText {
            prompt: PROMPT,
            seed: SEED,
            temperature: TEMPERATURE,
            top_k: MAX_SYMBOLS,
        }
    }
}

impl HostText<'_> {
    /// The first characters.
    pub fn write(&self, model: &Model<'_>, chars: usize) -> String {
        let alphabet = model.alphabet();
        let mut words = vec![0; model.workspace_words()];
        let mut logits = vec![0; alphabet.len()];
        let workspace = WorkspaceSlices::new(&mut words, &mut logits);
        let session = Session::new(*model, workspace).expect("the workspace is measured");
        let sampler = Sampler::new(self.seed).with_temperature(self.temperature);
        let sampler = sampler.and_then(|sampler| sampler.with_top_k(self.top_k));
        let sampler = sampler.expect("the settings are in range");
        let generator = Generator::<_, MAX_WINDOW>::with_room(session, sampler);
        let mut generator = generator.expect("no window is too long");
        for character in self.prompt.chars() {
            generator.prime(alphabet.encode(character));
        }
        let tokens = generator.take(chars);
        tokens.map(|token| alphabet.decode(token)).collect()
    }
}

/// The first characters that a model writes on the host, with the prompt, seed and temperature of
/// the firmware.
pub fn host_text(model: &Model<'_>, chars: usize) -> String {
    HostText::default().write(model, chars)
}

/// Compares two texts by digest; where they differ, says where they part.
pub fn difference(found: &str, expected: &str) -> Option<String> {
    if Sha256::digest(found) == Sha256::digest(expected) {
        return None;
    }
    let pairs = found.chars().zip(expected.chars());
    let common = pairs.take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(common).take(40).collect::<String>();
    Some(format!(
        "the texts part at character {common}: found {:?}, expected {:?}",
        from(found),
        from(expected)
    ))
}

/// Fails where [`difference`] finds one.
pub fn assert_same_text(found: &str, expected: &str) {
    if let Some(difference) = difference(found, expected) {
        panic!("{difference}");
    }
}

use firmware_app::{PROMPT, SEED, TEMPERATURE};
use lstm_core::{Model, Sampler, Session};
use sha2::{Digest, Sha256};

/// The first characters that a model writes on the host, with the prompt, seed and temperature of
/// the firmware.
pub fn host_text(model: &Model<'_>, chars: usize) -> String {
    let alphabet = model.alphabet();
    let mut words = vec![0; Session::words(model)];
    let mut logits = vec![0; alphabet.len()];
    let mut session =
        Session::from_slices(model, &mut words, &mut logits).expect("the workspace is measured");
    let mut sampler = Sampler::new(SEED)
        .temperature(TEMPERATURE)
        .expect("the firmware's temperature is in range");
    let mut prompt = PROMPT.chars().map(|c| alphabet.encode(c));
    let mut token = prompt.next().expect("the prompt is not empty");
    for next in prompt {
        session.advance(token);
        token = next;
    }
    (0..chars)
        .map(|_| {
            token = sampler.sample(session.step(token));
            alphabet.decode(token)
        })
        .collect()
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

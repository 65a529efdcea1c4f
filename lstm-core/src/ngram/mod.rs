//! What a model knows of the last tokens by heart: vectors that are added to the recurrent input
//! ([`Embeddings`]), and a table of counts with back-off that is taken off the logits ([`Backoff`]).
//!
//! Both are read where they lie. Everything is checked when the model is read, so a look-up checks
//! nothing and cannot fail. `docs/NUMBERS.md` defines the arithmetic, `docs/FORMAT.md` the bytes.
#![deny(clippy::float_arithmetic)]

mod backoff;
mod check;
mod embeddings;
mod hash;
mod swar;
pub mod values;

pub use backoff::Backoff;
pub use embeddings::Embeddings;
#[cfg(feature = "__kernel-test")]
pub(crate) use swar::{portable_symmetric_sum, symmetric_sum};

#[cfg(feature = "export")]
pub use hash::{bucket, buckets, hash, place};

use crate::format::HISTORY;

/// The last tokens, from the newest.
pub type History = [u8; HISTORY];

/// What a model looks up at a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookups<'m> {
    pub(crate) embeddings: Option<Embeddings<'m>>,
    pub(crate) backoff: Option<Backoff<'m>>,
}

impl Lookups<'_> {
    /// Reads a token, and adds what stands for the last tokens to the hidden states, of which the
    /// first layer's are the first. Its recurrent product reads the sums; then they are overwritten.
    pub(crate) fn before_layers(&self, history: &mut [u32], token: u8, hidden: &mut [u32]) {
        push(history, token);
        if let (Some(embeddings), Some(history)) = (&self.embeddings, self::history(history)) {
            embeddings.add_to_words(history, hidden);
        }
    }

    /// Bytes of the data of each.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let bytes = |data: Option<&[u32]>| data.map_or(0, size_of_val);
        (
            bytes(self.embeddings.map(|embeddings| embeddings.data)),
            bytes(self.backoff.map(|backoff| backoff.data)),
        )
    }
}

/// The last tokens in the words of a workspace that hold them; `None` for a model that does not look
/// at them.
pub(crate) fn history(words: &[u32]) -> Option<&History> {
    bytemuck::cast_slice::<u32, u8>(words).first_chunk()
}

/// Makes a token the newest in such words.
fn push(words: &mut [u32], token: u8) {
    let mut newer = u32::from(token);
    for word in words {
        let tokens = u32::from_le(*word);
        *word = (tokens << 8 | newer).to_le();
        newer = tokens >> 24;
    }
}

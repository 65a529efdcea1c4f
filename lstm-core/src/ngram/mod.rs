//! What a model knows of the last tokens by heart: vectors that are added to the recurrent input
//! ([`Embeddings`]), and a table of counts with back-off that is taken off the logits ([`Backoff`]).
//!
//! Both are read where they lie. Everything is checked when the model is read, so a look-up checks
//! nothing and cannot fail. `docs/NUMBERS.md` defines the arithmetic, `docs/FORMAT.md` the bytes.
#![deny(clippy::float_arithmetic)]

mod backoff;
mod bits;
mod check;
mod embeddings;
mod hash;
pub mod values;

pub use backoff::Backoff;
pub use embeddings::Embeddings;
#[cfg(feature = "export")]
pub use hash::{bucket, buckets, hash, place};

use crate::Token;
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
pub(crate) fn history(words: &mut [u32]) -> Option<&mut History> {
    bytemuck::cast_slice_mut::<u32, u8>(words).first_chunk_mut()
}

/// Makes a token the newest; one from outside the alphabet counts as token 0.
pub(crate) fn push(history: &mut History, token: Token, num_symbols: usize) {
    let mut token = match token.index() {
        index if index < num_symbols => index as u8,
        _ => 0,
    };
    for place in history {
        core::mem::swap(place, &mut token);
    }
}

/// Takes so many words off the start of `data`; none where there are fewer.
#[inline(always)]
fn take<'m>(data: &mut &'m [u32], words: usize) -> &'m [u32] {
    let (array, rest) = data.split_at_checked(words).unwrap_or_default();
    *data = rest;
    array
}

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

/// The last tokens, from the newest.
pub type History = [u8; crate::format::HISTORY];

/// Makes a token the newest.
pub(crate) fn push(history: &mut History, mut token: u8) {
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

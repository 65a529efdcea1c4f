//! The RAM of a session.

use crate::file::{COLUMN_ALIGN, Format, round_up};
use crate::kernel;

/// Everything that a session changes: the state of the layers, scratch for one step, the logits.
///
/// `WORDS` is the number of 32-bit words of state and scratch, from [`workspace_words`]; `VOCAB`
/// the number of symbols in the alphabet. Both may be larger than the model needs.
#[derive(Clone, Debug)]
pub struct Workspace<const WORDS: usize, const VOCAB: usize> {
    pub(crate) words: [u32; WORDS],
    pub(crate) logits: [u32; VOCAB],
}

impl<const WORDS: usize, const VOCAB: usize> Workspace<WORDS, VOCAB> {
    /// A workspace of zeros, fit for a `static`.
    pub const fn new() -> Self {
        Workspace {
            words: [0; WORDS],
            logits: [0; VOCAB],
        }
    }
}

impl<const WORDS: usize, const VOCAB: usize> Default for Workspace<WORDS, VOCAB> {
    fn default() -> Self {
        Self::new()
    }
}

/// The `WORDS` of a [`Workspace`] for a model of this format with layers of so many hidden units.
///
/// In bytes, a unit takes 3 of state in the integer formats (1 of `h`, 2 of `c`) and 8 in
/// [`Format::F32`]. One step's scratch is shared by the layers: a packed copy of the columns of
/// the widest one, 1 to 4 bytes a column in the integer formats (it depends on the CPU's kernel), 4 in F32.
pub const fn workspace_words(format: Format, hidden: &[usize]) -> usize {
    let mut words = 0;
    let mut scratch = 0;
    let mut below = 0;
    let mut i = 0;
    while i < hidden.len() {
        let (h, c) = state_words(format, hidden[i]);
        words += h + c;
        let layer = scratch_words(format, below + hidden[i]);
        scratch = if layer > scratch { layer } else { scratch };
        below = hidden[i];
        i += 1;
    }
    words + scratch
}

/// Words of `h` and of `c` for one layer.
pub(crate) const fn state_words(format: Format, hidden: usize) -> (usize, usize) {
    match format {
        Format::F32 => (hidden, hidden),
        Format::Int8 | Format::Int4 => (hidden.div_ceil(4), hidden.div_ceil(2)),
    }
}

/// Words of the packed columns.
pub(crate) const fn scratch_words(format: Format, columns: usize) -> usize {
    let columns = round_up(columns, COLUMN_ALIGN);
    match format {
        Format::F32 => columns,
        Format::Int8 => columns * size_of::<kernel::int8::Input>() / 4,
        // The dense layer is int8.
        Format::Int4 => {
            let (int4, int8) = (
                size_of::<kernel::int4::Input>(),
                size_of::<kernel::int8::Input>(),
            );
            columns * (if int4 > int8 { int4 } else { int8 }) / 4
        }
    }
}

//! The RAM of a session.

use crate::file::{COLUMN_ALIGN, Format, LayerShape, round_up};
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

    /// The words of state and scratch, and those of the logits: for a
    /// [`Session::from_slices`](crate::Session::from_slices) that leaves the words beyond
    /// [`Session::words`](crate::Session::words) to the caller.
    pub fn as_mut_slices(&mut self) -> (&mut [u32], &mut [u32]) {
        (&mut self.words, &mut self.logits)
    }
}

impl<const WORDS: usize, const VOCAB: usize> Default for Workspace<WORDS, VOCAB> {
    fn default() -> Self {
        Self::new()
    }
}

/// The `WORDS` of a [`Workspace`] for a model of this format with these layers, from the input up.
///
/// In bytes, the state takes 1 for each element of `h` and 2 for each of `c` in the integer formats,
/// 4 and 4 in [`Format::F32`]. One step's scratch is shared by the layers: a packed copy of the
/// columns of the widest matrix, 1 to 4 bytes a column in the integer formats (it depends on the
/// CPU's kernel), 4 in F32; and the cell's output of the largest layer with a projection, as `h`.
pub const fn workspace_words(format: Format, layers: &[LayerShape]) -> usize {
    let mut state = 0;
    let mut scratch = Scratch::NONE;
    let mut below = 0;
    let mut i = 0;
    while i < layers.len() {
        let (h, c) = state_words(format, layers[i]);
        state += h + c;
        scratch = scratch.and(format, below, layers[i]);
        below = layers[i].output();
        i += 1;
    }
    state + scratch.columns + scratch.cell_output
}

/// Words of `h` and of `c` for one layer.
pub(crate) const fn state_words(format: Format, shape: LayerShape) -> (usize, usize) {
    let (output, hidden) = (shape.output(), shape.hidden as usize);
    match format {
        Format::F32 => (output, hidden),
        Format::Int8 | Format::Int4 => (output.div_ceil(4), hidden.div_ceil(2)),
    }
}

/// Words of scratch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scratch {
    /// For packed columns.
    pub(crate) columns: usize,
    /// For the cell's output before a projection.
    pub(crate) cell_output: usize,
}

impl Scratch {
    pub(crate) const NONE: Self = Scratch {
        columns: 0,
        cell_output: 0,
    };

    /// Enough for one more layer over an input of width `below`.
    pub(crate) const fn and(self, format: Format, below: usize, shape: LayerShape) -> Self {
        let hidden = shape.hidden as usize;
        let (widest, cell_output) = match shape.projection {
            Some(_) => (
                max(below + shape.output(), hidden),
                match format {
                    Format::F32 => hidden,
                    Format::Int8 | Format::Int4 => hidden.div_ceil(4),
                },
            ),
            None => (below + hidden, 0),
        };
        Scratch {
            columns: max(self.columns, column_words(format, widest)),
            cell_output: max(self.cell_output, cell_output),
        }
    }
}

/// Words of so many packed columns.
const fn column_words(format: Format, columns: usize) -> usize {
    let columns = round_up(columns, COLUMN_ALIGN);
    let (int8, int4) = (
        size_of::<kernel::int8::Input>(),
        size_of::<kernel::int4::Input>(),
    );
    match format {
        Format::F32 => columns,
        Format::Int8 => columns * int8 / 4,
        // The dense layer is int8.
        Format::Int4 => columns * max(int8, int4) / 4,
    }
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

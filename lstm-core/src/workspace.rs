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
/// columns of the widest matrix, 1 to 4.25 bytes a column in the integer formats (it depends on the
/// CPU's kernel), 4 in F32; and the cell's output of the largest layer with a projection, as `h`.
pub const fn workspace_words(format: Format, layers: &[LayerShape]) -> usize {
    let mut room = Room::NONE;
    let mut below = 0;
    let mut i = 0;
    while i < layers.len() {
        room = room.and(below, layers[i]);
        below = layers[i].output();
        i += 1;
    }
    room.words(format)
}

/// How many elements a session has to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// The hidden states of all layers, one after the other.
    pub(crate) hidden: usize,
    /// The cell states of all layers, one after the other.
    pub(crate) cell: usize,
    /// Scratch: the padded columns of the widest matrix.
    pub(crate) columns: usize,
    /// Scratch: the cell's output of the largest layer with a projection.
    pub(crate) cell_output: usize,
}

impl Room {
    pub(crate) const NONE: Self = Room {
        hidden: 0,
        cell: 0,
        columns: 0,
        cell_output: 0,
    };

    /// Enough for one more layer over an input of width `below`.
    pub(crate) const fn and(self, below: usize, shape: LayerShape) -> Self {
        let (hidden, columns) = (shape.hidden as usize, below + shape.output());
        let (columns, cell_output) = match shape.projection {
            Some(_) => (max(columns, hidden), hidden),
            None => (columns, 0),
        };
        Room {
            hidden: self.hidden + shape.output(),
            cell: self.cell + hidden,
            columns: max(self.columns, round_up(columns, COLUMN_ALIGN)),
            cell_output: max(self.cell_output, cell_output),
        }
    }

    /// Words that hold it all.
    pub(crate) const fn words(self, format: Format) -> usize {
        let (hidden, cell) = state_element_bytes(format);
        let int8 = self.columns * size_of::<kernel::int8::Input>();
        let int4 = kernel::int4::input_len(self.columns) * size_of::<kernel::int4::Input>();
        let columns = match format {
            Format::F32 => self.columns * 4,
            Format::Int8 => int8,
            // The dense layer is int8.
            Format::Int4 => max(int8, int4),
        };
        (self.hidden * hidden).div_ceil(4)
            + (self.cell * cell).div_ceil(4)
            + columns.div_ceil(4)
            + (self.cell_output * hidden).div_ceil(4)
    }
}

/// Bytes of an element of `h` and of `c`.
pub(crate) const fn state_element_bytes(format: Format) -> (usize, usize) {
    match format {
        Format::F32 => (4, 4),
        Format::Int8 | Format::Int4 => (1, 2),
    }
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

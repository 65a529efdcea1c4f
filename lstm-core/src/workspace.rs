//! The RAM of a session.

use crate::format::{COLUMN_ALIGN, Format, LayerShape, round_up};
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
    Room::of(format, layers).words()
}

/// How many words a session has to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// The hidden states of all layers, one after the other.
    pub(crate) hidden: usize,
    /// The cell states of all layers, one after the other.
    pub(crate) cell: usize,
    /// Scratch: the packed columns of the widest matrix.
    pub(crate) columns: usize,
    /// Scratch: the cell's output of the largest layer with a projection.
    pub(crate) cell_output: usize,
}

impl Room {
    /// Enough for these layers, from the input up.
    #[inline(never)]
    pub(crate) const fn of(format: Format, layers: &[LayerShape]) -> Self {
        let (mut hidden, mut cell, mut columns, mut cell_output) = (0, 0, 0, 0);
        let mut below = 0;
        let mut i = 0;
        while i < layers.len() {
            let (units, output) = (layers[i].hidden as usize, layers[i].output());
            if layers[i].projection.is_some() {
                columns = max(columns, units);
                cell_output = max(cell_output, units);
            }
            columns = max(columns, below + output);
            hidden += output;
            cell += units;
            below = output;
            i += 1;
        }
        let columns = round_up(columns, COLUMN_ALIGN);
        let int8 = columns * size_of::<kernel::int8::Input>();
        let int4 = kernel::int4::input_len(columns) * size_of::<kernel::int4::Input>();
        let column_bytes = match format {
            Format::F32 => columns * 4,
            Format::Int8 => int8,
            // The dense layer is int8.
            Format::Int4 => max(int8, int4),
        };
        let (hidden_bytes, cell_bytes) = state_element_bytes(format);
        Room {
            hidden: words(hidden * hidden_bytes),
            cell: words(cell * cell_bytes),
            columns: words(column_bytes),
            cell_output: words(cell_output * hidden_bytes),
        }
    }

    /// Words that hold it all.
    pub(crate) const fn words(self) -> usize {
        self.hidden + self.cell + self.columns + self.cell_output
    }
}

/// Words that hold so many bytes.
const fn words(bytes: usize) -> usize {
    round_up(bytes, 4) / 4
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

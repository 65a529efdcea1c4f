//! A model at work.

use crate::arith::Arithmetic;
#[cfg(feature = "f32")]
use crate::arith::F32;
#[cfg(feature = "int8")]
use crate::arith::Integer;
use crate::format::Format;
use crate::workspace::Room;
use crate::{Error, Model, Token, Workspace, cell};

/// A model with its state. Made once, it cannot fail any more.
///
/// The code is the same for every size: sizes are in the [`Workspace`], which the session borrows
/// as slices.
#[derive(Debug)]
pub struct Session<'s, 'm> {
    pub(crate) model: &'s Model<'m>,
    /// The hidden states of the layers, from the input up, one after the other.
    pub(crate) hidden: &'s mut [u32],
    /// The cell states likewise.
    pub(crate) cell: &'s mut [u32],
    /// Scratch: the packed columns of a matrix.
    columns: &'s mut [u32],
    /// Scratch: the cell's output before a projection.
    cell_output: &'s mut [u32],
    /// What packing the hidden state for the dense layer gave, where the next step's first layer
    /// reads the very same columns.
    pub(crate) packed: Option<i32>,
    /// One word a symbol: an f32 or an i32 in Q12.
    logits: &'s mut [u32],
}

impl<'s, 'm> Session<'s, 'm> {
    /// A session at the zero state.
    ///
    /// # Errors
    ///
    /// [`Error::WorkspaceWords`] or [`Error::WorkspaceSymbols`] if the workspace is too small.
    pub fn new<const WORDS: usize, const VOCAB: usize>(
        model: &'s Model<'m>,
        workspace: &'s mut Workspace<WORDS, VOCAB>,
    ) -> Result<Self, Error> {
        Self::from_slices(model, &mut workspace.words, &mut workspace.logits)
    }

    /// As [`Session::new`], where the sizes are known at run time only: [`Session::words`] words
    /// of state, and a word of logits for each symbol.
    ///
    /// # Errors
    ///
    /// As [`Session::new`].
    pub fn from_slices(
        model: &'s Model<'m>,
        words: &'s mut [u32],
        logits: &'s mut [u32],
    ) -> Result<Self, Error> {
        let room = Room::of(model.format(), model.layers());
        let (found, expected) = (words.len(), room.words());
        if found < expected {
            return Err(Error::WorkspaceWords { found, expected });
        }
        let (found, expected) = (logits.len(), model.alphabet().len());
        if found < expected {
            return Err(Error::WorkspaceSymbols { found, expected });
        }
        let (hidden, words) = split(words, room.hidden);
        let (cell, words) = split(words, room.cell);
        let (columns, words) = split(words, room.columns);
        let mut session = Session {
            model,
            hidden,
            cell,
            columns,
            cell_output: prefix(words, room.cell_output),
            packed: None,
            logits: prefix(logits, expected),
        };
        session.reset();
        Ok(session)
    }

    /// Words of state and scratch that a model needs, as
    /// [`workspace_words`](crate::workspace_words) for its shapes.
    pub fn words(model: &Model<'_>) -> usize {
        Room::of(model.format(), model.layers()).words()
    }

    /// The model.
    pub fn model(&self) -> &'s Model<'m> {
        self.model
    }

    /// Back to the zero state, and all logits to zero.
    pub fn reset(&mut self) {
        self.packed = None;
        self.hidden.fill(0);
        self.cell.fill(0);
        self.logits.fill(0);
    }

    /// Feeds one token and gives the logits of the next.
    ///
    /// A token from outside the alphabet counts as token 0.
    pub fn step(&mut self, token: Token) -> Logits<'_> {
        self.run(token, true);
        Logits {
            words: self.logits,
            format: self.model.format(),
        }
    }

    /// Feeds one token without computing logits: for priming with a text.
    pub fn advance(&mut self, token: Token) {
        self.run(token, false);
    }

    fn run(&mut self, token: Token, with_logits: bool) {
        match self.model.format() {
            #[cfg(feature = "f32")]
            Format::F32 => self.run_in::<F32>(token, with_logits),
            #[cfg(feature = "int8")]
            Format::Int8 | Format::Int4 => self.run_in::<Integer>(token, with_logits),
            // Refused by the reader.
            #[allow(unreachable_patterns)]
            _ => {}
        }
    }

    #[inline(never)]
    fn run_in<A: Arithmetic>(&mut self, token: Token, with_logits: bool) {
        let columns = &mut *self.columns;
        // Those of the layer below, then those of the layer and of all above.
        let mut hidden = bytemuck::cast_slice_mut::<_, A::Hidden>(self.hidden);
        let mut cell = bytemuck::cast_slice_mut::<_, A::Cell>(self.cell);
        let mut packed = self.packed.take();
        let mut arrays = self.model.arrays();
        for shape in self.model.layers() {
            let (units, input) = (shape.hidden.into(), arrays.input());
            let layer = arrays.layer(shape, token);
            let (c, rest) = split(cell, units);
            cell = rest;
            let (h, _) = split(&mut *hidden, input + shape.output());
            let correction = packed
                .take()
                .unwrap_or_else(|| A::pack(&layer.gates, h, columns));
            let (_, h) = split(h, input);
            let output = match shape.projection {
                None => &mut *h,
                Some(_) => prefix(self.cell_output, units),
            };
            cell::step::<A>(shape.cell, &layer, columns, correction, output, c);
            if shape.projection.is_some() {
                let projection = arrays.projection(shape);
                let correction = A::pack(&projection, output, columns);
                cell::project::<A>(&projection, columns, correction, h);
            }
            hidden = split(hidden, input).1;
        }
        if with_logits {
            let dense = arrays.dense();
            let correction = A::pack(&dense, hidden, columns);
            if self.model.depth() == 1 && self.model.format() != Format::Int4 {
                self.packed = Some(correction);
            }
            let logits = bytemuck::cast_slice_mut(self.logits);
            cell::dense::<A>(&dense, columns, correction, logits);
        }
    }
}

/// `split_at_mut`, without a path to a panic.
pub(crate) fn split<T>(slice: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    slice.split_at_mut(at.min(slice.len()))
}

/// The first `len` elements of a stretch of words seen as `T`.
pub(crate) fn prefix<T: bytemuck::Pod>(words: &mut [u32], len: usize) -> &mut [T] {
    split(bytemuck::cast_slice_mut::<u32, T>(words), len).0
}

/// The logits of the next token, `[vocab]`; [`Sampler::sample`](crate::Sampler::sample) turns them
/// into a token.
#[derive(Debug)]
pub struct Logits<'s> {
    words: &'s mut [u32],
    format: Format,
}

impl<'s> Logits<'s> {
    /// The number of symbols.
    #[allow(clippy::len_without_is_empty, reason = "an alphabet is never empty")]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The logits as real numbers.
    pub fn iter(&self) -> impl Iterator<Item = f32> + '_ {
        let format = self.format;
        self.words.iter().map(move |&word| match format {
            Format::F32 => f32::from_bits(word),
            Format::Int8 | Format::Int4 => word as i32 as f32 / 4096.0,
        })
    }

    /// The logits in Q12, rounded where the format is [`Format::F32`]; saturating.
    pub(crate) fn into_q12(self) -> &'s mut [i32] {
        let words: &'s mut [i32] = bytemuck::cast_slice_mut(self.words);
        #[cfg(feature = "f32")]
        if self.format == Format::F32 {
            for word in words.iter_mut() {
                *word = libm::roundf(f32::from_bits(*word as u32) * 4096.0) as i32;
            }
        }
        words
    }
}

//! A model at work.

use crate::file::Format;
use crate::model::Layer;
use crate::numbers::{Arithmetic, F32, Int4, Int8};
use crate::workspace::{Scratch, state_words};
use crate::{Error, Model, Token, Workspace, cell};

/// A model with its state. Made once, it cannot fail any more.
///
/// The code is the same for every size: sizes are in the [`Workspace`], which the session borrows
/// as slices.
#[derive(Debug)]
pub struct Session<'s, 'm> {
    pub(crate) model: &'s Model<'m>,
    /// State of the layers, from the input up, then scratch.
    pub(crate) words: &'s mut [u32],
    /// How many of the words are state.
    state_words: usize,
    /// How many of the words after the state are for packed columns.
    column_words: usize,
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
        let (found, expected) = (words.len(), Self::words(model));
        let Some(words) = words.get_mut(..expected) else {
            return Err(Error::WorkspaceWords { found, expected });
        };
        let (found, expected) = (logits.len(), model.alphabet().len());
        let Some(logits) = logits.get_mut(..expected) else {
            return Err(Error::WorkspaceSymbols { found, expected });
        };
        let mut session = Session {
            model,
            words,
            state_words: Self::state_words(model),
            column_words: Self::scratch(model).columns,
            logits,
        };
        session.reset();
        Ok(session)
    }

    /// Words of state and scratch that a model needs, as
    /// [`workspace_words`](crate::workspace_words) for its shapes.
    pub fn words(model: &Model<'_>) -> usize {
        let scratch = Self::scratch(model);
        Self::state_words(model) + scratch.columns + scratch.cell_output
    }

    fn scratch(model: &Model<'_>) -> Scratch {
        let and = |scratch: Scratch, layer: &Layer<'_>| {
            scratch.and(model.format(), layer.input, layer.shape)
        };
        model.layers().iter().fold(Scratch::NONE, and)
    }

    fn state_words(model: &Model<'_>) -> usize {
        let layers = model.layers().iter();
        layers
            .map(|layer| state_words(model.format(), layer.shape))
            .map(|(h, c)| h + c)
            .sum()
    }

    /// The model.
    pub fn model(&self) -> &'s Model<'m> {
        self.model
    }

    /// Back to the zero state, and all logits to zero.
    pub fn reset(&mut self) {
        self.words.fill(0);
        self.logits.fill(0);
    }

    /// Feeds one token and gives the logits of the next.
    ///
    /// A token from outside the alphabet counts as token 0.
    pub fn step(&mut self, token: Token) -> Logits<'_> {
        match self.model.format() {
            Format::F32 => {
                self.layers::<F32>(token);
                self.dense::<F32>();
            }
            Format::Int8 => {
                self.layers::<Int8>(token);
                self.dense::<Int8>();
            }
            Format::Int4 => {
                self.layers::<Int4>(token);
                self.dense::<Int8>();
            }
        }
        Logits {
            words: self.logits,
            format: self.model.format(),
        }
    }

    /// Feeds one token without computing logits: for priming with a text.
    pub fn advance(&mut self, token: Token) {
        match self.model.format() {
            Format::F32 => self.layers::<F32>(token),
            Format::Int8 => self.layers::<Int8>(token),
            Format::Int4 => self.layers::<Int4>(token),
        }
    }

    fn layers<A: Arithmetic>(&mut self, token: Token) {
        let format = self.model.format();
        let (state, scratch) = split(self.words, self.state_words);
        let (columns, cell_output) = split(scratch, self.column_words);
        let mut below: &[A::Hidden] = &[];
        let mut rest = state;
        for layer in self.model.layers() {
            let (words, next) = split(rest, layer_words(format, layer));
            let (h, c) = split(words, state_words(format, layer.shape).0);
            let h = prefix::<A::Hidden>(h, layer.shape.output());
            let c = prefix::<A::Cell>(c, layer.hidden());
            let input = prefix::<A::Input>(columns, layer.gates.columns);
            let correction = A::pack(below, h, input);
            if layer.shape.projection.is_none() {
                cell::step::<A>(layer, token, input, correction, h, c);
            } else {
                let output = prefix::<A::Hidden>(cell_output, layer.hidden());
                cell::step::<A>(layer, token, input, correction, output, c);
                let input = prefix::<A::Input>(columns, layer.projection.columns);
                let correction = A::pack(&[], output, input);
                cell::project::<A>(&layer.projection, input, correction, h);
            }
            below = h;
            rest = next;
        }
    }

    fn dense<A: Arithmetic>(&mut self) {
        let format = self.model.format();
        let (state, scratch) = split(self.words, self.state_words);
        let Some(top) = self.model.layers().last() else {
            return;
        };
        let start = state.len().saturating_sub(layer_words(format, top));
        let hidden = prefix::<A::Hidden>(split(state, start).1, top.shape.output());
        let matrix = self.model.dense();
        let input = prefix::<A::Input>(scratch, matrix.columns);
        let correction = A::pack(hidden, &[], input);
        cell::dense::<A>(
            &matrix,
            input,
            correction,
            bytemuck::cast_slice_mut(self.logits),
        );
    }
}

pub(crate) fn layer_words(format: Format, layer: &Layer<'_>) -> usize {
    let (h, c) = state_words(format, layer.shape);
    h + c
}

/// `split_at_mut`, without a path to a panic.
pub(crate) fn split(words: &mut [u32], at: usize) -> (&mut [u32], &mut [u32]) {
    words.split_at_mut(at.min(words.len()))
}

/// The first `len` elements of a stretch of words seen as `T`.
pub(crate) fn prefix<T: bytemuck::Pod>(words: &mut [u32], len: usize) -> &mut [T] {
    let elements = bytemuck::cast_slice_mut::<u32, T>(words);
    let len = len.min(elements.len());
    elements.get_mut(..len).unwrap_or_default()
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
        if self.format == Format::F32 {
            for word in words.iter_mut() {
                *word = libm::roundf(f32::from_bits(*word as u32) * 4096.0) as i32;
            }
        }
        words
    }
}

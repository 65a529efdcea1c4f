//! A model at work.

use crate::arith::Arithmetic;
#[cfg(feature = "f32")]
use crate::arith::F32;
#[cfg(feature = "int8")]
use crate::arith::Integer;
use crate::bytes::split;
use crate::cell::Scratch;
use crate::format::Format;
#[cfg(feature = "sensor")]
use crate::kernel::Batch;
use crate::layout::Arrays;
#[cfg(feature = "ngram")]
use crate::ngram;
use crate::workspace::{Memory, Room, State};
use crate::{Model, Token, WorkspaceError, cell, state};

/// A model with its state. Made once, it cannot fail any more.
///
/// It holds its model, and its workspace by value or by reference ([`Memory`]), so it can live in a
/// struct, in a static or in an async task. The code is the same for every size.
///
/// ```
/// use lstm_core::{Aligned, Model, ModelShape, Session, Token, Workspace};
///
/// # const FILE: &Aligned<[u8]> =
/// #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// # /*
/// const FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("model.lstm"));
/// # */
/// const SHAPE: ModelShape = ModelShape::of(&FILE.0).expect("a .lstm file");
///
/// /// What a task owns.
/// struct Listener {
///     session: Session<'static, Workspace<{ SHAPE.words() }, { SHAPE.num_symbols() }>>,
/// }
///
/// let model = Model::from_bytes(&FILE.0)?;
/// let mut listener = Listener {
///     session: Session::new(model, Workspace::new())?,
/// };
/// let logits = listener.session.step(Token::new(1));
/// assert_eq!(logits.len(), model.alphabet().len());
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session<'m, M> {
    model: Model<'m>,
    room: Room,
    memory: M,
}

impl<'m, M: Memory> Session<'m, M> {
    /// A session at the zero state, whatever is in the workspace.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Words`] or [`WorkspaceError::Symbols`] if the workspace is too small;
    /// `WorkspaceError::ReadsValues` if the model reads values, which a `SensorSession` is for.
    pub fn new(model: Model<'m>, memory: M) -> Result<Self, WorkspaceError> {
        check_reads_symbols(&model)?;
        Self::at_zero(model, memory)
    }

    /// A session at the zero state, whatever the model reads.
    pub(crate) fn at_zero(model: Model<'m>, memory: M) -> Result<Self, WorkspaceError> {
        let mut session = Self::with_room(model, memory)?;
        session.reset();
        Ok(session)
    }

    /// A session that goes on from the state in the workspace, which an earlier session with this
    /// model left there.
    ///
    /// # Errors
    ///
    /// As [`Session::new`], and [`WorkspaceError::State`] if a value there is none that a step can
    /// give.
    pub fn resume(model: Model<'m>, memory: M) -> Result<Self, WorkspaceError> {
        check_reads_symbols(&model)?;
        Self::at_state(model, memory)
    }

    /// A session at the state in the workspace, whatever the model reads.
    pub(crate) fn at_state(model: Model<'m>, memory: M) -> Result<Self, WorkspaceError> {
        let session = Self::with_room(model, memory)?;
        match state::is_sound(&session.model, session.memory.words()) {
            true => Ok(session),
            false => Err(WorkspaceError::State),
        }
    }

    fn with_room(model: Model<'m>, mut memory: M) -> Result<Self, WorkspaceError> {
        let (words, logits) = memory.parts();
        let room = Room::of_model(&model);
        let (found, expected) = (words.len(), room.words());
        if found < expected {
            return Err(WorkspaceError::Words { found, expected });
        }
        let (found, expected) = (logits.len(), model.num_outputs());
        if found < expected {
            return Err(WorkspaceError::Symbols { found, expected });
        }
        Ok(Session {
            model,
            room,
            memory,
        })
    }

    /// Back to the zero state.
    pub fn reset(&mut self) {
        let State {
            hidden,
            cell_state,
            history,
            ..
        } = self.state();
        hidden.fill(0);
        cell_state.fill(0);
        history.fill(0);
    }

    /// Feeds one token and gives the logits of the next, or those of the classes or values that the model
    /// gives instead: `Model::output` makes an `Output` of them.
    ///
    /// A token from outside the alphabet counts as token 0.
    pub fn step(&mut self, token: Token) -> Logits<'_> {
        let (words, logits) = self.memory.parts();
        let (logits, _) = split(logits, self.model.num_outputs());
        run(
            &self.model,
            &mut self.room.split(words),
            token,
            Some(&mut *logits),
        );
        Logits {
            words: logits,
            format: self.model.format(),
        }
    }

    /// Feeds one token without computing logits: for priming with a text.
    pub fn advance(&mut self, token: Token) {
        let (words, _) = self.memory.parts();
        run(&self.model, &mut self.room.split(words), token, None);
    }

    /// The workspace. A session that [resumes](Session::resume) with it goes on from this state.
    pub fn into_memory(self) -> M {
        self.memory
    }

    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// A word for each symbol: the last logits, or what a sampler has made of them.
    pub(crate) fn logits(&mut self) -> &mut [u32] {
        let outputs = self.model.num_outputs();
        split(self.memory.parts().1, outputs).0
    }

    /// The logits of the last step.
    #[cfg(feature = "sensor")]
    pub(crate) fn last_logits(&mut self) -> Logits<'_> {
        let format = self.model.format();
        let words = self.logits();
        Logits { words, format }
    }

    pub(crate) fn state(&mut self) -> State<'_> {
        self.room.split(self.memory.parts().0)
    }
}

impl<'m, M> Session<'m, M> {
    /// The model.
    pub fn model(&self) -> &Model<'m> {
        &self.model
    }
}

fn check_reads_symbols(model: &Model<'_>) -> Result<(), WorkspaceError> {
    #[cfg(feature = "sensor")]
    if let found @ 1.. = model.num_channels() {
        return Err(WorkspaceError::ReadsValues { found });
    }
    let _ = model;
    Ok(())
}

/// One step, with or without the dense layers.
fn run(model: &Model<'_>, state: &mut State<'_>, token: Token, logits: Option<&mut [u32]>) {
    match model.format() {
        #[cfg(feature = "f32")]
        Format::F32 => run_in::<F32>(model, state, token, logits),
        #[cfg(feature = "ngram")]
        Format::Int8 | Format::Int4 => run_with_lookups(model, state, token, logits),
        #[cfg(all(feature = "int8", not(feature = "ngram")))]
        Format::Int8 | Format::Int4 => run_in::<Integer>(model, state, token, logits),
        // No such model is read by a build without the format.
        #[cfg(not(feature = "f32"))]
        Format::F32 => {}
        #[cfg(not(feature = "int8"))]
        Format::Int8 | Format::Int4 => {}
    }
}

/// One step in integers, with what the model looks up.
#[cfg(feature = "ngram")]
fn run_with_lookups(
    model: &Model<'_>,
    state: &mut State<'_>,
    token: Token,
    logits: Option<&mut [u32]>,
) {
    let lookups = model.lookups();
    if !state.history.is_empty() {
        let token = match token.index() {
            index if index < model.alphabet().len() => index as u8,
            _ => 0,
        };
        lookups.before_layers(state.history, token, state.hidden);
    }
    match &lookups.backoff {
        Some(backoff) => run_with_costs(model, backoff, state, token, logits),
        None => run_in::<Integer>(model, state, token, logits),
    }
}

/// As [`run_in`], with what a table says that the symbols cost.
// Apart, so that only one of them has a batch on the stack.
#[cfg(feature = "ngram")]
#[inline(never)]
fn run_with_costs(
    model: &Model<'_>,
    backoff: &ngram::Backoff<'_>,
    state: &mut State<'_>,
    token: Token,
    logits: Option<&mut [u32]>,
) {
    let mut scratch = Scratch::<Integer>::new(&mut *state.columns, &mut *state.cell_output);
    let (mut arrays, hidden) = layers(
        model,
        token,
        &mut *state.hidden,
        &mut *state.cell_state,
        &mut scratch,
    );
    if let (Some(logits), Some(history)) = (logits, ngram::history(state.history)) {
        let logits = bytemuck::cast_slice_mut(logits);
        let hidden = hidden.get(..arrays.input()).unwrap_or_default();
        // What the symbols cost waits where their logits will be.
        let costs = backoff.weigh(history, hidden, logits);
        let matrix = arrays.dense(model.num_outputs());
        let Scratch { columns, batch, .. } = &mut scratch;
        cell::head::<Integer>(&matrix, hidden, logits, columns, batch, |sum, cost| {
            costs.logit(Integer::logit(sum), cost)
        });
    }
}

#[inline(never)]
fn run_in<A: Arithmetic>(
    model: &Model<'_>,
    state: &mut State<'_>,
    token: Token,
    logits: Option<&mut [u32]>,
) {
    let mut scratch = Scratch::<A>::new(&mut *state.columns, &mut *state.cell_output);
    let (mut arrays, hidden) = layers(
        model,
        token,
        &mut *state.hidden,
        &mut *state.cell_state,
        &mut scratch,
    );
    if let Some(logits) = logits {
        let Scratch {
            columns,
            batch,
            #[cfg(feature = "sensor")]
            cell_output,
            ..
        } = &mut scratch;
        #[cfg(feature = "sensor")]
        let hidden = dense_layers::<A>(model, &mut arrays, hidden, columns, cell_output, batch);
        let matrix = arrays.dense(model.num_outputs());
        let logits = bytemuck::cast_slice_mut(logits);
        cell::head::<A>(&matrix, hidden, logits, columns, batch, |sum, _| {
            A::logit(sum)
        });
    }
}

/// One step of the recurrent layers. Gives the hidden state of the last, and the arrays after it.
fn layers<'m, 's, A: Arithmetic>(
    model: &Model<'m>,
    token: Token,
    hidden: &'s mut [u32],
    cell_state: &mut [u32],
    scratch: &mut Scratch<'_, A>,
) -> (Arrays<'m>, &'s [A::Hidden]) {
    // The channels or those of the layer below, then those of the layer and of all above.
    let mut hidden = bytemuck::cast_slice_mut::<_, A::Hidden>(hidden);
    let mut cell_state = bytemuck::cast_slice_mut::<_, A::CellState>(cell_state);
    let mut arrays = model.arrays();
    for &shape in model.layers() {
        let input = arrays.input();
        let layer = arrays.layer(shape, token);
        let (columns, _) = split(&mut *hidden, input + shape.output());
        let (c, above) = split(cell_state, shape.hidden.into());
        cell::step::<A>(shape.cell, &layer, input, columns, c, scratch);
        cell_state = above;
        hidden = split(hidden, input).1;
    }
    (arrays, hidden)
}

/// What the head reads: the hidden state of the last layer, or what the dense layers make of it.
#[cfg(feature = "sensor")]
fn dense_layers<'s, A: Arithmetic>(
    model: &Model<'_>,
    arrays: &mut Arrays<'_>,
    hidden: &'s [A::Hidden],
    columns: &mut [u32],
    units: &'s mut [A::Hidden],
    batch: &mut Batch<A::Sum>,
) -> &'s [A::Hidden] {
    if model.dense_layers().is_empty() {
        return hidden;
    }
    let mut width = model.layers().last().map_or(0, |shape| shape.output());
    for (unit, &h) in units.iter_mut().zip(hidden.iter().take(width)) {
        *unit = h;
    }
    for &shape in model.dense_layers() {
        let matrix = arrays.dense(shape.width.into());
        cell::dense::<A>(&matrix, shape, width, units, columns, batch);
        width = shape.width.into();
    }
    units.get(..width).unwrap_or_default()
}

/// What the model gives after a step: the logits of the next token, a number for each symbol (of a model of classes or values, one for
/// each of those). [`Sampler::sample`](crate::Sampler::sample) turns them
/// into a token; a sampler of one's own finds them here.
///
/// ```
/// use lstm_core::{Logits, Token};
///
/// /// The likeliest symbol but symbol 0.
/// fn sample(logits: Logits<'_>) -> Token {
///     let logits = logits.into_q12();
///     let best = (1..logits.len()).max_by_key(|&index| logits[index]);
///     Token::new(best.unwrap_or(0) as u8)
/// }
/// ```
#[derive(Debug)]
pub struct Logits<'s> {
    words: &'s mut [u32],
    format: Format,
}

impl<'s> Logits<'s> {
    /// The number of symbols, classes or values.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The logits as real numbers.
    pub fn iter(&self) -> impl Iterator<Item = f32> + Clone + '_ {
        let format = self.format;
        self.words.iter().map(move |&word| match format {
            Format::F32 => f32::from_bits(word),
            Format::Int8 | Format::Int4 => word as i32 as f32 / 4096.0,
        })
    }

    /// The logits in Q12: exactly what the integer formats compute; in [`Format::F32`] rounded,
    /// halves away from zero, and saturated. The caller may change them.
    pub fn into_q12(self) -> &'s mut [i32] {
        let words: &'s mut [i32] = bytemuck::cast_slice_mut(self.words);
        #[cfg(feature = "f32")]
        if self.format == Format::F32 {
            for word in words.iter_mut() {
                *word = q12(f32::from_bits(*word as u32));
            }
        }
        words
    }

    /// The place of the largest, the first of equals.
    #[cfg(feature = "sensor")]
    pub(crate) fn best(&self) -> usize {
        match self.format {
            Format::F32 => first_of_largest(self.words.iter().map(|&word| f32::from_bits(word))),
            _ => first_of_largest(self.words.iter().map(|&word| word as i32)),
        }
    }

    /// The logits as they are, floats or in Q12.
    #[cfg(feature = "sensor")]
    pub(crate) fn words(&self) -> &[u32] {
        self.words
    }

    /// The logits as [`Logits::into_q12`] gives them.
    #[cfg(feature = "sensor")]
    pub(crate) fn q12(&self) -> impl Iterator<Item = i32> + Clone + '_ {
        let format = self.format;
        self.words.iter().map(move |&word| match format {
            #[cfg(feature = "f32")]
            Format::F32 => q12(f32::from_bits(word)),
            _ => word as i32,
        })
    }
}

#[cfg(feature = "sensor")]
fn first_of_largest<T: PartialOrd + Copy>(values: impl Iterator<Item = T>) -> usize {
    let mut best: Option<(usize, T)> = None;
    for (index, value) in values.enumerate() {
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((index, value));
        }
    }
    best.map_or(0, |(index, _)| index)
}

/// A logit in Q12: rounded, halves away from zero, and saturated.
#[cfg(feature = "f32")]
fn q12(logit: f32) -> i32 {
    libm::roundf(logit * 4096.0) as i32
}

//! The RAM of a session.

use core::fmt;

use crate::Model;
use crate::bytes::{prefix, split};
#[cfg(feature = "sensor")]
use crate::format::DenseShape;
use crate::format::{COLUMN_ALIGN, Format, HISTORY, LayerShape, ModelShape, round_up};
use crate::kernel::{Int4, Int8, Kernel};

/// Everything that a session changes: the state of the layers, scratch for one step, the logits.
///
/// `WORDS` is the number of 32-bit words of state and scratch, from [`workspace_words`] or
/// [`ModelShape::words`]; `SYMBOLS` the number of symbols in the alphabet. Both may be larger than
/// the model needs.
///
/// ```
/// use lstm_core::{Format, LayerShape, Workspace, workspace_words};
///
/// // For any int8 model of one layer, an LSTM of up to 256 units, and up to 64 symbols.
/// const WORDS: usize = workspace_words(Format::Int8, &[LayerShape::lstm(256)]);
/// static mut WORKSPACE: Workspace<WORDS, 64> = Workspace::new();
/// ```
#[derive(Clone, Debug)]
pub struct Workspace<const WORDS: usize, const SYMBOLS: usize> {
    words: [u32; WORDS],
    logits: [u32; SYMBOLS],
}

impl<const WORDS: usize, const SYMBOLS: usize> Workspace<WORDS, SYMBOLS> {
    /// A workspace of zeros, fit for a `static`.
    pub const fn new() -> Self {
        Workspace {
            words: [0; WORDS],
            logits: [0; SYMBOLS],
        }
    }

    /// All of it, for a session that borrows it as slices.
    pub fn as_slices(&mut self) -> WorkspaceSlices<'_> {
        WorkspaceSlices::new(&mut self.words, &mut self.logits)
    }
}

impl<const WORDS: usize, const SYMBOLS: usize> Default for Workspace<WORDS, SYMBOLS> {
    fn default() -> Self {
        Self::new()
    }
}

/// A workspace whose size is known at run time only.
///
/// ```
/// use lstm_core::{Aligned, Model, Session, Token, WorkspaceSlices};
///
/// # const FILE: &Aligned<[u8]> =
/// #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// # let file = &FILE.0;
/// let model = Model::from_bytes(file)?;
/// let mut words = vec![0; model.workspace_words()];
/// let mut logits = vec![0; model.alphabet().len()];
/// let memory = WorkspaceSlices::new(&mut words, &mut logits);
/// Session::new(model, memory)?.step(Token::new(1));
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Debug)]
pub struct WorkspaceSlices<'w> {
    words: &'w mut [u32],
    logits: &'w mut [u32],
}

impl<'w> WorkspaceSlices<'w> {
    /// Of [`Model::workspace_words`] words of state and scratch, and a word of logits
    /// for each symbol. Both may be longer.
    pub fn new(words: &'w mut [u32], logits: &'w mut [u32]) -> Self {
        WorkspaceSlices { words, logits }
    }

    /// The words of state and scratch, and those of the logits.
    pub fn into_inner(self) -> (&'w mut [u32], &'w mut [u32]) {
        (self.words, self.logits)
    }
}

/// The RAM of a [`Session`](crate::Session): a [`Workspace`] that it owns, `&mut` of one that it
/// borrows, or [`WorkspaceSlices`].
///
/// ```
/// # const FILE: &lstm_core::Aligned<[u8]> =
/// #     &lstm_core::Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// use lstm_core::{Memory, Model, Session, Workspace, WorkspaceError};
///
/// /// Runs in whatever room the caller has.
/// fn read<M: Memory>(model: Model<'_>, text: &str, room: M) -> Result<(), WorkspaceError> {
///     let mut session = Session::new(model, room)?;
///     for character in text.chars() {
///         session.step(model.alphabet().encode(character));
///     }
///     Ok(())
/// }
///
/// let model = Model::from_bytes(&FILE.0)?;
/// let mut borrowed = Workspace::<1000, 256>::new();
/// read(model, "once", &mut borrowed)?;
/// read(model, "twice", Workspace::<1000, 256>::new())?;
/// # Ok::<(), lstm_core::Error>(())
/// ```
pub trait Memory: sealed::Parts {}

impl<const WORDS: usize, const SYMBOLS: usize> Memory for Workspace<WORDS, SYMBOLS> {}
impl Memory for WorkspaceSlices<'_> {}
impl<M: Memory> Memory for &mut M {}

mod sealed {
    use super::{Workspace, WorkspaceSlices};

    /// The parts of a workspace.
    pub trait Parts {
        /// The words of state and scratch.
        fn words(&self) -> &[u32];
        /// The words of state and scratch, and those of the logits.
        fn parts(&mut self) -> (&mut [u32], &mut [u32]);
    }

    impl<const WORDS: usize, const SYMBOLS: usize> Parts for Workspace<WORDS, SYMBOLS> {
        fn words(&self) -> &[u32] {
            &self.words
        }

        fn parts(&mut self) -> (&mut [u32], &mut [u32]) {
            (&mut self.words, &mut self.logits)
        }
    }

    impl Parts for WorkspaceSlices<'_> {
        fn words(&self) -> &[u32] {
            self.words
        }

        fn parts(&mut self) -> (&mut [u32], &mut [u32]) {
            (self.words, self.logits)
        }
    }

    impl<M: Parts> Parts for &mut M {
        fn words(&self) -> &[u32] {
            (**self).words()
        }

        fn parts(&mut self) -> (&mut [u32], &mut [u32]) {
            (**self).parts()
        }
    }
}

/// The `WORDS` of a [`Workspace`] for a model of this format with these layers, from the input up.
///
/// In bytes, the state takes 1 for each element of `h` and 2 for each of `c` in the integer formats,
/// 4 and 4 in [`Format::F32`]. One step's scratch is shared by the layers: a packed copy of the
/// columns of the widest matrix, 1 to 4.25 bytes a column in the integer formats (it depends on the
/// CPU's kernel), 4 in F32; and the cell's output of the largest layer with a projection, as `h`.
///
/// A model with n-gram sections takes 3 words more, for its last 12 tokens.
pub const fn workspace_words(format: Format, layers: &[LayerShape]) -> usize {
    Room::of(format, layers).words()
}

/// As [`workspace_words`], for a model that reads so many channels (0 for one that reads symbols), with these
/// dense layers before its head.
///
/// The channels take as much state as elements of `h`. The dense layers share the scratch of the layers, and
/// take scratch for the widest of them and the last layer below, as `h`.
///
/// ```
/// use lstm_core::{Activation, DenseShape, Format, LayerShape, Workspace, sensor_workspace_words};
///
/// // For any int8 model of up to 6 channels, a GRU of up to 32 units, a dense layer of 16, 4 classes.
/// const WORDS: usize = sensor_workspace_words(
///     Format::Int8,
///     6,
///     &[LayerShape::gru(32)],
///     &[DenseShape::new(16, Activation::Relu)],
/// );
/// static mut WORKSPACE: Workspace<WORDS, 4> = Workspace::new();
/// ```
#[cfg(feature = "sensor")]
pub const fn sensor_workspace_words(
    format: Format,
    channels: usize,
    layers: &[LayerShape],
    dense: &[DenseShape],
) -> usize {
    Room::of_network(format, channels, layers, widest(layers, dense)).words()
}

/// The widest of the dense layers and the layer below them; 0 without dense layers.
#[cfg(feature = "sensor")]
const fn widest(layers: &[LayerShape], dense: &[DenseShape]) -> usize {
    let mut widest = match (layers, dense) {
        ([.., top], [_, ..]) => top.output(),
        _ => 0,
    };
    let mut rest = dense;
    while let [shape, above @ ..] = rest {
        widest = max(widest, shape.width as usize);
        rest = above;
    }
    widest
}

impl Model<'_> {
    /// Words of state and scratch that the model needs, as [`workspace_words`] for its shapes, and
    /// what its n-gram sections take.
    pub fn workspace_words(&self) -> usize {
        Room::of_model(self).words()
    }
}

impl ModelShape {
    /// The `WORDS` of a [`Workspace`] for this model.
    pub const fn words(&self) -> usize {
        #[cfg(feature = "sensor")]
        let room = {
            let widest = widest(self.layers(), self.dense_layers());
            Room::of_network(self.format(), self.num_channels(), self.layers(), widest)
        };
        #[cfg(not(feature = "sensor"))]
        let room = Room::of(self.format(), self.layers());
        room.with_ngrams(self.has_ngrams()).words()
    }
}

/// How many words a session has to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// The channels, then the hidden states of all layers, one after the other.
    hidden: usize,
    /// The cell states of all layers, one after the other.
    cell_state: usize,
    /// The last tokens, for a model with n-gram sections.
    history: usize,
    /// Scratch: the packed columns of the widest matrix.
    columns: usize,
    /// Scratch: the cell's output of the largest layer with a projection, and the units of dense layers.
    cell_output: usize,
}

/// The words of a session, taken apart.
pub(crate) struct State<'w> {
    /// The channels, then the hidden states of the layers, from the input up, one after the other.
    pub(crate) hidden: &'w mut [u32],
    /// The cell states likewise.
    pub(crate) cell_state: &'w mut [u32],
    /// The last tokens, from the newest, a byte each; empty for a model without n-gram sections.
    pub(crate) history: &'w mut [u32],
    /// Scratch: the packed columns of a matrix.
    pub(crate) columns: &'w mut [u32],
    /// Scratch: the cell's output before a projection, and the units of dense layers.
    pub(crate) cell_output: &'w mut [u32],
}

impl Room {
    /// Enough for this model.
    pub(crate) fn of_model(model: &Model<'_>) -> Self {
        #[cfg(feature = "sensor")]
        let room = {
            let widest = widest(model.layers(), model.dense_layers());
            Self::of_network(model.format(), model.num_channels(), model.layers(), widest)
        };
        #[cfg(not(feature = "sensor"))]
        let room = Self::of(model.format(), model.layers());
        room.with_ngrams(model.has_ngrams())
    }

    /// Enough for these layers, from the input up.
    pub(crate) const fn of(format: Format, layers: &[LayerShape]) -> Self {
        Self::of_network(format, 0, layers, 0)
    }

    /// Enough for these layers above so many channels and below dense layers of up to this width.
    const fn of_network(
        format: Format,
        channels: usize,
        layers: &[LayerShape],
        dense: usize,
    ) -> Self {
        let (mut hidden, mut cell_state) = (channels, 0);
        let (mut columns, mut cell_output) = (dense, dense);
        let mut below = channels;
        let mut i = 0;
        while i < layers.len() {
            let (units, output) = (layers[i].hidden as usize, layers[i].output());
            if layers[i].projection.is_some() {
                columns = max(columns, units);
                cell_output = max(cell_output, units);
            }
            columns = max(columns, layers[i].packed_columns(below));
            hidden += output;
            cell_state += units;
            below = output;
            i += 1;
        }
        let (hidden_bytes, cell_bytes) = format.state_element_bytes();
        let groups = round_up(columns, COLUMN_ALIGN) / COLUMN_ALIGN;
        let group_bytes = match format {
            Format::F32 => 4 * COLUMN_ALIGN,
            Format::Int8 => Int8::SCRATCH_BYTES,
            // The dense layer is int8.
            Format::Int4 => max(Int8::SCRATCH_BYTES, Int4::SCRATCH_BYTES),
        };
        Room {
            hidden: words(hidden * hidden_bytes),
            cell_state: words(cell_state * cell_bytes),
            history: 0,
            columns: words(groups * group_bytes),
            cell_output: words(cell_output * hidden_bytes),
        }
    }

    /// And room for the last tokens, where a model has n-gram sections.
    const fn with_ngrams(self, has_ngrams: bool) -> Self {
        let history = if has_ngrams { words(HISTORY) } else { 0 };
        Room { history, ..self }
    }

    /// Words that hold it all.
    pub(crate) const fn words(self) -> usize {
        self.hidden + self.cell_state + self.history + self.columns + self.cell_output
    }

    /// Takes the words of a workspace apart.
    pub(crate) fn split(self, words: &mut [u32]) -> State<'_> {
        let (hidden, words) = split(words, self.hidden);
        let (cell_state, words) = split(words, self.cell_state);
        let (history, words) = split(words, self.history);
        let (columns, words) = split(words, self.columns);
        State {
            hidden,
            cell_state,
            history,
            columns,
            cell_output: prefix(words, self.cell_output),
        }
    }

    /// The hidden states, the cell states and the last tokens.
    pub(crate) fn split_state(self, words: &[u32]) -> [&[u32]; 3] {
        let (hidden, rest) = words.split_at_checked(self.hidden).unwrap_or_default();
        let (cell_state, rest) = rest.split_at_checked(self.cell_state).unwrap_or_default();
        [
            hidden,
            cell_state,
            rest.get(..self.history).unwrap_or_default(),
        ]
    }
}

/// Words that hold so many bytes.
const fn words(bytes: usize) -> usize {
    round_up(bytes, 4) / 4
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Why a workspace was refused.
///
/// ```
/// # const FILE: &lstm_core::Aligned<[u8]> =
/// #     &lstm_core::Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// use lstm_core::{Model, Session, Workspace, WorkspaceError};
///
/// let model = Model::from_bytes(&FILE.0)?;
/// let refused = Session::new(model, Workspace::<1, 256>::new()).unwrap_err();
/// let expected = model.workspace_words();
/// assert_eq!(refused, WorkspaceError::Words { found: 1, expected });
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WorkspaceError {
    /// The workspace has too few words for the state of this model.
    Words {
        /// Words that the workspace has.
        found: usize,
        /// Words that the model needs.
        expected: usize,
    },
    /// The workspace has too few logits for what this model gives.
    Symbols {
        /// Symbols, classes or values that the workspace has room for.
        found: usize,
        /// Symbols, classes or values that the model gives.
        expected: usize,
    },
    /// The workspace holds a value that no step can give, so no state to go on from.
    State,
    /// A window is longer than there is room for, or empty.
    Window {
        /// The window's length.
        found: usize,
        /// The longest that there is room for.
        expected: usize,
    },
    /// A session of symbols was to run a model that reads values.
    #[cfg(feature = "sensor")]
    ReadsValues {
        /// The channels that the model reads.
        found: usize,
    },
    /// A session of values was to run a model that reads symbols.
    #[cfg(feature = "sensor")]
    ReadsSymbols {
        /// The symbols of its alphabet.
        found: usize,
    },
    /// What is to write a text was given a model that gives no symbols.
    #[cfg(feature = "sensor")]
    GivesNoSymbols {
        /// The classes or values that the model gives.
        found: usize,
    },
    /// A window is to be run after every 0 steps.
    #[cfg(feature = "sensor")]
    Stride,
}

impl fmt::Display for WorkspaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            WorkspaceError::Words { found, expected } => write!(
                f,
                "the workspace has {found} words of state, expected at least {expected} for this model"
            ),
            WorkspaceError::Symbols { found, expected } => write!(
                f,
                "the workspace has room for {found} symbols, classes or values, expected at least {expected} for this model"
            ),
            WorkspaceError::State => {
                f.write_str("the workspace holds a value that no step can give, expected a state")
            }
            WorkspaceError::Window { found, expected: 0 } => write!(
                f,
                "the model reads windows of {found} steps, expected a model that carries its state: there is no room for a window"
            ),
            WorkspaceError::Window { found, expected } => write!(
                f,
                "found a window of {found} steps, expected 1 to {expected}"
            ),
            #[cfg(feature = "sensor")]
            WorkspaceError::ReadsValues { found } => write!(
                f,
                "the model reads {found} values a step, expected one that reads symbols"
            ),
            #[cfg(feature = "sensor")]
            WorkspaceError::ReadsSymbols { found } => write!(
                f,
                "the model reads one of {found} symbols a step, expected one that reads values"
            ),
            #[cfg(feature = "sensor")]
            WorkspaceError::GivesNoSymbols { found } => write!(
                f,
                "the model gives {found} classes or values, expected one that gives symbols"
            ),
            #[cfg(feature = "sensor")]
            WorkspaceError::Stride => {
                f.write_str("a window is run every 0 steps, expected at least 1")
            }
        }
    }
}

impl core::error::Error for WorkspaceError {}

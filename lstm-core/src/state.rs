//! The state of a session as bytes that mean the same on every chip.

use core::fmt;
use core::ops::Range;

use crate::bytes::split;
use crate::format::HISTORY;
use crate::workspace::{Memory, Room};
use crate::{Model, ModelShape, Session};

impl ModelShape {
    /// The bytes of a saved state of this model, as [`Session::state_bytes`].
    pub const fn state_bytes(&self) -> usize {
        let (hidden_bytes, cell_bytes) = self.format().state_element_bytes();
        let mut layers = self.layers();
        let mut bytes = 0;
        while let [shape, above @ ..] = layers {
            bytes += hidden_bytes * shape.output() + cell_bytes * shape.hidden as usize;
            layers = above;
        }
        if self.has_ngrams() {
            bytes += HISTORY;
        }
        bytes
    }
}

impl<M: Memory> Session<'_, M> {
    /// Bytes of the state: for each layer `h`, then `c`, little-endian. In the integer formats an
    /// element of `h` takes 1 and one of `c` 2, in [`Format::F32`](crate::Format::F32) each takes 4.
    /// A model with n-gram sections has its last 12 tokens after them, from the newest.
    pub fn state_bytes(&self) -> usize {
        places(self.model()).map(|place| place.bytes.len()).sum()
    }

    /// Writes the state into `state`, which has [`Session::state_bytes`].
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`].
    pub fn save(&self, state: &mut [u8]) -> Result<(), SnapshotError> {
        self.check_length(state.len())?;
        let words = Room::of_model(self.model()).split_state(self.memory().words());
        let mut rest = state;
        for place in places(self.model()) {
            let from = place.bytes_of(words);
            let (to, next) = split(rest, from.len());
            copy_little_endian(from, to, place.element_bytes);
            rest = next;
        }
        Ok(())
    }

    /// Takes back a state that [`Session::save`] made, with this model, here or on another chip. On
    /// an error the state is as it was.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`]; [`SnapshotError::Damaged`] for a value that no step can give.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        self.check_length(state.len())?;
        let model = *self.model();
        let is_sound = |(place, bytes): (Place, &[u8])| {
            place.is_sound(bytes, i16::from_le_bytes, u32::from_le_bytes)
        };
        if !parts(&model, state).all(is_sound) {
            return Err(SnapshotError::Damaged);
        }
        let target = self.state();
        for (place, from) in parts(&model, state) {
            let words = match place.array {
                Array::Hidden => &mut *target.hidden,
                Array::CellState { .. } => &mut *target.cell_state,
                Array::History { .. } => &mut *target.history,
            };
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
            let to = bytes.get_mut(place.bytes).unwrap_or_default();
            copy_little_endian(from, to, place.element_bytes);
        }
        Ok(())
    }

    fn check_length(&self, found: usize) -> Result<(), SnapshotError> {
        match self.state_bytes() {
            expected if expected == found => Ok(()),
            expected => Err(SnapshotError::Length { found, expected }),
        }
    }
}

/// Whether the words of a workspace hold a state that a step can have left there.
pub(crate) fn is_sound(model: &Model<'_>, words: &[u32]) -> bool {
    let words = Room::of_model(model).split_state(words);
    places(model).all(|place| {
        let bytes = place.bytes_of(words);
        place.is_sound(bytes, i16::from_ne_bytes, u32::from_ne_bytes)
    })
}

/// An array of a state.
#[derive(Clone, Copy)]
enum Array {
    Hidden,
    CellState {
        /// Whether its values lie between -1 and 1.
        is_unit: bool,
    },
    History {
        /// Symbols of the alphabet.
        num_symbols: usize,
    },
}

/// Where a layer's `h` or its `c` is, or the last tokens.
struct Place {
    array: Array,
    /// Among the hidden or the cell states of all layers.
    bytes: Range<usize>,
    element_bytes: usize,
}

impl Place {
    /// In the words of a workspace.
    fn bytes_of<'w>(&self, [hidden, cell_state, history]: [&'w [u32]; 3]) -> &'w [u8] {
        let words = match self.array {
            Array::Hidden => hidden,
            Array::CellState { .. } => cell_state,
            Array::History { .. } => history,
        };
        let bytes: &[u8] = bytemuck::cast_slice(words);
        bytes.get(self.bytes.clone()).unwrap_or_default()
    }

    /// Whether a step can give each element: a hidden state of 8 bits is never -128, a cell state in
    /// Q14 lies between -1 and 1, a float is finite, and a token is in the alphabet.
    fn is_sound(&self, bytes: &[u8], half: fn([u8; 2]) -> i16, word: fn([u8; 4]) -> u32) -> bool {
        let mut elements = bytes.chunks_exact(self.element_bytes.max(1));
        elements.all(|element| match (self.array, element) {
            (Array::History { num_symbols }, &[token]) => usize::from(token) < num_symbols,
            (Array::CellState { is_unit: true }, &[a, b]) => half([a, b]).unsigned_abs() <= 1 << 14,
            (_, &[h]) => h as i8 != i8::MIN,
            (_, &[a, b, c, d]) => f32::from_bits(word([a, b, c, d])).is_finite(),
            _ => true,
        })
    }
}

/// The places of all layers and of the last tokens, in the order of a saved state.
fn places(model: &Model<'_>) -> impl Iterator<Item = Place> {
    let (hidden_bytes, cell_bytes) = model.format().state_element_bytes();
    // What was read is no state.
    #[cfg(feature = "sensor")]
    let (mut h, mut c) = (hidden_bytes * model.num_channels(), 0);
    #[cfg(not(feature = "sensor"))]
    let (mut h, mut c) = (0, 0);
    let place = |end: &mut usize, elements, element_bytes, array| {
        let start = *end;
        *end += element_bytes * elements;
        Place {
            array,
            bytes: start..*end,
            element_bytes,
        }
    };
    let history = model.has_ngrams().then(|| Place {
        array: Array::History {
            num_symbols: model.alphabet().len(),
        },
        bytes: 0..HISTORY,
        element_bytes: 1,
    });
    let layers = model.layers().iter().flat_map(move |shape| {
        let is_unit = shape.cell.has_unit_cell_state();
        let cell_state = Array::CellState { is_unit };
        [
            place(&mut h, shape.output(), hidden_bytes, Array::Hidden),
            place(&mut c, shape.hidden.into(), cell_bytes, cell_state),
        ]
    });
    layers.chain(history)
}

/// The places with their parts of a saved state.
fn parts<'a>(model: &Model<'_>, state: &'a [u8]) -> impl Iterator<Item = (Place, &'a [u8])> {
    let mut rest = state;
    places(model).map(move |place| {
        let (part, next) = rest.split_at_checked(place.bytes.len()).unwrap_or_default();
        rest = next;
        (place, part)
    })
}

/// Copies elements from or to this computer's order of bytes.
pub(crate) fn copy_little_endian(from: &[u8], to: &mut [u8], element_bytes: usize) {
    let size = element_bytes.max(1);
    for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
        if cfg!(target_endian = "big") {
            to.reverse();
        }
    }
}

/// Why a saved state, or a snapshot of a [`Generator`](crate::Generator), was refused.
///
/// ```
/// # const FILE: &lstm_core::Aligned<[u8]> =
/// #     &lstm_core::Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// use lstm_core::{Model, Session, SnapshotError, WorkspaceSlices};
///
/// let model = Model::from_bytes(&FILE.0)?;
/// let (mut words, mut logits) = ([0; 1000], [0; 256]);
/// let mut session = Session::new(model, WorkspaceSlices::new(&mut words, &mut logits))?;
/// let refused = session.restore(b"half a mind").unwrap_err();
/// assert!(matches!(refused, SnapshotError::Length { found: 11, .. }));
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SnapshotError {
    /// It has another length than this model's.
    Length {
        /// Bytes found (for saving: the room given).
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// It is of another version.
    Version {
        /// The version found.
        found: u8,
        /// The version that this library reads and writes.
        expected: u8,
    },
    /// It was taken from another model.
    Model {
        /// The model checksum found in the snapshot.
        found: u32,
        /// The checksum of this model.
        expected: u32,
    },
    /// Its checksum or a value in it is wrong.
    Damaged,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            SnapshotError::Length { found, expected } => {
                write!(f, "the snapshot has {found} bytes, expected {expected}")
            }
            SnapshotError::Version { found, expected } => write!(
                f,
                "the snapshot is of version {found}, expected version {expected}"
            ),
            SnapshotError::Model { found, expected } => write!(
                f,
                "the snapshot is of model {found:08x}, expected model {expected:08x}"
            ),
            SnapshotError::Damaged => {
                f.write_str("the snapshot is damaged: its checksum or a value in it is wrong")
            }
        }
    }
}

impl core::error::Error for SnapshotError {}

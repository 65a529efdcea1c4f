//! The state of a session as bytes that mean the same on every chip.

use core::fmt;
use core::ops::Range;

use crate::bytes::split;
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
        bytes
    }
}

impl<M: Memory> Session<'_, M> {
    /// Bytes of the state: for each layer `h`, then `c`, little-endian. In the integer formats an
    /// element of `h` takes 1 and one of `c` 2, in [`Format::F32`](crate::Format::F32) each takes 4.
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
        let (hidden, cell_state) = Room::of_model(self.model()).split_state(self.memory().words());
        let mut rest = state;
        for place in places(self.model()) {
            let words = if place.is_cell { cell_state } else { hidden };
            let bytes: &[u8] = bytemuck::cast_slice(words);
            let from = bytes.get(place.bytes).unwrap_or_default();
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
            let mut elements = bytes.chunks_exact(place.element_bytes.max(1));
            elements.all(|element| {
                can_be(
                    element,
                    i16::from_le_bytes,
                    u32::from_le_bytes,
                    place.is_unit,
                )
            })
        };
        if !parts(&model, state).all(is_sound) {
            return Err(SnapshotError::Damaged);
        }
        let target = self.state();
        for (place, from) in parts(&model, state) {
            let words = match place.is_cell {
                true => &mut *target.cell_state,
                false => &mut *target.hidden,
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
    let (hidden, cell_state) = Room::of_model(model).split_state(words);
    places(model).all(|place| {
        let words = if place.is_cell { cell_state } else { hidden };
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let bytes = bytes.get(place.bytes).unwrap_or_default();
        let mut elements = bytes.chunks_exact(place.element_bytes.max(1));
        elements.all(|element| {
            can_be(
                element,
                i16::from_ne_bytes,
                u32::from_ne_bytes,
                place.is_unit,
            )
        })
    })
}

/// Whether a step can give an element: a hidden state of 8 bits is never -128, a cell state in Q14
/// lies between -1 and 1, and a float is finite.
fn can_be(
    element: &[u8],
    half: fn([u8; 2]) -> i16,
    word: fn([u8; 4]) -> u32,
    is_unit: bool,
) -> bool {
    match *element {
        [h] => h as i8 != i8::MIN,
        [a, b] => !is_unit || half([a, b]).unsigned_abs() <= 1 << 14,
        [a, b, c, d] => f32::from_bits(word([a, b, c, d])).is_finite(),
        _ => true,
    }
}

/// Where a layer's `h` or its `c` is.
struct Place {
    /// Whether it is `c`.
    is_cell: bool,
    /// Among the hidden or the cell states of all layers.
    bytes: Range<usize>,
    element_bytes: usize,
    /// Whether its values lie between -1 and 1.
    is_unit: bool,
}

/// The places of all layers, in the order of a saved state.
fn places(model: &Model<'_>) -> impl Iterator<Item = Place> {
    let (hidden_bytes, cell_bytes) = model.format().state_element_bytes();
    let (mut h, mut c) = (0, 0);
    let place = |end: &mut usize, elements, element_bytes, is_cell, is_unit| {
        let start = *end;
        *end += element_bytes * elements;
        Place {
            is_cell,
            bytes: start..*end,
            element_bytes,
            is_unit,
        }
    };
    model.layers().iter().flat_map(move |shape| {
        let is_unit = shape.cell.has_unit_cell_state();
        [
            place(&mut h, shape.output(), hidden_bytes, false, true),
            place(&mut c, shape.hidden.into(), cell_bytes, true, is_unit),
        ]
    })
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
fn copy_little_endian(from: &[u8], to: &mut [u8], element_bytes: usize) {
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

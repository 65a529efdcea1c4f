//! The state of a session as bytes that mean the same on every chip.

use crate::format::Format;
use crate::session::split;
use crate::workspace::state_element_bytes;
use crate::{Error, Model, Session};
use core::ops::Range;

impl Session<'_, '_> {
    /// Bytes of the state: for each layer `h`, then `c`, little-endian. In the integer formats an
    /// element of `h` takes 1 and one of `c` 2, in [`Format::F32`] each takes 4.
    pub fn state_bytes(&self) -> usize {
        places(self.model).map(|place| place.bytes.len()).sum()
    }

    /// Writes the state into `state`, which has [`Session::state_bytes`].
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotLength`].
    pub fn save(&self, state: &mut [u8]) -> Result<(), Error> {
        self.check_length(state.len())?;
        let mut rest = state;
        for place in places(self.model) {
            let words = if place.is_cell {
                &self.cell
            } else {
                &self.hidden
            };
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
    /// [`Error::SnapshotLength`]; [`Error::SnapshotDamaged`] for a value that no step can give.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        self.check_length(state.len())?;
        let mut rest = state;
        for place in places(self.model) {
            let (part, next) = rest.split_at_checked(place.bytes.len()).unwrap_or_default();
            rest = next;
            let sound = match (self.model.format(), place.element_bytes) {
                (Format::F32, _) => {
                    let floats = part.as_chunks().0.iter();
                    floats.copied().map(f32::from_le_bytes).all(f32::is_finite)
                }
                (_, 1) => part.iter().all(|&h| h as i8 != i8::MIN),
                _ => true,
            };
            if !sound {
                return Err(Error::SnapshotDamaged);
            }
        }
        self.packed = None;
        let mut rest = state;
        for place in places(self.model) {
            let (from, next) = rest.split_at_checked(place.bytes.len()).unwrap_or_default();
            let words = if place.is_cell {
                &mut self.cell
            } else {
                &mut self.hidden
            };
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
            let to = bytes.get_mut(place.bytes).unwrap_or_default();
            copy_little_endian(from, to, place.element_bytes);
            rest = next;
        }
        Ok(())
    }

    fn check_length(&self, found: usize) -> Result<(), Error> {
        match self.state_bytes() {
            expected if expected == found => Ok(()),
            expected => Err(Error::SnapshotLength { found, expected }),
        }
    }
}

/// Where a layer's `h` or its `c` is.
struct Place {
    /// Whether it is `c`.
    is_cell: bool,
    /// Among the hidden or the cell states of all layers.
    bytes: Range<usize>,
    element_bytes: usize,
}

/// The places of all layers, in the order of a saved state.
fn places(model: &Model<'_>) -> impl Iterator<Item = Place> {
    let (hidden_bytes, cell_bytes) = state_element_bytes(model.format());
    let (mut h, mut c) = (0, 0);
    let place = |end: &mut usize, elements, element_bytes, is_cell| {
        let start = *end;
        *end += element_bytes * elements;
        Place {
            is_cell,
            bytes: start..*end,
            element_bytes,
        }
    };
    model.layers().iter().flat_map(move |shape| {
        [
            place(&mut h, shape.output(), hidden_bytes, false),
            place(&mut c, shape.hidden.into(), cell_bytes, true),
        ]
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

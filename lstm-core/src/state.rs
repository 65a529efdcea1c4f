//! The state of a session as bytes that mean the same on every chip.

use crate::file::Format;
use crate::session::split;
use crate::workspace::{Room, state_element_bytes};
use crate::{Error, Model, Session};
use core::ops::Range;

impl Session<'_, '_> {
    /// Bytes of the state: for each layer `h`, then `c`, little-endian. In the integer formats an
    /// element of `h` takes 1 and one of `c` 2, in [`Format::F32`] each takes 4.
    pub fn state_bytes(&self) -> usize {
        let (hidden, cell) = state_element_bytes(self.model.format());
        hidden * self.room.hidden + cell * self.room.cell
    }

    /// Writes the state into `state`, which has [`Session::state_bytes`].
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotLength`].
    pub fn save(&self, state: &mut [u8]) -> Result<(), Error> {
        self.check_length(state.len())?;
        let words: &[u8] = bytemuck::cast_slice(self.words);
        let mut rest = state;
        for (place, element_bytes) in places(self.model, self.room) {
            let from = words.get(place).unwrap_or_default();
            let (to, next) = split(rest, from.len());
            copy_little_endian(from, to, element_bytes);
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
        for (place, element_bytes) in places(self.model, self.room) {
            let (part, next) = rest.split_at_checked(place.len()).unwrap_or_default();
            rest = next;
            let sound = match (self.model.format(), element_bytes) {
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
        let words: &mut [u8] = bytemuck::cast_slice_mut(self.words);
        let mut rest = state;
        for (place, element_bytes) in places(self.model, self.room) {
            let (from, next) = rest.split_at_checked(place.len()).unwrap_or_default();
            let to = words.get_mut(place).unwrap_or_default();
            copy_little_endian(from, to, element_bytes);
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

/// Where in a session's bytes each layer's `h` and its `c` are, in the order of a saved state, and
/// the bytes of an element.
fn places(model: &Model<'_>, room: Room) -> impl Iterator<Item = (Range<usize>, usize)> {
    let (hidden_bytes, cell_bytes) = state_element_bytes(model.format());
    let mut h = 0;
    let mut c = (room.hidden * hidden_bytes).next_multiple_of(4);
    model.layers().iter().flat_map(move |layer| {
        let starts = (h, c);
        h += hidden_bytes * layer.shape.output();
        c += cell_bytes * layer.hidden();
        [(starts.0..h, hidden_bytes), (starts.1..c, cell_bytes)]
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

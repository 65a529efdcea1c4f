//! The state of a session as bytes that mean the same on every chip.

use crate::file::Format;
use crate::session::{layer_words, prefix, split};
use crate::workspace::state_words;
use crate::{Error, Session};

impl Session<'_, '_> {
    /// Bytes of the state: for each layer `h`, then `c`, little-endian. In the integer formats an
    /// element of `h` takes 1 and one of `c` 2, in [`Format::F32`] each takes 4.
    pub fn state_bytes(&self) -> usize {
        let (h, c) = match self.model.format() {
            Format::F32 => (4, 4),
            Format::Int8 | Format::Int4 => (1, 2),
        };
        self.model
            .shapes()
            .map(|shape| h * shape.output() + c * usize::from(shape.hidden))
            .sum()
    }

    /// Writes the state into `state`, which has [`Session::state_bytes`].
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotLength`].
    pub fn save(&self, state: &mut [u8]) -> Result<(), Error> {
        self.check_length(state.len())?;
        let format = self.model.format();
        let mut state = state.iter_mut();
        let mut push = |bytes: &[u8]| {
            // In this order: the other would drop a byte of `state` at the end of `bytes`.
            for (from, to) in bytes.iter().zip(state.by_ref()) {
                *to = *from;
            }
        };
        let mut rest: &[u32] = self.words;
        for layer in self.model.layers() {
            let (words, next) = rest
                .split_at_checked(layer_words(format, layer))
                .unwrap_or_default();
            let (h, c) = words
                .split_at_checked(state_words(format, layer.shape).0)
                .unwrap_or_default();
            rest = next;
            match format {
                Format::F32 => {
                    for word in h.iter().chain(c) {
                        push(&word.to_le_bytes());
                    }
                }
                Format::Int8 | Format::Int4 => {
                    let h: &[u8] = bytemuck::cast_slice(h);
                    push(h.get(..layer.shape.output()).unwrap_or_default());
                    let c: &[i16] = bytemuck::cast_slice(c);
                    for c in c.iter().take(layer.hidden()) {
                        push(&c.to_le_bytes());
                    }
                }
            }
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
        self.read_state(state, true)?;
        self.read_state(state, false)
    }

    fn check_length(&self, found: usize) -> Result<(), Error> {
        match self.state_bytes() {
            expected if expected == found => Ok(()),
            expected => Err(Error::SnapshotLength { found, expected }),
        }
    }

    /// Checks the state in `bytes`, or takes it over.
    fn read_state(&mut self, bytes: &[u8], check_only: bool) -> Result<(), Error> {
        let format = self.model.format();
        let mut bytes = bytes.iter().copied();
        let mut rest: &mut [u32] = self.words;
        for layer in self.model.layers() {
            let (words, next) = split(rest, layer_words(format, layer));
            let (h, c) = split(words, state_words(format, layer.shape).0);
            rest = next;
            let mut next_byte = || bytes.next().ok_or(Error::SnapshotDamaged);
            match format {
                Format::F32 => {
                    for word in h.iter_mut().chain(c) {
                        let value = [next_byte()?, next_byte()?, next_byte()?, next_byte()?];
                        let value = u32::from_le_bytes(value);
                        if !f32::from_bits(value).is_finite() {
                            return Err(Error::SnapshotDamaged);
                        }
                        if !check_only {
                            *word = value;
                        }
                    }
                }
                Format::Int8 | Format::Int4 => {
                    for h in prefix::<i8>(h, layer.shape.output()) {
                        let value = next_byte()? as i8;
                        if value == i8::MIN {
                            return Err(Error::SnapshotDamaged);
                        }
                        if !check_only {
                            *h = value;
                        }
                    }
                    for c in prefix::<i16>(c, layer.hidden()) {
                        let value = i16::from_le_bytes([next_byte()?, next_byte()?]);
                        if !check_only {
                            *c = value;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

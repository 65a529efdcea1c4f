//! A snapshot as text: base64url (RFC 4648, section 5) without padding.

use crate::Error;
use base64ct::{Base64UrlUnpadded, Encoding};

/// So many bytes of a snapshot make a whole number of characters.
pub const CHUNK_BYTES: usize = 48;

/// The text of a chunk of a snapshot. All but the last chunk are of [`CHUNK_BYTES`]; a longer one
/// gives no text.
pub fn encode(chunk: &[u8]) -> heapless::String<{ CHUNK_BYTES / 3 * 4 }> {
    let mut text = [0; CHUNK_BYTES / 3 * 4];
    let text = Base64UrlUnpadded::encode(chunk, &mut text).unwrap_or_default();
    heapless::String::try_from(text).unwrap_or_default()
}

/// Turns text back into a snapshot, a character at a time.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// Characters that do not make three bytes yet.
    pending: heapless::Vec<u8, 4>,
    bytes: usize,
}

impl Decoder {
    /// At the start of a text.
    pub const fn new() -> Self {
        Decoder {
            pending: heapless::Vec::new(),
            bytes: 0,
        }
    }

    /// Takes a character, and writes the bytes that it completes into `snapshot`, the same one each
    /// time. What goes beyond its end is only counted.
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotCharacter`].
    pub fn push(&mut self, character: u8, snapshot: &mut [u8]) -> Result<(), Error> {
        if !(character.is_ascii_alphanumeric() || matches!(character, b'-' | b'_')) {
            return Err(Error::SnapshotCharacter { found: character });
        }
        // There is room: a group of four does not stay.
        let _ = self.pending.push(character);
        if self.pending.is_full() {
            self.group(snapshot)?;
        }
        Ok(())
    }

    /// After the last character: the number of bytes.
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotDamaged`] if the characters do not make whole bytes.
    pub fn finish(&mut self, snapshot: &mut [u8]) -> Result<usize, Error> {
        if !self.pending.is_empty() {
            self.group(snapshot)?;
        }
        Ok(self.bytes)
    }

    fn group(&mut self, snapshot: &mut [u8]) -> Result<(), Error> {
        let mut bytes = [0; 3];
        let group = Base64UrlUnpadded::decode(&self.pending, &mut bytes);
        let group = group.map_err(|_| Error::SnapshotDamaged)?;
        let room = snapshot.get_mut(self.bytes..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(group) {
            *to = *from;
        }
        self.bytes += group.len();
        self.pending.clear();
        Ok(())
    }
}

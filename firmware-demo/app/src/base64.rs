//! A snapshot as text: base64url (RFC 4648, section 5) without padding.
//!
//! Written by hand, because the library for it takes a kilobyte more of a chip's flash.

use crate::Error;

/// So many bytes of a snapshot make a whole number of characters.
pub const CHUNK_BYTES: usize = 48;

/// The text of a chunk of a snapshot. All but the last chunk are of [`CHUNK_BYTES`]; a longer one
/// gives no text.
pub fn encode(chunk: &[u8]) -> heapless::String<{ CHUNK_BYTES / 3 * 4 }> {
    let mut text = heapless::String::new();
    if chunk.len() > CHUNK_BYTES {
        return text;
    }
    for bytes in chunk.chunks(3) {
        let mut group = 0;
        for (&byte, shift) in bytes.iter().zip([16, 8, 0]) {
            group |= u32::from(byte) << shift;
        }
        for shift in [18, 12, 6, 0].into_iter().take(bytes.len() + 1) {
            // There is room for a chunk.
            let _ = text.push(character((group >> shift) as u8 & 0x3f));
        }
    }
    text
}

fn character(six_bits: u8) -> char {
    char::from(match six_bits {
        0..26 => b'A' + six_bits,
        26..52 => b'a' + six_bits - 26,
        52..62 => b'0' + six_bits - 52,
        62 => b'-',
        _ => b'_',
    })
}

fn six_bits(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

/// Turns text back into a snapshot, a character at a time.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// Bits that do not make three bytes yet, six a character.
    group: u32,
    characters: usize,
    bytes: usize,
}

impl Decoder {
    /// At the start of a text.
    pub const fn new() -> Self {
        Decoder {
            group: 0,
            characters: 0,
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
        let found = character;
        let bits = six_bits(character).ok_or(Error::SnapshotCharacter { found })?;
        self.group = self.group << 6 | u32::from(bits);
        self.characters += 1;
        if self.characters == 4 {
            self.write(3, snapshot);
        }
        Ok(())
    }

    /// After the last character: the number of bytes.
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotDamaged`] if the characters do not make whole bytes.
    pub fn finish(&mut self, snapshot: &mut [u8]) -> Result<usize, Error> {
        let missing = (4 - self.characters) % 4;
        self.group <<= 6 * missing;
        let rest = self.group & ((1 << (8 * missing)) - 1);
        if missing == 3 || rest != 0 {
            return Err(Error::SnapshotDamaged);
        }
        if missing > 0 {
            self.write(3 - missing, snapshot);
        }
        Ok(self.bytes)
    }

    /// Writes the first bytes of a group of three.
    fn write(&mut self, count: usize, snapshot: &mut [u8]) {
        for shift in [16, 8, 0].into_iter().take(count) {
            if let Some(byte) = snapshot.get_mut(self.bytes) {
                *byte = (self.group >> shift) as u8;
            }
            self.bytes += 1;
        }
        self.group = 0;
        self.characters = 0;
    }
}

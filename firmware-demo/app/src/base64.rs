//! A snapshot as text: base64url (RFC 4648, section 5) without padding.
//!
//! Written by hand, because a line is decoded as it is typed, a character at a time: there is no room
//! for both the text and the bytes, and no library decodes so.

/// So many bytes of a snapshot make a whole number of characters.
pub(crate) const CHUNK_BYTES: usize = 48;

/// The text of a chunk of a snapshot. All but the last chunk are of [`CHUNK_BYTES`]; a longer one
/// gives no text.
pub(crate) fn encode(chunk: &[u8]) -> heapless::String<{ CHUNK_BYTES / 3 * 4 }> {
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
pub(crate) struct Decoder {
    /// Bits that do not make three bytes yet, six a character.
    group: u32,
    characters: usize,
    bytes: usize,
}

impl Decoder {
    /// At the start of a text.
    pub(crate) const fn new() -> Self {
        Decoder {
            group: 0,
            characters: 0,
            bytes: 0,
        }
    }

    /// Takes a character, and writes the bytes that it completes into `snapshot`, the same one each
    /// time. Bytes beyond its end are counted, and not kept.
    ///
    /// # Errors
    ///
    /// [`TextError::Character`].
    pub(crate) fn push(&mut self, character: u8, snapshot: &mut [u8]) -> Result<(), TextError> {
        let found = character;
        let bits = six_bits(character).ok_or(TextError::Character { found })?;
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
    /// [`TextError::Length`] if the characters do not make whole bytes.
    pub(crate) fn finish(&mut self, snapshot: &mut [u8]) -> Result<usize, TextError> {
        let missing = (4 - self.characters) % 4;
        self.group <<= 6 * missing;
        let rest = self.group & ((1 << (8 * missing)) - 1);
        if missing == 3 || rest != 0 {
            return Err(TextError::Length);
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

/// Why a text is no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextError {
    /// It holds a character that is not of base64url.
    Character {
        /// The byte found.
        found: u8,
    },
    /// Its characters do not make whole bytes.
    Length,
}

impl core::fmt::Display for TextError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            TextError::Character { found } => write!(
                f,
                "the snapshot holds the byte {found:02x}, expected only A-Z a-z 0-9 - _"
            ),
            TextError::Length => {
                f.write_str("the snapshot is cut off: its characters do not make whole bytes")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::{String, ToString};
    use std::vec;
    use std::vec::Vec;

    use base64ct::{Base64UrlUnpadded, Encoding};

    use super::*;

    #[test]
    fn text_and_bytes_of_a_snapshot() {
        for bytes in 0..200 {
            let snapshot: Vec<u8> = (0..bytes).map(|i| (i * 37) as u8).collect();
            let chunks = snapshot.chunks(CHUNK_BYTES);
            let text: String = chunks.map(|c| encode(c).to_string()).collect();
            assert_eq!(text, Base64UrlUnpadded::encode_string(&snapshot));
            let mut decoded = vec![0; bytes];
            let mut decoder = Decoder::new();
            for character in text.bytes() {
                decoder.push(character, &mut decoded).unwrap();
            }
            assert_eq!(decoder.finish(&mut decoded), Ok(bytes));
            assert_eq!(decoded, snapshot);
        }
        let mut bytes = [7; 4];
        let mut decoder = Decoder::new();
        for character in *b"AAAAAAAAAA" {
            decoder.push(character, &mut bytes[..2]).unwrap();
        }
        let found = b'+';
        let error = Err(TextError::Character { found });
        assert_eq!(decoder.push(found, &mut bytes), error);
        assert_eq!(decoder.finish(&mut bytes[..2]), Ok(7));
        assert_eq!(bytes, [0, 0, 7, 7]);
        let mut one = Decoder::new();
        one.push(b'A', &mut bytes).unwrap();
        assert_eq!(one.finish(&mut bytes), Err(TextError::Length));
    }

    #[test]
    fn text_of_up_to_four_characters_decodes_as_the_library_decodes_it() {
        let characters: Vec<u8> = (0..=255).collect();
        let few = b"AQgw09-_+/= ";
        let mut texts: Vec<Vec<u8>> = characters.iter().map(|&c| vec![c]).collect();
        for &a in few {
            texts.extend(characters.iter().map(|&b| vec![a, b]));
            for &b in few {
                texts.extend(characters.iter().map(|&c| vec![a, b, c]));
                texts.extend(characters.iter().map(|&d| vec![a, b, b'A', d]));
            }
        }
        for text in texts {
            let (mut decoder, mut bytes) = (Decoder::new(), [0; 3]);
            let mut decode = || {
                for &character in &text {
                    decoder.push(character, &mut bytes)?;
                }
                decoder.finish(&mut bytes)
            };
            let decoded = decode().ok().map(|count| bytes[..count].to_vec());
            let text = str::from_utf8(&text).ok();
            let expected = text.and_then(|text| Base64UrlUnpadded::decode_vec(text).ok());
            assert_eq!(decoded, expected, "{text:?}");
        }
    }
}

use super::{HEAD_BYTES, MAGIC, ModelError, VERSION, reads_version};
use crate::crc::Crc;

/// The head of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The format version, 1 to [`VERSION`].
    pub version: u16,
    /// Bytes of the payload, which is the rest of the file.
    pub payload_bytes: u32,
    /// CRC-32 of the head's first 12 bytes followed by the payload.
    pub checksum: u32,
}

impl Head {
    /// The head for this payload.
    pub fn new(version: u16, payload: &[u8]) -> Self {
        let mut head = Head {
            version,
            payload_bytes: payload.len() as u32,
            checksum: 0,
        };
        head.checksum = checksum(&head.to_bytes(), payload);
        head
    }

    /// The head as it stands in the file.
    pub fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let [m0, m1, m2, m3] = MAGIC;
        let [v0, v1] = self.version.to_le_bytes();
        let [n0, n1, n2, n3] = self.payload_bytes.to_le_bytes();
        let [c0, c1, c2, c3] = self.checksum.to_le_bytes();
        [m0, m1, m2, m3, v0, v1, 0, 0, n0, n1, n2, n3, c0, c1, c2, c3]
    }

    /// Reads the head at the start of `bytes`. The payload is not looked at.
    ///
    /// # Errors
    ///
    /// [`ModelError::Truncated`], [`ModelError::Magic`], [`ModelError::Version`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        if let Some(&found) = bytes.first_chunk()
            && found != MAGIC
        {
            return Err(ModelError::Magic { found });
        }
        let Some(&[_, _, _, _, v0, v1, _, _, n0, n1, n2, n3, c0, c1, c2, c3]) =
            bytes.first_chunk::<HEAD_BYTES>()
        else {
            return Err(ModelError::Truncated {
                found: bytes.len(),
                expected: HEAD_BYTES,
            });
        };
        let version = u16::from_le_bytes([v0, v1]);
        if !reads_version(version) {
            return Err(ModelError::Version {
                found: version,
                expected: VERSION,
            });
        }
        Ok(Head {
            version,
            payload_bytes: u32::from_le_bytes([n0, n1, n2, n3]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }

    /// Bytes of the whole file; the most that there can be, if a `usize` cannot say so many.
    pub fn file_bytes(self) -> usize {
        usize::try_from(self.payload_bytes)
            .unwrap_or(usize::MAX)
            .saturating_add(HEAD_BYTES)
    }
}

/// A file whose head, length and checksum are right.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedFile<'a> {
    /// The head.
    pub head: Head,
    /// The whole file.
    pub bytes: &'a [u8],
    /// What follows the head.
    pub payload: &'a [u8],
}

impl<'a> VerifiedFile<'a> {
    /// The file at the start of a region of flash, which may be longer.
    ///
    /// # Errors
    ///
    /// Those of [`Head::parse`], then [`ModelError::Truncated`], [`ModelError::Checksum`], and
    /// [`ModelError::Description`] if a reserved byte is not zero.
    pub fn at_start_of(region: &'a [u8]) -> Result<Self, ModelError> {
        let head = Head::parse(region)?;
        let (found, expected) = (region.len(), head.file_bytes());
        let truncated = ModelError::Truncated { found, expected };
        let bytes = region.get(..expected).ok_or(truncated)?;
        let (head_bytes, payload) = bytes.split_first_chunk().ok_or(truncated)?;
        let found = checksum(head_bytes, payload);
        if found != head.checksum {
            let expected = head.checksum;
            return Err(ModelError::Checksum { found, expected });
        }
        match head_bytes {
            [_, _, _, _, _, _, 0, 0, ..] => Ok(VerifiedFile {
                head,
                bytes,
                payload,
            }),
            _ => Err(ModelError::Description),
        }
    }
}

/// CRC-32 (ISO-HDLC, as in zip and Ethernet) of the head without its checksum, then the payload.
fn checksum(head: &[u8; HEAD_BYTES], payload: &[u8]) -> u32 {
    let (start, _) = head.split_at(HEAD_BYTES - 4);
    let mut crc = Crc::new();
    crc.update(start);
    crc.update(payload);
    crc.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a computer whose lengths have 16 or 32 bits too: a file is never taken for a shorter one.
    #[test]
    fn a_length_beyond_a_usize_is_the_longest() {
        for payload_bytes in [0, 1, 0xfff0, 0xffff, 0x1_0000, u32::MAX - 16, u32::MAX] {
            let head = Head {
                version: VERSION,
                payload_bytes,
                checksum: 0,
            };
            let bytes = u64::from(payload_bytes) + HEAD_BYTES as u64;
            let expected = usize::try_from(bytes).unwrap_or(usize::MAX);
            assert_eq!(head.file_bytes(), expected, "{payload_bytes}");
        }
    }
}

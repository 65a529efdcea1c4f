//! The state as bytes: the checksum of the model, the position in the window (three numbers; 0 without one), each
//! a little-endian u32; the columns of the window; the state of the layers; the CRC-32 of all that.

use lstm_core::{SnapshotError, Token, TokenDigest};

use super::Sensor;

const HEAD_WORDS: usize = 4;
const HEAD: usize = HEAD_WORDS * size_of::<u32>();
const CHECKSUM: usize = size_of::<u32>();

impl Sensor<'_, '_> {
    /// Bytes of a snapshot.
    pub(crate) fn snapshot_bytes(&self) -> usize {
        HEAD + self.window_bytes() + self.session.state_bytes() + CHECKSUM
    }

    /// Where a snapshot that comes from elsewhere is put together.
    pub(crate) fn snapshot_room(&mut self) -> &mut [u8] {
        self.snapshot
    }

    /// The snapshot that is held.
    pub(crate) fn saved(&self) -> &[u8] {
        let bytes = self.snapshot_bytes();
        self.snapshot.get(..bytes).unwrap_or_default()
    }

    /// Saves everything that the coming answers depend on.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`] if there is no room for it.
    pub(crate) fn save(&mut self) -> Result<(), SnapshotError> {
        let (found, expected) = (self.snapshot.len(), self.snapshot_bytes());
        let error = SnapshotError::Length { found, expected };
        let [next, missing, stride] = self.window.as_ref().map_or([0; 3], |w| w.position());
        let head = [
            self.model().checksum(),
            next as u32,
            missing as u32,
            stride as u32,
        ];
        let snapshot = self.snapshot.get_mut(..expected).ok_or(error)?;
        let (content, checksum) = snapshot.split_last_chunk_mut::<CHECKSUM>().ok_or(error)?;
        let (head_bytes, rest) = content.split_first_chunk_mut::<HEAD>().ok_or(error)?;
        for (bytes, word) in head_bytes.as_chunks_mut().0.iter_mut().zip(head) {
            *bytes = word.to_le_bytes();
        }
        let columns = self
            .window
            .as_ref()
            .map_or(&[][..], |window| window.bytes());
        let (to, state) = rest.split_at_mut_checked(columns.len()).ok_or(error)?;
        for (to, &column) in to.iter_mut().zip(columns) {
            *to = column;
        }
        self.session.save(state)?;
        *checksum = digest(content).to_le_bytes();
        Ok(())
    }

    /// Goes on from the snapshot that is held, of so many bytes.
    ///
    /// # Errors
    ///
    /// It is none of this model, or is damaged; then nothing changes.
    pub(crate) fn restore(&mut self, bytes: usize) -> Result<(), SnapshotError> {
        let expected = self.snapshot_bytes();
        let error = SnapshotError::Length {
            found: bytes,
            expected,
        };
        if bytes != expected {
            return Err(error);
        }
        let snapshot = self.snapshot.get(..bytes).ok_or(error)?;
        let (content, checksum) = snapshot.split_last_chunk::<CHECKSUM>().ok_or(error)?;
        if digest(content) != u32::from_le_bytes(*checksum) {
            return Err(SnapshotError::Damaged);
        }
        let (head, rest) = content.split_first_chunk::<HEAD>().ok_or(error)?;
        let mut words = head
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| u32::from_le_bytes(bytes));
        let mut word = || words.next().unwrap_or_default();
        let (found, expected) = (word(), self.session.model().checksum());
        if found != expected {
            return Err(SnapshotError::Model { found, expected });
        }
        let position = [word() as usize, word() as usize, word() as usize];
        let (columns, state) = rest.split_at_checked(self.window_bytes()).ok_or(error)?;
        if let Some(window) = &self.window
            && !window.has(position)
        {
            return Err(SnapshotError::Damaged);
        }
        self.session.restore(state)?;
        if let Some(window) = &mut self.window {
            window.set(position, columns);
        }
        self.filled = 0;
        Ok(())
    }

    fn window_bytes(&self) -> usize {
        self.window
            .as_ref()
            .map_or(0, |window| window.bytes().len())
    }
}

/// CRC-32.
pub(super) fn digest(bytes: &[u8]) -> u32 {
    let mut digest = TokenDigest::new();
    for &byte in bytes {
        digest.push(Token::new(byte));
    }
    digest.value()
}

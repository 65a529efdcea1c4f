//! A session and the window that it runs as bytes, for all programs alike.

use super::{SensorSession, SensorWindow};
use crate::crc::crc32;
use crate::{Memory, SnapshotError};

/// The version of a snapshot.
const VERSION: u8 = 1;
/// Bytes of a checksum: the model's, and the snapshot's own at its end.
const CHECKSUM: usize = size_of::<u32>();
/// Bytes in front of the window.
const HEAD: usize = size_of_val(&VERSION) + CHECKSUM;

impl<M: Memory> SensorSession<'_, M> {
    /// Bytes of [`SensorSession::save_snapshot`] with this window, or none.
    pub fn snapshot_bytes(&self, window: Option<&SensorWindow<'_>>) -> usize {
        let window = window.map_or(0, SensorWindow::state_bytes);
        HEAD + window + self.state_bytes() + CHECKSUM
    }

    /// Writes all that the coming answers depend on: of the session, and of the window that it runs, if it runs one. With the
    /// checksum of the model and one of its own, in bytes that mean the same on every chip. Not between
    /// [`SensorWindow::append`] and the last [`SensorWindow::run_step`]: that answer would be lost.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`].
    pub fn save_snapshot(
        &self,
        window: Option<&SensorWindow<'_>>,
        snapshot: &mut [u8],
    ) -> Result<(), SnapshotError> {
        let (found, expected) = (snapshot.len(), self.snapshot_bytes(window));
        let wrong = SnapshotError::Length { found, expected };
        if found != expected {
            return Err(wrong);
        }
        let (content, checksum) = snapshot.split_last_chunk_mut().ok_or(wrong)?;
        let ([version, model @ ..], rest) = content.split_first_chunk_mut::<HEAD>().ok_or(wrong)?;
        *version = VERSION;
        *model = self.model().checksum().to_le_bytes();
        let bytes = window.map_or(0, SensorWindow::state_bytes);
        let (steps, layers) = rest.split_at_mut_checked(bytes).ok_or(wrong)?;
        if let Some(window) = window {
            window.save(steps)?;
        }
        self.save(layers)?;
        *checksum = crc32(content).to_le_bytes();
        Ok(())
    }

    /// Takes back what [`SensorSession::save_snapshot`] wrote, here or on another chip, with a window of the same length, or none. On an
    /// error nothing changes.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`], [`SnapshotError::Damaged`], [`SnapshotError::Version`], [`SnapshotError::Model`].
    pub fn restore_snapshot(
        &mut self,
        window: Option<&mut SensorWindow<'_>>,
        snapshot: &[u8],
    ) -> Result<(), SnapshotError> {
        let (found, expected) = (snapshot.len(), self.snapshot_bytes(window.as_deref()));
        let length = SnapshotError::Length { found, expected };
        if found != expected {
            return Err(length);
        }
        let (content, checksum) = snapshot.split_last_chunk().ok_or(length)?;
        if crc32(content) != u32::from_le_bytes(*checksum) {
            return Err(SnapshotError::Damaged);
        }
        let ([found, model @ ..], rest) = content.split_first_chunk::<HEAD>().ok_or(length)?;
        let (found, expected) = (*found, VERSION);
        if found != expected {
            return Err(SnapshotError::Version { found, expected });
        }
        let (found, expected) = (u32::from_le_bytes(*model), self.model().checksum());
        if found != expected {
            return Err(SnapshotError::Model { found, expected });
        }
        let Some(window) = window else {
            return self.restore(rest);
        };
        let (steps, layers) = rest.split_at_checked(window.state_bytes()).ok_or(length)?;
        window.check(steps)?;
        self.restore(layers)?;
        window.restore(steps)
    }
}

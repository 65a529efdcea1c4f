//! The state as bytes.

use lstm_core::SnapshotError;

use super::Sensor;

impl Sensor<'_, '_> {
    /// Bytes of a snapshot.
    pub(crate) fn snapshot_bytes(&self) -> usize {
        self.session.snapshot_bytes(self.window.as_ref())
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
        let snapshot = self.snapshot.get_mut(..expected).ok_or(error)?;
        self.session.save_snapshot(self.window.as_ref(), snapshot)
    }

    /// Goes on from the snapshot that is held, of so many bytes.
    ///
    /// # Errors
    ///
    /// It is none of this model, or is damaged; then nothing changes.
    pub(crate) fn restore(&mut self, bytes: usize) -> Result<(), SnapshotError> {
        let snapshot = self.snapshot.get(..bytes).unwrap_or_default();
        self.session
            .restore_snapshot(self.window.as_mut(), snapshot)?;
        self.filled = 0;
        Ok(())
    }
}

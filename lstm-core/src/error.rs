//! One error for each concern, and all of them in one.

use core::fmt;

#[cfg(feature = "sensor")]
use crate::InputError;
use crate::{ModelError, SamplerError, SnapshotError, WorkspaceError};

/// Any error of this crate: for callers who handle them alike.
///
/// Everything that can go wrong goes wrong before the first step; a running
/// [`Session`](crate::Session) has no error to report. A step that reads values refuses another number of
/// them than the model's channels.
///
/// ```
/// use lstm_core::{Error, Model, ModelError};
///
/// fn checksum(file: &[u8]) -> Result<u32, Error> {
///     Ok(Model::from_bytes(file)?.checksum())
/// }
///
/// let found = *b"ELF ";
/// assert_eq!(checksum(b"ELF ..."), Err(Error::Model(ModelError::Magic { found })));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// A model file was refused.
    Model(ModelError),
    /// A workspace was refused.
    Workspace(WorkspaceError),
    /// A snapshot was refused.
    Snapshot(SnapshotError),
    /// A setting of a sampler was refused.
    Sampler(SamplerError),
    /// The values for a step were refused.
    #[cfg(feature = "sensor")]
    Input(InputError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Model(error) => error.fmt(f),
            Error::Workspace(error) => error.fmt(f),
            Error::Snapshot(error) => error.fmt(f),
            Error::Sampler(error) => error.fmt(f),
            #[cfg(feature = "sensor")]
            Error::Input(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        Error::Model(error)
    }
}

impl From<WorkspaceError> for Error {
    fn from(error: WorkspaceError) -> Self {
        Error::Workspace(error)
    }
}

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        Error::Snapshot(error)
    }
}

#[cfg(feature = "sensor")]
impl From<InputError> for Error {
    fn from(error: InputError) -> Self {
        Error::Input(error)
    }
}

impl From<SamplerError> for Error {
    fn from(error: SamplerError) -> Self {
        Error::Sampler(error)
    }
}

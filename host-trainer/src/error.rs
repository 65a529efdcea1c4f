//! One error type: a single clear line, and the exit code that goes with it.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Every message is one line that says what was found and what was expected.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The user's file, folder or flag cannot be used (exit code 2).
    BadInput(String),
    /// The work itself failed: a full disk, a loss that is not finite (exit code 1).
    Failed(String),
    /// The user stopped the work; the message says how to go on (exit code 130).
    Interrupted(String),
}

impl Error {
    /// An error the user can mend by giving other input.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::BadInput(message.into())
    }

    /// A failure that is not the input's fault.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// A file that cannot be read is bad input.
    pub fn reading(path: &Path, source: &std::io::Error) -> Self {
        Self::BadInput(format!("cannot read {}: {source}", path.display()))
    }

    /// A file that cannot be written is a failure.
    pub fn writing(path: &Path, source: &std::io::Error) -> Self {
        Self::Failed(format!("cannot write {}: {source}", path.display()))
    }

    /// The process's exit code for this error.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BadInput(_) => 2,
            Self::Failed(_) => 1,
            Self::Interrupted(_) => 130,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadInput(message) | Self::Failed(message) | Self::Interrupted(message) => {
                f.write_str(message)
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        Self::Failed(format!(
            "tensor operation: {}",
            text.lines().next().unwrap_or("unknown")
        ))
    }
}

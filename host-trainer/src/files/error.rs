//! One error type: a single clear line, and the exit code that goes with it.

use std::path::Path;
use std::process::ExitCode;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Every message is one line that says what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user's file, folder or flag cannot be used (exit code 2).
    #[error("{0}")]
    BadInput(String),
    /// The work itself failed: a full disk, a loss that is not finite (exit code 1).
    #[error("{0}")]
    Failed(String),
    /// The user stopped the work; the message says how to go on (exit code 130).
    #[error("{0}")]
    Interrupted(String),
}

impl Error {
    /// An error the user can mend by giving other input.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::BadInput(one_line(message.into()))
    }

    /// A failure that is not the input's fault.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(one_line(message.into()))
    }

    /// A file that cannot be read is bad input.
    pub fn reading(path: &Path, source: &std::io::Error) -> Self {
        Self::bad_input(format!("cannot read {}: {source}", path.display()))
    }

    /// A file that cannot be written is a failure.
    pub fn writing(path: &Path, source: &std::io::Error) -> Self {
        Self::failed(format!("cannot write {}: {source}", path.display()))
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

/// Names in a damaged file may hold anything: line breaks and other control characters are shown
/// as escapes.
fn one_line(message: String) -> String {
    if !message.contains(char::is_control) {
        return message;
    }
    let show = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    message.chars().map(show).collect()
}

/// A model, a snapshot or a setting that the engine refuses is bad input.
impl From<lstm_core::Error> for Error {
    fn from(error: lstm_core::Error) -> Self {
        Self::bad_input(error.to_string())
    }
}

impl From<lstm_core::ModelError> for Error {
    fn from(error: lstm_core::ModelError) -> Self {
        lstm_core::Error::from(error).into()
    }
}

impl From<lstm_core::SamplerError> for Error {
    fn from(error: lstm_core::SamplerError) -> Self {
        lstm_core::Error::from(error).into()
    }
}

impl From<lstm_core::WorkspaceError> for Error {
    fn from(error: lstm_core::WorkspaceError) -> Self {
        lstm_core::Error::from(error).into()
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        Self::Failed(format!(
            "tensor operation: {}",
            text.lines().next().unwrap_or("unknown")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_a_file_holds() {
        let error = Error::bad_input("tensor a\nb\u{1b}[2J\u{85} of I64, expected \u{e9}");
        let expected = "tensor a\\nb\\u{1b}[2J\\u{85} of I64, expected \u{e9}";
        assert_eq!(error.to_string(), expected);
        let path = Path::new("a\nb");
        let error = Error::reading(path, &std::io::ErrorKind::NotFound.into());
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

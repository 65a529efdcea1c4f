use std::fmt;

/// A line that says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

/// Of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Error(line.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

//! What can go wrong, and its codes.

use core::{ffi::CStr, fmt};

/// The code of what a function did.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is done.
    LstmOk = 0,
    /// A pointer is null.
    LstmErrorNull = 1,
    /// A pointer is not on a multiple of what its type asks for.
    LstmErrorAlignment = 2,
    /// No memory has such a length.
    LstmErrorLength = 3,
    /// The object was not made, or its making was refused.
    LstmErrorNotReady = 4,
    /// The text is not UTF-8, or the character is none of Unicode.
    LstmErrorText = 5,
    /// There is too little room for what is written.
    LstmErrorCapacity = 6,
    /// The file of the model is refused.
    LstmErrorModel = 7,
    /// The workspace is refused: it has too few words.
    LstmErrorWorkspace = 8,
    /// The saved state is refused.
    LstmErrorSnapshot = 9,
    /// A setting of the sampler is out of range.
    LstmErrorSampler = 10,
    /// Another error.
    LstmErrorOther = 11,
    /// The values for a step are refused: there are more or fewer than channels.
    LstmErrorInput = 12,
    /// There is no such channel, class or value.
    LstmErrorIndex = 13,
    /// Nothing is told yet: no step was answered since the start.
    LstmErrorNoOutput = 14,
}

impl Status {
    /// What it means.
    pub(crate) fn text(self) -> &'static CStr {
        match self {
            Status::LstmOk => c"done",
            Status::LstmErrorNull => c"a pointer is null",
            Status::LstmErrorAlignment => c"a pointer is not aligned",
            Status::LstmErrorLength => c"no memory has such a length",
            Status::LstmErrorNotReady => c"the object was not made, or its making was refused",
            Status::LstmErrorText => c"the text is not UTF-8, or the character is none",
            Status::LstmErrorCapacity => c"there is too little room for what is written",
            Status::LstmErrorModel => c"the file of the model is refused",
            Status::LstmErrorWorkspace => c"the workspace is refused",
            Status::LstmErrorSnapshot => c"the saved state is refused",
            Status::LstmErrorSampler => c"a setting of the sampler is out of range",
            Status::LstmErrorOther => c"another error",
            Status::LstmErrorInput => c"the values for a step are refused",
            Status::LstmErrorIndex => c"there is no such channel, class or value",
            Status::LstmErrorNoOutput => c"no step was answered since the start",
        }
    }

    /// Every code.
    pub(crate) const ALL: [Status; 15] = [
        Status::LstmOk,
        Status::LstmErrorNull,
        Status::LstmErrorAlignment,
        Status::LstmErrorLength,
        Status::LstmErrorNotReady,
        Status::LstmErrorText,
        Status::LstmErrorCapacity,
        Status::LstmErrorModel,
        Status::LstmErrorWorkspace,
        Status::LstmErrorSnapshot,
        Status::LstmErrorSampler,
        Status::LstmErrorOther,
        Status::LstmErrorInput,
        Status::LstmErrorIndex,
        Status::LstmErrorNoOutput,
    ];
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Error {
    Null {
        name: &'static str,
    },
    Alignment {
        name: &'static str,
        found: usize,
        expected: usize,
    },
    Length {
        name: &'static str,
        found: usize,
    },
    NotReady {
        name: &'static str,
    },
    /// Bytes that are UTF-8, before the first that are not.
    Text {
        found: usize,
    },
    Character {
        found: u32,
    },
    Capacity {
        found: usize,
        expected: usize,
    },
    Index {
        found: usize,
        /// How many there are.
        count: usize,
    },
    NoOutput,
    Engine(lstm_core::Error),
}

impl Error {
    pub(crate) fn status(&self) -> Status {
        match self {
            Error::Null { .. } => Status::LstmErrorNull,
            Error::Alignment { .. } => Status::LstmErrorAlignment,
            Error::Length { .. } => Status::LstmErrorLength,
            Error::NotReady { .. } => Status::LstmErrorNotReady,
            Error::Text { .. } | Error::Character { .. } => Status::LstmErrorText,
            Error::Capacity { .. } => Status::LstmErrorCapacity,
            Error::Index { .. } => Status::LstmErrorIndex,
            Error::NoOutput => Status::LstmErrorNoOutput,
            Error::Engine(lstm_core::Error::Model(_)) => Status::LstmErrorModel,
            Error::Engine(lstm_core::Error::Workspace(_)) => Status::LstmErrorWorkspace,
            Error::Engine(lstm_core::Error::Snapshot(_)) => Status::LstmErrorSnapshot,
            Error::Engine(lstm_core::Error::Sampler(_)) => Status::LstmErrorSampler,
            Error::Engine(lstm_core::Error::Input(_)) => Status::LstmErrorInput,
            Error::Engine(_) => Status::LstmErrorOther,
        }
    }
}

impl<E: Into<lstm_core::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Error::Engine(error.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Null { name } => write!(f, "`{name}` is null, expected memory"),
            Error::Alignment {
                name,
                found,
                expected,
            } => write!(
                f,
                "`{name}` lies at an address that is {found} modulo {expected}, expected a multiple of {expected}"
            ),
            Error::Length { name, found } => write!(
                f,
                "`{name}` has a length of {found}, expected one that fits into memory"
            ),
            Error::NotReady { name } => write!(
                f,
                "`{name}` was not made or was refused, expected one that was made"
            ),
            Error::Text { found } => write!(
                f,
                "the text is UTF-8 in its first {found} bytes alone, expected all of it"
            ),
            Error::Character { found } => write!(
                f,
                "found the number {found:#x}, expected that of a character of Unicode"
            ),
            Error::Capacity { found, expected } => {
                write!(f, "there is room for {found} bytes, expected {expected}")
            }
            Error::Index { found, count } => {
                write!(f, "found number {found}, expected one below {count}")
            }
            Error::NoOutput => f.write_str("no step was answered yet, expected one that was"),
            Error::Engine(error) => error.fmt(f),
        }
    }
}

/// The code of a result.
pub(crate) fn status(result: Result<(), Error>) -> Status {
    match result {
        Ok(()) => Status::LstmOk,
        Err(error) => error.status(),
    }
}

/// The item with this number, of so many.
pub(crate) fn nth<T>(
    mut items: impl Iterator<Item = T>,
    found: usize,
    count: usize,
) -> Result<T, Error> {
    items.nth(found).ok_or(Error::Index { found, count })
}

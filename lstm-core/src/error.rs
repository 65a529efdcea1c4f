//! The one error type. Each variant says what was found and what was expected.

use crate::Format;
use crate::format::Order;
use core::fmt;

/// Why a model, a workspace, a snapshot or a sampler setting was refused.
///
/// Everything that can go wrong goes wrong before the first step; a running
/// [`Session`](crate::Session) has no error to report.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The first four bytes are not `LSTM`: this is not a model file.
    Magic {
        /// The bytes found.
        found: [u8; 4],
    },
    /// The file is of another format version.
    Version {
        /// The version found.
        found: u16,
        /// The version that this library reads.
        expected: u16,
    },
    /// The file ends too early.
    Truncated {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Bytes follow the end of the file.
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// The CRC-32 of the content differs from the stored one: the file is damaged.
    Checksum {
        /// The checksum of the bytes found.
        found: u32,
        /// The checksum that the head promises.
        expected: u32,
    },
    /// The payload does not decode as a version 1 description of a model.
    Payload,
    /// The model is of a format that was left out of this build: see the crate's features.
    Format {
        /// The format found.
        found: Format,
    },
    /// The weights do not lie on a 4-byte boundary in memory.
    Alignment {
        /// The address of the weights, modulo 16.
        found: usize,
    },
    /// The alphabet is empty, has more than 256 symbols, or holds a symbol twice.
    Alphabet {
        /// The number of symbols found.
        found: usize,
    },
    /// A model has 1 to 4 layers.
    Layers {
        /// The number of layers found.
        found: usize,
    },
    /// A layer's number of hidden units lies outside 1..=1024.
    Hidden {
        /// The number of units found.
        found: usize,
    },
    /// A projection's width lies outside 1 to the layer's hidden units.
    Projection {
        /// The width found.
        found: usize,
        /// The layer's hidden units.
        hidden: usize,
    },
    /// A matrix of an integer format has more than 512 columns: inputs and hidden units together.
    Columns {
        /// The number found.
        found: usize,
    },
    /// The weights stand in an order that is not the format's.
    Order {
        /// The order found.
        found: Order,
    },
    /// A dead zone is above 127.
    DeadZone {
        /// The dead zone found.
        found: u8,
    },
    /// The weights take another number of bytes than the shapes call for.
    Weights {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// A row of weights is so large that its sum could leave 32 bits.
    RowRange {
        /// The row, counted over the whole file.
        row: usize,
    },
    /// The workspace has too few words for the state of this model.
    WorkspaceWords {
        /// Words that the workspace has.
        found: usize,
        /// Words that the model needs.
        expected: usize,
    },
    /// The workspace has too few logits for the alphabet of this model.
    WorkspaceSymbols {
        /// Symbols that the workspace has room for.
        found: usize,
        /// Symbols in the model's alphabet.
        expected: usize,
    },
    /// A snapshot has another length than the state of this model.
    SnapshotLength {
        /// Bytes found (for saving: the capacity given).
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// A snapshot was taken from another model.
    SnapshotModel {
        /// The model checksum found in the snapshot.
        found: u32,
        /// The checksum of this model.
        expected: u32,
    },
    /// A snapshot is damaged: its checksum or a value in it is wrong.
    SnapshotDamaged,
    /// The text of a snapshot holds a character that is not of base64url.
    SnapshotCharacter {
        /// The byte found.
        found: u8,
    },
    /// A model was trained on windows of another length than there is room for.
    Window {
        /// The window's length.
        found: usize,
        /// The longest that there is room for.
        expected: usize,
    },
    /// A sampler's temperature is neither 0 nor in 0.01..=100.
    Temperature,
    /// A sampler's top-k lies outside 1..=256.
    TopK {
        /// The value found.
        found: usize,
    },
    /// A sampler's top-p is not in 0 (exclusive) to 1.
    TopP,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Magic { found } => {
                let [a, b, c, d] = found;
                write!(
                    f,
                    "not a .lstm file: it begins with {a:02x} {b:02x} {c:02x} {d:02x}, expected 4c 53 54 4d (\"LSTM\")"
                )
            }
            Error::Version { found, expected } => write!(
                f,
                "the .lstm file is of format version {found}, expected version {expected}"
            ),
            Error::Truncated { found, expected } => write!(
                f,
                "the .lstm file is truncated: found {found} bytes, expected {expected}"
            ),
            Error::TooLong { found, expected } => write!(
                f,
                "bytes follow the end of the .lstm file: found {found} bytes, expected {expected}"
            ),
            Error::Checksum { found, expected } => write!(
                f,
                "the .lstm file is damaged: found checksum {found:08x}, expected {expected:08x}"
            ),
            Error::Payload => f.write_str(
                "the description in the .lstm file does not decode, expected that of format version 1",
            ),
            Error::Format { found } => write!(
                f,
                "the model is in {found}, expected a format that this build of lstm-core has: {}",
                Format::BUILT_NAMES
            ),
            Error::Alignment { found } => write!(
                f,
                "the weights lie at an address that is {found} modulo 16, expected an alignment of 4 bytes"
            ),
            Error::Alphabet { found } => write!(
                f,
                "the alphabet holds {found} symbols, expected 1 to 256 different ones"
            ),
            Error::Layers { found } => write!(f, "found {found} layers, expected 1 to 4"),
            Error::Hidden { found } => write!(
                f,
                "a layer has {found} hidden units, expected 1 to {}",
                crate::format::MAX_HIDDEN
            ),
            Error::Projection { found, hidden } => write!(
                f,
                "a projection is {found} wide, expected 1 to the layer's {hidden} units"
            ),
            Error::Columns { found } => write!(
                f,
                "a matrix has {found} columns, expected at most {} in an integer format",
                crate::format::MAX_INTEGER_COLUMNS
            ),
            Error::Order { found } => {
                // `{:?}` would take 700 bytes of a chip.
                let found = match found {
                    Order::Rows4 => "Rows4",
                    Order::Columns16 { .. } => "Columns16",
                };
                write!(
                    f,
                    "the weights stand in the order {found}, expected that of the format"
                )
            }
            Error::DeadZone { found } => write!(
                f,
                "the dead zone is {found}, expected at most {}",
                crate::format::MAX_DEAD_ZONE
            ),
            Error::Weights { found, expected } => write!(
                f,
                "the weights take {found} bytes, expected {expected} for the shapes of the model"
            ),
            Error::RowRange { row } => write!(
                f,
                "row {row} of the weights could overflow its sum, expected at most 31 bits"
            ),
            Error::WorkspaceWords { found, expected } => write!(
                f,
                "the workspace has {found} words of state, expected at least {expected} for this model"
            ),
            Error::WorkspaceSymbols { found, expected } => write!(
                f,
                "the workspace has room for {found} symbols, expected at least {expected} for this model"
            ),
            Error::SnapshotLength { found, expected } => {
                write!(f, "the snapshot has {found} bytes, expected {expected}")
            }
            Error::SnapshotModel { found, expected } => write!(
                f,
                "the snapshot is of model {found:08x}, expected model {expected:08x}"
            ),
            Error::SnapshotDamaged => {
                f.write_str("the snapshot is damaged: its checksum or a value in it is wrong")
            }
            Error::SnapshotCharacter { found } => write!(
                f,
                "the snapshot holds the byte {found:02x}, expected only A-Z a-z 0-9 - _"
            ),
            Error::Window { found, expected } => write!(
                f,
                "the model reads windows of {found} characters, expected 1 to {expected}"
            ),
            Error::Temperature => f.write_str("temperature is neither 0 nor in 0.01 to 100"),
            Error::TopK { found } => write!(f, "top-k is {found}, expected 1 to 256"),
            Error::TopP => f.write_str("top-p is not above 0 and at most 1"),
        }
    }
}

impl core::error::Error for Error {}

use core::fmt;

use super::{
    CellKind, Format, HISTORY, MAX_BACKOFF, MAX_DEAD_ZONE, MAX_DENSE, MAX_HIDDEN,
    MAX_INTEGER_COLUMNS, MAX_ROW_BYTES, MAX_SHIFT, MAX_WINDOW, Order,
};
#[cfg(feature = "sensor")]
use super::{MAX_CHANNELS, MAX_DENSE_LAYERS, MAX_DENSE_WIDTH, MAX_VALUES_WINDOW};

/// Why a model file was refused.
///
/// ```
/// use lstm_core::{Model, ModelError};
///
/// let refused = Model::from_bytes(b"a text, no model").unwrap_err();
/// assert_eq!(refused, ModelError::Magic { found: *b"a te" });
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ModelError {
    /// The first four bytes are not `LSTM`: this is not a model file.
    Magic {
        /// The bytes found.
        found: [u8; 4],
    },
    /// The file is of another format version.
    Version {
        /// The version found.
        found: u16,
        /// The newest version that this library reads.
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
    /// The payload does not decode as a description of a model.
    Description,
    /// The model is of a format that was left out of this build: see the crate's features.
    Format {
        /// The format found.
        found: Format,
    },
    /// The alphabet is empty, has more than 256 symbols, or holds a symbol twice.
    Alphabet {
        /// The number of symbols found.
        found: usize,
    },
    /// The window of a model that reads symbols lies outside 1..=128.
    Window {
        /// The window found.
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
    /// A model has 1 to 4 layers.
    Layers {
        /// The number of layers found.
        found: usize,
    },
    /// A layer's cell was left out of this build: see the crate's features.
    Cell {
        /// The cell found.
        found: CellKind,
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
    /// The weights take another number of bytes than the shapes call for.
    Weights {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// The weights do not lie on a 4-byte boundary in memory.
    Alignment {
        /// The address of the weights, modulo 16.
        found: usize,
    },
    /// A row of weights is so large that its sum could leave 32 bits.
    RowRange {
        /// The row, counted over the whole file.
        row: usize,
    },
    /// A model in f32 has an n-gram section: they are integers.
    NgramFormat {
        /// The format found.
        found: Format,
    },
    /// The shift of the n-gram embeddings is above 4.
    Shift {
        /// The shift found.
        found: u8,
    },
    /// The contexts that have a cost for each symbol are longer than 2.
    Dense {
        /// The length found.
        found: u8,
    },
    /// The back-off table has contexts of more than 12 tokens.
    Lengths {
        /// The longest length found.
        found: usize,
    },
    /// The back-off table has another number of coefficients than its lengths and one.
    Coefficients {
        /// The number found.
        found: usize,
        /// The number expected.
        expected: usize,
    },
    /// The rows of the back-off table take more bytes than an offset can tell.
    RowBytes {
        /// Bytes found.
        found: u32,
    },
    /// The data of an n-gram section take another number of bytes than it calls for.
    NgramData {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// An array or a row of an n-gram section is not filled up with zeros.
    NgramPadding {
        /// What is found.
        found: u8,
    },
    /// The weights of the back-off table's gate are so large that its sum could leave 32 bits.
    Gate,
    /// A row of the back-off table ends after the rows.
    RowEnd {
        /// The byte where it ends.
        found: usize,
        /// Bytes of the rows.
        expected: usize,
    },
    /// A row of the back-off table has more entries than there are symbols.
    RowEntries {
        /// Entries found.
        found: usize,
        /// Symbols of the alphabet.
        expected: usize,
    },
    /// A back-off is above 63 quarter bits.
    RowBackoff {
        /// The back-off found.
        found: u8,
    },
    /// A row of the back-off table has a symbol that is not in the alphabet.
    RowSymbol {
        /// The symbol found.
        found: usize,
        /// Symbols of the alphabet.
        expected: usize,
    },
    /// A row of the back-off table has a symbol twice.
    RowRepetition {
        /// The symbol.
        found: usize,
    },
    /// The window of a model that reads values is empty.
    #[cfg(feature = "sensor")]
    ValuesWindow {
        /// The window found.
        found: usize,
    },
    /// A model that reads symbols, or has no window, is to read windows backwards.
    #[cfg(feature = "sensor")]
    Backwards,
    /// A model that reads values has no channels or more than 256.
    #[cfg(feature = "sensor")]
    Channels {
        /// The number found.
        found: usize,
    },
    /// There are more or fewer names of channels than channels.
    #[cfg(feature = "sensor")]
    ChannelNames {
        /// The number of names found.
        found: usize,
        /// The number of channels.
        expected: usize,
    },
    /// A layer whose cell has no projection has one.
    #[cfg(feature = "sensor")]
    ProjectedCell {
        /// The cell found.
        found: CellKind,
    },
    /// A model has more than 3 dense layers before its head.
    #[cfg(feature = "sensor")]
    DenseLayers {
        /// The number found.
        found: usize,
    },
    /// The number of units of a dense layer lies outside 1..=512.
    #[cfg(feature = "sensor")]
    DenseWidth {
        /// The number found.
        found: usize,
    },
    /// A model that reads values gives symbols.
    #[cfg(feature = "sensor")]
    SymbolsHead,
    /// The number of classes lies outside 2..=256.
    #[cfg(feature = "sensor")]
    Classes {
        /// The number found.
        found: usize,
    },
    /// The number of values that a model gives lies outside 1..=256.
    #[cfg(feature = "sensor")]
    Values {
        /// The number found.
        found: usize,
    },
    /// The mean or the scale of a channel is no finite number.
    #[cfg(feature = "sensor")]
    ChannelScaling {
        /// The channel.
        channel: usize,
    },
    /// The offset or the scale of a value that a model gives is no finite number.
    #[cfg(feature = "sensor")]
    ValueScaling {
        /// The value.
        value: usize,
    },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ModelError as E;
        match *self {
            E::Magic { found } => {
                let [a, b, c, d] = found;
                write!(
                    f,
                    "not a .lstm file: it begins with {a:02x} {b:02x} {c:02x} {d:02x}, expected 4c 53 54 4d (\"LSTM\")"
                )
            }
            E::Version { found, expected: 1 } => write!(
                f,
                "the .lstm file is of format version {found}, expected version 1"
            ),
            #[cfg(all(feature = "sensor", not(feature = "ngram")))]
            E::Version {
                found,
                expected: super::SENSOR_VERSION,
            } => write!(
                f,
                "the .lstm file is of format version {found}, expected version 1 or 3"
            ),
            E::Version { found, expected } => write!(
                f,
                "the .lstm file is of format version {found}, expected version 1 to {expected}"
            ),
            E::Truncated { found, expected } => write!(
                f,
                "the .lstm file is truncated: found {found} bytes, expected {expected}"
            ),
            E::TooLong { found, expected } => write!(
                f,
                "bytes follow the end of the .lstm file: found {found} bytes, expected {expected}"
            ),
            E::Checksum { found, expected } => write!(
                f,
                "the .lstm file is damaged: found checksum {found:08x}, expected {expected:08x}"
            ),
            E::Description => f.write_str(
                "the description in the .lstm file does not decode, expected that of its format version",
            ),
            E::Format { found } => write!(
                f,
                "the model is in {found}, expected a format that this build of lstm-core has: {}",
                Format::BUILT_NAMES
            ),
            E::Alphabet { found } => write!(
                f,
                "the alphabet holds {found} symbols, expected 1 to 256 different ones"
            ),
            E::Window { found } => write!(
                f,
                "the model reads windows of {found} characters, expected 1 to {MAX_WINDOW}"
            ),
            E::Order { found } => {
                let found = match found {
                    Order::Rows4 => "Rows4",
                    Order::Columns16 { .. } => "Columns16",
                };
                write!(
                    f,
                    "the weights stand in the order {found}, expected that of the format"
                )
            }
            E::DeadZone { found } => write!(
                f,
                "the dead zone is {found}, expected at most {MAX_DEAD_ZONE}"
            ),
            E::Layers { found } => write!(f, "found {found} layers, expected 1 to 4"),
            E::Cell { found } => write!(
                f,
                "a layer is a {found}, expected a cell that this build of lstm-core has"
            ),
            E::Hidden { found } => write!(
                f,
                "a layer has {found} hidden units, expected 1 to {MAX_HIDDEN}"
            ),
            E::Projection { found, hidden } => write!(
                f,
                "a projection is {found} wide, expected 1 to the layer's {hidden} units"
            ),
            E::Columns { found } => write!(
                f,
                "a matrix has {found} columns, expected at most {MAX_INTEGER_COLUMNS} in an integer format"
            ),
            E::Weights { found, expected } => write!(
                f,
                "the weights take {found} bytes, expected {expected} for the shapes of the model"
            ),
            E::Alignment { found } => write!(
                f,
                "the weights lie at an address that is {found} modulo 16, expected an alignment of 4 bytes"
            ),
            E::RowRange { row } => write!(
                f,
                "row {row} of the weights could overflow its sum, expected at most 31 bits"
            ),
            E::NgramFormat { found } => write!(
                f,
                "a model in {found} has an n-gram section, expected int8 or int4"
            ),
            E::Shift { found } => write!(
                f,
                "the n-gram embeddings are shifted by {found} bits, expected at most {MAX_SHIFT}"
            ),
            E::Dense { found } => write!(
                f,
                "the back-off table has costs of all symbols after {found} characters, expected at most {MAX_DENSE}"
            ),
            E::Lengths { found } => write!(
                f,
                "the back-off table looks at {found} characters, expected at most {HISTORY}"
            ),
            E::Coefficients { found, expected } => write!(
                f,
                "the back-off table has {found} coefficients, expected {expected}"
            ),
            E::RowBytes { found } => write!(
                f,
                "the rows of the back-off table take {found} bytes, expected at most {MAX_ROW_BYTES}"
            ),
            E::NgramData { found, expected } => write!(
                f,
                "an n-gram section takes {found} bytes, expected {expected}"
            ),
            E::NgramPadding { found } => write!(
                f,
                "an n-gram section is filled up with {found}, expected zeros"
            ),
            E::Gate => f.write_str(
                "the gate of the back-off table could overflow its sum, expected at most 31 bits",
            ),
            E::RowEnd { found, expected } => write!(
                f,
                "a row of the back-off table ends at byte {found}, expected at most {expected}"
            ),
            E::RowEntries { found, expected } => write!(
                f,
                "a row of the back-off table has {found} entries, expected at most {expected}"
            ),
            E::RowBackoff { found } => write!(
                f,
                "a row of the back-off table has a back-off of {found}, expected at most {MAX_BACKOFF}"
            ),
            E::RowSymbol { found, expected } => write!(
                f,
                "a row of the back-off table has symbol {found}, expected one below {expected}"
            ),
            E::RowRepetition { found } => write!(
                f,
                "a row of the back-off table has symbol {found} twice, expected it once"
            ),
            #[cfg(feature = "sensor")]
            E::ValuesWindow { found } => write!(
                f,
                "the model reads windows of {found} steps, expected 1 to {MAX_VALUES_WINDOW}"
            ),
            #[cfg(feature = "sensor")]
            E::Backwards => f.write_str(
                "the model reads backwards, expected that only of windows of values",
            ),
            #[cfg(feature = "sensor")]
            E::Channels { found } => write!(
                f,
                "the model reads {found} channels, expected 1 to {MAX_CHANNELS}"
            ),
            #[cfg(feature = "sensor")]
            E::ChannelNames { found, expected } => write!(
                f,
                "found names of {found} channels, expected {expected}"
            ),
            #[cfg(feature = "sensor")]
            E::ProjectedCell { found } => {
                write!(f, "a layer that is a {found} has a projection, expected none")
            }
            #[cfg(feature = "sensor")]
            E::DenseLayers { found } => write!(
                f,
                "found {found} dense layers before the head, expected at most {MAX_DENSE_LAYERS}"
            ),
            #[cfg(feature = "sensor")]
            E::DenseWidth { found } => write!(
                f,
                "a dense layer has {found} units, expected 1 to {MAX_DENSE_WIDTH}"
            ),
            #[cfg(feature = "sensor")]
            E::SymbolsHead => {
                f.write_str("the model reads values and gives symbols, expected classes or values")
            }
            #[cfg(feature = "sensor")]
            E::Classes { found } => write!(
                f,
                "the model gives {found} classes, expected 2 to {MAX_CHANNELS}"
            ),
            #[cfg(feature = "sensor")]
            E::Values { found } => write!(
                f,
                "the model gives {found} values, expected 1 to {MAX_CHANNELS}"
            ),
            #[cfg(feature = "sensor")]
            E::ChannelScaling { channel } => write!(
                f,
                "the mean or the scale of channel {channel} is not a finite number, expected two"
            ),
            #[cfg(feature = "sensor")]
            E::ValueScaling { value } => write!(
                f,
                "the offset or the scale of value {value} is not a finite number, expected two"
            ),
        }
    }
}

impl core::error::Error for ModelError {}

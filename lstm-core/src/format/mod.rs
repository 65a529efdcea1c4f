//! The `.lstm` file: a fixed [head](Head), then a [`Description`] in
//! [postcard](https://postcard.jamesmunns.com), whose last field is the weights; in version 2 then the
//! [`Ngrams`]. In version 3 the description is a [`SensorDescription`].
//!
//! `docs/FORMAT.md` gives every byte. The types here are what the exporter encodes and what a chip
//! decodes, so that the two cannot drift apart.

#[cfg(feature = "export")]
mod c_header;
mod description;
#[cfg(any(feature = "export", test))]
mod encode;
mod error;
mod head;
mod ngrams;
mod number;
mod payload;
mod peek;
mod row;
#[cfg(feature = "sensor")]
mod sensor;
mod shape;

#[cfg(feature = "export")]
pub use c_header::c_header;
pub use description::{Description, Layers};
#[cfg(any(feature = "export", test))]
pub use encode::{decode_weight, encode_int4, encode_weight, int4_words};
#[cfg(feature = "export")]
pub use encode::{encode_file, encode_sensor_file, with_head};
pub use error::ModelError;
pub use head::{Head, VerifiedFile};
#[cfg(feature = "export")]
pub use ngrams::List;
#[cfg(feature = "ngram")]
pub use ngrams::{BackoffSection, EMBEDDING_LENGTHS, EmbeddingsSection, MAX_BACKOFF_LENGTHS};
pub use ngrams::{HISTORY, MAX_BACKOFF, MAX_DENSE, MAX_ROW_BYTES, MAX_SHIFT, Ngrams};
pub use number::{Format, Order, WeightFormat};
pub use payload::Payload;
#[cfg(feature = "sensor")]
pub use payload::SensorPayload;
pub use peek::ModelShape;
pub use row::Row;
#[cfg(feature = "export")]
pub use sensor::DenseLayers;
#[cfg(feature = "sensor")]
pub(crate) use sensor::is_line_end;
#[cfg(feature = "sensor")]
pub use sensor::{Activation, DenseShape, Input, OutputHead, SensorDescription};
pub use shape::{CellKind, LayerShape};

/// The first four bytes of every file.
pub const MAGIC: [u8; 4] = *b"LSTM";
/// The newest format version that this library reads.
pub const VERSION: u16 = if cfg!(feature = "sensor") {
    SENSOR_VERSION
} else if cfg!(feature = "ngram") {
    NGRAM_VERSION
} else {
    1
};
/// The format version of a file with n-gram sections. Other models of text are written in version 1.
pub const NGRAM_VERSION: u16 = 2;
/// The format version of a file whose model reads or gives values, gives classes, or has dense layers
/// before its head.
pub const SENSOR_VERSION: u16 = 3;

/// Whether this build of the library reads files of this version.
pub(crate) const fn reads_version(version: u16) -> bool {
    version == 1
        || (version == NGRAM_VERSION && cfg!(feature = "ngram"))
        || (version == SENSOR_VERSION && cfg!(feature = "sensor"))
}

/// Columns of a weight matrix are padded with zeros to a multiple of this number in files of this version.
pub(crate) const fn column_align(version: u16) -> usize {
    match version {
        SENSOR_VERSION => SENSOR_COLUMN_ALIGN,
        _ => COLUMN_ALIGN,
    }
}

/// Bytes of the head, which the description follows.
pub const HEAD_BYTES: usize = 16;
/// The most layers that a model may stack.
pub const MAX_LAYERS: usize = 4;
/// The most symbols that an alphabet may hold: a [`Token`](crate::Token) is one byte.
pub const MAX_SYMBOLS: usize = 256;
/// The most hidden units in a layer.
pub const MAX_HIDDEN: usize = 1024;
/// The longest window of a model that reads symbols and is run on windows.
pub const MAX_WINDOW: usize = 128;
/// The longest window of a model that reads values and is run on windows.
pub const MAX_VALUES_WINDOW: usize = u16::MAX as usize;
/// The most channels of a model that reads values, and the most classes or values that a model gives.
pub const MAX_CHANNELS: usize = 256;
/// The most dense layers between the recurrent layers and the head.
pub const MAX_DENSE_LAYERS: usize = 3;
/// The most units of such a layer.
pub const MAX_DENSE_WIDTH: usize = 512;
/// The largest dead zone of [`Order::Columns16`].
pub const MAX_DEAD_ZONE: u8 = 127;
/// Each array of the data begins on a multiple of so many bytes from its start, and the data itself
/// does so from the start of the file.
pub const ARRAY_ALIGN: usize = 16;
/// Columns of a weight matrix are padded with zeros to a multiple of this number in files of version 1 and 2; and
/// scratch is for as many in all files.
pub const COLUMN_ALIGN: usize = 32;
/// Columns of a weight matrix are padded with zeros to a multiple of this number in files of version 3, whose
/// networks may be small.
pub const SENSOR_COLUMN_ALIGN: usize = 4;
/// The most columns of a matrix in an integer format, so that the kernels' sums fit.
pub const MAX_INTEGER_COLUMNS: usize = 512;
/// Rows of a weight matrix come in blocks of this number.
pub const BLOCK_ROWS: usize = 4;
/// Rows of an int4 weight matrix come in blocks of this number, the last one filled up with zeros.
pub const INT4_ROWS: usize = 16;

/// `n` rounded up to a multiple of `align`, which is a power of 2.
pub const fn round_up(n: usize, align: usize) -> usize {
    (n + (align - 1)) & !(align - 1)
}

/// Blocks of four rows that hold so many.
pub const fn blocks(rows: usize) -> usize {
    round_up(rows, BLOCK_ROWS) / BLOCK_ROWS
}

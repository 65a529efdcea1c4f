//! The `.lstm` file: a fixed head, then a [postcard](https://postcard.jamesmunns.com) payload.
//!
//! `docs/FORMAT.md` gives every byte. The types here are both what the reader decodes and what the
//! exporter encodes, so the two cannot drift apart.

use crate::crc::Crc;
use crate::model::Arrays;
use crate::{Error, MAX_LAYERS, Token};
use serde::{Deserialize, Serialize};

/// The first four bytes of every file.
pub const MAGIC: [u8; 4] = *b"LSTM";
/// The format version that this library reads and writes.
pub const VERSION: u16 = 1;
/// Bytes of the head, which the payload follows.
pub const HEAD_BYTES: usize = 16;
/// The most hidden units in a layer.
pub const MAX_HIDDEN: usize = 1024;
/// Each array of the data section begins on a multiple of so many bytes from its start, and the
/// data section itself does so from the start of the file.
pub const ARRAY_ALIGN: usize = 16;
/// Columns of a weight matrix are padded with zeros to a multiple of this number.
pub const COLUMN_ALIGN: usize = 32;
/// The most columns of a matrix in an integer format, so that the kernels' sums fit.
pub const MAX_INTEGER_COLUMNS: usize = 512;
/// Rows of a weight matrix come in blocks of this number.
pub const BLOCK_ROWS: usize = 4;
/// Rows of an int4 weight matrix come in blocks of this number, the last one filled up with zeros.
pub const INT4_ROWS: usize = 16;
/// The largest dead zone of [`Order::Columns16`].
pub const MAX_DEAD_ZONE: u8 = 127;

/// How the numbers of a model are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// IEEE 754 single precision: the reference.
    F32,
    /// 8-bit weights, table and hidden state; 16-bit cell.
    Int8,
    /// As [`Format::Int8`], with 4-bit weights in the recurrent layers.
    Int4,
}

impl Format {
    /// The name that users type and read.
    pub const fn name(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::Int8 => "int8",
            Format::Int4 => "int4",
        }
    }

    /// Whether this build of the crate runs it: whether the feature of its name is on.
    pub const fn is_built(self) -> bool {
        match self {
            Format::F32 => cfg!(feature = "f32"),
            Format::Int8 => cfg!(feature = "int8"),
            Format::Int4 => cfg!(feature = "int4"),
        }
    }

    /// The names of the formats that this build runs.
    pub(crate) const BUILT_NAMES: &str = match (Self::F32.is_built(), Self::Int4.is_built()) {
        (true, true) => "f32, int8, int4",
        (true, false) if Self::Int8.is_built() => "f32, int8",
        (true, false) => "f32",
        (false, true) => "int8, int4",
        (false, false) => "int8",
    };

    /// How the weights of the recurrent layers are stored.
    pub const fn layer_weights(self) -> WeightFormat {
        match self {
            Format::F32 => WeightFormat::F32,
            Format::Int8 => WeightFormat::Int8,
            Format::Int4 => WeightFormat::Int4,
        }
    }

    /// How the weights of the dense layer are stored.
    pub const fn dense_weights(self) -> WeightFormat {
        match self {
            Format::F32 => WeightFormat::F32,
            Format::Int8 | Format::Int4 => WeightFormat::Int8,
        }
    }
}

/// How the weights of one matrix are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightFormat {
    /// Single precision.
    #[default]
    F32,
    /// A byte each, see [`encode_weight`].
    Int8,
    /// Half a byte each, see [`encode_int4`].
    Int4,
}

impl WeightFormat {
    /// Bits of one weight.
    pub const fn bits(self) -> usize {
        match self {
            WeightFormat::F32 => 32,
            WeightFormat::Int8 => 8,
            WeightFormat::Int4 => 4,
        }
    }

    /// Rows of a block of weights.
    pub const fn block_rows(self) -> usize {
        match self {
            WeightFormat::F32 | WeightFormat::Int8 => BLOCK_ROWS,
            WeightFormat::Int4 => INT4_ROWS,
        }
    }
}

impl core::fmt::Display for Format {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The order in which the data section holds the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Order {
    /// Of [`Format::F32`] and [`Format::Int8`]: blocks of four rows; in a block, the four rows take
    /// turns: one column each for [`WeightFormat::F32`], four columns each for
    /// [`WeightFormat::Int8`].
    Rows4,
    /// Of [`Format::Int4`]: the weights of the layers in blocks of 16 rows; in a block, one column
    /// after the other, so that a step can skip columns. The dense layer is as in
    /// [`Order::Rows4`].
    Columns16 {
        /// A column in units of 1/127 whose absolute value is below this number counts as 0, at
        /// most [`MAX_DEAD_ZONE`].
        dead_zone: u8,
    },
}

impl Order {
    /// The order of a format, with this dead zone where it has one.
    pub const fn of(format: Format, dead_zone: u8) -> Self {
        match format {
            Format::F32 | Format::Int8 => Order::Rows4,
            Format::Int4 => Order::Columns16 { dead_zone },
        }
    }
}

/// The kind of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Cell {
    /// The LSTM with a forget gate and no peepholes. A block of four rows is a unit: i, f, g, o.
    Lstm,
    /// The LSTM with a coupled input and forget gate, `f = 1 - i` (Greff et al. 2015). Three blocks
    /// are four units: their rows i, then g, then o.
    Lean,
}

/// The shape of a layer. Its input is the table for the first layer, and the layer below for the
/// others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerShape {
    /// The kind of cell.
    pub cell: Cell,
    /// The number of hidden units, 1 to [`MAX_HIDDEN`].
    pub hidden: u16,
    /// The width of a recurrent projection (Sak et al. 2014), at most `hidden`.
    pub projection: Option<u16>,
}

impl LayerShape {
    /// An LSTM layer of so many units.
    pub const fn lstm(hidden: u16) -> Self {
        LayerShape {
            cell: Cell::Lstm,
            hidden,
            projection: None,
        }
    }

    /// A lean layer of so many units.
    pub const fn lean(hidden: u16) -> Self {
        LayerShape {
            cell: Cell::Lean,
            hidden,
            projection: None,
        }
    }

    /// The same with a recurrent projection to this width.
    pub const fn project(self, width: u16) -> Self {
        LayerShape {
            projection: Some(width),
            ..self
        }
    }

    /// The width of the hidden state: what the recurrence and the layer above read.
    pub const fn output(self) -> usize {
        match self.projection {
            Some(width) => width as usize,
            None => self.hidden as usize,
        }
    }

    /// Blocks of four rows that hold the gates of all units.
    pub const fn gate_blocks(self) -> usize {
        match self.cell {
            Cell::Lstm => self.hidden as usize,
            Cell::Lean => 3 * blocks(self.hidden as usize),
        }
    }

    /// Blocks of four rows of the projection; 0 without one.
    pub const fn projection_blocks(self) -> usize {
        match self.projection {
            Some(width) => blocks(width as usize),
            None => 0,
        }
    }
}

/// The payload of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload<'a> {
    /// A name for people.
    pub name: &'a str,
    /// The symbols of the alphabet, in the order of their tokens.
    pub symbols: &'a str,
    /// Whether ASCII capitals are read as small letters.
    pub fold_case: bool,
    /// The window that the network was trained on without state between windows; `None` for a
    /// network that carries its state.
    pub window: Option<u16>,
    /// The number format.
    pub format: Format,
    /// The order of the weights.
    pub order: Order,
    /// The layers, from the input up.
    pub layers: heapless::Vec<LayerShape, MAX_LAYERS>,
    /// Zeros, so that `data` begins on a multiple of [`ARRAY_ALIGN`] from the start of the file.
    pub padding: &'a [u8],
    /// The arrays, one after the other, each padded with zeros to [`ARRAY_ALIGN`]: for each layer
    /// its table (first layer only), its rows and its weights, and the rows and the weights of its
    /// projection if it has one; then the rows and the weights of the dense layer.
    pub data: &'a [u8],
}

/// The head of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the payload.
    pub payload_bytes: usize,
    /// CRC-32 of the head's first 12 bytes followed by the payload.
    pub checksum: u32,
}

impl Head {
    /// The head for this payload.
    pub fn new(payload: &[u8]) -> Self {
        let mut head = Head {
            payload_bytes: payload.len(),
            checksum: 0,
        };
        head.checksum = checksum(&head.to_bytes(), payload);
        head
    }

    /// The head as it stands in the file.
    pub fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let [m0, m1, m2, m3] = MAGIC;
        let [v0, v1] = VERSION.to_le_bytes();
        let [n0, n1, n2, n3] = (self.payload_bytes as u32).to_le_bytes();
        let [c0, c1, c2, c3] = self.checksum.to_le_bytes();
        [m0, m1, m2, m3, v0, v1, 0, 0, n0, n1, n2, n3, c0, c1, c2, c3]
    }

    /// Reads the head at the start of `bytes`. The payload is not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`], [`Error::Magic`], [`Error::Version`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if let Some(&found) = bytes.first_chunk()
            && found != MAGIC
        {
            return Err(Error::Magic { found });
        }
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return Err(Error::Truncated {
                found: bytes.len(),
                expected: HEAD_BYTES,
            });
        };
        let &[_, version, payload_bytes, checksum] =
            bytemuck::cast_ref::<_, [[u8; 4]; HEAD_BYTES / 4]>(head);
        let version = u32::from_le_bytes(version) as u16;
        if version != VERSION {
            return Err(Error::Version {
                found: version,
                expected: VERSION,
            });
        }
        Ok(Head {
            payload_bytes: u32::from_le_bytes(payload_bytes) as usize,
            checksum: u32::from_le_bytes(checksum),
        })
    }

    /// Bytes of the whole file.
    pub fn file_bytes(self) -> usize {
        self.payload_bytes.saturating_add(HEAD_BYTES)
    }
}

/// Splits a file into its verified head and its payload.
///
/// # Errors
///
/// Those of [`Head::parse`], then [`Error::Truncated`], [`Error::TooLong`], [`Error::Checksum`];
/// [`Error::Payload`] if a reserved byte is not zero.
pub fn verify(bytes: &[u8]) -> Result<(Head, &[u8]), Error> {
    check_end(bytes)?;
    let (head, _, payload) = verify_start(bytes)?;
    Ok((head, payload))
}

/// Checks that no byte follows the file.
///
/// # Errors
///
/// Those of [`Head::parse`], then [`Error::TooLong`].
pub(crate) fn check_end(bytes: &[u8]) -> Result<(), Error> {
    let (found, expected) = (bytes.len(), Head::parse(bytes)?.file_bytes());
    match found > expected {
        true => Err(Error::TooLong { found, expected }),
        false => Ok(()),
    }
}

/// The verified head of the file at the start of a region, the whole file, and its payload.
///
/// # Errors
///
/// As [`verify`], without [`Error::TooLong`].
#[inline(always)]
pub(crate) fn verify_start(region: &[u8]) -> Result<(Head, &[u8], &[u8]), Error> {
    let head = Head::parse(region)?;
    let (found, expected) = (region.len(), head.file_bytes());
    let Some(bytes) = region.get(..expected) else {
        return Err(Error::Truncated { found, expected });
    };
    let (head_bytes, payload) = bytes.split_at_checked(HEAD_BYTES).unwrap_or_default();
    let checksum = checksum(head_bytes, payload);
    if checksum != head.checksum {
        return Err(Error::Checksum {
            found: checksum,
            expected: head.checksum,
        });
    }
    if head_bytes.get(6..8) != Some(&[0, 0]) {
        return Err(Error::Payload);
    }
    Ok((head, bytes, payload))
}

/// CRC-32 (ISO-HDLC, as in zip and Ethernet) of the head without its checksum, then the payload.
fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(head.get(..HEAD_BYTES - 4).unwrap_or_default());
    crc.update(payload);
    crc.value()
}

/// `n` rounded up to a multiple of `align`, which is a power of 2.
pub const fn round_up(n: usize, align: usize) -> usize {
    (n + (align - 1)) & !(align - 1)
}

/// Blocks of four rows that hold so many.
pub(crate) const fn blocks(rows: usize) -> usize {
    round_up(rows, BLOCK_ROWS) / BLOCK_ROWS
}

/// Byte lengths of the arrays of one weight matrix with `blocks` blocks of four rows and `columns`
/// columns (a multiple of [`COLUMN_ALIGN`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixBytes {
    /// The row parameters: a bias of 4 bytes for f32, a [`Row`] of 8 for integers.
    pub rows: usize,
    /// The weights.
    pub weights: usize,
}

impl MatrixBytes {
    /// The lengths for weights stored so.
    pub const fn new(format: WeightFormat, blocks: usize, columns: usize) -> Self {
        let (row, weights) = match format {
            WeightFormat::F32 => (4, blocks * BLOCK_ROWS * columns * 4),
            WeightFormat::Int8 => (Row::BYTES, blocks * BLOCK_ROWS * columns),
            WeightFormat::Int4 => {
                let rows = round_up(blocks * BLOCK_ROWS, INT4_ROWS);
                (Row::BYTES, rows / 2 * columns)
            }
        };
        MatrixBytes {
            rows: blocks * BLOCK_ROWS * row,
            weights,
        }
    }
}

/// Bytes of the data section for these shapes, at most [`MAX_LAYERS`] of them.
///
/// # Errors
///
/// [`Error::Hidden`], [`Error::Projection`], [`Error::Columns`].
pub fn data_bytes(format: Format, vocab: usize, layers: &[LayerShape]) -> Result<usize, Error> {
    let mut arrays = Arrays::new(format, 0, vocab, &[]);
    for shape in layers.iter().take(MAX_LAYERS) {
        arrays.check(shape)?;
        arrays.layer(shape, Token::default());
        arrays.projection(shape);
    }
    arrays.dense();
    Ok(arrays.bytes())
}

/// The parameters of one row in the integer formats.
///
/// The row's pre-activation is `bias + weight_scale * sum(w * h) + table_scale * t`, in Q18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Q18; it also holds half a step of the rounding that follows.
    pub bias: i32,
    /// The Q18 value of one step of weight times one step of hidden state.
    pub weight_scale: u16,
    /// The Q18 value of one step of the folded table.
    pub table_scale: u16,
}

impl Row {
    /// Bytes in the file.
    pub const BYTES: usize = 8;

    /// As it stands in the file.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [b0, b1, b2, b3] = self.bias.to_le_bytes();
        let [w0, w1] = self.weight_scale.to_le_bytes();
        let [t0, t1] = self.table_scale.to_le_bytes();
        [b0, b1, b2, b3, w0, w1, t0, t1]
    }

    /// From its bytes in the file.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let &[b0, b1, b2, b3, w0, w1, t0, t1] = bytes;
        Row {
            bias: i32::from_le_bytes([b0, b1, b2, b3]),
            weight_scale: u16::from_le_bytes([w0, w1]),
            table_scale: u16::from_le_bytes([t0, t1]),
        }
    }

    /// From its two words in the file, as this computer loads them.
    pub(crate) fn from_words([bias, scales]: [u32; 2]) -> Self {
        let (bias, scales) = (u32::from_le(bias), u32::from_le(scales));
        Row {
            bias: bias as i32,
            weight_scale: scales as u16,
            table_scale: (scales >> 16) as u16,
        }
    }

    /// Whether no sum of this row can leave 32 bits, whatever the state: `sum_abs` is the sum of
    /// the absolute weights of the row. The dot product has room for a factor of 256, which the
    /// kernel for Cortex-M4 needs.
    pub fn in_range(self, sum_abs: u32) -> bool {
        const LIMIT: u32 = i32::MAX as u32;
        let dot = 127 * u64::from(sum_abs);
        let others = u64::from(self.bias.unsigned_abs()) + 128 * u64::from(self.table_scale);
        dot <= u64::from(LIMIT / 256)
            && dot * u64::from(self.weight_scale) + others <= u64::from(LIMIT)
    }
}

/// The byte that stores an int8 weight: even columns are stored with an offset of 128, odd ones in
/// two's complement, so that a pair of columns can share a 16-bit lane (see `docs/NUMBERS.md`).
pub const fn encode_weight(weight: i8, column: usize) -> u8 {
    if column.is_multiple_of(2) {
        weight as u8 ^ 0x80
    } else {
        weight as u8
    }
}

/// The weight that [`encode_weight`] stored.
pub const fn decode_weight(byte: u8, column: usize) -> i8 {
    if column.is_multiple_of(2) {
        (byte ^ 0x80) as i8
    } else {
        byte as i8
    }
}

/// The word that stores the int4 weights (-8..=7) of one column in eight rows that follow each other,
/// each with an offset of 8: bits `4 k` hold row `2 k`, bits `16 + 4 k` row `2 k + 1`. So a shift and
/// a mask give two rows in the two halves of a word.
pub fn encode_int4(weights: [i8; 8]) -> u32 {
    let mut word = 0;
    for (k, weight) in weights.into_iter().enumerate() {
        let nibble = (weight + 8) as u32 & 0xf;
        word |= nibble << (16 * (k % 2) + 4 * (k / 2));
    }
    word
}

/// The words of an int4 matrix in the order of the file; `weight` gives the weight of a row and a
/// column. Rows are filled up with zeros to a multiple of [`INT4_ROWS`], columns to one of
/// [`COLUMN_ALIGN`].
pub fn int4_words(
    rows: usize,
    columns: usize,
    mut weight: impl FnMut(usize, usize) -> i8,
) -> impl Iterator<Item = u32> {
    let padded = round_up(columns, COLUMN_ALIGN);
    let words = round_up(rows, INT4_ROWS) * padded / 8;
    (0..words).map(move |word| {
        let (block, half, column) = (word / 2 / padded, word % 2, word / 2 % padded);
        let mut row = INT4_ROWS * block + 8 * half;
        encode_int4([(); 8].map(|()| {
            let used = row < rows && column < columns;
            let found = if used { weight(row, column) } else { 0 };
            row += 1;
            found
        }))
    })
}

//! A model, borrowed from the bytes of its file.

use crate::decode::Fields;
use crate::format::{
    self, ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Format, HEAD_BYTES, Head, LayerShape,
    MAX_DEAD_ZONE, MAX_HIDDEN, MAX_INTEGER_COLUMNS, MatrixBytes, Order, Row, WeightFormat,
    round_up,
};
use crate::kernel::{self, DeadZones};
use crate::{Alphabet, Error, MAX_LAYERS, Token};

/// Gives its content an alignment of 16 bytes: `Aligned(*include_bytes!("model.lstm"))`.
#[repr(align(16))]
#[derive(Clone, Copy, Debug)]
pub struct Aligned<T: ?Sized>(
    /// The content.
    pub T,
);

/// A matrix with its row parameters, in the order and format of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'m> {
    /// Row parameters, see [`MatrixBytes::rows`].
    pub(crate) rows: &'m [u32],
    /// Weights, `[blocks][columns][4]` in f32, bytes `[blocks][columns / 4][4][4]` in int8,
    /// `[blocks of 16 rows][columns][2]` in int4.
    pub(crate) weights: &'m [u32],
    /// How the weights are stored.
    pub(crate) format: WeightFormat,
    /// Columns, padded.
    pub(crate) columns: usize,
    /// The columns that count as 0, in int4.
    #[cfg_attr(
        not(feature = "int4"),
        allow(dead_code, reason = "no other format has them")
    )]
    pub(crate) dead_zones: DeadZones,
}

/// A layer, without its projection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'m> {
    /// A token's line of the folded table `[vocab][gate blocks][4]`, that of symbol 0 for a token
    /// from outside the alphabet; empty for all but the first layer.
    pub(crate) line: &'m [u32],
    /// `[gate blocks][4]` rows over the columns, input and then own hidden state.
    pub(crate) gates: Matrix<'m>,
}

/// Checks that no row's sum can leave its range.
struct Ranges {
    /// Rows so far, or before the first that can.
    row: usize,
    /// Whether there was none that can.
    sound: bool,
}

impl Ranges {
    #[inline(never)]
    fn check(&mut self, matrix: &Matrix<'_>) {
        let format = matrix.format;
        if format == WeightFormat::F32 {
            return;
        }
        let block_rows = format.block_rows();
        let block_words = matrix.columns * (block_rows * format.bits() / 32);
        let mut weights = matrix.weights;
        let mut row = 0;
        for &parameters in matrix.rows.as_chunks().0 {
            let sum_abs = kernel::sum_abs(format, weights, matrix.columns, row);
            self.sound &= Row::from_words(parameters).in_range(sum_abs);
            if !self.sound {
                return;
            }
            self.row += 1;
            row += 1;
            if row == block_rows {
                row = 0;
                weights = weights.get(block_words..).unwrap_or_default();
            }
        }
    }
}

/// A verified model. It borrows everything from the file, which stays in flash.
// Small enough to be moved without a call of `memcpy`, a kilobyte of code: layers are found anew
// at each step, and what is asked for seldom is read again.
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    file: &'m [u8],
    /// The data section.
    data: &'m [u32],
    alphabet: Alphabet<'m>,
    format: Format,
    dead_zone: u8,
    depth: u8,
    shapes: [LayerShape; MAX_LAYERS],
}

impl<'m> Model<'m> {
    /// Reads and checks a whole file, which must end where the model ends.
    ///
    /// # Errors
    ///
    /// Every defect has its own [`Error`], found in this order: head, length, checksum,
    /// description, format, alphabet, order, shapes, length of the weights, alignment, range of the
    /// sums.
    pub fn from_bytes(bytes: &'m [u8]) -> Result<Self, Error> {
        format::check_end(bytes)?;
        Self::from_region(bytes)
    }

    /// Reads a model at the start of a region that may be longer than the file, such as a flash
    /// region with erased bytes behind it.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`], without [`Error::TooLong`].
    #[inline(never)]
    pub fn from_region(region: &'m [u8]) -> Result<Self, Error> {
        let (_, bytes, payload) = format::verify_start(region)?;
        let fields = Fields::read(payload);
        if !matches!(fields.rest, Some([] | [_, _, _, _])) {
            return Err(Error::Payload);
        }
        Self::from_fields(bytes, &fields)
    }

    #[inline(always)]
    fn from_fields(file: &'m [u8], fields: &Fields<'m>) -> Result<Self, Error> {
        let format = fields.format;
        if !format.is_built() {
            return Err(Error::Format { found: format });
        }
        let alphabet = Alphabet::from_utf8(fields.symbols, fields.fold_case)?;
        if fields.depth == 0 {
            return Err(Error::Layers { found: 0 });
        }
        if fields.padding.len() >= ARRAY_ALIGN || fields.padding.iter().any(|&b| b != 0) {
            return Err(Error::Payload);
        }
        let dead_zone = match fields.order {
            Order::Rows4 => 0,
            Order::Columns16 { dead_zone } => dead_zone,
        };
        if fields.order != Order::of(format, dead_zone) {
            return Err(Error::Order {
                found: fields.order,
            });
        }
        if dead_zone > MAX_DEAD_ZONE {
            return Err(Error::DeadZone { found: dead_zone });
        }
        let data = bytemuck::try_cast_slice(fields.data);
        let model = Model {
            file,
            data: data.unwrap_or_default(),
            alphabet,
            format,
            dead_zone,
            depth: fields.depth as u8,
            shapes: fields.layers,
        };
        // Proves that no sum can overflow, so that a step needs no check.
        let mut ranges = Ranges {
            row: 0,
            sound: true,
        };
        let mut arrays = model.arrays();
        for shape in model.layers() {
            arrays.check(shape)?;
            ranges.check(&arrays.layer(shape, Token::default()).gates);
            ranges.check(&arrays.projection(shape));
        }
        ranges.check(&arrays.dense());
        let (found, expected) = (fields.data.len(), arrays.bytes());
        if found != expected {
            return Err(Error::Weights { found, expected });
        }
        if data.is_err() {
            return Err(Error::Alignment {
                found: fields.data.as_ptr().addr() % ARRAY_ALIGN,
            });
        }
        if !ranges.sound {
            return Err(Error::RowRange { row: ranges.row });
        }
        Ok(model)
    }

    /// The shapes of the layers, from the input up.
    pub(crate) fn layers(&self) -> &[LayerShape] {
        self.shapes.get(..self.depth.into()).unwrap_or(&[])
    }

    pub(crate) fn arrays(&self) -> Arrays<'m> {
        Arrays::new(self.format, self.dead_zone, self.alphabet.len(), self.data)
    }

    fn fields(&self) -> Fields<'m> {
        Fields::read(self.file.get(HEAD_BYTES..).unwrap_or_default())
    }

    /// The name that the exporter gave.
    pub fn name(&self) -> &'m str {
        core::str::from_utf8(self.fields().name).unwrap_or_default()
    }

    /// The alphabet.
    pub fn alphabet(&self) -> Alphabet<'m> {
        self.alphabet
    }

    /// The window that the network was trained on, if it was trained without state between windows.
    pub fn window(&self) -> Option<usize> {
        self.fields().window.map(usize::from)
    }

    /// The number format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// A hidden unit's output (in units of 1/127) whose absolute value is below this number counts
    /// as 0 in the layers' sums; see `docs/NUMBERS.md`. 0 in all formats but [`Format::Int4`].
    pub fn dead_zone(&self) -> u8 {
        self.dead_zone
    }

    /// The CRC-32 of the file, which names this model in snapshots.
    pub fn checksum(&self) -> u32 {
        Head::parse(self.file).map_or(0, |head| head.checksum)
    }

    /// The digest of the model's [`Golden`](crate::Golden) text, if the file holds it.
    pub fn golden(&self) -> Option<u32> {
        let rest = self.fields().rest?;
        Some(u32::from_le_bytes(*rest.first_chunk()?))
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> usize {
        self.file.len()
    }

    /// The number of layers, 1 to 4.
    pub fn depth(&self) -> usize {
        self.depth.into()
    }

    /// Multiply-adds of one character: the weights of all matrices, without padding.
    pub fn multiply_adds(&self) -> usize {
        let (mut sum, mut below) = (0, 0);
        for shape in self.shapes() {
            let (hidden, output) = (usize::from(shape.hidden), shape.output());
            let gates = match shape.cell {
                format::Cell::Lstm => 4,
                format::Cell::Lean => 3,
            };
            sum += gates * hidden * (below + output);
            sum += shape.projection.map_or(0, |_| hidden * output);
            below = output;
        }
        sum + self.alphabet.len() * below
    }

    /// The shapes of the layers, from the input up.
    pub fn shapes(&self) -> impl Iterator<Item = LayerShape> {
        self.layers().iter().copied()
    }
}

/// Hands out the arrays of a data section, in their order: of each layer the table's line, the gates,
/// the projection if it has one; then the dense layer.
pub(crate) struct Arrays<'m> {
    format: Format,
    dead_zone: u8,
    vocab: usize,
    /// The width of the layer below the next, and its dead zone.
    input: usize,
    below: u8,
    /// The arrays that follow.
    rest: &'m [u32],
    /// Words of those so far.
    words: usize,
}

impl<'m> Arrays<'m> {
    /// Of a model's data section; where it is too short, arrays are empty.
    pub(crate) fn new(format: Format, dead_zone: u8, vocab: usize, data: &'m [u32]) -> Self {
        Arrays {
            format,
            dead_zone,
            vocab,
            input: 0,
            below: 0,
            rest: data,
            words: 0,
        }
    }

    /// Checks the shape of the next layer.
    ///
    /// # Errors
    ///
    /// [`Error::Hidden`], [`Error::Projection`], [`Error::Columns`].
    #[inline(always)]
    pub(crate) fn check(&self, shape: &LayerShape) -> Result<(), Error> {
        let hidden = usize::from(shape.hidden);
        if hidden == 0 || hidden > MAX_HIDDEN {
            return Err(Error::Hidden { found: hidden });
        }
        let output = shape.output();
        if output == 0 || output > hidden {
            return Err(Error::Projection {
                found: output,
                hidden,
            });
        }
        let columns = self.input + output;
        let widest = round_up(columns, COLUMN_ALIGN).max(hidden);
        if self.format != Format::F32 && widest > MAX_INTEGER_COLUMNS {
            return Err(Error::Columns { found: widest });
        }
        Ok(())
    }

    /// The width of the layer below the next; 0 for the first.
    pub(crate) fn input(&self) -> usize {
        self.input
    }

    /// The next layer.
    #[inline(never)]
    pub(crate) fn layer(&mut self, shape: &LayerShape, token: Token) -> Layer<'m> {
        let (input, output, blocks) = (self.input, shape.output(), shape.gate_blocks());
        let mut line = &[][..];
        if input == 0 {
            let words = match self.format {
                Format::F32 => BLOCK_ROWS * blocks,
                Format::Int8 | Format::Int4 => blocks,
            };
            let table = self.take((self.vocab * words).next_multiple_of(ARRAY_ALIGN / 4));
            let mut start = token.index();
            if start >= self.vocab {
                start = 0;
            }
            start *= words;
            line = table.get(start..start + words).unwrap_or_default();
        }
        // A projected hidden state has other units than those that the dead zone is in.
        let own = match shape.projection {
            None => self.dead_zone,
            Some(_) => 0,
        };
        let zones = DeadZones {
            below: input,
            zones: [self.below, own],
        };
        (self.input, self.below) = (output, own);
        let weights = self.format.layer_weights();
        let gates = self.matrix(weights, blocks, input + output, zones);
        Layer { line, gates }
    }

    /// The projection of that layer: `[output]` rows over the units; empty without one.
    pub(crate) fn projection(&mut self, shape: &LayerShape) -> Matrix<'m> {
        let zones = DeadZones {
            below: 0,
            zones: [0, self.dead_zone],
        };
        let (blocks, columns) = (shape.projection_blocks(), shape.hidden.into());
        self.matrix(self.format.layer_weights(), blocks, columns, zones)
    }

    /// The dense layer, after all others.
    pub(crate) fn dense(&mut self) -> Matrix<'m> {
        self.matrix(
            self.format.dense_weights(),
            format::blocks(self.vocab),
            self.input,
            DeadZones::NONE,
        )
    }

    /// Bytes of the arrays so far.
    pub(crate) fn bytes(&self) -> usize {
        4 * self.words
    }

    #[inline(never)]
    fn matrix(
        &mut self,
        format: WeightFormat,
        blocks: usize,
        columns: usize,
        dead_zones: DeadZones,
    ) -> Matrix<'m> {
        let columns = round_up(columns, COLUMN_ALIGN);
        let bytes = MatrixBytes::new(format, blocks, columns);
        Matrix {
            rows: self.take(bytes.rows / 4),
            weights: self.take(bytes.weights / 4),
            format,
            columns,
            dead_zones,
        }
    }

    fn take(&mut self, words: usize) -> &'m [u32] {
        self.words += words;
        let (array, rest) = self.rest.split_at_checked(words).unwrap_or_default();
        self.rest = rest;
        array
    }
}

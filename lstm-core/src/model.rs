//! A model, borrowed from the bytes of its file.

use crate::file::{
    self, ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Format, Head, LayerShape, MAX_DEAD_ZONE,
    MAX_HIDDEN, MAX_INTEGER_COLUMNS, MatrixBytes, Order, PayloadOf, Row, WeightFormat, round_up,
    table_line_bytes,
};
use crate::kernel::{self, DeadZones};
use crate::{Alphabet, Error, MAX_LAYERS};

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
    pub(crate) rows: &'m [u8],
    /// Weights, `[blocks][columns][4]` in f32, `[blocks][columns / 4][4][4]` in int8,
    /// `[blocks of 16 rows][columns][2]` words in int4.
    pub(crate) weights: &'m [u8],
    /// How the weights are stored.
    pub(crate) format: WeightFormat,
    /// Columns, padded.
    pub(crate) columns: usize,
    /// The columns that count as 0, in int4.
    pub(crate) dead_zones: DeadZones,
}

impl Matrix<'_> {
    const EMPTY: Self = Matrix {
        rows: &[],
        weights: &[],
        format: WeightFormat::F32,
        columns: 0,
        dead_zones: DeadZones::NONE,
    };

    /// Checks that no row's sum can leave its range; counts the rows.
    ///
    /// # Errors
    ///
    /// [`Error::RowRange`].
    #[inline(never)]
    fn check_ranges(&self, row: &mut usize) -> Result<(), Error> {
        if self.format == WeightFormat::F32 {
            return Ok(());
        }
        let block_rows = self.format.block_rows();
        let block_bytes = self.columns * block_rows * self.format.bits() / 8;
        let mut weights = self.weights;
        let mut block = weights;
        for (index, parameters) in self.rows.as_chunks().0.iter().enumerate() {
            let index = index % block_rows;
            if index == 0 {
                (block, weights) = weights.split_at_checked(block_bytes).unwrap_or_default();
            }
            let sum_abs = kernel::sum_abs(self.format, block, index);
            if !Row::from_bytes(parameters).in_range(sum_abs) {
                return Err(Error::RowRange { row: *row });
            }
            *row += 1;
        }
        Ok(())
    }
}

/// A layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'m> {
    /// Kind and sizes.
    pub(crate) shape: LayerShape,
    /// Width of the layer below; 0 for the first layer.
    pub(crate) input: usize,
    /// Folded table `[vocab][gate blocks][4]`; empty for all but the first layer.
    pub(crate) table: &'m [u8],
    /// `[gate blocks][4]` rows over the columns (input, then own hidden state).
    pub(crate) gates: Matrix<'m>,
    /// `[output]` rows over the units; empty without a projection.
    pub(crate) projection: Matrix<'m>,
}

impl Layer<'_> {
    pub(crate) const EMPTY: Self = Layer {
        shape: LayerShape::lstm(0),
        input: 0,
        table: &[],
        gates: Matrix::EMPTY,
        projection: Matrix::EMPTY,
    };

    /// Hidden units.
    pub(crate) fn hidden(&self) -> usize {
        self.shape.hidden.into()
    }
}

/// A verified model. It borrows everything from the file, which stays in flash.
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    /// In UTF-8.
    name: &'m [u8],
    alphabet: Alphabet<'m>,
    window: Option<u16>,
    format: Format,
    dead_zone: u8,
    checksum: u32,
    golden: Option<u32>,
    file_bytes: usize,
    layers: [Layer<'m>; MAX_LAYERS],
    depth: usize,
    dense: Matrix<'m>,
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
        let (head, payload) = file::verify(bytes)?;
        let (payload, rest) = PayloadOf::read(payload)?;
        let golden = match rest {
            [] => None,
            &[g0, g1, g2, g3] => Some(u32::from_le_bytes([g0, g1, g2, g3])),
            _ => return Err(Error::Payload),
        };
        Self::from_payload(head, &payload, golden)
    }

    /// Reads a model at the start of a region that may be longer than the file, such as a flash
    /// region with erased bytes behind it.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`], without [`Error::TooLong`].
    pub fn from_region(region: &'m [u8]) -> Result<Self, Error> {
        let expected = Head::parse(region)?.file_bytes();
        match region.get(..expected) {
            Some(bytes) => Self::from_bytes(bytes),
            None => Err(Error::Truncated {
                found: region.len(),
                expected,
            }),
        }
    }

    fn from_payload(
        head: Head,
        payload: &PayloadOf<'m, &'m [u8]>,
        golden: Option<u32>,
    ) -> Result<Self, Error> {
        if !payload.format.is_built() {
            return Err(Error::Format {
                found: payload.format,
            });
        }
        let alphabet = Alphabet::from_utf8(payload.symbols, payload.fold_case)?;
        let depth = payload.layers.len();
        if depth == 0 {
            return Err(Error::Layers { found: depth });
        }
        if payload.padding.len() >= ARRAY_ALIGN || payload.padding.iter().any(|&b| b != 0) {
            return Err(Error::Payload);
        }
        let dead_zone = match payload.order {
            Order::Rows4 => 0,
            Order::Columns16 { dead_zone } => dead_zone,
        };
        if payload.order != Order::of(payload.format, dead_zone) {
            return Err(Error::Order {
                found: payload.order,
            });
        }
        if dead_zone > MAX_DEAD_ZONE {
            return Err(Error::DeadZone { found: dead_zone });
        }
        let mut layers = [Layer::EMPTY; MAX_LAYERS];
        let (dense, expected) = lay_out(
            payload.format,
            dead_zone,
            alphabet.len(),
            &payload.layers,
            payload.data,
            &mut layers,
        )?;
        if payload.data.len() != expected {
            return Err(Error::Weights {
                found: payload.data.len(),
                expected,
            });
        }
        let misalignment = payload.data.as_ptr().addr() % ARRAY_ALIGN;
        if !misalignment.is_multiple_of(4) {
            return Err(Error::Alignment {
                found: misalignment,
            });
        }
        // Proves that no sum can overflow, so that a step needs no check.
        let mut row = 0;
        for layer in &layers {
            layer.gates.check_ranges(&mut row)?;
            layer.projection.check_ranges(&mut row)?;
        }
        dense.check_ranges(&mut row)?;
        Ok(Model {
            name: payload.name,
            alphabet,
            window: payload.window,
            format: payload.format,
            dead_zone,
            checksum: head.checksum,
            golden,
            file_bytes: head.file_bytes(),
            layers,
            depth,
            dense,
        })
    }

    pub(crate) fn layers(&self) -> &[Layer<'m>] {
        self.layers.get(..self.depth).unwrap_or(&[])
    }

    pub(crate) fn dense(&self) -> &Matrix<'m> {
        &self.dense
    }

    /// The name that the exporter gave.
    pub fn name(&self) -> &'m str {
        core::str::from_utf8(self.name).unwrap_or_default()
    }

    /// The alphabet.
    pub fn alphabet(&self) -> Alphabet<'m> {
        self.alphabet
    }

    /// The window that the network was trained on, if it was trained without state between windows.
    pub fn window(&self) -> Option<usize> {
        self.window.map(usize::from)
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
        self.checksum
    }

    /// The digest of the model's [`Golden`](crate::Golden) text, if the file holds it.
    pub fn golden(&self) -> Option<u32> {
        self.golden
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// The number of layers, 1 to 4.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Multiply-adds of one character: the weights of all matrices, without padding.
    pub fn multiply_adds(&self) -> usize {
        let (mut sum, mut below) = (0, 0);
        for shape in self.shapes() {
            let (hidden, output) = (usize::from(shape.hidden), shape.output());
            let gates = match shape.cell {
                file::Cell::Lstm => 4,
                file::Cell::Lean => 3,
            };
            sum += gates * hidden * (below + output);
            sum += shape.projection.map_or(0, |_| hidden * output);
            below = output;
        }
        sum + self.alphabet.len() * below
    }

    /// The shapes of the layers, from the input up.
    pub fn shapes(&self) -> impl Iterator<Item = LayerShape> {
        self.layers().iter().map(|layer| layer.shape)
    }
}

/// Gives each layer its arrays of a data section. Returns the dense layer, and the bytes that they
/// take together; where the section is shorter, arrays are empty.
///
/// # Errors
///
/// [`Error::Hidden`], [`Error::Projection`], [`Error::Columns`].
pub(crate) fn lay_out<'m>(
    format: Format,
    dead_zone: u8,
    vocab: usize,
    shapes: &[LayerShape],
    data: &'m [u8],
    layers: &mut [Layer<'m>],
) -> Result<(Matrix<'m>, usize), Error> {
    let mut arrays = Arrays {
        rest: data,
        bytes: 0,
    };
    let weights = format.layer_weights();
    let (mut input, mut below) = (0, 0);
    for (layer, &shape) in layers.iter_mut().zip(shapes) {
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
        let columns = input + output;
        let widest = round_up(columns, COLUMN_ALIGN).max(hidden);
        if format != Format::F32 && widest > MAX_INTEGER_COLUMNS {
            return Err(Error::Columns { found: widest });
        }
        layer.shape = shape;
        layer.input = input;
        if input == 0 {
            layer.table = arrays.take(vocab * table_line_bytes(format, shape));
        }
        layer.gates = arrays.matrix(weights, shape.gate_blocks(), columns);
        layer.projection = arrays.matrix(weights, shape.projection_blocks(), hidden);
        // A projected hidden state has other units than those that the dead zone is in.
        let own = match shape.projection {
            None => dead_zone,
            Some(_) => 0,
        };
        layer.gates.dead_zones = DeadZones {
            below: input,
            zones: [below, own],
        };
        layer.projection.dead_zones.zones = [0, dead_zone];
        below = own;
        input = output;
    }
    let blocks = vocab.div_ceil(BLOCK_ROWS);
    let dense = arrays.matrix(format.dense_weights(), blocks, input);
    Ok((dense, arrays.bytes))
}

/// Hands out the arrays of a data section.
struct Arrays<'m> {
    rest: &'m [u8],
    /// Bytes of the arrays so far.
    bytes: usize,
}

impl<'m> Arrays<'m> {
    fn take(&mut self, bytes: usize) -> &'m [u8] {
        let padded = round_up(bytes, ARRAY_ALIGN);
        self.bytes += padded;
        let (array, rest) = self.rest.split_at_checked(padded).unwrap_or_default();
        self.rest = rest;
        array.get(..bytes).unwrap_or_default()
    }

    #[inline(never)]
    fn matrix(&mut self, format: WeightFormat, blocks: usize, columns: usize) -> Matrix<'m> {
        let columns = round_up(columns, COLUMN_ALIGN);
        let bytes = MatrixBytes::new(format, blocks, columns);
        Matrix {
            rows: self.take(bytes.rows),
            weights: self.take(bytes.weights),
            format,
            columns,
            dead_zones: DeadZones::NONE,
        }
    }
}

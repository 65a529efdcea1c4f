//! A model, borrowed from the bytes of its file.

use crate::file::{
    self, ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Format, Head, LayerShape, MatrixBytes, Payload,
    Row, WeightFormat, round_up,
};
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
    /// `[blocks][columns / 8][4]` words in int4.
    pub(crate) weights: &'m [u8],
    /// How the weights are stored.
    pub(crate) format: WeightFormat,
    /// Columns, padded.
    pub(crate) columns: usize,
}

impl Matrix<'_> {
    const EMPTY: Self = Matrix {
        rows: &[],
        weights: &[],
        format: WeightFormat::F32,
        columns: 0,
    };
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
    const EMPTY: Self = Layer {
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
    name: &'m str,
    alphabet: Alphabet<'m>,
    window: Option<u16>,
    format: Format,
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
    /// description, format, alphabet, shapes, length of the weights, alignment, range of the sums.
    pub fn from_bytes(bytes: &'m [u8]) -> Result<Self, Error> {
        let (head, payload) = file::verify(bytes)?;
        let (payload, rest) = Payload::decode(payload)?;
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

    fn from_payload(head: Head, payload: &Payload<'m>, golden: Option<u32>) -> Result<Self, Error> {
        if !payload.format.is_built() {
            return Err(Error::Format {
                found: payload.format,
            });
        }
        let alphabet = Alphabet::new(payload.symbols, payload.fold_case)?;
        let depth = payload.layers.len();
        if depth == 0 {
            return Err(Error::Layers { found: depth });
        }
        if payload.padding.len() >= ARRAY_ALIGN || payload.padding.iter().any(|&b| b != 0) {
            return Err(Error::Payload);
        }
        let expected = file::data_bytes(payload.format, alphabet.len(), &payload.layers)?;
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

        let mut data = Arrays { rest: payload.data };
        let mut layers = [Layer::EMPTY; MAX_LAYERS];
        let mut input = 0;
        for (layer, shape) in layers.iter_mut().zip(&payload.layers) {
            let table = if input == 0 {
                let line = file::table_line_bytes(payload.format, *shape);
                data.take(alphabet.len() * line)?
            } else {
                &[]
            };
            let weights = payload.format.layer_weights();
            let (columns, units) = (input + shape.output(), shape.hidden.into());
            *layer = Layer {
                shape: *shape,
                input,
                table,
                gates: data.matrix(weights, shape.gate_blocks(), columns)?,
                projection: data.matrix(weights, shape.projection_blocks(), units)?,
            };
            input = shape.output();
        }
        let blocks = alphabet.len().div_ceil(BLOCK_ROWS);
        let dense = data.matrix(payload.format.dense_weights(), blocks, input)?;

        let model = Model {
            name: payload.name,
            alphabet,
            window: payload.window,
            format: payload.format,
            checksum: head.checksum,
            golden,
            file_bytes: head.file_bytes(),
            layers,
            depth,
            dense,
        };
        model.check_ranges()?;
        Ok(model)
    }

    /// Proves that no sum can overflow, so that a step needs no check.
    fn check_ranges(&self) -> Result<(), Error> {
        if self.format == Format::F32 {
            return Ok(());
        }
        let mut row = 0;
        for matrix in self.matrices() {
            let block_bytes = matrix.columns * BLOCK_ROWS * matrix.format.bits() / 8;
            let mut weights = matrix.weights;
            let parameters = matrix.rows.as_chunks::<{ Row::BYTES }>().0;
            for rows in parameters.as_chunks::<BLOCK_ROWS>().0 {
                let Some((block, rest)) = weights.split_at_checked(block_bytes) else {
                    break;
                };
                weights = rest;
                let sums = crate::kernel::sum_abs(matrix.format, block);
                for (parameters, sum_abs) in rows.iter().zip(sums) {
                    if !Row::from_bytes(parameters).in_range(sum_abs) {
                        return Err(Error::RowRange { row });
                    }
                    row += 1;
                }
            }
        }
        Ok(())
    }

    /// The matrices in the order of the file.
    fn matrices(&self) -> impl Iterator<Item = Matrix<'m>> {
        let layers = self.layers().iter();
        let layers = layers.flat_map(|layer| [layer.gates, layer.projection]);
        layers.chain([self.dense])
    }

    pub(crate) fn layers(&self) -> &[Layer<'m>] {
        self.layers.get(..self.depth).unwrap_or(&[])
    }

    pub(crate) fn dense(&self) -> &Matrix<'m> {
        &self.dense
    }

    /// The width of the top layer's hidden state.
    pub(crate) fn output(&self) -> usize {
        let top = self.layers().last();
        top.map_or(0, |layer| layer.shape.output())
    }

    /// The name that the exporter gave.
    pub fn name(&self) -> &'m str {
        self.name
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

/// Hands out the arrays of a data section whose length has been checked.
struct Arrays<'m> {
    rest: &'m [u8],
}

impl<'m> Arrays<'m> {
    fn take(&mut self, bytes: usize) -> Result<&'m [u8], Error> {
        let (array, rest) = self
            .rest
            .split_at_checked(round_up(bytes, ARRAY_ALIGN))
            .ok_or(Error::Payload)?;
        self.rest = rest;
        array.get(..bytes).ok_or(Error::Payload)
    }

    fn matrix(
        &mut self,
        format: WeightFormat,
        blocks: usize,
        columns: usize,
    ) -> Result<Matrix<'m>, Error> {
        let columns = round_up(columns, COLUMN_ALIGN);
        let bytes = MatrixBytes::new(format, blocks, columns);
        Ok(Matrix {
            rows: self.take(bytes.rows)?,
            weights: self.take(bytes.weights)?,
            format,
            columns,
        })
    }
}

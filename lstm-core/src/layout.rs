//! The arrays of a model's data, found by the shapes of its layers.

use crate::Token;
use crate::format::{
    ARRAY_ALIGN, BLOCK_ROWS, Format, INT4_ROWS, LayerShape, WeightFormat, blocks, round_up,
};

/// A matrix with the parameters of its rows, in the order and format of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'m> {
    /// How the weights are stored.
    pub(crate) format: WeightFormat,
    /// Parameters of the rows: a bias of one word in f32, a [`Row`](crate::format::Row) of two words
    /// in the integer formats.
    pub(crate) rows: &'m [u32],
    /// Weights, `[blocks][columns][4]` in f32, bytes `[blocks][columns / 4][4][4]` in int8,
    /// `[blocks of 16 rows][columns][2]` in int4.
    pub(crate) weights: &'m [u32],
    /// Columns, padded as the version of the file says, to a multiple of 4 at least.
    pub(crate) columns: usize,
    /// The columns that count as 0, in int4.
    pub(crate) dead_zones: DeadZones,
}

impl<'m> Matrix<'m> {
    /// Blocks of four rows.
    pub(crate) fn blocks(&self) -> usize {
        size_of_val(self.rows) / (BLOCK_ROWS * self.format.row_bytes())
    }

    /// The parameters of the rows in the integer formats, block by block.
    pub(crate) fn parameters(&self) -> &'m [[[u32; 2]; BLOCK_ROWS]] {
        self.rows.as_chunks().0.as_chunks().0
    }

    /// The weights, block by block.
    pub(crate) fn weight_bytes(&self) -> &'m [u8] {
        bytemuck::cast_slice(self.weights)
    }

    /// The sum of the absolute weights of a row, in the integer formats.
    pub(crate) fn sum_abs(&self, row: usize) -> u32 {
        let block_rows = self.format.block_rows();
        let block_words = self.columns * block_rows * self.format.bits() / 32;
        let block = self.weights.get(row / block_rows * block_words..);
        let block = block.and_then(|block| block.get(..block_words));
        let block = block.unwrap_or_default();
        match self.format {
            WeightFormat::Int4 => {
                // A column is a word for eight rows, and one for the other eight.
                let (word, row) = (row % INT4_ROWS / 8, row % 8);
                let shift = 4 * (row / 2) + 16 * (row % 2);
                let columns = block.as_chunks::<2>().0.iter();
                let weights = columns.map(|words| u32::from_le(words[word]) >> shift & 0xf);
                weights.map(|weight| weight.abs_diff(8)).sum()
            }
            WeightFormat::Int8 | WeightFormat::F32 => {
                // Four columns are a word for each row.
                let groups = block.as_chunks::<BLOCK_ROWS>().0.iter();
                let words = groups.map(|words| u32::from_le(words[row % BLOCK_ROWS]));
                // Now all four are in two's complement.
                let weights = words.map(|word| (word ^ 0x0080_0080).to_le_bytes());
                weights
                    .map(|weights| {
                        let absolute = weights.map(|w| u32::from((w as i8).unsigned_abs()));
                        absolute.iter().sum::<u32>()
                    })
                    .sum()
            }
        }
    }
}

/// The columns of an int4 matrix that count as 0: those whose absolute value is below a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadZones {
    /// How many columns come from the layer below.
    pub(crate) below: usize,
    /// The numbers for those columns, and for the others.
    pub(crate) zones: [u8; 2],
}

impl DeadZones {
    /// All columns count as they are.
    pub(crate) const NONE: Self = DeadZones {
        below: 0,
        zones: [0; 2],
    };

    /// The columns in two parts, each with its number.
    pub(crate) fn parts(self, columns: &[i8]) -> [(&[i8], u8); 2] {
        let (below, own) = columns.split_at(self.below.min(columns.len()));
        let [first, second] = self.zones;
        [(below, first), (own, second)]
    }

    /// The columns, 0 where they are in their dead zone.
    pub(crate) fn counted(self, columns: &[i8]) -> impl Iterator<Item = i8> {
        self.parts(columns).into_iter().flat_map(|(part, zone)| {
            let columns = part.iter().copied();
            columns.map(move |x| if x.unsigned_abs() < zone { 0 } else { x })
        })
    }
}

/// A layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'m> {
    /// A token's line of the folded table `[vocab][gate blocks][4]`; empty for all but the first
    /// layer.
    pub(crate) line: &'m [u32],
    /// `[gate blocks][4]` rows.
    pub(crate) gates: Gates<'m>,
    /// `[output]` rows over the units.
    pub(crate) projection: Option<Matrix<'m>>,
}

/// The rows of a layer's gates.
// In words: it is copied faster than where the tag is in a byte of a matrix.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gates<'m> {
    /// Over the hidden state of the layer below, then the layer's own.
    Summed(Matrix<'m>),
    /// Apart, for the cells that [take their products apart](crate::CellKind::takes_products_apart).
    Apart {
        /// Over the hidden state of the layer below: no columns in the first layer.
        input: Matrix<'m>,
        /// Over the layer's own.
        recurrent: Matrix<'m>,
    },
    /// One for each gate, in their order, for the cells whose [reset comes before the
    /// product](crate::CellKind::resets_before_product): each over the hidden state of the layer below,
    /// then the layer's own.
    #[cfg(feature = "sensor")]
    ByGate([Matrix<'m>; 3]),
}

/// Hands out the arrays of a model's data, in their order: the scaling of the values that are read, the
/// arrays of each layer, of each dense layer and of the head, the scaling of the values that are given.
pub(crate) struct Arrays<'m> {
    format: Format,
    dead_zone: u8,
    num_symbols: usize,
    column_align: usize,
    /// The width of the layer below the next, and its dead zone.
    below: (usize, u8),
    /// The arrays that follow.
    rest: &'m [u32],
    /// Words of those so far.
    words: usize,
}

impl<'m> Arrays<'m> {
    /// Of these data, whose columns are padded to a multiple of `column_align`; where they are too short, arrays
    /// are empty.
    pub(crate) fn new(
        format: Format,
        column_align: usize,
        dead_zone: u8,
        num_symbols: usize,
        data: &'m [u32],
    ) -> Self {
        Arrays {
            format,
            dead_zone,
            num_symbols,
            column_align,
            below: (0, 0),
            rest: data,
            words: 0,
        }
    }

    /// The mean and the scale of each channel, floats: the layer above reads these channels.
    #[cfg(feature = "sensor")]
    pub(crate) fn channels(&mut self, count: usize) -> [&'m [u32]; 2] {
        self.below = (count, 0);
        self.scaling(count)
    }

    /// Two numbers for each of so many values, floats.
    #[cfg(feature = "sensor")]
    pub(crate) fn scaling(&mut self, count: usize) -> [&'m [u32]; 2] {
        [(); 2].map(|()| {
            let padded = self.take(round_up(count, ARRAY_ALIGN / 4));
            padded.get(..count).unwrap_or_default()
        })
    }

    /// The width of the layer below the next; 0 for the first of a model that reads symbols.
    pub(crate) fn input(&self) -> usize {
        self.below.0
    }

    /// Columns are padded to a multiple of this number.
    pub(crate) fn column_align(&self) -> usize {
        self.column_align
    }

    /// Bytes of the arrays so far.
    pub(crate) fn bytes(&self) -> usize {
        4 * self.words
    }

    /// The next layer, with a token's line of the table; that of symbol 0 for a token from outside
    /// the alphabet.
    pub(crate) fn layer(&mut self, shape: LayerShape, token: Token) -> Layer<'m> {
        let (input, below_zone) = self.below;
        let line = match input {
            0 => self.table_line(shape, token),
            _ => &[],
        };
        // A projected hidden state has other units than those that the dead zone is in.
        let own_zone = match shape.projection {
            None => self.dead_zone,
            Some(_) => 0,
        };
        let (weights, blocks) = (self.format.layer_weights(), shape.gate_blocks());
        let zones = DeadZones {
            below: input,
            zones: [below_zone, own_zone],
        };
        let both = input + shape.output();
        let gates = match shape.cell {
            #[cfg(feature = "sensor")]
            cell if cell.resets_before_product() => {
                Gates::ByGate([(); 3].map(|()| self.matrix(weights, blocks / 3, both, zones)))
            }
            cell if cell.takes_products_apart() => {
                let own = DeadZones { below: 0, ..zones };
                Gates::Apart {
                    input: self.matrix(weights, blocks, input, zones),
                    recurrent: self.matrix(weights, blocks, shape.output(), own),
                }
            }
            _ => Gates::Summed(self.matrix(weights, blocks, both, zones)),
        };
        let projection = shape.projection.map(|_| {
            let zones = DeadZones {
                below: 0,
                zones: [0, self.dead_zone],
            };
            let units = shape.hidden.into();
            self.matrix(weights, shape.projection_blocks(), units, zones)
        });
        self.below = (shape.output(), own_zone);
        Layer {
            line,
            gates,
            projection,
        }
    }

    /// A dense layer: so many rows over what the layer below gives.
    #[inline(always)]
    pub(crate) fn dense(&mut self, rows: usize) -> Matrix<'m> {
        let weights = self.format.dense_weights();
        let matrix = self.matrix(weights, blocks(rows), self.below.0, DeadZones::NONE);
        self.below = (rows, 0);
        matrix
    }

    fn table_line(&mut self, shape: LayerShape, token: Token) -> &'m [u32] {
        let line = BLOCK_ROWS * shape.gate_blocks() * self.format.table_entry_bytes() / 4;
        let table = self.take(round_up(self.num_symbols * line, ARRAY_ALIGN / 4));
        let index = match token.index() {
            index if index < self.num_symbols => index,
            _ => 0,
        };
        table
            .get(index * line..(index + 1) * line)
            .unwrap_or_default()
    }

    fn matrix(
        &mut self,
        format: WeightFormat,
        blocks: usize,
        columns: usize,
        dead_zones: DeadZones,
    ) -> Matrix<'m> {
        let columns = round_up(columns, self.column_align);
        let bytes = MatrixBytes::new(format, blocks, columns);
        Matrix {
            format,
            rows: self.take(bytes.rows / 4),
            weights: self.take(bytes.weights / 4),
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

/// Byte lengths of the arrays of one weight matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixBytes {
    /// The parameters of the rows: a bias of 4 bytes for f32, a [`Row`](crate::format::Row) of 8 for
    /// integers.
    pub rows: usize,
    /// The weights.
    pub weights: usize,
}

impl MatrixBytes {
    /// The lengths for weights stored so, in `blocks` blocks of four rows and `columns` columns (padded, so a
    /// multiple of 4).
    pub const fn new(format: WeightFormat, blocks: usize, columns: usize) -> Self {
        let rows = blocks * BLOCK_ROWS;
        let stored_rows = match format {
            WeightFormat::F32 | WeightFormat::Int8 => rows,
            WeightFormat::Int4 => round_up(rows, INT4_ROWS),
        };
        MatrixBytes {
            rows: rows * format.row_bytes(),
            weights: stored_rows * columns * format.bits() / 8,
        }
    }
}

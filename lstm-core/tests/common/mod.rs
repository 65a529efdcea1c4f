//! Small random models for the tests, with their numbers in plain sight.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of this"
)]

pub mod ngrams;
pub mod reference;
pub mod sensors;

use lstm_core::export::{
    ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Description, Layers, Ngrams, Row, encode_file,
    encode_weight, int4_words, round_up,
};
use lstm_core::{DenseShape, Format, LayerShape, Model, Order};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// How many times something is done: `n`, or `few` times under Miri, which takes a thousand times
/// as long.
pub const fn times(n: usize, few: usize) -> usize {
    if cfg!(miri) { few } else { n }
}

pub struct Random(Xoshiro128PlusPlus);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(Xoshiro128PlusPlus::seed_from_u64(seed))
    }

    pub fn below(&mut self, n: u32) -> u32 {
        self.0.next_u32() % n
    }

    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as u32) as i32
    }

    pub fn real(&mut self) -> f32 {
        self.between(-1_000_000, 1_000_000) as f32 / 1e6
    }
}

/// A matrix in plain order.
#[derive(Clone)]
pub struct Plain<W, R> {
    pub weights: Vec<Vec<W>>,
    pub rows: Vec<R>,
}

impl<W: Clone, R: Clone> Plain<W, R> {
    /// So many matrices with the same number of rows each.
    fn in_parts(&self, parts: usize) -> Vec<Self> {
        let rows = self.rows.len() / parts;
        let part = |p: usize| Plain {
            weights: self.weights[p * rows..(p + 1) * rows].to_vec(),
            rows: self.rows[p * rows..(p + 1) * rows].to_vec(),
        };
        (0..parts).map(part).collect()
    }
}

pub type Int8Plain = Plain<i8, Row>;
pub type F32Plain = Plain<f32, f32>;

/// A network whose numbers are `M`, with table entries `T`.
#[derive(Clone)]
pub struct Net<T, M> {
    pub symbols: String,
    pub format: Format,
    /// Of int4.
    pub dead_zone: u8,
    /// The channels of a network that reads values; 0 for one of symbols.
    pub channels: usize,
    pub shapes: Vec<LayerShape>,
    /// `[vocab][gate rows]`, in the order of the file; empty if values are read.
    pub table: Vec<Vec<T>>,
    /// The gates of each layer over its input, of the cells that take their products apart.
    pub inputs: Vec<Option<M>>,
    /// The gates of each layer over its own state, or over both, rows in the order of the file.
    pub layers: Vec<M>,
    pub projections: Vec<Option<M>>,
    /// The dense layers before the head.
    pub units: Vec<(DenseShape, M)>,
    /// The head.
    pub dense: M,
}

/// The shapes of a network.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Symbols that are read; none if values are.
    pub vocab: usize,
    /// Values that are read.
    pub channels: usize,
    pub shapes: Vec<LayerShape>,
    pub dense: Vec<DenseShape>,
    pub outputs: usize,
}

impl Plan {
    pub fn text(vocab: usize, shapes: &[LayerShape]) -> Self {
        Plan {
            vocab,
            shapes: shapes.to_vec(),
            outputs: vocab,
            ..Plan::default()
        }
    }
}

pub fn symbols(n: usize) -> String {
    (0..n as u32)
        .map(|i| char::from_u32(0x61 + i).unwrap())
        .collect()
}

pub fn lstms(hidden: &[usize]) -> Vec<LayerShape> {
    let shape = |&hidden: &usize| LayerShape::lstm(hidden as u16);
    hidden.iter().map(shape).collect()
}

/// Rows and columns of the gates of a layer above so many columns.
fn gate_shape(shape: LayerShape, below: usize) -> (usize, usize) {
    let columns = match shape.cell.takes_products_apart() {
        true => shape.output(),
        false => below + shape.output(),
    };
    (4 * shape.gate_blocks(), columns)
}

impl<T, M> Net<T, M> {
    /// A network of these shapes whose matrices of so many rows and columns `matrix` makes (the
    /// flag tells the dense one), and whose table entries `entry` makes.
    fn make(
        format: Format,
        plan: &Plan,
        mut matrix: impl FnMut(usize, usize, bool) -> M,
        mut entry: impl FnMut() -> T,
    ) -> Self {
        let (mut inputs, mut layers, mut projections) = (Vec::new(), Vec::new(), Vec::new());
        let mut below = plan.channels;
        for &shape in &plan.shapes {
            let (rows, columns) = gate_shape(shape, below);
            let is_apart = shape.cell.takes_products_apart();
            inputs.push(is_apart.then(|| matrix(rows, below, false)));
            below = shape.output();
            layers.push(matrix(rows, columns, false));
            let width = shape.projection.map(usize::from);
            projections.push(width.map(|r| matrix(r, shape.hidden.into(), false)));
        }
        let mut units = Vec::new();
        for &shape in &plan.dense {
            units.push((shape, matrix(shape.width.into(), below, true)));
            below = shape.width.into();
        }
        let dense = matrix(plan.outputs, below, true);
        let rows = gate_shape(plan.shapes[0], 0).0;
        let mut line = || (0..rows).map(|_| entry()).collect();
        Net {
            symbols: symbols(plan.vocab),
            format,
            dead_zone: 0,
            channels: plan.channels,
            shapes: plan.shapes.clone(),
            table: (0..plan.vocab).map(|_| line()).collect(),
            inputs,
            layers,
            projections,
            units,
            dense,
        }
    }
}

impl<T, W, R> Net<T, Plain<W, R>> {
    /// The matrices in the order of the file, to change them.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Plain<W, R>> {
        let inputs = self.inputs.iter_mut().zip(&mut self.layers);
        let layers = inputs.zip(&mut self.projections);
        let layers = layers.flat_map(|((input, gates), projection)| {
            [input.as_mut(), Some(gates), projection.as_mut()]
        });
        let units = self.units.iter_mut().map(|(_, matrix)| matrix);
        layers.flatten().chain(units).chain([&mut self.dense])
    }
}

impl<T, W: Clone, R: Clone> Net<T, Plain<W, R>> {
    /// The matrices as they stand in the file: those of the dense layers are the last.
    fn matrices(&self) -> Vec<Plain<W, R>> {
        let mut matrices = Vec::new();
        for (l, shape) in self.shapes.iter().enumerate() {
            matrices.extend(self.inputs[l].clone());
            let gates = &self.layers[l];
            match shape.cell.resets_before_product() {
                true => matrices.extend(gates.in_parts(3)),
                false => matrices.push(gates.clone()),
            }
            matrices.extend(self.projections[l].clone());
        }
        matrices.extend(self.units.iter().map(|(_, matrix)| matrix.clone()));
        matrices.push(self.dense.clone());
        matrices
    }
}

impl Net<i8, Int8Plain> {
    pub fn random(vocab: usize, hidden: &[usize], seed: u64) -> Self {
        Self::random_in(Format::Int8, vocab, hidden, seed)
    }

    pub fn random_in(format: Format, vocab: usize, hidden: &[usize], seed: u64) -> Self {
        Self::random_shapes(format, vocab, &lstms(hidden), seed)
    }

    pub fn random_shapes(format: Format, vocab: usize, shapes: &[LayerShape], seed: u64) -> Self {
        Self::random_plan(format, &Plan::text(vocab, shapes), seed)
    }

    pub fn random_plan(format: Format, plan: &Plan, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut entries = Random::new(seed + 1);
        let matrix = |rows: usize, columns: usize, dense: bool| {
            let (low, high) = match format {
                Format::Int4 if !dense => (-8, 7),
                _ => (-127, 127),
            };
            let mut weights = || {
                (0..columns)
                    .map(|_| random.between(low, high) as i8)
                    .collect()
            };
            let weights = (0..rows).map(|_| weights()).collect();
            let mut row = || Row {
                bias: random.between(-300_000, 300_000),
                weight_scale: random.between(1, 60) as u16,
                table_scale: random.between(1, 9000) as u16,
            };
            let rows = (0..rows).map(|_| row()).collect();
            Plain { weights, rows }
        };
        let net = Self::make(format, plan, matrix, || entries.between(-128, 127) as i8);
        let dead_zone = [8, 0, 1, 127, 40][seed as usize % 5];
        Net { dead_zone, ..net }
    }

    pub fn payload_bytes(&self) -> Vec<u8> {
        self.padded_payload_bytes(COLUMN_ALIGN)
    }

    /// With columns filled up to a multiple of `align`.
    pub fn padded_payload_bytes(&self, align: usize) -> Vec<u8> {
        let mut data = Vec::new();
        array(
            &mut data,
            self.table.iter().flatten().map(|&t| t as u8).collect(),
        );
        let matrices = self.matrices();
        for (index, matrix) in matrices.iter().enumerate() {
            let padded = round_up(matrix.rows.len(), BLOCK_ROWS);
            let row = |r: usize| matrix.rows.get(r).copied().unwrap_or_default();
            array(
                &mut data,
                (0..padded).flat_map(|r| row(r).to_bytes()).collect(),
            );
            let used = matrix.weights[0].len();
            let columns = round_up(used, align);
            let int4 = self.format == Format::Int4 && index + 1 + self.units.len() < matrices.len();
            let mut bytes = Vec::new();
            if int4 {
                let words = int4_words(matrix.rows.len(), used, align, |r, k| matrix.weights[r][k]);
                bytes.extend(words.flat_map(u32::to_le_bytes));
            } else {
                for block in 0..padded / 4 {
                    let weight = |r: usize, k: usize| {
                        let row = matrix.weights.get(4 * block + r);
                        row.and_then(|row| row.get(k)).copied().unwrap_or(0)
                    };
                    for group in 0..columns / 4 {
                        for r in 0..4 {
                            bytes.extend(
                                (4 * group..4 * group + 4).map(|k| encode_weight(weight(r, k), k)),
                            );
                        }
                    }
                }
            }
            array(&mut data, bytes);
        }
        data
    }

    pub fn file(&self) -> Vec<u8> {
        self.file_with(&Ngrams::default())
    }

    pub fn file_with(&self, ngrams: &Ngrams<'_>) -> Vec<u8> {
        file_in(
            Order::of(self.format, self.dead_zone),
            &self.symbols,
            self.format,
            &self.shapes,
            &self.payload_bytes(),
            ngrams,
        )
    }
}

impl Net<f32, F32Plain> {
    pub fn random(vocab: usize, hidden: &[usize], seed: u64) -> Self {
        Self::random_shapes(vocab, &lstms(hidden), seed)
    }

    pub fn random_shapes(vocab: usize, shapes: &[LayerShape], seed: u64) -> Self {
        Self::random_plan(&Plan::text(vocab, shapes), seed)
    }

    pub fn random_plan(plan: &Plan, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut entries = Random::new(seed + 1);
        let matrix = |rows: usize, columns: usize, _| Plain {
            weights: (0..rows)
                .map(|_| (0..columns).map(|_| random.real()).collect())
                .collect(),
            rows: (0..rows).map(|_| random.real()).collect(),
        };
        Self::make(Format::F32, plan, matrix, || 3.0 * entries.real())
    }

    pub fn file(&self) -> Vec<u8> {
        file(
            &self.symbols,
            Format::F32,
            &self.shapes,
            &self.payload_bytes(),
        )
    }

    pub fn payload_bytes(&self) -> Vec<u8> {
        self.padded_payload_bytes(COLUMN_ALIGN)
    }

    /// With columns filled up to a multiple of `align`.
    pub fn padded_payload_bytes(&self, align: usize) -> Vec<u8> {
        let bytes = |values: &mut dyn Iterator<Item = f32>| -> Vec<u8> {
            values.flat_map(f32::to_le_bytes).collect()
        };
        let mut data = Vec::new();
        array(&mut data, bytes(&mut self.table.iter().flatten().copied()));
        for matrix in self.matrices() {
            let padded = round_up(matrix.rows.len(), BLOCK_ROWS);
            let row = |r: usize| matrix.rows.get(r).copied().unwrap_or_default();
            array(&mut data, bytes(&mut (0..padded).map(row)));
            let columns = round_up(matrix.weights[0].len(), align);
            let mut values = Vec::new();
            for block in 0..padded / 4 {
                for k in 0..columns {
                    for r in 0..4 {
                        let row = matrix.weights.get(4 * block + r);
                        values.push(row.and_then(|row| row.get(k)).copied().unwrap_or(0.0));
                    }
                }
            }
            array(&mut data, bytes(&mut values.into_iter()));
        }
        data
    }
}

fn array(data: &mut Vec<u8>, bytes: Vec<u8>) {
    data.extend(bytes);
    data.resize(round_up(data.len(), ARRAY_ALIGN), 0);
}

pub fn file(symbols: &str, format: Format, shapes: &[LayerShape], data: &[u8]) -> Vec<u8> {
    let order = Order::of(format, 0);
    file_in(order, symbols, format, shapes, data, &Ngrams::default())
}

pub fn file_in(
    order: Order,
    symbols: &str,
    format: Format,
    shapes: &[LayerShape],
    data: &[u8],
    ngrams: &Ngrams<'_>,
) -> Vec<u8> {
    let description = Description {
        name: "test",
        symbols,
        fold_case: false,
        window: None,
        format,
        order,
        layers: Layers::new(shapes).unwrap(),
        padding: &[],
        data,
    };
    encode_file(&description, ngrams, None).unwrap()
}

/// Bytes at an address that is a multiple of 16, plus `offset`.
pub struct At {
    words: Vec<u128>,
    start: usize,
    len: usize,
}

impl At {
    pub fn new(content: &[u8], offset: usize) -> Self {
        let mut words = vec![0u128; (offset + content.len()).div_ceil(ARRAY_ALIGN) + 1];
        // A u128 is aligned to 8 bytes on some computers.
        let start = words.as_ptr().addr().wrapping_neg() % ARRAY_ALIGN + offset;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        bytes[start..start + content.len()].copy_from_slice(content);
        At {
            words,
            start,
            len: content.len(),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[self.start..self.start + self.len]
    }

    pub fn model(&self) -> Model<'_> {
        Model::from_bytes(self.bytes()).unwrap()
    }
}

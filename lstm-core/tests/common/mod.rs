//! Small random models for the tests, with their numbers in plain sight.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of this"
)]

use lstm_core::file::{
    ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Cell, HEAD_BYTES, Head, LayerShape, Order, Payload, Row,
    encode_int4, encode_weight, round_up,
};
use lstm_core::{Format, Model};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

static ZEROS: [u8; ARRAY_ALIGN] = [0; ARRAY_ALIGN];

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

pub type Int8Plain = Plain<i8, Row>;
pub type F32Plain = Plain<f32, f32>;

/// A network whose numbers are `M`, with table entries `T`.
#[derive(Clone)]
pub struct Net<T, M> {
    pub symbols: String,
    pub format: Format,
    pub hidden: Vec<usize>,
    /// `[vocab][4 H]`, unit by unit.
    pub table: Vec<Vec<T>>,
    pub layers: Vec<M>,
    pub dense: M,
}

pub fn symbols(n: usize) -> String {
    (0..n as u32)
        .map(|i| char::from_u32(0x61 + i).unwrap())
        .collect()
}

fn columns(hidden: &[usize], layer: usize) -> usize {
    hidden[layer] + if layer == 0 { 0 } else { hidden[layer - 1] }
}

impl Net<i8, Int8Plain> {
    pub fn random(vocab: usize, hidden: &[usize], seed: u64) -> Self {
        Self::random_in(Format::Int8, vocab, hidden, seed)
    }

    pub fn random_in(format: Format, vocab: usize, hidden: &[usize], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (low, high) = match format {
            Format::Int4 => (-8, 7),
            _ => (-127, 127),
        };
        let mut matrix = |rows: usize, columns: usize, low: i32, high: i32| Plain {
            weights: (0..rows)
                .map(|_| {
                    (0..columns)
                        .map(|_| random.between(low, high) as i8)
                        .collect()
                })
                .collect(),
            rows: (0..rows)
                .map(|_| Row {
                    bias: random.between(-300_000, 300_000),
                    weight_scale: random.between(1, 60) as u16,
                    table_scale: random.between(1, 9000) as u16,
                })
                .collect(),
        };
        let layers = (0..hidden.len())
            .map(|l| matrix(4 * hidden[l], columns(hidden, l), low, high))
            .collect();
        let dense = matrix(vocab, *hidden.last().unwrap(), -127, 127);
        let table = (0..vocab)
            .map(|_| {
                (0..4 * hidden[0])
                    .map(|_| random.between(-128, 127) as i8)
                    .collect()
            })
            .collect();
        Net {
            symbols: symbols(vocab),
            format,
            hidden: hidden.to_vec(),
            table,
            layers,
            dense,
        }
    }

    pub fn payload_bytes(&self) -> Vec<u8> {
        let mut data = Vec::new();
        array(
            &mut data,
            self.table.iter().flatten().map(|&t| t as u8).collect(),
        );
        for matrix in self.layers.iter().chain([&self.dense]) {
            let padded = round_up(matrix.rows.len(), BLOCK_ROWS);
            let row = |r: usize| matrix.rows.get(r).copied().unwrap_or_default();
            array(
                &mut data,
                (0..padded).flat_map(|r| row(r).to_bytes()).collect(),
            );
            let columns = round_up(matrix.weights[0].len(), COLUMN_ALIGN);
            let int4 = self.format == Format::Int4 && !std::ptr::eq(matrix, &self.dense);
            let mut bytes = Vec::new();
            for block in 0..padded / 4 {
                let weight = |r: usize, k: usize| {
                    let row = matrix.weights.get(4 * block + r);
                    row.and_then(|row| row.get(k)).copied().unwrap_or(0)
                };
                if int4 {
                    for group in 0..columns / 8 {
                        for r in 0..4 {
                            let mut k = 8 * group..;
                            let weights = [(); 8].map(|()| weight(r, k.next().unwrap()));
                            bytes.extend(encode_int4(weights).to_le_bytes());
                        }
                    }
                } else {
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
        file(
            &self.symbols,
            self.format,
            &self.hidden,
            &self.payload_bytes(),
        )
    }
}

impl Net<f32, F32Plain> {
    pub fn random(vocab: usize, hidden: &[usize], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut matrix = |rows: usize, columns: usize| Plain {
            weights: (0..rows)
                .map(|_| (0..columns).map(|_| random.real()).collect())
                .collect(),
            rows: (0..rows).map(|_| random.real()).collect(),
        };
        let layers = (0..hidden.len())
            .map(|l| matrix(4 * hidden[l], columns(hidden, l)))
            .collect();
        let dense = matrix(vocab, *hidden.last().unwrap());
        let table = (0..vocab)
            .map(|_| (0..4 * hidden[0]).map(|_| 3.0 * random.real()).collect())
            .collect();
        Net {
            symbols: symbols(vocab),
            format: Format::F32,
            hidden: hidden.to_vec(),
            table,
            layers,
            dense,
        }
    }

    pub fn file(&self) -> Vec<u8> {
        let bytes = |values: &mut dyn Iterator<Item = f32>| -> Vec<u8> {
            values.flat_map(f32::to_le_bytes).collect()
        };
        let mut data = Vec::new();
        array(&mut data, bytes(&mut self.table.iter().flatten().copied()));
        for matrix in self.layers.iter().chain([&self.dense]) {
            let padded = round_up(matrix.rows.len(), BLOCK_ROWS);
            let row = |r: usize| matrix.rows.get(r).copied().unwrap_or_default();
            array(&mut data, bytes(&mut (0..padded).map(row)));
            let columns = round_up(matrix.weights[0].len(), COLUMN_ALIGN);
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
        file(&self.symbols, Format::F32, &self.hidden, &data)
    }
}

fn array(data: &mut Vec<u8>, bytes: Vec<u8>) {
    data.extend(bytes);
    data.resize(round_up(data.len(), ARRAY_ALIGN), 0);
}

pub fn file(symbols: &str, format: Format, hidden: &[usize], data: &[u8]) -> Vec<u8> {
    let layers = hidden.iter().map(|&hidden| LayerShape {
        cell: Cell::Lstm,
        hidden: hidden as u16,
        projection: None,
    });
    encode(Payload {
        name: "test",
        symbols,
        fold_case: false,
        window: None,
        format,
        order: Order::Rows4,
        layers: layers.collect(),
        padding: &[],
        data,
    })
}

/// The file of a payload whose padding is still to be chosen.
pub fn encode(mut payload: Payload<'_>) -> Vec<u8> {
    let bytes = postcard::to_stdvec(&payload).unwrap().len();
    let misaligned = (HEAD_BYTES + bytes - payload.data.len()) % ARRAY_ALIGN;
    payload.padding = &ZEROS[..(ARRAY_ALIGN - misaligned) % ARRAY_ALIGN];
    with_head(&postcard::to_stdvec(&payload).unwrap())
}

pub fn with_head(payload: &[u8]) -> Vec<u8> {
    let mut file = Head::new(payload).to_bytes().to_vec();
    file.extend(payload);
    file
}

/// Bytes at an address that is a multiple of 16, plus `offset`.
pub struct At {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl At {
    pub fn new(content: &[u8], offset: usize) -> Self {
        let mut bytes = vec![0; content.len() + 32];
        let start = bytes.as_ptr().align_offset(16) + offset;
        bytes[start..start + content.len()].copy_from_slice(content);
        At {
            bytes,
            start,
            len: content.len(),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    pub fn model(&self) -> Model<'_> {
        Model::from_bytes(self.bytes()).unwrap()
    }
}

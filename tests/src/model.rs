use std::{fs, path::PathBuf};

use lstm_core::file::{
    ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Cell, Format, HEAD_BYTES, Head, LayerShape, Order,
    Payload, Row, data_bytes, encode_weight, round_up,
};
use xtask::shell::root;

/// Bytes at an aligned address, as in flash.
pub struct Flash {
    words: Vec<u128>,
    len: usize,
}

impl Flash {
    /// A copy of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(size_of::<u128>())];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Flash {
            words,
            len: bytes.len(),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

/// The shipped models, by path.
pub fn shipped() -> Vec<PathBuf> {
    let folder = root().join("models");
    let entries = fs::read_dir(&folder).expect("models/ is there");
    let mut paths: Vec<_> = entries
        .map(|e| e.expect("models/ is read").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "lstm"));
    paths.sort();
    assert!(!paths.is_empty(), "no .lstm file in {}", folder.display());
    paths
}

/// An int8 model file of random weights, so that every number of the format is used.
///
/// `hidden` are multiples of the column padding, so that no byte of the file is idle.
pub fn random_int8(symbols: &str, hidden: &[usize], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let vocab = symbols.chars().count();
    let layers = hidden.iter().map(|&hidden| LayerShape {
        cell: Cell::Lstm,
        hidden: u16::try_from(hidden).expect("a layer of at most 1024 units"),
        projection: None,
    });
    let layers: heapless::Vec<_, 4> = layers.collect();

    let mut data = Vec::new();
    let mut input = 0;
    for &hidden in hidden {
        assert!(hidden.is_multiple_of(COLUMN_ALIGN));
        if input == 0 {
            data.extend((0..vocab * hidden * BLOCK_ROWS).map(|_| random.byte()));
        }
        matrix(&mut data, &mut random, hidden, input + hidden);
        input = hidden;
    }
    matrix(&mut data, &mut random, vocab.div_ceil(BLOCK_ROWS), input);
    let expected = data_bytes(Format::Int8, vocab, &layers).expect("shapes in range");
    assert_eq!(data.len(), expected);

    let mut payload = Payload {
        name: "random",
        symbols,
        fold_case: false,
        window: None,
        format: Format::Int8,
        order: Order::Rows4,
        layers,
        padding: &[],
        data: &data,
    };
    let bytes = |payload: &Payload<'_>| postcard::to_stdvec(payload).expect("the payload encodes");
    let start = HEAD_BYTES + bytes(&payload).len() - data.len();
    let padding = [0; ARRAY_ALIGN];
    payload.padding = &padding[..round_up(start, ARRAY_ALIGN) - start];
    let payload = bytes(&payload);
    [&Head::new(&payload).to_bytes(), &payload[..]].concat()
}

fn matrix(data: &mut Vec<u8>, random: &mut Random, blocks: usize, columns: usize) {
    pad(data);
    for _ in 0..blocks * BLOCK_ROWS {
        let row = Row {
            bias: i32::from(random.byte() as i8) << 11,
            weight_scale: 10 + u16::from(random.byte() & 15),
            table_scale: 3000 + u16::from(random.byte()),
        };
        data.extend(row.to_bytes());
    }
    pad(data);
    for _ in 0..blocks * columns / 4 {
        for _row in 0..BLOCK_ROWS {
            data.extend((0..4).map(|column| encode_weight(random.byte() as i8, column)));
        }
    }
    pad(data);
}

fn pad(data: &mut Vec<u8>) {
    data.resize(round_up(data.len(), ARRAY_ALIGN), 0);
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z >> 56) as u8
    }
}

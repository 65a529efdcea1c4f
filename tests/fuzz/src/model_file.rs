//! The input is a model file.

use crate::payload::{self, Plan};
use crate::{Flash, assert_one_line, is_planted};
use lstm_core::{Format, LayerShape, Model, ModelError};

pub(crate) fn run(data: &[u8]) {
    let flash = Flash::new(data, 0);
    let file = read(flash.bytes());
    let region = Model::from_region(flash.bytes());
    match (file, region) {
        (Ok(file), Ok(region)) => {
            assert_eq!(file.checksum(), region.checksum());
            assert_eq!(file.file_bytes(), data.len());
            accepted(data, &file);
        }
        // The region is longer than the file in it.
        (Err(error @ ModelError::TooLong { expected, .. }), region) => {
            assert_one_line(&error);
            let alone = Flash::new(&data[..expected], 0);
            let alone = Model::from_bytes(alone.bytes());
            assert_eq!(region.map(|m| m.checksum()), alone.map(|m| m.checksum()));
        }
        (Err(file), Err(region)) => {
            assert_one_line(&file);
            assert_eq!(file, region);
        }
        (file, region) => panic!("{file:?}, as a region {region:?}"),
    }
}

fn read(bytes: &[u8]) -> Result<Model<'_>, ModelError> {
    match Model::from_bytes(bytes) {
        // Some bytes may follow the file.
        Err(ModelError::TooLong { expected, .. }) if is_planted() => {
            Model::from_bytes(&bytes[..expected])
        }
        model => model,
    }
}

/// What holds for each file that is accepted.
fn accepted(data: &[u8], model: &Model<'_>) {
    let alphabet = model.alphabet();
    assert_eq!(alphabet.symbols().chars().count(), alphabet.len());
    for (index, symbol) in alphabet.symbols().chars().enumerate() {
        let token = alphabet.encode(symbol);
        assert!(token.index() == index || alphabet.fold_case());
    }
    assert!((1..=lstm_core::MAX_LAYERS).contains(&model.layers().len()));
    assert!(model.workspace_words() > 0);
    // Its checksum picks the damage.
    let pick = model.checksum() as usize;
    let mut damaged = Flash::new(data, 0);
    let bit = pick % (8 * data.len());
    damaged.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
    assert!(Model::from_bytes(damaged.bytes()).is_err(), "bit {bit}");
    let shorter = Flash::new(&data[..pick % data.len()], 0);
    assert!(Model::from_bytes(shorter.bytes()).is_err());
    let longer = Flash::new(&[data, &[0]].concat(), 0);
    assert!(Model::from_bytes(longer.bytes()).is_err());
    let offset = 1 + pick % 15;
    let moved = Flash::new(data, offset);
    let moved = Model::from_bytes(moved.bytes());
    match offset % 4 {
        0 => assert_eq!(moved.unwrap().checksum(), model.checksum()),
        _ => assert_eq!(moved.unwrap_err(), ModelError::Alignment { found: offset }),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let shapes = [
        LayerShape::lstm(1),
        LayerShape::cifg(2),
        LayerShape::lstm(2).project(1),
    ];
    let formats = [Format::Int8, Format::Int4, Format::F32];
    let plans = formats.into_iter().zip(shapes);
    let file = |(format, shape)| payload::file(&Plan::simple(format, &[shape]), b"seed");
    plans.map(file).chain(payload::with_ngrams()).collect()
}

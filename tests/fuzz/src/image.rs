//! The input is a file for a board's flash, by its first byte Intel hex, plain bytes or UF2. What is read of it is written and read
//! again, and a model that comes in the place of another leaves all else as it was.

use crate::{assert_one_line, is_planted};
use flash_image::{Format, Image, Place, Segment};
use std::collections::BTreeMap;

const START: u32 = 0x1000_0000;
const FORMATS: [Format; 3] = [
    Format::Hex,
    Format::Bin,
    Format::Uf2 {
        family: 0xe48b_ff56,
    },
];
/// Where the models of a file lie.
const MODEL: u32 = START + 0x40;
const ROOM: u32 = 0x40;
/// The model that replaces them.
const NEW: &[u8] = b"LSTM, another";
/// Bytes between the first address and the last of an image that is written as plain bytes.
const MOST: u64 = 1 << 16;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, file)) = data.split_first() else {
        return;
    };
    let format = FORMATS[usize::from(kind) % FORMATS.len()];
    let image = match Image::decode(file, format, START) {
        Ok(image) => image,
        Err(error) => return assert_one_line(&error),
    };
    check(&image);
    let place = Place {
        format,
        start: START,
        model: MODEL,
        room: ROOM,
    };
    match place.replace(file, NEW) {
        Ok(new) => check_replaced(&image, &new),
        Err(error) => assert_one_line(&error),
    }
}

/// Its segments lie apart, by address, and every format holds them.
fn check(image: &Image) {
    let segments = image.segments();
    assert!(!segments.is_empty() && segments.iter().all(|segment| !segment.bytes.is_empty()));
    let apart = |pair: &[Segment]| pair[0].range().end < pair[1].range().start;
    assert!(segments.windows(2).all(apart));
    let range = image.range();
    assert!(range.end <= 1 << 32);
    let again = |format, start| Image::decode(&image.encode(format), format, start).unwrap();
    assert_eq!(again(Format::Hex, START), *image);
    let own = bytes(image);
    // The others fill up what lies between with 0xff.
    let is_filled_up = |other: Image| {
        let other = bytes(&other);
        let is_kept = own
            .iter()
            .all(|(address, byte)| other.get(address) == Some(byte));
        is_kept
            && other
                .iter()
                .all(|(a, &byte)| own.contains_key(a) || byte == 0xff)
    };
    assert!(is_filled_up(again(FORMATS[2], START)));
    if range.end - range.start <= MOST {
        assert!(is_filled_up(again(Format::Bin, segments[0].address)));
    }
}

/// The new model stands alone in its place, and the rest is as it was.
fn check_replaced(old: &Image, new: &Image) {
    let (mut expected, mut found) = (bytes(old), bytes(new));
    // A byte of the firmware is lost.
    if is_planted() {
        found.pop_first();
    }
    expected.retain(|address, _| !(MODEL..MODEL + ROOM).contains(address));
    expected.extend((MODEL..).zip(NEW.iter().copied()));
    assert!(found == expected);
}

fn bytes(image: &Image) -> BTreeMap<u32, u8> {
    let segments = image.segments().iter();
    let bytes = segments.flat_map(|s| (s.address..=u32::MAX).zip(s.bytes.iter().copied()));
    bytes.collect()
}

/// An image with firmware and a model, in each format.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let segment = |address, bytes: &[u8]| Segment {
        address,
        bytes: bytes.to_vec(),
    };
    let segments = vec![
        segment(START, b"firmware of a board"),
        segment(MODEL, b"LSTM and its weights"),
    ];
    let image = Image::new(segments).expect("two parts that lie apart");
    let file = |(kind, format): (u8, &Format)| [&[kind], &image.encode(*format)[..]].concat();
    (0..).zip(&FORMATS).map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_right() {
        for (seed, format) in seeds().iter().zip(FORMATS) {
            let image = Image::decode(&seed[1..], format, START).unwrap();
            assert!(image.bytes_at(MODEL).starts_with(b"LSTM and"));
            run(seed);
        }
    }
}

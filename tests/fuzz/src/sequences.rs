//! The input is a person's data, by its first byte: a `.csv`, a `.npz`, or one array of a `.npz` whose others are right, because
//! hardly any damaged zip file would lead to it.

use crate::inputs::{self, Input};
use crate::{assert_one_line, is_planted};
use host_trainer::sequences::{Sequences, Target, Targets};
use std::path::Path;

/// Two sequences of three steps of two values.
const X: &[u8] = b"\x93NUMPY\x01\x00\x3f\x00{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3, 2), }\n\
    \x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06\x00\x07\x00\x08\x00\x09\x00\x0a\x00\x0b\x00\x0c\x00";
/// A number for each of them, which is a number of steps, or a class.
const Y: &[u8] =
    b"\x93NUMPY\x01\x00\x3a\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n\x01\x01";
/// Two names.
const NAMES: &[u8] =
    b"\x93NUMPY\x01\x00\x3a\x00{'descr': '<U1', 'fortran_order': False, 'shape': (2,), }\n\
    a\x00\x00\x00b\x00\x00\x00";
/// The arrays that may stand in a file.
const ARRAYS: [&str; 6] = [
    "x.npy",
    "y.npy",
    "n.npy",
    "scale.npy",
    "classes.npy",
    "channels.npy",
];
/// More classes, channels or values are none that a network has.
const MOST: usize = 256;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let kind = usize::from(kind) % 8;
    let bytes = match ARRAYS.get(kind.wrapping_sub(2)) {
        None => rest.to_vec(),
        Some(&array) => around(array, rest),
    };
    let mut read = match Sequences::from_bytes(Path::new("data"), bytes) {
        Ok(read) => read,
        Err(error) => return assert_one_line(&error),
    };
    // One that is no number, let through.
    if let (true, Some(sequence)) = (is_planted(), read.sequences.first_mut()) {
        sequence.values.push(f32::NAN);
    }
    check(&read);
}

/// What is read can be trained on.
fn check(read: &Sequences) {
    let channels = read.channels.len();
    assert!((1..=MOST).contains(&channels) && !read.sequences.is_empty());
    assert!(read.steps() >= read.sequences.len());
    let outputs = match &read.targets {
        Targets::None => 1,
        Targets::Classes(names) | Targets::Values(names) => names.len(),
    };
    assert!((1..=MOST).contains(&outputs));
    for sequence in &read.sequences {
        let values = &sequence.values;
        assert!(values.iter().all(|x| x.is_finite()));
        assert!(!values.is_empty() && values.len().is_multiple_of(channels));
        match (&sequence.target, &read.targets) {
            (Target::None, Targets::None) => {}
            (&Target::Class(class), Targets::Classes(_)) => assert!(class < outputs),
            (Target::Last(told), Targets::Values(_)) => assert_eq!(told.len(), outputs),
            (Target::Each(told), Targets::Values(_)) => {
                assert_eq!(told.len(), sequence.steps(channels).len() * outputs);
            }
            (target, targets) => panic!("{target:?} of {targets:?}"),
        }
    }
}

/// A `.npz` with this array, and others that are right.
fn around(array: &str, bytes: &[u8]) -> Vec<u8> {
    let others: &[(&str, &[u8])] = match array {
        "x.npy" => &[("y.npy", Y)],
        "classes.npy" => &[("x.npy", X), ("y.npy", Y)],
        _ => &[("x.npy", X)],
    };
    zip(&[others, &[(array, bytes)]].concat())
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let input = |&(name, bytes): &(&str, &[u8])| Input {
        name: name.to_owned(),
        bytes: bytes.to_owned(),
    };
    inputs::write(entries.iter().map(input).collect()).expect("names that differ")
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let with_kind = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let csv = [
        "sequence,class,x,y\n1,walking,0.12,9.61\n1,walking,0.31,-9.7e2\n2,resting,0,1\n",
        "x,target level,target\n1,2,3\n4,5,6\n",
        "a\n\" 1 \"\n",
    ];
    let mut seeds: Vec<_> = csv.map(|text| with_kind(0, text.as_bytes())).to_vec();
    seeds.push(with_kind(1, &zip(&[("x.npy", X), ("y.npy", Y)])));
    // x, y, n, scale, classes, channels.
    let arrays = [X, Y, Y, Y, NAMES, NAMES];
    seeds.extend(
        (2..)
            .zip(arrays)
            .map(|(kind, array)| with_kind(kind, array)),
    );
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each seed is read, so that what is after a part is reached.
    #[test]
    fn the_seeds_are_right() {
        let read = |bytes: Vec<u8>| Sequences::from_bytes(Path::new("data"), bytes).unwrap();
        for seed in &seeds()[..4] {
            check(&read(seed[1..].to_vec()));
        }
        for (array, seed) in ARRAYS.iter().zip(&seeds()[4..]) {
            check(&read(around(array, &seed[1..])));
        }
        let shorter = read(around("n.npy", Y));
        assert!(shorter.sequences.iter().all(|s| s.values.len() == 2));
        let named = read(around("classes.npy", NAMES));
        let names = ["a", "b"].map(str::to_owned);
        assert_eq!(named.targets, Targets::Classes(names.to_vec()));
    }
}

//! The input is a part of a framework's file, by its first byte: HDF5, an array, a pickle, a
//! description, or a file as a whole. Around a part stands a zip file that is right, because hardly any
//! damaged zip file would lead to it.

use crate::inputs::{self, Input};
use crate::{assert_one_line, is_planted};
use host_trainer::interchange::values::{self, Answer, Settings};
use host_trainer::interchange::{self, Reads, Told};
use host_trainer::text::alphabet::Alphabet;
use std::path::Path;

/// Small files of the real frameworks.
const FILES: [&[u8]; 9] = [
    include_bytes!("../../golden/imports/onehot_list.npz"),
    include_bytes!("../../golden/imports/onehot.pt"),
    include_bytes!("../../golden/imports/protocol_4.pt"),
    include_bytes!("../../golden/imports/tied.safetensors"),
    include_bytes!("../../golden/imports/onehot.keras"),
    include_bytes!("../../golden/imports/keras2_window.h5"),
    include_bytes!("../../golden/sensors/deep_opset11.onnx"),
    include_bytes!("../../golden/sensors/channels_first.ts.onnx"),
    include_bytes!("../../golden/sensors/one_hot.ts.onnx"),
];
const DESCRIPTION: &[u8] = br#"{"class_name":"Sequential","config":{"layers":[{"class_name":"Embedding","config":{}},{"class_name":"LSTM","config":{"stateful":true}},{"class_name":"Dense","config":{"activation":"softmax"}}]}}"#;

fn weights() -> &'static [u8] {
    FILES[5]
}

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 5 {
        0 => file(rest.to_vec()),
        1 => file(zip(&[("a.npy", rest)])),
        2 => file(zip(&[("a/data.pkl", rest), ("a/data/0", &[0x3f; 512])])),
        3 => file(zip(&[
            ("config.json", rest),
            ("model.weights.h5", weights()),
        ])),
        _ => file(zip(&[
            ("config.json", DESCRIPTION),
            ("model.weights.h5", rest),
        ])),
    }
}

fn file(bytes: Vec<u8>) {
    let (path, told) = (Path::new("file"), Told::default());
    let alphabet = Alphabet {
        symbols: ('a'..='e').collect(),
        fold_case: false,
    };
    let contents = match interchange::from_bytes(path, bytes, &told) {
        Ok(contents) => contents,
        Err(error) => return assert_one_line(&error),
    };
    let found = match values::reads(&contents, &told, alphabet.len()) {
        Reads::Characters => {
            let found = interchange::find(path, &contents, &told, &alphabet);
            found.map(|mapped| mapped.network.parameters().concat())
        }
        Reads::Values => {
            let settings = Settings {
                answer: Some(Answer::Classes(vec!["3".to_owned()])),
                ..Settings::default()
            };
            let found = values::find(path, &contents, &told, &settings);
            found.map(|mapped| mapped.network.parameters().concat())
        }
    };
    match found {
        Ok(mut numbers) => {
            // One that is no number, let through.
            if is_planted() {
                numbers.push(f32::NAN);
            }
            assert!(numbers.into_iter().all(f32::is_finite));
        }
        Err(error) => assert_one_line(&error),
    }
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let input = |&(name, bytes): &(&str, &[u8])| Input {
        name: name.to_owned(),
        bytes: bytes.to_owned(),
    };
    inputs::write(entries.iter().map(input).collect()).unwrap()
}

/// The HDF5 files are large, so only the others are seeds as they are.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let with_kind = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let mut seeds: Vec<_> = FILES[..4].iter().map(|file| with_kind(0, file)).collect();
    let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
    let array = [
        b"\x93NUMPY\x01\x00",
        &[header.len() as u8, 0][..],
        header,
        &[0x3e; 8],
    ]
    .concat();
    seeds.push(with_kind(1, &array));
    seeds.push(with_kind(2, PICKLE));
    seeds.push(with_kind(3, DESCRIPTION));
    seeds.push(with_kind(4, b"\x89HDF\r\n\x1a\n"));
    seeds.extend(FILES[6..].iter().map(|file| with_kind(0, file)));
    seeds
}

/// `{"weight": _rebuild_tensor_v2(storage "0", 0, (2,), (1,))}`.
const PICKLE: &[u8] = b"\x80\x02}X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n\
    ((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ\
    K\x00K\x02\x85K\x01\x85tRs.";

#[cfg(test)]
mod tests {
    use super::*;

    /// What surrounds a part is right: the part itself is what is refused, or read.
    #[test]
    fn the_parts_are_reached() {
        let says = |bytes: Vec<u8>| {
            let contents = interchange::from_bytes(Path::new("file"), bytes, &Told::default());
            contents.map(|c| c.tensors.len()).map_err(|e| e.to_string())
        };
        let seeds = seeds();
        assert_eq!(says(zip(&[("a.npy", &seeds[4][1..])])), Ok(1));
        let entries = [("a/data.pkl", PICKLE), ("a/data/0", &[0x3f; 8][..])];
        assert_eq!(says(zip(&entries)), Ok(1));
        let entries = [
            ("config.json", DESCRIPTION),
            ("model.weights.h5", weights()),
        ];
        assert_eq!(says(zip(&entries)), Ok(6));
    }
}

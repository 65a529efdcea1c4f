//! The input is a part of a framework's file, by its first byte: HDF5, an array, a pickle, a
//! description, or a file as a whole. Around a part stands a zip file that is right, because hardly any
//! damaged zip file would lead to it.

use crate::assert_one_line;
use host_trainer::interchange::{self, Told};
use host_trainer::text::alphabet::Alphabet;
use std::path::Path;

/// Small files of the real frameworks.
const FILES: [&[u8]; 6] = [
    include_bytes!("../../golden/imports/onehot_list.npz"),
    include_bytes!("../../golden/imports/onehot.pt"),
    include_bytes!("../../golden/imports/protocol_4.pt"),
    include_bytes!("../../golden/imports/tied.safetensors"),
    include_bytes!("../../golden/imports/onehot.keras"),
    include_bytes!("../../golden/imports/keras2_window.h5"),
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
    let found = interchange::from_bytes(path, bytes, &told)
        .and_then(|contents| interchange::find(path, &contents, &told, &alphabet));
    match found {
        Ok(mapped) => {
            let mut numbers = mapped.network.parameters().concat().into_iter();
            assert!(numbers.all(f32::is_finite));
        }
        Err(error) => assert_one_line(&error),
    }
}

/// A zip file of stored entries.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let (mut local, mut central) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let length = (bytes.len() as u32).to_le_bytes();
        // Version, flags, method, time, date; checksum, both sizes; length of the name, of an extra.
        let fields = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.checksum(bytes).to_le_bytes(),
            &length,
            &length,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let at = (local.len() as u32).to_le_bytes();
        central.extend(
            [
                b"PK\x01\x02",
                &[20, 0][..],
                &fields,
                &[0; 10],
                &at,
                name.as_bytes(),
            ]
            .concat(),
        );
        local.extend([b"PK\x03\x04", &fields[..], name.as_bytes(), bytes].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, at) = (central.len() as u32, local.len() as u32);
    let end = [
        b"PK\x05\x06",
        &[0; 4][..],
        &count,
        &count,
        &size.to_le_bytes(),
        &at.to_le_bytes(),
        &[0, 0],
    ];
    [local, central, end.concat()].concat()
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

//! What is refused, and with which error.

mod common;

use common::ngrams::{Table, Vectors, ngrams};
use common::{At, Int8Plain, Net, file, symbols, times};
use lstm_core::export::{
    Description, HEAD_BYTES, Layers, Ngrams, Payload, Row, VERSION, data_bytes, decode_weight,
    encode_file, encode_int4, encode_weight, with_head,
};
use lstm_core::{
    Format, Generator, LayerShape, Model, ModelError, ModelShape, Order, Sampler, Session,
    WorkspaceSlices,
};

fn encode(description: Description<'_>) -> Vec<u8> {
    encode_file(&description, &Ngrams::default(), None).unwrap()
}

fn small() -> Vec<u8> {
    Net::<i8, _>::random(3, &[2], 7).file()
}

/// A file of version 2, with both sections.
fn with_ngrams() -> Vec<u8> {
    let vectors = Vectors::random(3, 2, [3, 0, 2], 7);
    let table = Table::random(3, 2, 1, &[3, 0, 4], 7);
    let net = Net::<i8, _>::random(3, &[2], 7);
    net.file_with(&ngrams(Some(&vectors), Some(&table)))
}

fn error(bytes: &[u8]) -> ModelError {
    Model::from_bytes(At::new(bytes, 0).bytes()).unwrap_err()
}

/// Of a file, by another library.
fn checksum(file: &[u8]) -> u32 {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut crc = crc.digest();
    crc.update(&file[..12]);
    crc.update(&file[HEAD_BYTES..]);
    crc.finalize()
}

#[test]
fn a_model_is_read_in_place() {
    let bytes = At::new(&small(), 0);
    let model = bytes.model();
    assert_eq!((model.name(), model.format()), ("test", Format::Int8));
    assert_eq!(model.alphabet().symbols(), "abc");
    assert_eq!(model.file_bytes(), bytes.bytes().len());
    assert_eq!(model.layers(), [LayerShape::lstm(2)]);
    assert!(
        bytes
            .bytes()
            .as_ptr_range()
            .contains(&model.name().as_ptr())
    );
}

#[test]
fn a_model_tells_what_its_file_says() {
    let mut net = Net::<i8, _>::random_in(Format::Int4, 3, &[2, 3], 7);
    net.dead_zone = 9;
    let file = net.file();
    let payload = Payload::decode(1, &file[HEAD_BYTES..]).unwrap().description;
    for window in [None, Some(100)] {
        let bytes = encode(Description {
            window,
            ..payload.clone()
        });
        let at = At::new(&bytes, 0);
        let model = at.model();
        assert_eq!(model.window(), window.map(usize::from));
        assert_eq!((model.dead_zone(), model.layers().len()), (9, 2));
        assert_eq!(model.checksum(), checksum(&bytes));
    }
    assert_eq!(At::new(&small(), 0).model().dead_zone(), 0);
}

#[test]
fn a_region_may_be_longer_than_the_file() {
    let mut bytes = small();
    let checksum = At::new(&bytes, 0).model().checksum();
    let len = bytes.len();
    bytes.extend([0xff; 100]);
    let region = At::new(&bytes, 0);
    assert_eq!(
        Model::from_region(region.bytes()).unwrap().checksum(),
        checksum
    );
    assert_eq!(
        error(&bytes),
        ModelError::TooLong {
            found: len + 100,
            expected: len
        }
    );
    assert_eq!(
        Model::from_region(&[0xff; 64]).unwrap_err(),
        ModelError::Magic { found: [0xff; 4] }
    );
}

#[test]
fn every_truncation_is_refused() {
    for bytes in [small(), with_ngrams()] {
        for found in (0..bytes.len()).step_by(times(1, 7)) {
            let expected = if found < HEAD_BYTES {
                HEAD_BYTES
            } else {
                bytes.len()
            };
            assert_eq!(
                error(&bytes[..found]),
                ModelError::Truncated { found, expected }
            );
            let region = At::new(&bytes[..found], 0);
            assert_eq!(
                Model::from_region(region.bytes()).unwrap_err(),
                ModelError::Truncated { found, expected }
            );
        }
    }
}

#[test]
fn appended_bytes_are_refused() {
    let bytes = with_ngrams();
    let expected = bytes.len();
    for more in (1..=64).step_by(times(1, 9)) {
        let mut longer = bytes.clone();
        longer.resize(expected + more, 0);
        assert_eq!(
            error(&longer),
            ModelError::TooLong {
                found: expected + more,
                expected
            }
        );
    }
}

#[test]
fn a_golden_digest_may_follow_the_data() {
    for (bytes, more) in [small(), with_ngrams()]
        .iter()
        .flat_map(|bytes| (1..=16).map(move |more| (bytes, more)))
    {
        assert_eq!(At::new(bytes, 0).model().golden(), None);
        let mut payload = bytes[HEAD_BYTES..].to_vec();
        payload.extend(&[0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..more]);
        let longer = with_head(bytes[4].into(), &payload);
        if more == 4 {
            assert_eq!(At::new(&longer, 0).model().golden(), Some(0x1234_5678));
        } else {
            assert_eq!(error(&longer), ModelError::Description);
        }
    }
}

#[test]
fn every_single_bit_flip_is_refused() {
    for bytes in [small(), with_ngrams()] {
        let len = bytes.len();
        let expected_checksum = u32::from_le_bytes(bytes[12..16].try_into().unwrap());
        for bit in (0..8 * len).step_by(times(1, 211)) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = error(&flipped);
            match bit / 8 {
                0..4 => {
                    let start = flipped[..4].try_into().unwrap();
                    assert_eq!(found, ModelError::Magic { found: start });
                }
                // Another version that is read has another checksum.
                4..6 if !matches!(flipped[4..6], [1..4, 0]) => {
                    let version = u16::from_le_bytes([flipped[4], flipped[5]]);
                    assert_eq!(
                        found,
                        ModelError::Version {
                            found: version,
                            expected: VERSION
                        }
                    );
                }
                8..12 => {
                    let payload = u32::from_le_bytes(flipped[8..12].try_into().unwrap());
                    let expected = (payload as usize).saturating_add(HEAD_BYTES);
                    if expected > len {
                        assert_eq!(
                            found,
                            ModelError::Truncated {
                                found: len,
                                expected
                            }
                        );
                    } else {
                        assert_eq!(
                            found,
                            ModelError::TooLong {
                                found: len,
                                expected
                            }
                        );
                    }
                }
                12..16 => {
                    let stored = u32::from_le_bytes(flipped[12..16].try_into().unwrap());
                    assert_eq!(
                        found,
                        ModelError::Checksum {
                            found: expected_checksum,
                            expected: stored
                        }
                    );
                }
                _ => {
                    assert!(
                        matches!(found, ModelError::Checksum { found, expected }
                            if expected == expected_checksum && found != expected),
                        "{bit}: {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn misaligned_weights_are_refused_and_four_bytes_are_enough() {
    let bytes = with_ngrams();
    for offset in 0..16 {
        let at = At::new(&bytes, offset);
        let result = Model::from_bytes(at.bytes());
        match offset % 4 {
            0 => assert!(result.is_ok()),
            _ => assert_eq!(result.unwrap_err(), ModelError::Alignment { found: offset }),
        }
    }
}

fn payload<'a>(symbols: &'a str, layers: &[LayerShape], data: &'a [u8]) -> Description<'a> {
    Description {
        name: "",
        symbols,
        fold_case: false,
        window: None,
        format: Format::Int8,
        order: Order::Rows4,
        layers: Layers::new(layers).unwrap(),
        padding: &[],
        data,
    }
}

const TWO_UNITS: LayerShape = LayerShape::lstm(2);

/// A valid checksum does not make a friendly file.
#[test]
fn a_valid_checksum_does_not_help_a_wrong_description() {
    let net = Net::<i8, _>::random(3, &[2], 7);
    let data = net.payload_bytes();
    let len = data.len();
    assert!(
        Model::from_bytes(At::new(&encode(payload("abc", &[TWO_UNITS], &data)), 0).bytes()).is_ok()
    );

    let refused = |p: Description<'_>| error(&encode(p));
    assert_eq!(
        refused(payload("", &[TWO_UNITS], &data)),
        ModelError::Alphabet { found: 0 }
    );
    assert_eq!(
        refused(payload("aba", &[TWO_UNITS], &data)),
        ModelError::Alphabet { found: 3 }
    );
    let many: String = ('\u{100}'..='\u{200}').collect();
    assert_eq!(
        refused(payload(&many, &[TWO_UNITS], &data)),
        ModelError::Alphabet { found: 257 }
    );
    for (format, order, expected) in [
        (Format::Int4, Order::Rows4, None),
        (Format::Int8, Order::Columns16 { dead_zone: 8 }, None),
        (Format::F32, Order::Columns16 { dead_zone: 0 }, None),
        (Format::Int4, Order::Columns16 { dead_zone: 128 }, Some(128)),
    ] {
        let wrong = Description {
            format,
            order,
            ..payload("abc", &[TWO_UNITS], &data)
        };
        let expected = match expected {
            None => ModelError::Order { found: order },
            Some(found) => ModelError::DeadZone { found },
        };
        assert_eq!(refused(wrong), expected);
    }
    assert_eq!(
        refused(payload("abc", &[], &data)),
        ModelError::Layers { found: 0 }
    );
    for hidden in [0, 1025, u16::MAX] {
        let layer = LayerShape {
            hidden,
            ..TWO_UNITS
        };
        assert_eq!(
            refused(payload("abc", &[layer], &data)),
            ModelError::Hidden {
                found: hidden.into()
            }
        );
    }
    for found in [0, 3] {
        let layer = TWO_UNITS.project(found);
        assert_eq!(
            refused(payload("abc", &[layer], &data)),
            ModelError::Projection {
                found: found.into(),
                hidden: 2
            }
        );
    }
    assert_eq!(
        refused(payload("abc", &[TWO_UNITS], &data[16..])),
        ModelError::Weights {
            found: len - 16,
            expected: len
        }
    );
    assert_eq!(
        refused(payload("abc", &[TWO_UNITS, TWO_UNITS], &data)),
        ModelError::Weights {
            found: len,
            expected: len + 8 * 8 + 8 * 32
        }
    );

    let good = encode(payload("abc", &[TWO_UNITS], &data));
    let mut longer = good[HEAD_BYTES..].to_vec();
    longer.push(0);
    assert_eq!(error(&with_head(1, &longer)), ModelError::Description);
    assert_eq!(
        error(&with_head(1, &good[HEAD_BYTES..good.len() - 1])),
        ModelError::Description
    );
    assert_eq!(error(&with_head(1, &[])), ModelError::Description);
    let padded = Description {
        padding: &[0; 16],
        ..payload("abc", &[TWO_UNITS], &data)
    };
    assert_eq!(
        error(&with_head(1, &postcard::to_stdvec(&padded).unwrap())),
        ModelError::Description
    );
    let dirty = Description {
        padding: &[0, 1],
        ..payload("abc", &[TWO_UNITS], &data)
    };
    assert_eq!(
        error(&with_head(1, &postcard::to_stdvec(&dirty).unwrap())),
        ModelError::Description
    );
}

#[test]
fn rows_that_could_overflow_are_refused() {
    let net = Net::<i8, _>::random(3, &[2], 7);
    for row in (0..8 + 3).step_by(times(1, 4)) {
        let mut hostile = net.clone();
        let matrix = if row < 8 {
            &mut hostile.layers[0]
        } else {
            &mut hostile.dense
        };
        matrix.rows[if row < 8 { row } else { row - 8 }].bias = i32::MIN;
        let bytes = file(
            &symbols(3),
            Format::Int8,
            &[TWO_UNITS],
            &hostile.payload_bytes(),
        );
        assert_eq!(error(&bytes), ModelError::RowRange { row });
    }
}

/// Weights of which only one row could overflow, each row in turn, in every matrix and order of
/// rows.
#[test]
#[cfg_attr(miri, ignore = "a model for each of some hundred rows")]
fn weights_that_could_overflow_are_refused_in_their_row() {
    let shapes = [
        // More rows than a block of int4, and columns enough to tell two blocks apart.
        LayerShape::cifg(10).project(10),
        LayerShape::gru(6),
        LayerShape::lstm(3),
        LayerShape::lstm(4).project(4),
    ];
    for format in [Format::Int8, Format::Int4] {
        let mut net = Net::<i8, Int8Plain>::random_shapes(format, 5, &shapes, 1);
        for matrix in net.matrices_mut() {
            for row in &mut matrix.rows {
                // A tenth of a percent below the limit, with a weight of 1.
                *row = Row {
                    bias: i32::MAX - 127 * 65_535 - 10_000,
                    weight_scale: 65_535,
                    table_scale: 0,
                };
            }
            matrix.weights.iter_mut().for_each(|row| row.fill(0));
            matrix.weights.iter_mut().for_each(|row| row[0] = 1);
        }
        assert!(Model::from_bytes(At::new(&net.file(), 0).bytes()).is_ok());
        let mut number = 0;
        for index in 0..net.matrices_mut().count() {
            let rows = net.matrices_mut().nth(index).unwrap().rows.len();
            for row in 0..rows {
                let last = |net: &mut Net<i8, Int8Plain>, weight| {
                    let matrix = net.matrices_mut().nth(index).unwrap();
                    *matrix.weights[row].last_mut().unwrap() = weight;
                };
                for weight in [-2, 2] {
                    last(&mut net, weight);
                    let refused = error(&net.file());
                    assert_eq!(
                        refused,
                        ModelError::RowRange { row: number + row },
                        "{format}"
                    );
                }
                last(&mut net, 0);
            }
            number += rows.next_multiple_of(4);
        }
    }
}

#[test]
fn a_row_is_in_range_up_to_the_limit() {
    let limit = i32::MAX;
    let row = |bias, weight_scale, table_scale| Row {
        bias,
        weight_scale,
        table_scale,
    };
    // 127 * 256 times so much is just below 2^31.
    assert!(row(0, 1, 0).in_range(66_052));
    assert!(!row(0, 0, 0).in_range(66_053));
    for sign in [1, -1] {
        let most = limit - 2 * 3 * 127 - 5 * 128;
        assert!(row(sign * most, 3, 5).in_range(2));
        assert!(!row(sign * (most + 1), 3, 5).in_range(2));
    }
    assert!(!row(i32::MIN, 0, 0).in_range(0));
}

#[test]
fn rows_and_weights_are_what_was_written() {
    let row = Row {
        bias: -123_456_789,
        weight_scale: 0xabcd,
        table_scale: 0x1234,
    };
    assert_eq!(
        row.to_bytes(),
        [0xeb, 0x32, 0xa4, 0xf8, 0xcd, 0xab, 0x34, 0x12]
    );
    assert_eq!(Row::from_bytes(&row.to_bytes()), row);
    for weight in i8::MIN..=i8::MAX {
        assert_eq!(encode_weight(weight, 6), (i32::from(weight) + 128) as u8);
        assert_eq!(encode_weight(weight, 7), weight as u8);
        for column in [6, 7] {
            let stored = encode_weight(weight, column);
            assert_eq!(decode_weight(stored, column), weight);
        }
    }
    assert_eq!(encode_int4([-8, -7, -6, -5, 4, 5, 6, 7]), 0xfd31_ec20);
    assert_eq!(encode_int4([127; 8]), encode_int4([7; 8]));
    assert_eq!(encode_int4([-128; 8]), encode_int4([-8; 8]));
}

#[test]
fn lengths_of_the_data_are_those_of_the_arrays() {
    let (lstm, cifg) = (LayerShape::lstm, LayerShape::cifg);
    // Five symbols. LSTM 7: a table of 28 rows, 7 blocks; CIFG 6 to 5: 2 * 3 blocks, then 2 blocks.
    let layers = [lstm(7), cifg(6).project(5)];
    let up = |n: usize| n.next_multiple_of(16);
    let f32 = up(5 * 28 * 4)
        + (28 * 4 + 28 * 32 * 4)
        + (up(24 * 4) + 24 * 32 * 4)
        + (8 * 4 + 8 * 32 * 4)
        + (8 * 4 + 8 * 32 * 4);
    assert_eq!(data_bytes(Format::F32, 5, &layers), Ok(f32));
    let table = up(5 * 28);
    let rows = 8 * (28 + 24 + 8 + 8);
    let int8 = table + rows + 32 * (28 + 24 + 8 + 8);
    assert_eq!(data_bytes(Format::Int8, 5, &layers), Ok(int8));
    // Its weights come in blocks of 16 rows.
    let int4 = table + rows + 16 * (32 + 32 + 16) + 32 * 8;
    assert_eq!(data_bytes(Format::Int4, 5, &layers), Ok(int4));
    // Two layers of 20: 40 columns take 64.
    let wide = up(5 * 80) + 2 * 80 * 8 + 80 * (32 + 64) + 8 * 8 + 8 * 32;
    assert_eq!(data_bytes(Format::Int8, 5, &[lstm(20); 2]), Ok(wide));

    // A GRU above an LSTM of 20: its two matrices have 20 and 7 columns, 2 * 3 blocks each.
    let gru = up(5 * 80) + 80 * (8 + 32) + 2 * 24 * (8 + 32) + 8 * 8 + 8 * 32;
    let layers = [lstm(20), LayerShape::gru(7)];
    assert_eq!(data_bytes(Format::Int8, 5, &layers), Ok(gru));
    // And alone: the first of the two has no columns.
    let gru = up(5 * 24) + 24 * 8 + 24 * (8 + 32) + 8 * 8 + 8 * 32;
    assert_eq!(data_bytes(Format::Int8, 5, &[LayerShape::gru(7)]), Ok(gru));

    for shape in [lstm(1024), cifg(1024).project(1024), lstm(1)] {
        assert!(data_bytes(Format::F32, 5, &[shape]).is_ok());
    }
    for (shape, found) in [(lstm(1025), 1025), (cifg(0), 0)] {
        let refused = Err(ModelError::Hidden { found });
        assert_eq!(data_bytes(Format::F32, 5, &[shape]), refused);
    }
    for (width, hidden) in [(0, 9), (10, 9)] {
        let refused = Err(ModelError::Projection {
            found: width,
            hidden,
        });
        let shape = lstm(9).project(width as u16);
        assert_eq!(data_bytes(Format::F32, 5, &[shape]), refused);
    }
    for format in [Format::Int8, Format::Int4] {
        for layers in [&[lstm(512)][..], &[cifg(512).project(256), lstm(256)]] {
            assert!(data_bytes(format, 5, layers).is_ok());
        }
        for (layers, found) in [
            (&[lstm(513)][..], 544),
            (&[cifg(513).project(32)], 513),
            (&[lstm(256), lstm(257)], 544),
        ] {
            let refused = Err(ModelError::Columns { found });
            assert_eq!(data_bytes(format, 5, layers), refused, "{layers:?}");
        }
    }
}

#[test]
fn multiply_adds_are_those_of_the_matrices() {
    let shapes = [
        LayerShape::lstm(7),
        LayerShape::gru(4),
        LayerShape::cifg(6).project(5),
    ];
    let net = Net::<i8, _>::random_shapes(Format::Int8, 3, &shapes, 1);
    let at = At::new(&net.file(), 0);
    let expected = 4 * 7 * 7 + 3 * 4 * (7 + 4) + 3 * 6 * (4 + 5) + 6 * 5 + 3 * 5;
    assert_eq!(at.model().multiply_adds(), expected);
    assert_eq!(at.model().layers().len(), 3);
}

#[test]
fn names_are_those_that_users_type() {
    for (format, name, bits) in [
        (Format::F32, "f32", 32),
        (Format::Int8, "int8", 8),
        (Format::Int4, "int4", 4),
    ] {
        assert_eq!((format.name(), format.to_string()), (name, name.to_owned()));
        assert_eq!(format.layer_weights().bits(), bits);
        assert_eq!(format.dense_weights().bits(), bits.max(8));
    }
}

#[test]
fn a_start_that_is_not_the_magic_is_named_however_short() {
    for len in 4..HEAD_BYTES {
        let found = [b'L', b'S', b'T', b'N'];
        let mut bytes = found.to_vec();
        bytes.resize(len, 0);
        assert_eq!(error(&bytes), ModelError::Magic { found });
    }
}

/// The reserved bytes count in the checksum; after a right one they must be zeros.
#[test]
fn reserved_bytes_are_zeros() {
    for reserved in [6, 7] {
        let mut bytes = small();
        bytes[reserved] = 1;
        let checksum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(error(&bytes), ModelError::Description);
    }
}

/// `name` is not UTF-8, or `symbols` is not.
#[test]
fn texts_are_utf8() {
    let file = small();
    let payload = &file[HEAD_BYTES..];
    assert_eq!(payload[..9], *b"\x04test\x03abc");
    for (at, byte) in [(1, 0xff), (4, 0xc3), (6, 0x80), (8, 0xe2)] {
        let mut changed = payload.to_vec();
        changed[at] = byte;
        assert_eq!(
            error(&with_head(1, &changed)),
            ModelError::Description,
            "byte {at}"
        );
    }
}

#[test]
fn padding_may_have_any_length_up_to_15() {
    let name = |len: usize| "n".repeat(len);
    let data = Net::<i8, _>::random(3, &[2], 7).payload_bytes();
    let mut lengths = std::collections::BTreeSet::new();
    for len in 0..16 {
        let name = name(len);
        let bytes = encode(Description {
            name: &name,
            ..payload("abc", &[TWO_UNITS], &data)
        });
        let payload = Payload::decode(1, &bytes[HEAD_BYTES..])
            .unwrap()
            .description;
        lengths.insert(payload.padding.len());
        assert_eq!(At::new(&bytes, 0).model().name(), name);
    }
    assert_eq!(lengths.len(), 16);
}

#[test]
fn newer_versions_are_named() {
    let mut bytes = small();
    bytes[4] = 4;
    assert_eq!(
        error(&bytes),
        ModelError::Version {
            found: 4,
            expected: 3
        }
    );
    assert_eq!(
        error(&bytes).to_string(),
        "the .lstm file is of format version 4, expected version 1 to 3"
    );
    assert_eq!(ModelShape::of(&bytes), None);
}

/// Wherever the number of layers stands, one more than there may be, of zeros.
#[test]
fn a_shape_with_too_many_layers_is_read_without_a_panic() {
    let bytes = small();
    for at in HEAD_BYTES..bytes.len() {
        let mut changed = bytes[..at].to_vec();
        changed.push(5);
        changed.resize(at + 64, 0);
        let shape = ModelShape::of(&changed);
        assert!(shape.is_none_or(|shape| shape.layers().len() <= 4), "{at}");
    }
}

/// The model of the examples in the documentation.
#[test]
fn the_tiny_model_is_what_this_makes() {
    let net = Net::<i8, Int8Plain>::random(27, &[8], 1);
    let data = net.payload_bytes();
    let symbols = " abcdefghijklmnopqrstuvwxyz";
    let description = Description {
        name: "tiny",
        fold_case: true,
        ..payload(symbols, &[LayerShape::lstm(8)], &data)
    };
    let file = encode(description);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write("tests/tiny.lstm", &file).unwrap();
    }
    assert!(file == include_bytes!("tiny.lstm"), "renew it with BLESS=1");
}

/// What a `const` reads is what the model says.
#[test]
fn a_shape_is_read_from_the_file_alone() {
    let shapes = [
        vec![LayerShape::lstm(200)],
        vec![LayerShape::cifg(300).project(129), LayerShape::lstm(2)],
        vec![LayerShape::gru(130), LayerShape::gru(5)],
        vec![LayerShape::lstm(3); 4],
    ];
    // The checksums of the large ones would take Miri half an hour.
    let first = if cfg!(miri) { shapes.len() - 1 } else { 0 };
    for (seed, shapes) in shapes.iter().enumerate().skip(first) {
        for format in [Format::Int8, Format::Int4] {
            let net = Net::<i8, Int8Plain>::random_shapes(format, 30, shapes, seed as u64);
            let symbols: String = ('\u{e0}'..).take(30).collect();
            let net = Net { symbols, ..net };
            let data = net.payload_bytes();
            for window in [None, Some(128)] {
                let file = encode(Description {
                    format,
                    order: Order::of(format, 8),
                    window,
                    ..payload(&net.symbols, shapes, &data)
                });
                let shape = ModelShape::of(&file).unwrap();
                let at = At::new(&file, 0);
                let model = at.model();
                assert_eq!(shape.format(), model.format());
                assert_eq!(shape.layers(), model.layers());
                assert_eq!(shape.num_symbols(), model.alphabet().len());
                assert_eq!(shape.window(), model.window().unwrap_or(0));
                assert_eq!(shape.words(), model.workspace_words());
                let mut memory = (vec![0; shape.words()], vec![0; shape.num_symbols()]);
                let slices = WorkspaceSlices::new(&mut memory.0, &mut memory.1);
                let session = Session::new(model, slices).unwrap();
                assert_eq!(shape.state_bytes(), session.state_bytes());
                let generator = Generator::<_, 128>::with_room(session, Sampler::new(1)).unwrap();
                assert_eq!(shape.snapshot_bytes(), generator.snapshot_bytes());
                let end = file.len() - data.len();
                for cut in 0..end.min(60) {
                    assert_eq!(ModelShape::of(&file[..cut]), None);
                }
            }
        }
    }
    assert_eq!(
        ModelShape::of(b"LSTM\x03\0            \0\0\0\0\0\0\0\0"),
        None
    );
    assert_eq!(ModelShape::of(&[b'L'; 99]), None);
}

/// Files that a hostile hand made: every one is refused or read, none panics.
#[test]
fn changed_descriptions_are_refused_or_read() {
    let good = small();
    let data = good.len()
        - Net::<i8, Int8Plain>::random(3, &[2], 7)
            .payload_bytes()
            .len();
    let (mut read, mut refused) = (0, 0);
    for place in HEAD_BYTES..data {
        for byte in (0..=255).step_by(times(1, 29)) {
            let mut payload = good[HEAD_BYTES..].to_vec();
            payload[place - HEAD_BYTES] = byte;
            let file = with_head(1, &payload);
            match Model::from_bytes(At::new(&file, 0).bytes()) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
            ModelShape::of(&file);
        }
    }
    assert!(
        read > 100 / times(1, 30) && refused > 1000 / times(1, 30),
        "{read} {refused}"
    );
}

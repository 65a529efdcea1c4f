//! What is refused, and with which error.

mod common;

use common::{At, Net, encode, file, symbols, times, with_head};
use lstm_core::file::{HEAD_BYTES, Order, Payload, VERSION};
use lstm_core::{Error, Format, LayerShape, Model};

fn small() -> Vec<u8> {
    Net::<i8, _>::random(3, &[2], 7).file()
}

fn error(bytes: &[u8]) -> Error {
    Model::from_bytes(At::new(bytes, 0).bytes()).unwrap_err()
}

#[test]
fn a_model_is_read_in_place() {
    let bytes = At::new(&small(), 0);
    let model = bytes.model();
    assert_eq!((model.name(), model.format()), ("test", Format::Int8));
    assert_eq!(model.alphabet().symbols(), "abc");
    assert_eq!(model.file_bytes(), bytes.bytes().len());
    assert!(model.shapes().eq([LayerShape::lstm(2)]));
    assert!(
        bytes
            .bytes()
            .as_ptr_range()
            .contains(&model.name().as_ptr())
    );
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
        Error::TooLong {
            found: len + 100,
            expected: len
        }
    );
    assert_eq!(
        Model::from_region(&[0xff; 64]).unwrap_err(),
        Error::Magic { found: [0xff; 4] }
    );
}

#[test]
fn every_truncation_is_refused() {
    let bytes = small();
    for found in (0..bytes.len()).step_by(times(1, 7)) {
        let expected = if found < HEAD_BYTES {
            HEAD_BYTES
        } else {
            bytes.len()
        };
        assert_eq!(error(&bytes[..found]), Error::Truncated { found, expected });
        let region = At::new(&bytes[..found], 0);
        assert_eq!(
            Model::from_region(region.bytes()).unwrap_err(),
            Error::Truncated { found, expected }
        );
    }
}

#[test]
fn appended_bytes_are_refused() {
    let bytes = small();
    let expected = bytes.len();
    for more in (1..=64).step_by(times(1, 9)) {
        let mut longer = bytes.clone();
        longer.resize(expected + more, 0);
        assert_eq!(
            error(&longer),
            Error::TooLong {
                found: expected + more,
                expected
            }
        );
    }
}

#[test]
fn a_golden_digest_may_follow_the_data() {
    let bytes = small();
    assert_eq!(At::new(&bytes, 0).model().golden(), None);
    for more in 1..=16 {
        let mut payload = bytes[HEAD_BYTES..].to_vec();
        payload.extend(&[0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..more]);
        let longer = with_head(&payload);
        if more == 4 {
            assert_eq!(At::new(&longer, 0).model().golden(), Some(0x1234_5678));
        } else {
            assert_eq!(error(&longer), Error::Payload);
        }
    }
}

#[test]
fn every_single_bit_flip_is_refused() {
    let bytes = small();
    let len = bytes.len();
    let expected_checksum = u32::from_le_bytes(bytes[12..16].try_into().unwrap());
    for bit in (0..8 * len).step_by(times(1, 211)) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = error(&flipped);
        match bit / 8 {
            0..4 => {
                let start = flipped[..4].try_into().unwrap();
                assert_eq!(found, Error::Magic { found: start });
            }
            4..6 => {
                let version = u16::from_le_bytes([flipped[4], flipped[5]]);
                assert_eq!(
                    found,
                    Error::Version {
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
                        Error::Truncated {
                            found: len,
                            expected
                        }
                    );
                } else {
                    assert_eq!(
                        found,
                        Error::TooLong {
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
                    Error::Checksum {
                        found: expected_checksum,
                        expected: stored
                    }
                );
            }
            _ => {
                assert!(
                    matches!(found, Error::Checksum { found, expected }
                        if expected == expected_checksum && found != expected),
                    "{bit}: {found}"
                );
            }
        }
    }
}

#[test]
fn misaligned_weights_are_refused_and_four_bytes_are_enough() {
    let bytes = small();
    for offset in 0..16 {
        let at = At::new(&bytes, offset);
        let result = Model::from_bytes(at.bytes());
        match offset % 4 {
            0 => assert!(result.is_ok()),
            _ => assert_eq!(result.unwrap_err(), Error::Alignment { found: offset }),
        }
    }
}

fn payload<'a>(symbols: &'a str, layers: &[LayerShape], data: &'a [u8]) -> Payload<'a> {
    Payload {
        name: "",
        symbols,
        fold_case: false,
        window: None,
        format: Format::Int8,
        order: Order::Rows4,
        layers: layers.iter().copied().collect(),
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

    let refused = |p: Payload<'_>| error(&encode(p));
    assert_eq!(
        refused(payload("", &[TWO_UNITS], &data)),
        Error::Alphabet { found: 0 }
    );
    assert_eq!(
        refused(payload("aba", &[TWO_UNITS], &data)),
        Error::Alphabet { found: 3 }
    );
    let many: String = ('\u{100}'..='\u{200}').collect();
    assert_eq!(
        refused(payload(&many, &[TWO_UNITS], &data)),
        Error::Alphabet { found: 257 }
    );
    for (format, order, expected) in [
        (Format::Int4, Order::Rows4, None),
        (Format::Int8, Order::Columns16 { dead_zone: 8 }, None),
        (Format::F32, Order::Columns16 { dead_zone: 0 }, None),
        (Format::Int4, Order::Columns16 { dead_zone: 128 }, Some(128)),
    ] {
        let wrong = Payload {
            format,
            order,
            ..payload("abc", &[TWO_UNITS], &data)
        };
        let expected = match expected {
            None => Error::Order { found: order },
            Some(found) => Error::DeadZone { found },
        };
        assert_eq!(refused(wrong), expected);
    }
    assert_eq!(
        refused(payload("abc", &[], &data)),
        Error::Layers { found: 0 }
    );
    for hidden in [0, 1025, u16::MAX] {
        let layer = LayerShape {
            hidden,
            ..TWO_UNITS
        };
        assert_eq!(
            refused(payload("abc", &[layer], &data)),
            Error::Hidden {
                found: hidden.into()
            }
        );
    }
    for found in [0, 3] {
        let layer = TWO_UNITS.project(found);
        assert_eq!(
            refused(payload("abc", &[layer], &data)),
            Error::Projection {
                found: found.into(),
                hidden: 2
            }
        );
    }
    assert_eq!(
        refused(payload("abc", &[TWO_UNITS], &data[16..])),
        Error::Weights {
            found: len - 16,
            expected: len
        }
    );
    assert_eq!(
        refused(payload("abc", &[TWO_UNITS, TWO_UNITS], &data)),
        Error::Weights {
            found: len,
            expected: len + 8 * 8 + 8 * 32
        }
    );

    let good = encode(payload("abc", &[TWO_UNITS], &data));
    let mut longer = good[HEAD_BYTES..].to_vec();
    longer.push(0);
    assert_eq!(error(&with_head(&longer)), Error::Payload);
    assert_eq!(
        error(&with_head(&good[HEAD_BYTES..good.len() - 1])),
        Error::Payload
    );
    assert_eq!(error(&with_head(&[])), Error::Payload);
    let padded = Payload {
        padding: &[0; 16],
        ..payload("abc", &[TWO_UNITS], &data)
    };
    assert_eq!(
        error(&with_head(&postcard::to_stdvec(&padded).unwrap())),
        Error::Payload
    );
    let dirty = Payload {
        padding: &[0, 1],
        ..payload("abc", &[TWO_UNITS], &data)
    };
    assert_eq!(
        error(&with_head(&postcard::to_stdvec(&dirty).unwrap())),
        Error::Payload
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
        assert_eq!(error(&bytes), Error::RowRange { row });
    }
}

#[test]
fn newer_versions_are_named() {
    let mut bytes = small();
    bytes[4] = 2;
    assert_eq!(
        error(&bytes),
        Error::Version {
            found: 2,
            expected: 1
        }
    );
    assert_eq!(
        error(&bytes).to_string(),
        "the .lstm file is of format version 2, expected version 1"
    );
}

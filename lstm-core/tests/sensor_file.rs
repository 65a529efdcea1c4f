//! What is refused of a file of version 3, and with which error.

mod common;

use common::sensors::{F32SensorNet, Head, Int8SensorNet, names, plan};
use common::{At, Plan, times};
use lstm_core::export::{
    DenseLayers, HEAD_BYTES, Layers, SENSOR_VERSION, SensorDescription, SensorPayload,
    encode_sensor_file, sensor_data_bytes, with_head,
};
use lstm_core::{
    Activation, CellKind, DenseShape, Format, Input, LayerShape, Model, ModelError, ModelShape,
    Order, OutputHead,
};

/// Two channels, a GRU of either kind, a dense layer, three values.
fn small() -> Vec<u8> {
    let plan = Plan {
        channels: 2,
        shapes: vec![
            LayerShape::new(CellKind::GruResetBefore, 3),
            LayerShape::gru(2),
        ],
        dense: vec![DenseShape::new(2, Activation::Relu)],
        outputs: 3,
        ..Plan::default()
    };
    Int8SensorNet::random_plan(Format::Int8, &plan, Head::Values, 7).file()
}

fn error(bytes: &[u8]) -> ModelError {
    Model::from_bytes(At::new(bytes, 0).bytes()).unwrap_err()
}

/// The error of a file whose description is that of `small` but for a change.
fn changed<'a>(file: &'a [u8], change: impl FnOnce(&mut SensorDescription<'a>)) -> ModelError {
    let mut description = SensorPayload::decode(&file[HEAD_BYTES..])
        .unwrap()
        .description;
    change(&mut description);
    error(&encode_sensor_file(&description, None).unwrap())
}

fn line(error: ModelError) -> String {
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn a_model_tells_what_its_file_says() {
    for seed in 0..times(24, 3) as u64 {
        let (plan, head) = plan(seed);
        let file = F32SensorNet::random(seed).file();
        let at = At::new(&file, 0);
        let model = at.model();
        assert_eq!((model.name(), model.format_version()), ("test", 3));
        assert_eq!(SENSOR_VERSION, 3);
        assert_eq!(model.layers(), plan.shapes);
        assert_eq!(model.dense_layers(), plan.dense);
        assert_eq!(model.num_channels(), plan.channels);
        assert_eq!(model.num_outputs(), plan.outputs);
        assert_eq!(model.alphabet().len(), plan.vocab);
        assert!(!model.has_ngrams() && !model.reads_backwards());
        assert!(model.channels().eq(vec!["channel"; plan.channels]));
        let names = names(plan.outputs);
        match (model.head(), head) {
            (OutputHead::Symbols, Head::Symbols) => {
                assert_eq!(model.head().names().count(), 0);
            }
            (OutputHead::Classes { labels: found }, Head::Classes)
            | (OutputHead::Values { names: found }, Head::Values) => {
                assert_eq!(found, names);
                assert!(model.head().names().eq(names.split('\n')));
            }
            other => panic!("{other:?}"),
        }
        match model.input() {
            Input::Symbols { symbols, fold_case } => {
                assert_eq!((symbols, fold_case), (model.alphabet().symbols(), false));
                assert_eq!(plan.channels, 0);
            }
            Input::Values { count, .. } => assert_eq!(usize::from(count), plan.channels),
        }
        // The weights without padding: those of each row.
        let matrices = model.multiply_adds();
        let (mut expected, mut below) = (0, plan.channels);
        for shape in &plan.shapes {
            let units = usize::from(shape.hidden);
            expected += shape.cell.gates() * units * (below + shape.output());
            expected += shape
                .projection
                .map_or(0, |width| units * usize::from(width));
            below = shape.output();
        }
        for shape in &plan.dense {
            expected += below * usize::from(shape.width);
            below = shape.width.into();
        }
        assert_eq!(matrices, expected + below * plan.outputs);
    }
}

#[test]
fn an_activation_is_shown_by_its_name() {
    let names = [
        Activation::Linear,
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
    ]
    .map(|activation| activation.to_string());
    assert_eq!(names, ["linear", "relu", "tanh", "sigmoid"]);
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
        let refused = ModelError::Truncated { found, expected };
        assert_eq!(error(&bytes[..found]), refused);
    }
    // With a right head, the payload does not decode or the data is too short.
    for end in (HEAD_BYTES..bytes.len()).step_by(times(1, 7)) {
        let cut = with_head(SENSOR_VERSION, &bytes[HEAD_BYTES..end]);
        assert_eq!(error(&cut), ModelError::Description, "{end}");
    }
}

#[test]
fn every_single_bit_flip_is_refused() {
    let bytes = small();
    let len = bytes.len();
    let stored = u32::from_le_bytes(bytes[12..16].try_into().unwrap());
    for bit in (0..8 * len).step_by(times(1, 211)) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = error(&flipped);
        let is_right = match (bit / 8, refused) {
            (0..4, ModelError::Magic { found }) => found == flipped[..4],
            // 1 and 2 are versions too.
            (4, ModelError::Checksum { expected, .. }) => expected == stored && flipped[4] < 3,
            (4..6, ModelError::Version { found, expected }) => {
                found.to_le_bytes() == flipped[4..6] && expected == 3
            }
            (8..12, ModelError::Truncated { found, expected }) => found == len && expected > len,
            (8..12, ModelError::TooLong { found, expected }) => found == len && expected < len,
            (12..16, ModelError::Checksum { found, expected }) => {
                found == stored && expected != stored
            }
            (6..8 | 16.., ModelError::Checksum { found, expected }) => {
                expected == stored && found != stored
            }
            _ => false,
        };
        assert!(is_right, "{bit}: {refused}");
    }
}

#[test]
fn a_damaged_payload_with_a_right_checksum_is_refused_or_runs() {
    let bytes = small();
    for at in (HEAD_BYTES..bytes.len()).step_by(times(1, 23)) {
        for change in [1, 0x80, 0xff] {
            let mut payload = bytes[HEAD_BYTES..].to_vec();
            payload[at - HEAD_BYTES] ^= change;
            let file = with_head(SENSOR_VERSION, &payload);
            // What a `const` reads may be wrong, but is read without a panic.
            let shape = ModelShape::of(&file);
            let place = At::new(&file, 0);
            if let Ok(model) = Model::from_bytes(place.bytes()) {
                assert_eq!(shape.unwrap().words(), model.workspace_words());
            }
        }
    }
}

/// Wherever the number of layers stands, one more than there may be, of zeros.
#[test]
fn a_shape_with_too_many_dense_layers_is_read_without_a_panic() {
    let bytes = small();
    for at in HEAD_BYTES..bytes.len() {
        let mut changed = bytes[..at].to_vec();
        changed.push(4);
        changed.resize(at + 64, 0);
        let shape = ModelShape::of(&changed);
        let is_right = |shape: ModelShape| shape.dense_layers().len() <= 3;
        assert!(shape.is_none_or(is_right), "{at}");
    }
}

#[test]
fn each_defect_has_its_error() {
    let (file, most, many) = (small(), names(256), names(257));
    let (most, many) = (&most[..], &many[..]);
    let channels = |channels, count| {
        changed(&file, |description| {
            description.input = Input::Values { channels, count }
        })
    };
    for (found, count, names) in [(0, 0, ""), (257, 257, many)] {
        assert_eq!(channels(names, count), ModelError::Channels { found });
    }
    // As many as there may be, of whose weights there are none.
    assert!(matches!(channels(most, 256), ModelError::Weights { .. }));
    assert_eq!(
        line(channels("", 0)),
        "the model reads 0 channels, expected 1 to 256"
    );
    for (found, names) in [(1, ""), (1, "a"), (3, "a\nb\n")] {
        let expected = 2;
        let refused = ModelError::ChannelNames { found, expected };
        assert_eq!(channels(names, 2), refused);
    }
    assert_eq!(
        line(channels("a", 2)),
        "found names of 1 channels, expected 2"
    );

    let head = |head| changed(&file, |description| description.head = head);
    assert_eq!(head(OutputHead::Symbols), ModelError::SymbolsHead);
    assert_eq!(
        line(ModelError::SymbolsHead),
        "the model reads values and gives symbols, expected classes or values"
    );
    for (found, labels) in [(1, ""), (1, "a"), (257, many)] {
        let refused = ModelError::Classes { found };
        assert_eq!(head(OutputHead::Classes { labels }), refused);
    }
    assert_eq!(
        line(ModelError::Classes { found: 1 }),
        "the model gives 1 classes, expected 2 to 256"
    );
    for most in [
        OutputHead::Classes { labels: most },
        OutputHead::Values { names: most },
    ] {
        assert!(matches!(head(most), ModelError::Weights { .. }));
    }
    let refused = ModelError::Values { found: 257 };
    assert_eq!(head(OutputHead::Values { names: many }), refused);
    assert_eq!(
        line(refused),
        "the model gives 257 values, expected 1 to 256"
    );

    let sequence = |window, backwards| {
        changed(&file, |description| {
            description.window = window;
            description.backwards = backwards;
        })
    };
    let refused = ModelError::ValuesWindow { found: 0 };
    assert_eq!(sequence(Some(0), false), refused);
    assert_eq!(
        line(refused),
        "the model reads windows of 0 steps, expected 1 to 65535"
    );
    assert_eq!(sequence(None, true), ModelError::Backwards);
    assert_eq!(
        line(ModelError::Backwards),
        "the model reads backwards, expected that only of windows of values"
    );

    let order = Order::Columns16 { dead_zone: 3 };
    let found = changed(&file, |description| description.order = order);
    assert_eq!(found, ModelError::Order { found: order });

    let layers = |shapes: &[LayerShape]| {
        changed(&file, |description| {
            description.layers = Layers::new(shapes).unwrap()
        })
    };
    assert_eq!(layers(&[]), ModelError::Layers { found: 0 });
    let refused = ModelError::Hidden { found: 0 };
    assert_eq!(layers(&[LayerShape::gru(0)]), refused);
    let found = CellKind::GruResetBefore;
    let refused = ModelError::ProjectedCell { found };
    assert_eq!(layers(&[LayerShape::new(found, 5).project(2)]), refused);
    assert_eq!(
        line(refused),
        "a layer that is a GRU (reset before) has a projection, expected none"
    );
    // 2 channels and 511 units are more than 512 columns; a GRU has them apart.
    assert_eq!(
        layers(&[LayerShape::lstm(511)]),
        ModelError::Columns { found: 516 }
    );
    assert!(matches!(
        layers(&[LayerShape::gru(511)]),
        ModelError::Weights { .. }
    ));

    let dense = |width| {
        let shape = DenseShape::new(width, Activation::Linear);
        changed(&file, |description| {
            description.dense = DenseLayers::new(&[shape]).unwrap()
        })
    };
    for found in [0, 513] {
        assert_eq!(dense(found as u16), ModelError::DenseWidth { found });
    }
    assert_eq!(
        line(dense(513)),
        "a dense layer has 513 units, expected 1 to 512"
    );
    assert!(matches!(dense(512), ModelError::Weights { .. }));
    let found = DenseLayers::new(&[DenseShape::new(1, Activation::Relu); 4]).unwrap_err();
    assert_eq!(found, ModelError::DenseLayers { found: 4 });
    assert_eq!(
        line(found),
        "found 4 dense layers before the head, expected at most 3"
    );
}

#[test]
fn symbols_are_checked_as_in_version_1() {
    let file = small();
    let input = |symbols, window| {
        changed(&file, |description| {
            description.input = Input::Symbols {
                symbols,
                fold_case: false,
            };
            description.window = window;
        })
    };
    assert_eq!(input("", None), ModelError::Alphabet { found: 0 });
    assert_eq!(input("aba", None), ModelError::Alphabet { found: 3 });
    assert_eq!(input("ab", Some(129)), ModelError::Window { found: 129 });
    let backwards = changed(&file, |description| {
        description.input = Input::Symbols {
            symbols: "ab",
            fold_case: false,
        };
        (description.window, description.backwards) = (Some(5), true);
    });
    assert_eq!(backwards, ModelError::Backwards);
}

#[test]
fn what_scales_values_is_finite() {
    let file = small();
    let description = SensorPayload::decode(&file[HEAD_BYTES..])
        .unwrap()
        .description;
    let expected = sensor_data_bytes(&description).unwrap();
    assert_eq!(description.data.len(), expected);
    // Two channels and three values: an array of each takes 16 bytes.
    let end = expected - 32;
    for (array, count, refused) in [
        (
            0,
            2,
            [0, 1, 0].map(|channel| ModelError::ChannelScaling { channel }),
        ),
        (
            16,
            2,
            [0, 1, 0].map(|channel| ModelError::ChannelScaling { channel }),
        ),
        (
            end,
            3,
            [0, 1, 2].map(|value| ModelError::ValueScaling { value }),
        ),
        (
            end + 16,
            3,
            [0, 1, 2].map(|value| ModelError::ValueScaling { value }),
        ),
    ] {
        for (index, refused) in refused.into_iter().enumerate().take(count) {
            for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 0.0] {
                let mut data = description.data.to_vec();
                let at = array + 4 * index;
                data[at..at + 4].copy_from_slice(&number.to_le_bytes());
                let description = SensorDescription {
                    data: &data,
                    ..description.clone()
                };
                let file = encode_sensor_file(&description, None).unwrap();
                let place = At::new(&file, 0);
                match Model::from_bytes(place.bytes()) {
                    Ok(_) => assert!(number.is_finite()),
                    Err(error) => {
                        assert!(!number.is_finite());
                        assert_eq!(error, refused);
                    }
                }
            }
        }
    }
    assert_eq!(
        line(ModelError::ChannelScaling { channel: 1 }),
        "the mean or the scale of channel 1 is not a finite number, expected two"
    );
    assert_eq!(
        line(ModelError::ValueScaling { value: 2 }),
        "the offset or the scale of value 2 is not a finite number, expected two"
    );
}

/// Six inputs and 32 units are 38 columns, which are stored as 40.
#[test]
fn a_small_network_is_hardly_filled_up() {
    let plan = Plan {
        channels: 6,
        shapes: vec![LayerShape::lstm(32)],
        outputs: 4,
        ..Plan::default()
    };
    let file = Int8SensorNet::random_plan(Format::Int8, &plan, Head::Classes, 1).file();
    let description = SensorPayload::decode(&file[HEAD_BYTES..])
        .unwrap()
        .description;
    let scaling = 2 * 32;
    let layer = 128 * 8 + 128 * 40;
    let head = 4 * 8 + 4 * 32;
    assert_eq!(sensor_data_bytes(&description), Ok(scaling + layer + head));
    assert_eq!(description.data.len(), scaling + layer + head);
}

#[test]
fn data_of_another_length_is_refused() {
    let file = small();
    let description = SensorPayload::decode(&file[HEAD_BYTES..])
        .unwrap()
        .description;
    let expected = description.data.len();
    for found in [0, expected - 16, expected + 16] {
        let mut data = description.data.to_vec();
        data.resize(found, 0);
        let refused = changed(&file, |description| description.data = &data);
        assert_eq!(refused, ModelError::Weights { found, expected });
    }
}

/// In each matrix in turn, among them those of a dense layer and of the head.
#[test]
fn rows_that_could_overflow_are_refused() {
    let plan = Plan {
        channels: 2,
        shapes: vec![LayerShape::new(CellKind::GruResetBefore, 3)],
        dense: vec![DenseShape::new(2, Activation::Sigmoid)],
        outputs: 3,
        ..Plan::default()
    };
    // Three units, filled up to four, for each gate; then two, filled up; then three.
    let rows = [0, 2, 4, 10, 12, 13, 16, 18];
    let mut places = rows.into_iter();
    let net = Int8SensorNet::random_plan(Format::Int8, &plan, Head::Classes, 7);
    let matrices = net.clone().net.matrices_mut().count();
    for index in 0..matrices {
        let count = net
            .clone()
            .net
            .matrices_mut()
            .nth(index)
            .unwrap()
            .rows
            .len();
        // The rows of the gates stand in one matrix here, with those that only fill up.
        for row in [vec![0, 2, 4, 10], vec![0, 1], vec![0, 2]][index].clone() {
            assert!(row < count);
            let mut damaged = net.clone();
            damaged.net.matrices_mut().nth(index).unwrap().rows[row].bias = i32::MAX;
            let row = places.next().unwrap();
            assert_eq!(error(&damaged.file()), ModelError::RowRange { row });
        }
    }
    assert_eq!(places.next(), None);
}

#[test]
fn a_golden_digest_may_follow_the_data() {
    let file = small();
    let description = SensorPayload::decode(&file[HEAD_BYTES..])
        .unwrap()
        .description;
    assert_eq!(At::new(&file, 0).model().golden(), None);
    let with = encode_sensor_file(&description, Some(0x1234_5678)).unwrap();
    assert_eq!(At::new(&with, 0).model().golden(), Some(0x1234_5678));
    for more in [1, 3, 5, 8] {
        let mut payload = file[HEAD_BYTES..].to_vec();
        payload.resize(payload.len() + more, 0);
        let longer = with_head(SENSOR_VERSION, &payload);
        assert_eq!(error(&longer), ModelError::Description);
    }
}

#[test]
fn misaligned_weights_are_refused_and_four_bytes_are_enough() {
    let file = small();
    for offset in 0..16 {
        let at = At::new(&file, offset);
        match (Model::from_bytes(at.bytes()), offset % 4) {
            (Ok(_), 0) => {}
            (Err(found), 1..) => assert_eq!(found, ModelError::Alignment { found: offset }),
            other => panic!("{other:?}"),
        }
    }
}

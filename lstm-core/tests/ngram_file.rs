//! Which n-gram sections are refused, and with which error.

mod common;

use common::ngrams::{Table, Vectors, ngrams, words};
use common::{At, F32Plain, Int8Plain, Net, Random, file_in, times};
use lstm_core::export::ngram::{Backoff, Embeddings};
use lstm_core::export::{
    BackoffSection, EmbeddingsSection, HEAD_BYTES, List, MAX_ROW_BYTES, Ngrams, Payload, Row,
    with_head,
};
use lstm_core::{
    Format, Generator, LayerShape, Model, ModelError, ModelShape, Order, Sampler, Session, Token,
    WorkspaceSlices,
};

const VOCAB: usize = 5;
const WIDTH: usize = 3;

fn net() -> Net<i8, Int8Plain> {
    Net::<i8, _>::random(VOCAB, &[WIDTH], 3)
}

fn vectors() -> Vectors {
    Vectors::random(VOCAB, WIDTH, [5, 0, 3], 3)
}

fn table() -> Table {
    Table::random(VOCAB, WIDTH, 1, &[3, 0, 6], 3)
}

fn error(bytes: &[u8]) -> ModelError {
    Model::from_bytes(At::new(bytes, 0).bytes()).unwrap_err()
}

/// The embeddings with a change.
fn embeddings(
    change: impl FnOnce(&mut EmbeddingsSection<'_>, &mut Vec<u32>),
) -> Option<ModelError> {
    let vectors = vectors();
    let mut section = vectors.section();
    let mut data = words(section.data);
    change(&mut section, &mut data);
    section.data = bytemuck::cast_slice(&data);
    let file = net().file_with(&Ngrams {
        embeddings: Some(section.clone()),
        backoff: None,
    });
    let found = Embeddings::new(WIDTH, &section).err();
    // The file says the same as the section alone.
    assert_eq!(Model::from_bytes(At::new(&file, 0).bytes()).err(), found);
    found
}

/// The table with a change.
fn backoff(change: impl FnOnce(&mut BackoffSection<'_>, &mut Vec<u32>)) -> Option<ModelError> {
    let table = table();
    let mut section = table.section();
    let mut data = words(section.data);
    change(&mut section, &mut data);
    section.data = bytemuck::cast_slice(&data);
    let file = net().file_with(&Ngrams {
        embeddings: None,
        backoff: Some(section.clone()),
    });
    let found = Backoff::new(VOCAB, 32, &section).err();
    assert_eq!(Model::from_bytes(At::new(&file, 0).bytes()).err(), found);
    found
}

/// Changes bytes of words.
fn set(data: &mut [u32], byte: usize, value: u8) {
    bytemuck::cast_slice_mut::<u32, u8>(data)[byte] = value;
}

#[test]
fn embeddings_are_refused_for_each_defect() {
    assert_eq!(embeddings(|_, _| ()), None);
    assert_eq!(embeddings(|section, _| section.shift = 4), None);
    let found = embeddings(|section, _| section.shift = 5);
    assert_eq!(found, Some(ModelError::Shift { found: 5 }));
    let bytes = vectors().section().data.len();
    let found = embeddings(|_, data| data.push(0));
    let (found_bytes, expected) = (bytes + 4, bytes);
    let error = ModelError::NgramData {
        found: found_bytes,
        expected,
    };
    assert_eq!(found, Some(error));
    // Two bytes of displacement, two of tag, and a vector of a word for each slot more; half of them
    // are to be filled up.
    let slots = vectors().section().slots;
    let found = embeddings(|section, _| section.slots[1] = 1);
    let error = ModelError::NgramData {
        found: bytes,
        expected: bytes + 4 + 4 + 2 * 4,
    };
    assert_eq!(found, Some(error));
    // Nothing at all is no vector.
    let none = embeddings(|section, data| {
        section.slots = [0; 3];
        data.clear();
    });
    assert_eq!(none, None);
    // Five tags are filled up to six, after two displacements.
    assert_eq!(slots, [5, 0, 4]);
    let vector = 4 + 12;
    for byte in [vector - 2, vector - 1] {
        let found = embeddings(|_, data| set(data, byte, 9));
        assert_eq!(found, Some(ModelError::NgramPadding { found: 9 }));
    }
    // One displacement is filled up to two: that of the last length, after six vectors.
    let last = vector + 4 * 6;
    for byte in [last + 2, last + 3] {
        let found = embeddings(|_, data| set(data, byte, 7));
        assert_eq!(found, Some(ModelError::NgramPadding { found: 7 }));
    }
    // Three of eight numbers of a vector are the width's; the others are stored as 8. What differs from that is
    // told, of the first byte that has it.
    let changed = |bytes: &[(usize, u8)]| {
        embeddings(|_, data| {
            for &(byte, value) in bytes {
                set(data, vector + byte, value);
            }
        })
    };
    assert_eq!(changed(&[(0, 0x80)]), None);
    for (bytes, found) in [
        (&[(0, 0x70)][..], 0xf0),
        (&[(3, 0x89)], 0x01),
        (&[(1, 0x85), (2, 0x97), (3, 0x68)], 0x10),
    ] {
        assert_eq!(changed(bytes), Some(ModelError::NgramPadding { found }));
    }
}

/// In a file they are aligned as it is; a section may also stand alone.
#[test]
fn data_that_is_not_aligned_is_refused_with_its_place() {
    let (vectors, table) = (vectors(), table());
    let (embeddings, backoff) = (vectors.section(), table.section());
    for offset in 0..16 {
        let at = At::new(embeddings.data, offset);
        let section = EmbeddingsSection {
            data: at.bytes(),
            ..embeddings.clone()
        };
        let refused = (offset % 4 > 0).then_some(ModelError::Alignment { found: offset });
        assert_eq!(Embeddings::new(WIDTH, &section).err(), refused);
        let at = At::new(backoff.data, offset);
        let section = BackoffSection {
            data: at.bytes(),
            ..backoff.clone()
        };
        assert_eq!(Backoff::new(VOCAB, 32, &section).err(), refused);
    }
}

/// Where the arrays of the table start, in bytes: costs, the slots of its two lengths, the rows.
fn places() -> [usize; 4] {
    let slots: Vec<_> = table()
        .section()
        .slots
        .iter()
        .map(|&s| usize::from(s))
        .collect();
    let costs = 32 + 4 * 32;
    let up = |n: usize| n.next_multiple_of(4);
    let first = costs + up(25) + up(2 * slots[0].div_ceil(4));
    let second = first + 4 * slots[0] + up(2 * slots[2].div_ceil(4));
    [costs, first, second, second + 4 * slots[2]]
}

#[test]
fn a_table_is_refused_for_each_defect() {
    assert_eq!(backoff(|_, _| ()), None);
    let found = backoff(|section, _| section.dense = 3);
    assert_eq!(found, Some(ModelError::Dense { found: 3 }));
    let lengths = |dense: u8, count: usize| {
        backoff(|section, _| {
            section.dense = dense;
            section.slots = List::new(&vec![0; count]).unwrap();
            section.coefficients = List::new(&vec![0; count]).unwrap();
        })
    };
    // The number of coefficients is looked at after the lengths: they are one too few here.
    for (dense, count) in [(0, 0), (0, 10), (2, 10)] {
        let (found, expected) = (count, count + 1);
        let error = ModelError::Coefficients { found, expected };
        assert_eq!(lengths(dense, count), Some(error));
    }
    let found = backoff(|section, _| section.row_bytes = MAX_ROW_BYTES + 1);
    let error = ModelError::RowBytes { found: 0xf_ffff };
    assert_eq!(found, Some(error));
    let bytes = table().section().data.len();
    let found = backoff(|_, data| data.push(0));
    let error = ModelError::NgramData {
        found: bytes + 4,
        expected: bytes,
    };
    assert_eq!(found, Some(error));
    let found = backoff(|section, _| section.row_bytes += 4);
    let error = ModelError::NgramData {
        found: bytes,
        expected: bytes + 4,
    };
    assert_eq!(found, Some(error));
    // Behind the 25 costs, and after a displacement.
    let [costs, first, _, rows] = places();
    for byte in [costs + 25, costs + 27, first - 1] {
        let found = backoff(|_, data| set(data, byte, 3));
        assert_eq!(found, Some(ModelError::NgramPadding { found: 3 }), "{byte}");
    }
    let found = backoff(|section, data| {
        section.row_bytes += 1;
        data.truncate(rows / 4 + (section.row_bytes as usize).div_ceil(4));
        data.resize(rows / 4 + (section.row_bytes as usize).div_ceil(4), 0);
    });
    assert_eq!(found, None, "rows may be longer than those that are used");
    // The first row of the gate; the others are not read.
    let found = backoff(|_, data| {
        let row = Row {
            bias: i32::MAX,
            weight_scale: 1,
            table_scale: 0,
        };
        for (byte, value) in row.to_bytes().into_iter().enumerate() {
            set(data, byte, value);
        }
    });
    assert_eq!(found, Some(ModelError::Gate));
}

#[test]
fn each_row_is_checked_where_a_slot_says() {
    let [_, first, second, rows] = places();
    let row_bytes = table().section().row_bytes as usize;
    let slots = table().section().slots.clone();
    let mut seen = 0;
    for (start, count) in [(first, slots[0]), (second, slots[2])] {
        for slot in 0..usize::from(count) {
            let at = start + 4 * slot;
            let word = u32::from_le_bytes(table().section().data[at..][..4].try_into().unwrap());
            if word & 0xf_ffff == 0xf_ffff {
                continue;
            }
            seen += 1;
            let row = rows + (word & 0xf_ffff) as usize;
            let changed = |byte: usize, value: u8| backoff(|_, data| set(data, byte, value));
            assert_eq!(
                changed(row + 1, 64),
                Some(ModelError::RowBackoff { found: 64 })
            );
            // A symbol takes 3 bits, so 5 to 7 are none.
            let low = table().section().data[row + 2];
            assert_eq!(
                changed(row + 2, low & !7 | 6),
                Some(ModelError::RowSymbol {
                    found: 6,
                    expected: 5
                })
            );
            // More entries than symbols, of which there is room for 9 bits each only at the start.
            match changed(row, 5) {
                Some(ModelError::RowEntries { found, expected }) => {
                    assert_eq!((found, expected), (6, 5));
                }
                other => assert!(
                    matches!(other, Some(ModelError::RowEnd { .. })),
                    "{other:?}"
                ),
            }
            assert_eq!(
                changed(row, 255),
                Some(ModelError::RowEnd {
                    found: row - rows + 2 + 9 * 256 / 8,
                    expected: row_bytes
                })
            );
            // The same symbol in the first two of five entries.
            let found = backoff(|section, data| {
                set(data, at, (row_bytes & 0xff) as u8);
                set(data, at + 1, (row_bytes >> 8) as u8);
                let end = rows + row_bytes;
                data.resize((end + 5).div_ceil(4), 0);
                section.row_bytes += 5;
                for (byte, value) in [1, 0, 0b011, 0b0110, 0].into_iter().enumerate() {
                    set(data, end + byte, value);
                }
            });
            // The upper bits of the offset are those of another row, but it is short here.
            assert!(row_bytes < 1 << 16);
            assert_eq!(found, Some(ModelError::RowRepetition { found: 3 }));
            // A bit after the 18 of two entries.
            let found = backoff(|section, data| {
                set(data, at, (row_bytes & 0xff) as u8);
                set(data, at + 1, (row_bytes >> 8) as u8);
                let end = rows + row_bytes;
                data.resize((end + 5).div_ceil(4), 0);
                section.row_bytes += 5;
                for (byte, value) in [1, 0, 0b011, 0b0100, 0b100].into_iter().enumerate() {
                    set(data, end + byte, value);
                }
            });
            assert_eq!(found, Some(ModelError::NgramPadding { found: 1 }));
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn sections_stand_behind_their_description() {
    let (vectors, table) = (vectors(), table());
    let file = net().file_with(&ngrams(Some(&vectors), Some(&table)));
    let payload = Payload::decode(2, &file[HEAD_BYTES..]).unwrap();
    let [mut one, mut two] = [payload.ngrams.embeddings.unwrap(), vectors.section()];
    (one.padding, two.padding) = (&[], &[]);
    assert_eq!(one, two);
    let [mut one, mut two] = [payload.ngrams.backoff.unwrap(), table.section()];
    (one.padding, two.padding) = (&[], &[]);
    assert_eq!(one, two);
    for data in [
        one.data,
        Payload::decode(2, &file[HEAD_BYTES..])
            .unwrap()
            .description
            .data,
    ] {
        let at = data.as_ptr().addr() - file.as_ptr().addr();
        assert_eq!(at % 16, 0);
    }
    let at = At::new(&file, 0);
    let model = at.model();
    assert!(model.has_ngrams());
    assert_eq!(model.format_version(), 2);
    assert_eq!(
        model.ngram_bytes(),
        (vectors.section().data.len(), table.section().data.len())
    );

    let plain = net().file();
    assert_eq!(plain[4], 1);
    let at = At::new(&plain, 0);
    assert!(!at.model().has_ngrams());
    assert_eq!(at.model().ngram_bytes(), (0, 0));
    // Version 2 without a section, and version 1 with one.
    let mut payload = plain[HEAD_BYTES..].to_vec();
    payload.extend([0, 0]);
    assert_eq!(error(&with_head(2, &payload)), ModelError::Description);
    assert_eq!(
        error(&with_head(1, &file[HEAD_BYTES..])),
        ModelError::Description
    );
    assert_eq!(
        error(&with_head(2, &plain[HEAD_BYTES..])),
        ModelError::Description
    );
}

#[test]
fn the_padding_of_a_section_is_zeros() {
    let (vectors, table) = (vectors(), table());
    let file = net().file_with(&ngrams(Some(&vectors), Some(&table)));
    let sections = Payload::decode(2, &file[HEAD_BYTES..]).unwrap().ngrams;
    let paddings = [
        sections.embeddings.unwrap().padding,
        sections.backoff.unwrap().padding,
    ];
    for padding in paddings {
        assert!(!padding.is_empty());
        let at = padding.as_ptr().addr() - file.as_ptr().addr();
        let mut payload = file[HEAD_BYTES..].to_vec();
        payload[at - HEAD_BYTES] = 1;
        assert_eq!(error(&with_head(2, &payload)), ModelError::Description);
    }
}

#[test]
fn a_model_in_f32_has_no_sections() {
    let net = Net::<f32, F32Plain>::random(VOCAB, &[WIDTH], 3);
    let plain = net.file();
    let payload = Payload::decode(1, &plain[HEAD_BYTES..]).unwrap();
    let (vectors, table) = (vectors(), table());
    for sections in [
        ngrams(Some(&vectors), None),
        ngrams(None, Some(&table)),
        ngrams(Some(&vectors), Some(&table)),
    ] {
        let file = file_in(
            Order::Rows4,
            &net.symbols,
            Format::F32,
            &net.shapes,
            payload.description.data,
            &sections,
        );
        let found = Format::F32;
        assert_eq!(error(&file), ModelError::NgramFormat { found });
    }
}

/// What a `const` reads is what the model says.
#[test]
fn the_shape_of_a_model_has_the_last_tokens() {
    // A symbol each of 300 bytes is more than the scratch of one unit.
    for (vocab, shapes) in [
        (VOCAB, vec![LayerShape::cifg(6).project(3)]),
        (256, vec![LayerShape::lstm(1)]),
        (30, vec![LayerShape::gru(40), LayerShape::lstm(7)]),
    ] {
        let last = shapes[shapes.len() - 1].output();
        let table = Table::random(vocab, last, 0, &[2, 3], 1);
        for format in [Format::Int8, Format::Int4] {
            let net = Net::<i8, _>::random_shapes(format, vocab, &shapes, 1);
            let file = net.file_with(&ngrams(None, Some(&table)));
            let plain = ModelShape::of(&net.file()).unwrap();
            let shape = ModelShape::of(&file).unwrap();
            assert!(shape.has_ngrams() && !plain.has_ngrams());
            assert_eq!(shape.state_bytes(), plain.state_bytes() + 12);
            let at = At::new(&file, 0);
            let model = at.model();
            assert_eq!(shape.words(), model.workspace_words());
            assert!(shape.words() >= plain.words() + 3);
            assert!(shape.words() >= plain.words() + 3 || vocab < 256);
            let mut memory = (vec![0; shape.words()], vec![0; vocab]);
            let slices = WorkspaceSlices::new(&mut memory.0, &mut memory.1);
            let session = Session::new(model, slices).unwrap();
            assert_eq!(session.state_bytes(), shape.state_bytes());
            let generator = Generator::new(session, Sampler::new(1)).unwrap();
            assert_eq!(shape.snapshot_bytes(), generator.snapshot_bytes());
        }
    }
}

/// Files that a hostile hand made: every one is refused or runs, none panics.
#[test]
fn changed_sections_are_refused_or_run() {
    let (vectors, table) = (vectors(), table());
    let net = net();
    let good = net.file_with(&ngrams(Some(&vectors), Some(&table)));
    let start = net.file().len() - HEAD_BYTES;
    let mut random = Random::new(1);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..times(20_000, 200) {
        let mut payload = good[HEAD_BYTES..].to_vec();
        for _ in 0..1 + random.below(3) {
            let place = start + random.below((payload.len() - start) as u32) as usize;
            payload[place] = random.below(256) as u8;
        }
        let file = with_head(2, &payload);
        let at = At::new(&file, 0);
        let shape = ModelShape::of(&file);
        let Ok(model) = Model::from_bytes(at.bytes()) else {
            refused += 1;
            continue;
        };
        read += 1;
        assert_eq!(shape.unwrap().words(), model.workspace_words());
        let mut memory = (vec![0; model.workspace_words()], vec![0; VOCAB]);
        let slices = WorkspaceSlices::new(&mut memory.0, &mut memory.1);
        let mut session = Session::new(model, slices).unwrap();
        for _ in 0..times(10, 2) {
            session.step(Token::new(random.below(6) as u8));
        }
    }
    assert!(
        read > times(1000, 5) && refused > times(1000, 5),
        "{read} {refused}"
    );
}

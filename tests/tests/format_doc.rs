//! Holds docs/FORMAT.md to the code: the dump in it is made from a file that the code makes.

#[path = "../../lstm-core/tests/common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::ngrams::{Costs, Table, Vectors, ngrams};
use common::sensors::{Head, SensorNet};
use common::{At, Int8Plain, Net, Plain, Random};
use lstm_core::export::{HEAD_BYTES, Row};
use lstm_core::{Activation, DenseShape, Format, Input};

const START: &str =
    "<!-- dump: made by `BLESS=1 cargo test -p cross-tests --test format_doc` -->\n";
const END: &str = "<!-- end of dump -->\n";
const START_2: &str = "<!-- dump of version 2 -->\n";
const END_2: &str = "<!-- end of dump of version 2 -->\n";
const START_3: &str = "<!-- dump of version 3 -->\n";
const END_3: &str = "<!-- end of dump of version 3 -->\n";

fn row(bias: i32, weight_scale: u16, table_scale: u16) -> Row {
    Row {
        bias,
        weight_scale,
        table_scale,
    }
}

fn tiny() -> Net<i8, Int8Plain> {
    Net {
        symbols: "ab".into(),
        format: Format::Int8,
        dead_zone: 0,
        channels: 0,
        shapes: common::lstms(&[1]),
        table: vec![vec![1, 2, 3, 4], vec![-1, -2, -3, -4]],
        inputs: vec![None],
        layers: vec![Plain {
            weights: vec![vec![10], vec![20], vec![-30], vec![127]],
            rows: vec![
                row(32, 5, 6),
                row(262_176, 7, 8),
                row(16, 9, 10),
                row(32, 11, 12),
            ],
        }],
        projections: vec![None],
        units: Vec::new(),
        dense: Plain {
            weights: vec![vec![-128 + 1], vec![64]],
            rows: vec![row(32, 13, 0), row(-32, 14, 0)],
        },
    }
}

/// The same with n-gram sections.
fn tiny_with_ngrams() -> Vec<u8> {
    let mut random = Random::new(1);
    // The newest token first.
    let contexts = [
        BTreeSet::from([vec![1, 0]]),
        BTreeSet::new(),
        BTreeSet::new(),
    ];
    let mut vectors = Vectors::of(1, &contexts, &mut random);
    vectors.shift = 1;
    let costs = Costs {
        backoff: 2,
        symbols: vec![(1, 3)],
    };
    let rows = [BTreeMap::new(), BTreeMap::from([(vec![1, 0, 1], costs)])];
    let mut table = Table::of(2, 1, 1, &rows, vec![4, 8, 12, 16], &mut random);
    table.coefficients = vec![4096, 2048, -1];
    tiny().file_with(&ngrams(Some(&vectors), Some(&table)))
}

/// One that reads a value and gives one.
fn tiny_with_values() -> SensorNet<i8, Int8Plain> {
    let text = tiny();
    let mut gates = text.layers[0].clone();
    for (weights, row) in gates.weights.iter_mut().zip(&mut gates.rows) {
        weights.insert(0, 1);
        row.table_scale = 0;
    }
    let unit = |weight, row| Plain {
        weights: vec![vec![weight]],
        rows: vec![row],
    };
    let relu = DenseShape::new(1, Activation::Relu);
    SensorNet {
        net: Net {
            symbols: String::new(),
            channels: 1,
            table: Vec::new(),
            layers: vec![gates],
            units: vec![(relu, unit(100, row(8192, 13, 0)))],
            dense: unit(-50, row(32, 14, 0)),
            ..text
        },
        head: Head::Values,
        window: Some(300),
        backwards: false,
        channel_scaling: [vec![0.5], vec![64.0]],
        value_scaling: [vec![20.0], vec![-1.0]],
    }
}

/// The dump of a file of version 1.
fn dump_1(file: &[u8]) -> String {
    let fields: &[(usize, &str)] = &[
        (4, "magic \"LSTM\""),
        (2, "version 1"),
        (2, "reserved"),
        (4, "bytes of the payload"),
        (4, "CRC-32"),
        (5, "name: 4 bytes, \"test\""),
        (3, "symbols: 2 bytes, \"ab\""),
        (1, "fold_case: no"),
        (1, "window: none"),
        (1, "format: int8"),
        (1, "order: Rows4"),
        (1, "layers: 1"),
        (1, "cell: LSTM"),
        (1, "hidden: 1"),
        (1, "projection: none"),
        (14, "padding: 13 zeros"),
        (2, "data: 336 bytes"),
        (8, "table: a, then b; gates i f g o"),
        (8, "to a multiple of 16"),
        (8, "row i: bias 32, weight_scale 5, table_scale 6"),
        (8, "row f: bias 262,176, 7, 8"),
        (8, "row g: bias 16, 9, 10"),
        (8, "row o: bias 32, 11, 12"),
        (
            16,
            "columns 0 to 3 of rows i f g o: 10, 20, -30, 127 in column 0",
        ),
        (112, "columns 4 to 31: zeros"),
        (8, "dense row a: bias 32, weight_scale 13"),
        (8, "dense row b: bias -32, 14"),
        (16, "two empty rows"),
        (16, "columns 0 to 3 of rows a and b: -127, 64 in column 0"),
        (112, "columns 4 to 31: zeros"),
    ];
    dump(file, 0, fields)
}

/// The dump of the n-gram sections.
fn dump_2(file: &[u8], start: usize) -> String {
    let fields: &[(usize, &str)] = &[
        (1, "embeddings: yes"),
        (1, "salt: 1"),
        (1, "shift: 1"),
        (3, "slots: 2, 0, 0"),
        (9, "padding: 8 zeros"),
        (1, "data: 20 bytes"),
        (2, "length 2: a displacement"),
        (2, "to a multiple of 4"),
        (4, "two tags"),
        (12, "two vectors, then that of all others"),
        (1, "back-off table: yes"),
        (1, "salt: 1"),
        (1, "dense: 1"),
        (3, "slots: 2 lengths, 0 and 2"),
        (6, "coefficients: 3, of 4096, 2048, -1"),
        (1, "row_bytes: 3"),
        (13, "padding: 12 zeros"),
        (2, "data: 180 bytes"),
        (8, "gate: its row"),
        (24, "three empty rows"),
        (16, "columns 0 to 3 of the gate, and of the empty rows"),
        (112, "columns 4 to 31: zeros"),
        (4, "costs after a, then after b"),
        (2, "length 3: a displacement"),
        (2, "to a multiple of 4"),
        (8, "two slots"),
        (1, "row of bab: 1 entry"),
        (1, "back-off 2"),
        (1, "b costs 3"),
        (1, "to a multiple of 4"),
    ];
    dump(file, start, fields)
}

/// The dump of a file of version 3.
fn dump_3(file: &[u8]) -> String {
    let fields: &[(usize, &str)] = &[
        (4, "magic \"LSTM\""),
        (2, "version 3"),
        (2, "reserved"),
        (4, "bytes of the payload"),
        (4, "CRC-32"),
        (5, "name: 4 bytes, \"test\""),
        (1, "input: values"),
        (8, "channels: 7 bytes, \"channel\""),
        (1, "count: 1"),
        (3, "window: 300"),
        (1, "backwards: no"),
        (1, "format: int8"),
        (1, "order: Rows4"),
        (1, "layers: 1"),
        (1, "cell: LSTM"),
        (1, "hidden: 1"),
        (1, "projection: none"),
        (1, "dense: 1"),
        (1, "width: 1"),
        (1, "activation: relu"),
        (1, "head: values"),
        (7, "names: 6 bytes, \"name 0\""),
        (10, "padding: 9 zeros"),
        (2, "data: 208 bytes"),
        (4, "mean: 0.5"),
        (12, "to a multiple of 16"),
        (4, "scale: 64"),
        (12, "to a multiple of 16"),
        (8, "row i: bias 32, weight_scale 5"),
        (8, "row f: bias 262,176, 7"),
        (8, "row g: bias 16, 9"),
        (8, "row o: bias 32, 11"),
        (
            16,
            "columns of rows i f g o: 1 in column 0, the channel; 10, 20, -30, 127 in column 1",
        ),
        (8, "dense row: bias 8192, weight_scale 13"),
        (24, "three empty rows"),
        (16, "columns of the four rows: 100 in column 0 of the first"),
        (8, "row of the head: bias 32, weight_scale 14"),
        (24, "three empty rows"),
        (16, "columns of the four rows: -50 in column 0 of the first"),
        (4, "offset: 20"),
        (12, "to a multiple of 16"),
        (4, "scale: -1"),
        (12, "to a multiple of 16"),
    ];
    dump(file, 0, fields)
}

/// Each field on a line, with its offset and its bytes.
fn dump(file: &[u8], start: usize, fields: &[(usize, &str)]) -> String {
    let mut text = String::from("```text\n");
    let mut offset = start;
    for &(len, what) in fields {
        for (i, bytes) in file[offset..offset + len].chunks(16).enumerate() {
            let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let what = if i == 0 { what } else { "" };
            let line = format!("{:04x}  {:<47}  {what}", offset + 16 * i, hex.join(" "));
            text += line.trim_end();
            text += "\n";
        }
        offset += len;
    }
    assert_eq!(offset, file.len(), "the dump names every byte");
    text + "```\n"
}

#[test]
#[cfg_attr(miri, ignore = "reads a file of the repository")]
fn the_dumps_in_the_documentation_are_the_files() {
    let file = tiny().file();
    assert_eq!(At::new(&file, 0).model().alphabet().len(), 2);
    compare(START, END, &dump_1(&file));
    let longer = tiny_with_ngrams();
    assert!(At::new(&longer, 0).model().has_ngrams());
    assert_eq!(longer[HEAD_BYTES..file.len()], file[HEAD_BYTES..]);
    compare(START_2, END_2, &dump_2(&longer, file.len()));
    let values = tiny_with_values().file();
    let place = At::new(&values, 0);
    let input = place.model().input();
    assert!(matches!(input, Input::Values { count: 1, .. }));
    compare(START_3, END_3, &dump_3(&values));
}

/// Compares what stands between two lines of the document, or renews it.
fn compare(start: &str, end: &str, expected: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/FORMAT.md");
    let document = std::fs::read_to_string(path).unwrap();
    let start = document.find(start).expect("the start marker") + start.len();
    let end = document.find(end).expect("the end marker");
    if std::env::var_os("BLESS").is_some() {
        let renewed = format!("{}{expected}{}", &document[..start], &document[end..]);
        std::fs::write(path, renewed).unwrap();
    } else {
        assert_eq!(&document[start..end], expected, "renew with BLESS=1");
    }
}

//! Holds docs/FORMAT.md to the code: the dump in it is made from a file that the code makes.

#[path = "../../lstm-core/tests/common/mod.rs"]
mod common;

use common::{At, Int8Plain, Net, Plain};
use lstm_core::Format;
use lstm_core::export::Row;

const START: &str =
    "<!-- dump: made by `BLESS=1 cargo test -p cross-tests --test format_doc` -->\n";
const END: &str = "<!-- end of dump -->\n";

fn tiny() -> Net<i8, Int8Plain> {
    let row = |bias, weight_scale, table_scale| Row {
        bias,
        weight_scale,
        table_scale,
    };
    Net {
        symbols: "ab".into(),
        format: Format::Int8,
        dead_zone: 0,
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
        dense: Plain {
            weights: vec![vec![-128 + 1], vec![64]],
            rows: vec![row(32, 13, 0), row(-32, 14, 0)],
        },
    }
}

/// The dump: each field on a line, with its offset and its bytes.
fn dump(file: &[u8]) -> String {
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
    let mut text = String::from("```text\n");
    let mut offset = 0;
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
fn the_dump_in_the_documentation_is_the_file() {
    let file = tiny().file();
    assert_eq!(At::new(&file, 0).model().alphabet().len(), 2);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/FORMAT.md");
    let document = std::fs::read_to_string(path).unwrap();
    let start = document.find(START).expect("the start marker") + START.len();
    let end = document.find(END).expect("the end marker");
    let expected = dump(&file);
    if std::env::var_os("BLESS").is_some() {
        let renewed = format!("{}{expected}{}", &document[..start], &document[end..]);
        std::fs::write(path, renewed).unwrap();
    } else {
        assert_eq!(&document[start..end], expected, "renew with BLESS=1");
    }
}

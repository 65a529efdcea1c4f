//! The moving picture of the README shows what the firmware writes, and so does docs/START.md.

use std::fs;

use cross_tests::host_text;
use lstm_core::Model;
use xtask::{aligned::AlignedBytes, record, shell::root};

/// The first line of the firmware, and the text of the host, which the firmware writes as other tests show.
fn expected(chars: usize) -> String {
    let (_, path) = record::default();
    let flash = AlignedBytes::new(&fs::read(path).unwrap());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let (name, format, checksum) = (model.name(), model.format(), model.checksum());
    let first = format!("# model {name}, {format}, checksum {checksum:08x}; type :help\n");
    first + &host_text(&model, chars)
}

#[test]
fn the_recording_is_of_the_text_that_is_written() {
    let found = fs::read_to_string(record::path()).unwrap();
    // A line has its own text element. The page's title has one too.
    let count = found.matches("<text").count() - 1;
    let expected = expected(100 * count);
    let lines: Vec<_> = expected.lines().take(count).collect();
    assert!(count >= 10, "{count}");
    let (board, _) = record::default();
    let picture = record::picture(&record::title(board).unwrap(), &lines);
    assert!(
        found == picture,
        "`cargo xtask record` renews docs/recording.svg"
    );
}

#[test]
fn the_text_of_the_docs_is_written_too() {
    let page = fs::read_to_string(root().join("docs/START.md")).unwrap();
    let (_, text) = page.split_once("```text\n").unwrap();
    let (text, _) = text.split_once("```\n").unwrap();
    assert!(expected(text.len()).starts_with(text), "found {text}");
}

//! The firmware on emulated boards against the same model on the host.

use std::{collections::HashSet, fs, time::Duration};

use cross_tests::{Console, assert_same_text, host_text, shipped};
use lstm_core::{Format, LayerShape, Model, export::Feature};
use xtask::{
    aligned::AlignedBytes,
    boards::{Board, default_board, emulated},
    models,
    random_model::random_model,
};

/// Long enough for a board to write thousands of characters, if it did.
const SILENCE: Duration = Duration::from_millis(500);

fn random_int8(symbols: &str, hidden: &[u16], seed: u64) -> Vec<u8> {
    let layers: Vec<_> = hidden.iter().map(|&h| LayerShape::lstm(h)).collect();
    random_model(Format::Int8, symbols, &layers, seed)
}

fn assert_writes_as_the_host(board: &Board, file: &[u8], chars: usize) {
    let flash = AlignedBytes::new(file);
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let mut console = Console::start(board, Some(file));
    let banner = format!(
        "# model {}, {}, checksum {:08x}; type :help",
        model.name(),
        model.format(),
        model.checksum()
    );
    assert_eq!(console.line(), banner);
    assert_same_text(&console.chars(chars), &host_text(&model, chars));
}

#[test]
fn stacked_layers_and_symbols_beyond_ascii_write_as_on_the_host() {
    let file = random_int8("\n abcdefghijklmnopqrstuvwxyzéß—", &[48, 17, 32], 1);
    assert_writes_as_the_host(default_board(), &file, 10_000);
}

#[test]
fn shipped_models_write_as_on_the_host() {
    for path in shipped() {
        assert_writes_as_the_host(default_board(), &fs::read(path).unwrap(), 10_000);
    }
}

#[test]
fn shipped_models_write_as_on_the_host_on_every_board_that_has_room() {
    for board in emulated() {
        let files = shipped().into_iter().map(|path| fs::read(path).unwrap());
        let mut files = files.filter(|file| file.len() <= board.memory.model.size.0 as usize);
        let first = files.next().expect("a model for every board");
        for file in [first].into_iter().chain(files) {
            if lacks(board, &file) {
                let line = Console::start(board, Some(&file)).line();
                assert!(line.starts_with("# no model runs: "), "{line}");
            } else {
                assert_writes_as_the_host(board, &file, 1_000);
            }
        }
    }
}

/// Whether the firmware of the board is built without something that the model needs.
fn lacks(board: &Board, file: &[u8]) -> bool {
    let flash = AlignedBytes::new(file);
    let model = Model::from_bytes(flash.bytes()).unwrap();
    models::lacking(board, Feature::of(&model)).is_some()
}

/// A core with an FPU and much memory, and one with neither.
fn large_and_small() -> [&'static Board; 2] {
    [default_board(), Board::parse("microbit").unwrap()]
}

#[test]
fn an_empty_region_gets_one_line_and_no_text() {
    for board in large_and_small() {
        let mut console = Console::start(board, None);
        assert_eq!(
            console.line(),
            "# no model runs: not a .lstm file: it begins with 00 00 00 00, \
             expected 4c 53 54 4d (\"LSTM\")"
        );
        assert!(console.is_silent_for(SILENCE));
        assert!(console.is_running());
    }
}

#[test]
fn a_damaged_model_gets_one_line_and_no_text() {
    let mut file = random_int8("\n ab", &[16], 2);
    let damaged = file.len() * 2 / 3;
    file[damaged] ^= 0x10;
    for board in large_and_small() {
        let mut console = Console::start(board, Some(&file));
        let line = console.line();
        let expected = "# no model runs: the .lstm file is damaged: found checksum ";
        assert!(line.starts_with(expected), "{line}");
        assert!(console.is_silent_for(SILENCE));
        assert!(console.is_running());
    }
}

#[test]
fn a_model_longer_than_its_region_never_reaches_the_board() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file()
        .set_len(u64::from(default_board().memory.model.size.0) + 1)
        .unwrap();
    let error = models::check(default_board(), file.path())
        .unwrap_err()
        .to_string();
    let expected = "does not fit the model region of mps2-an386: \
                    found 3145729 bytes, expected at most 3145728; models/recall-verse-96-large.lstm fits";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn the_random_model_writes_varied_text() {
    let file = random_int8("abcdefgh", &[16], 3);
    let flash = AlignedBytes::new(&file);
    let text = host_text(&Model::from_bytes(flash.bytes()).unwrap(), 1000);
    let windows: HashSet<_> = text.as_bytes().windows(8).collect();
    assert!(windows.len() > 900, "{text}");
}

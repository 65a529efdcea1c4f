//! Emulated boards whose model reads values, against the engine on the desk.

use std::fs;

use cross_tests::{Console, board_firmware};
use lstm_core::Model;
use xtask::{
    aligned::AlignedBytes,
    boards::Board,
    motions::{self, Sequence},
    qemu::Lines,
    sensor_demo::answers,
    shell::root,
};

const WINDOW: usize = 100;

fn model() -> AlignedBytes {
    AlignedBytes::new(&fs::read(root().join("models/sensors/motions-gru.lstm")).unwrap())
}

fn recorded() -> Vec<Sequence> {
    motions::read(&root().join("tests/data/motions.csv")).unwrap()
}

/// A Cortex-M0, an M3, an M4 and an RV32.
fn boards() -> [&'static Board; 4] {
    ["microbit-sensors", "mps2-an385", "mps2-an386", "riscv-virt"]
        .map(|name| Board::parse(name).unwrap())
}

/// A board with the model, after its banner.
fn start(board: &Board) -> Console {
    let file = model();
    let mut console = Console::start(board, Some(file.bytes()));
    let banner = console.line();
    assert!(
        banner.ends_with(", 6 channels, 4 classes, window 100; type :help"),
        "{banner}"
    );
    console
}

/// Types a line that is not answered.
fn enter(console: &mut Console, line: &str) {
    console.send(format!("{line}\r").as_bytes());
    assert_eq!(console.line(), format!("> {line}"));
}

#[test]
fn every_core_tells_what_the_desk_tells() {
    let (file, sequences) = (model(), recorded());
    let expected = answers(Model::from_bytes(file.bytes()).unwrap(), &sequences).unwrap();
    assert_eq!(expected.len(), 20);
    let is_right = |(sequence, answer): &(&Sequence, &String)| answer.starts_with(&sequence.class);
    assert!(sequences.iter().zip(&expected).filter(is_right).count() >= 19);
    for board in boards() {
        let path = root().join("models/sensors/motions-gru.lstm");
        let mut lines = Lines::start(board, &board_firmware(board), &path).unwrap();
        assert!(
            lines
                .line()
                .unwrap()
                .starts_with("# model motions-gru, int8, ")
        );
        for (sequence, expected) in sequences.iter().zip(&expected) {
            lines.enter(":reset").unwrap();
            for step in &sequence.steps {
                lines.enter(step).unwrap();
            }
            assert_eq!(
                lines.line().unwrap(),
                format!("# {expected}"),
                "{}",
                board.name
            );
        }
    }
}

#[test]
fn a_pasted_file_of_lines_is_answered_whole() {
    let (file, sequences) = (model(), recorded());
    let expected = answers(Model::from_bytes(file.bytes()).unwrap(), &sequences[..4]).unwrap();
    let text: String = sequences[..4]
        .iter()
        .flat_map(|s| &s.steps)
        .map(|step| format!("{step}\n"))
        .collect();
    let mut console = start(boards()[0]);
    console.paste(text.as_bytes());
    console.send(b":stats\r");
    let sent = console.until(" port errors\n");
    let found: Vec<&str> = sent
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .collect();
    assert_eq!(found[..4], expected);
    assert!(
        found[4].starts_with(&format!("{} steps, ", 4 * WINDOW)),
        "{sent}"
    );
    assert!(sent.ends_with("; 0 bytes lost, 0 port errors\n"), "{sent}");
}

#[test]
fn a_wrong_line_gets_one_line_and_the_sequence_goes_on() {
    let (file, sequences) = (model(), recorded());
    let expected = answers(Model::from_bytes(file.bytes()).unwrap(), &sequences[..1]).unwrap();
    for board in boards() {
        let mut console = start(board);
        for (at, step) in sequences[0].steps.iter().enumerate() {
            if at == 50 {
                for (line, answer) in [
                    ("1 2 3", "# found 3 numbers, expected 6\n"),
                    (
                        "1 2 3 4 5 six",
                        "# found six as number 6, expected one such as -12.5 or 1e-3\n",
                    ),
                    (
                        "1 2 3 4 5 inf",
                        "# found inf as number 6, expected one such as -12.5 or 1e-3\n",
                    ),
                    (
                        ":temp 1",
                        "# found :temp 1, expected a command of :help: it writes no text\n",
                    ),
                ] {
                    assert_eq!(console.ask(line, "#"), answer, "{}", board.name);
                }
                let answer = console.ask(":selftest", "# selftest");
                assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
            }
            enter(&mut console, step);
        }
        assert_eq!(
            console.line(),
            format!("# {}", expected[0]),
            "{}",
            board.name
        );
    }
}

/// In the middle of a window.
#[test]
fn a_state_moves_from_core_to_core() {
    let (file, sequences) = (model(), recorded());
    let expected = answers(Model::from_bytes(file.bytes()).unwrap(), &sequences[7..8]).unwrap();
    let steps = &sequences[7].steps;
    let mut state = String::new();
    for (board, steps) in boards().into_iter().zip(steps.chunks(WINDOW / 4)) {
        let mut console = start(board);
        if !state.is_empty() {
            assert_eq!(console.ask(state.trim_end(), "#"), "# state loaded\n");
        }
        for step in steps {
            enter(&mut console, step);
        }
        if board.name == "riscv-virt" {
            assert_eq!(console.line(), format!("# {}", expected[0]));
        } else {
            state = console.ask(":save", ":load ");
        }
    }
}

/// On the board with the least stack that runs such models.
#[test]
fn the_stack_gets_no_deeper_than_estimated() {
    let board = boards()[0];
    let depth = stack_depth::depth(&board_firmware(board)).unwrap();
    let mut console = start(board);
    for step in &recorded()[0].steps {
        enter(&mut console, step);
    }
    console.line();
    console.ask(":input", "#   Walking");
    console.ask(":stride 1", "#");
    let answer = console.ask(":selftest", "# selftest");
    assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
    let state = console.ask(":save", ":load ");
    console.ask(state.trim_end(), "# state loaded");
    let info = console.ask(":info", "# RAM");
    let (_, high_water) = info.split_once("high water ").unwrap();
    let high_water: u64 = high_water.trim_end().parse().unwrap();
    println!("{high_water} of at most {}", depth.bytes);
    assert!(high_water <= depth.bytes, "{high_water} of {}", depth.bytes);
    assert!(high_water > depth.bytes / 4, "{high_water}");
}

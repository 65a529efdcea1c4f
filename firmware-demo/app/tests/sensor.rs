//! What a person sees whose model reads values.

mod common;

use common::Desk;
use firmware_app::Ram;
use lstm_core::export::{SensorPayload, encode_sensor_file};
use lstm_core::{Model, Output, OutputHead, SensorSession, SensorWindow, WorkspaceSlices};

const FILE: &[u8] = include_bytes!("../../../models/sensors/motions-gru.lstm");
const MOTIONS: &str = include_str!("../../../tests/data/motions.csv");
const STEPS: usize = 100;

type Room = Ram<2048>;

/// A file at an aligned address, as in flash.
fn flash(bytes: &[u8]) -> &'static [u8] {
    let words = Box::leak(vec![0u128; bytes.len().div_ceil(16)].into_boxed_slice());
    let file: &mut [u8] = bytemuck::cast_slice_mut(words);
    file[..bytes.len()].copy_from_slice(bytes);
    &file[..bytes.len()]
}

/// Another model of the same layers: its window, and what its outputs are.
fn changed(window: Option<u16>, head: Option<OutputHead<'_>>, golden_off_by: u32) -> &'static [u8] {
    let payload = SensorPayload::decode(&FILE[lstm_core::export::HEAD_BYTES..]).unwrap();
    let (mut description, golden) = (payload.description, payload.golden.unwrap());
    let mut data = description.data.to_vec();
    if let Some(OutputHead::Values { .. }) = head {
        for value in [0.5f32, -1.0, 20.0, 0.0, 1e-3, 1.0, -2.0, 1e6] {
            data.extend(value.to_le_bytes());
        }
    }
    description.window = window;
    description.head = head.unwrap_or(description.head);
    description.data = &data;
    flash(&encode_sensor_file(&description, Some(golden ^ golden_off_by)).unwrap())
}

fn desk<'s>(file: &'static [u8], ram: &'s mut Room) -> Desk<'s, 'static> {
    Desk::new(Model::from_region(file), file, ram)
}

/// The lines of each sequence.
fn sequences() -> Vec<Vec<&'static str>> {
    let lines: Vec<_> = MOTIONS
        .lines()
        .skip(1)
        .map(|line| line.splitn(3, ',').last().unwrap())
        .collect();
    lines.chunks(STEPS).map(<[_]>::to_vec).collect()
}

fn numbers(line: &str) -> Vec<f32> {
    line.split(',').map(|word| word.parse().unwrap()).collect()
}

fn told(model: &Model<'_>, output: &Output<'_>) -> String {
    let class = output.class();
    let probability = f64::from(output.probability_q15(class)) / 32768.0;
    format!(
        "# {} {probability:.2}\n",
        model.head().names().nth(class).unwrap()
    )
}

/// Calls this with the session of a model.
fn with_session<T>(
    file: &'static [u8],
    work: impl FnOnce(Model<'static>, SensorSession<'_, WorkspaceSlices<'_>>) -> T,
) -> T {
    let model = Model::from_bytes(file).unwrap();
    let (mut words, mut logits) = (
        vec![0; model.workspace_words()],
        vec![0; model.num_outputs()],
    );
    let memory = WorkspaceSlices::new(&mut words, &mut logits);
    work(model, SensorSession::new(model, memory).unwrap())
}

#[test]
fn the_banner_tells_what_is_read_and_given() {
    let (file, mut ram) = (flash(FILE), Room::new());
    let model = Model::from_bytes(file).unwrap();
    let mut desk = desk(file, &mut ram);
    let banner = format!(
        "# model motions-gru, int8, checksum {:08x}, 6 channels, 4 classes, window 100; type :help\n",
        model.checksum()
    );
    assert_eq!(desk.take(), banner);
    assert_eq!(desk.enter(""), banner);
    // Nothing comes by itself.
    for _ in 0..100 {
        assert!(!desk.step());
    }
}

#[test]
fn a_window_is_answered_at_its_end_and_then_at_each_stride() {
    let (file, mut ram) = (flash(FILE), Room::new());
    let mut desk = desk(file, &mut ram);
    let expected: Vec<Option<String>> = with_session(file, |model, mut session| {
        let mut columns = vec![0; model.window_words(STEPS)];
        let mut window = SensorWindow::new(&model, &mut columns, STEPS, STEPS).unwrap();
        let mut answers = Vec::new();
        for line in sequences().concat() {
            let output = window.push(&mut session, &numbers(line)).unwrap();
            answers.push(output.map(|output| told(&model, &output)));
        }
        answers
    });
    for (line, expected) in sequences().concat().into_iter().zip(expected) {
        assert_eq!(desk.answer(line), expected.unwrap_or_default());
    }
    assert_eq!(desk.answer(":reset"), "");
    assert_eq!(desk.answer(":stride 7"), "# stride 7\n");
    let expected: Vec<String> = with_session(file, |model, mut session| {
        let mut columns = vec![0; model.window_words(STEPS)];
        let mut window = SensorWindow::new(&model, &mut columns, STEPS, 7).unwrap();
        let mut answers = Vec::new();
        for line in sequences().concat().into_iter().take(250) {
            let output = window.push(&mut session, &numbers(line)).unwrap();
            answers.push(
                output
                    .map(|output| told(&model, &output))
                    .unwrap_or_default(),
            );
        }
        answers
    });
    // The first answer still comes at the end of the window.
    let answers: Vec<String> = sequences().concat()[..250]
        .iter()
        .map(|line| desk.answer(line))
        .collect();
    assert_eq!(answers, expected);
    assert_eq!(
        answers.iter().filter(|answer| !answer.is_empty()).count(),
        22
    );
}

#[test]
fn without_a_window_each_step_is_answered() {
    let (file, mut ram) = (changed(None, None, 0), Room::new());
    let mut desk = desk(file, &mut ram);
    assert!(
        desk.take()
            .ends_with(", 6 channels, 4 classes; type :help\n")
    );
    for sequence in sequences().iter().take(3) {
        desk.answer(":reset");
        let expected: Vec<String> = with_session(file, |model, mut session| {
            let answer = |line: &&str| told(&model, &session.step(&numbers(line)).unwrap());
            sequence.iter().map(answer).collect()
        });
        let found: Vec<String> = sequence.iter().map(|line| desk.answer(line)).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(
        desk.answer(":stride 3"),
        "# found :stride 3, expected a model with a window\n"
    );
    let stats = desk.answer(":stats");
    assert!(stats.starts_with("# 300 steps, "), "{stats}");
}

#[test]
fn values_are_told_in_the_users_units() {
    let head = OutputHead::Values { names: "a\nb\n\nd" };
    let (file, mut ram) = (changed(None, Some(head), 0), Room::new());
    let mut desk = desk(file, &mut ram);
    assert!(
        desk.take()
            .ends_with(", 6 channels, 4 values; type :help\n")
    );
    let line = sequences()[0][0];
    let values: Vec<f32> = with_session(file, |_, mut session| {
        session.step(&numbers(line)).unwrap().values().collect()
    });
    let answer = desk.answer(line);
    let found: Vec<f32> = answer
        .trim_start_matches("# ")
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    assert_eq!(found.len(), 4, "{answer}");
    for (found, value) in found.iter().zip(values) {
        assert!(
            (found - value).abs() <= value.abs() * 2e-6,
            "{answer} {value}"
        );
    }
    let input = desk.answer(":input");
    assert!(
        input.ends_with("# of each step it tells 4 values\n#   a\n#   b\n#   d\n"),
        "{input}"
    );
}

#[test]
fn input_says_what_a_line_must_hold() {
    let (file, mut ram) = (flash(FILE), Room::new());
    let mut desk = desk(file, &mut ram);
    assert_eq!(
        desk.answer(":input"),
        "# a line is a step: 6 numbers, blanks or commas between them\n\
         # number 1: acc x\n# number 2: acc y\n# number 3: acc z\n\
         # number 4: gyro x\n# number 5: gyro y\n# number 6: gyro z\n\
         # of the last 100 steps, every 100, it tells the class, one of 4\n\
         #   Badminton\n#   Running\n#   Standing\n#   Walking\n"
    );
    let info = desk.answer(":info");
    assert!(
        info.contains(", 6 channels, 4 classes, window 100\n# file format 3, GRU 32\n"),
        "{info}"
    );
    assert!(
        info.ends_with("# RAM: variables 22 bytes; stack 33 bytes, high water 3\n"),
        "{info}"
    );
}

#[test]
fn what_cannot_be_used_gets_one_line_and_changes_nothing() {
    let (file, mut ram) = (changed(None, None, 0), Room::new());
    let mut desk = desk(file, &mut ram);
    desk.answer(sequences()[0][0]);
    let state = desk.answer(":save");
    let long = "1 ".repeat(200);
    for (line, answer) in [
        ("1 2 3 4 5", "# found 5 numbers, expected 6\n"),
        ("1 2 3 4 5 6 7", "# found 7 numbers, expected 6\n"),
        (
            "1 2 3 4 5 x",
            "# found x as number 6, expected one such as -12.5 or 1e-3\n",
        ),
        (
            "nan 2 3 4 5 6",
            "# found nan as number 1, expected one such as -12.5 or 1e-3\n",
        ),
        (
            "1 -inf 3 4 5 6",
            "# found -inf as number 2, expected one such as -12.5 or 1e-3\n",
        ),
        (
            "1 2 3 4 5 6e30",
            "# found 6e30 as number 6, expected one such as -12.5 or 1e-3\n",
        ),
        (
            ":temp 1",
            "# found :temp 1, expected a command of :help: it writes no text\n",
        ),
        (
            ":pause",
            "# found :pause, expected a command of :help: it writes no text\n",
        ),
        (
            ":resett",
            "# found :resett, expected a command of :help; did you mean :reset?\n",
        ),
        (
            ":reset now",
            "# found :reset now, expected the command alone\n",
        ),
        (
            ":stride",
            "# found :stride, expected a model with a window\n",
        ),
    ] {
        assert_eq!(desk.answer(line), answer);
        assert_eq!(desk.answer(":save"), state, "{line}");
    }
    let refusal = desk.enter(&long);
    assert!(
        refusal.ends_with("# found a line of 400 bytes, expected at most 252\n"),
        "{refusal}"
    );
    assert_eq!(desk.answer(":save"), state);
    let help = desk.answer(":help");
    assert!(
        help.lines().all(|line| line.starts_with("# ")) && help.contains("# :input "),
        "{help}"
    );
}

#[test]
fn a_step_may_take_several_lines() {
    let (file, mut ram, mut other) = (changed(None, None, 0), Room::new(), Room::new());
    let (mut desk, mut whole) = (desk(file, &mut ram), self::desk(file, &mut other));
    assert_eq!(desk.answer("1, 2,"), "");
    assert_eq!(desk.answer("3,4,5,"), "");
    assert_eq!(desk.answer("6"), whole.answer("1 2 3 4 5 6"));
    // One that is wrong drops what came before.
    assert_eq!(desk.answer("1,"), "");
    assert!(desk.answer("x").starts_with("# found x as number 2, "));
    assert_eq!(desk.answer("1 2 3 4 5"), "# found 5 numbers, expected 6\n");
}

/// In the middle of a window.
#[test]
fn a_state_goes_on_elsewhere() {
    for file in [flash(FILE), changed(None, None, 0)] {
        let (mut ram, mut other) = (Room::new(), Room::new());
        let (mut first, mut second) = (desk(file, &mut ram), desk(file, &mut other));
        let lines = sequences()[3].clone();
        for line in &lines[..60] {
            first.answer(line);
        }
        let state = first.answer(":save");
        // It has seen something else.
        second.answer("1 2 3 4 5 6");
        assert_eq!(second.answer(state.trim_end()), "# state loaded\n");
        for line in &lines[60..] {
            assert_eq!(first.answer(line), second.answer(line));
        }
        assert_eq!(first.answer(":save"), second.answer(":save"));
        // A letter that is another one is told.
        let state = first.answer(":save");
        let (start, rest) = state.trim_end().split_at(20);
        let letter = if rest.starts_with('A') { 'B' } else { 'A' };
        let wrong = format!("{start}{letter}{}", &rest[1..]);
        let answer = second.answer(&wrong);
        assert!(
            answer.starts_with("# state not loaded: the snapshot is damaged"),
            "{answer}"
        );
        assert_eq!(second.answer(":save"), state);
    }
    // Neither is a state of another model taken.
    let (mut ram, mut other) = (Room::new(), Room::new());
    let state = desk(changed(None, None, 0), &mut ram).answer(":save");
    let answer = desk(changed(None, None, 1), &mut other).answer(state.trim_end());
    assert!(
        answer.starts_with("# state not loaded: the snapshot is of model "),
        "{answer}"
    );
}

/// A long stride that becomes short leaves more steps to come than any window has.
#[test]
fn a_state_goes_on_after_the_stride_became_shorter() {
    let file = flash(FILE);
    let (mut ram, mut other) = (Room::new(), Room::new());
    let (mut first, mut second) = (desk(file, &mut ram), desk(file, &mut other));
    let lines = sequences().concat();
    assert_eq!(first.answer(":stride 200"), "# stride 200\n");
    for line in &lines[..100] {
        first.answer(line);
    }
    assert_eq!(first.answer(":stride 10"), "# stride 10\n");
    let state = first.answer(":save");
    assert_eq!(second.answer(state.trim_end()), "# state loaded\n");
    let answers = lines[100..400].iter().filter(|line| {
        let answer = first.answer(line);
        assert_eq!(answer, second.answer(line));
        !answer.is_empty()
    });
    // The first after 200 steps, the others after 10 each.
    assert_eq!(answers.count(), 11);
    let answer = first.answer(":selftest");
    assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
}

#[test]
fn the_selftest_compares_the_golden_outputs() {
    for file in [flash(FILE), changed(None, None, 0)] {
        let mut ram = Room::new();
        let mut desk = desk(file, &mut ram);
        desk.answer(sequences()[0][0]);
        let state = desk.answer(":save");
        let answer = desk.answer(":selftest");
        assert!(
            answer.contains("# golden outputs of 64 steps, digest 158736cf: right\n"),
            "{answer}"
        );
        assert!(
            answer.ends_with(" bytes: saved, restored, the same\n# selftest PASS\n"),
            "{answer}"
        );
        assert_eq!(desk.answer(":save"), state);
    }
    let mut ram = Room::new();
    let answer = desk(changed(None, None, 8), &mut ram).answer(":selftest");
    assert!(answer.contains(", expected 158736c7\n"), "{answer}");
    assert!(answer.ends_with("# selftest FAIL\n"), "{answer}");
}

#[test]
fn a_window_without_room_is_refused() {
    let (file, mut ram) = (flash(FILE), Ram::<150>::new());
    let model = Model::from_bytes(file);
    let mut desk = Desk::new(model, file, &mut ram);
    let banner = desk.take();
    assert!(
        banner.starts_with(
            "# no model runs: the workspace has 150 words of state, expected at least "
        ),
        "{banner}"
    );
    assert!(desk.answer("1 2 3 4 5 6").starts_with("# no model runs: "));
}

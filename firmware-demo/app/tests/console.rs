//! What a person sees who types at the console.

mod common;

use common::{Desk, Desktop, LETTERS, MODEL_WORDS, OTHER, letters, with_wrong_golden, written};
use firmware_app::{Console, Ram, SEED};
use lstm_core::{Aligned, Model, ModelError};

/// Runs a test with a console that has a model, and has paused.
fn with_desk(test: impl FnOnce(Desk<'_, '_>)) {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    assert_eq!(desk.answer(":pause"), "# paused; :resume goes on\n");
    test(desk);
}

#[test]
fn one_banner_line_then_the_text() {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    let banner = format!(
        "# model {}, int4, checksum {:08x}; type :help\n",
        model.name(),
        model.checksum()
    );
    assert_eq!(desk.take(), banner);
    assert_eq!(desk.chars(500), written(&model, "", SEED, 500));
}

#[test]
fn the_text_goes_on_behind_a_typed_line() {
    with_desk(|mut desk| {
        let model = letters();
        desk.answer(":reset");
        desk.answer(":resume");
        // Enter leaves the cursor where the line ends.
        assert_eq!(desk.enter("shall i compare "), "> shall i compare ");
        let expected = written(&model, "shall i compare ", SEED, 200);
        assert_eq!(desk.chars(200), expected);
        assert_ne!(expected, written(&model, "", SEED, 200));
        // In the middle of a line, the next one starts anew.
        assert_eq!(desk.enter("O"), "\n> O");
    });
}

#[test]
fn the_text_waits_while_a_line_is_typed() {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    for end in [&b"\x7f\r"[..], b"\x03", b"\r"] {
        desk.chars(10);
        desk.type_bytes(b"x");
        for _ in 0..100 {
            assert!(!desk.step());
        }
        assert_eq!(desk.take(), "\n> x");
        desk.type_bytes(end);
        desk.take();
        desk.chars(10);
    }
}

#[test]
fn settings_are_shown_and_changed() {
    with_desk(|mut desk| {
        for (command, answer) in [
            (":temp", "# temperature 0.8\n"),
            (":temp 0.5", "# temperature 0.5\n"),
            (":temp 0", "# temperature 0\n"),
            (":temp 0.01", "# temperature 0.01\n"),
            (":temp   100  ", "# temperature 100\n"),
            (":temp", "# temperature 100\n"),
            (":topk", "# top-k 256\n"),
            (":topk 5", "# top-k 5\n"),
            (":topp", "# top-p 1\n"),
            (":topp 0.25", "# top-p 0.25\n"),
            (":seed", "# seed 1\n"),
            (
                ":seed 18446744073709551615",
                "# seed 18446744073709551615\n",
            ),
            (":seed 0", "# seed 0\n"),
            (":speed", "# speed 0\n"),
            (":speed 12", "# speed 12\n"),
            (":speed 0", "# speed 0\n"),
        ] {
            assert_eq!(desk.answer(command), answer);
        }
        let settings = desk.answer(":info");
        let expected = "# temperature 100, top-k 5, top-p 0.25, seed 0, speed 0\n";
        assert!(settings.ends_with(expected), "{settings}");
    });
}

#[test]
fn what_cannot_be_used_gets_one_line() {
    with_desk(|mut desk| {
        let long = format!(":{}", "x".repeat(200));
        for (command, answer) in [
            (
                ":temp hot",
                "# found :temp hot, expected :temp 0, or 0.01 to 100\n",
            ),
            (
                ":temp -1",
                "# found :temp -1, expected :temp 0, or 0.01 to 100\n",
            ),
            (
                ":temp 0.001",
                "# found :temp 0.001, expected :temp 0, or 0.01 to 100\n",
            ),
            (
                ":temp 101",
                "# found :temp 101, expected :temp 0, or 0.01 to 100\n",
            ),
            (":topk 0", "# found :topk 0, expected :topk 1 to 256\n"),
            (":topk 257", "# found :topk 257, expected :topk 1 to 256\n"),
            (
                ":topk 4294967297",
                "# found :topk 4294967297, expected :topk 1 to 256\n",
            ),
            (":topp 0", "# found :topp 0, expected :topp above 0, to 1\n"),
            (
                ":topp 1.5",
                "# found :topp 1.5, expected :topp above 0, to 1\n",
            ),
            (
                ":seed 18446744073709551616",
                "# found :seed 18446744073709551616, expected :seed 0 to 18446744073709551615\n",
            ),
            (
                ":speed 100001",
                "# found :speed 100001, expected :speed 0 to 100000\n",
            ),
            (
                ":speed 4294967296",
                "# found :speed 4294967296, expected :speed 0 to 100000\n",
            ),
            (
                ":reset now",
                "# found :reset now, expected the command alone\n",
            ),
            (":help me", "# found :help me, expected the command alone\n"),
            (
                ":load",
                "# found :load, expected :load and a state that :save has shown\n",
            ),
            (":", "# found :, expected a command of :help\n"),
            (
                ":temperature 1",
                "# found :temperature 1, expected a command of :help; did you mean :temp?\n",
            ),
            (":Slef 1", "# found :Slef 1, expected a command of :help\n"),
            (
                &long,
                &format!("# found {}, expected a command of :help\n", &long[..40]),
            ),
        ] {
            assert_eq!(desk.answer(command), answer);
        }
        // Nothing has changed.
        let settings = desk.answer(":info");
        let expected = "# temperature 0.8, top-k 256, top-p 1, seed 1, speed 0\n";
        assert!(settings.ends_with(expected), "{settings}");

        desk.type_bytes(&[b"x".repeat(300), b"\r".to_vec()].concat());
        let sent = desk.take().replace('\x07', "");
        let expected = "\n# found a line of 300 bytes, expected at most 252\n";
        assert!(sent.ends_with(expected), "{sent}");
        desk.type_bytes(b"caf\xe9 x\r");
        let sent = desk.take().replace('\x07', "");
        assert_eq!(
            sent,
            "> caf x\n# found byte 233 in the line, expected UTF-8\n"
        );

        desk.answer(":reset");
        desk.answer(":resume");
        assert_eq!(desk.chars(100), written(&letters(), "", SEED, 100));
    });
}

#[test]
fn help_is_remarks_that_fit_a_terminal() {
    with_desk(|mut desk| {
        let help = desk.answer(":help");
        assert!(help.lines().count() > 10, "{help}");
        assert!(help.lines().all(|line| line.starts_with("# ")), "{help}");
        assert!(help.lines().all(|line| line.len() < 80), "{help}");
    });
}

#[test]
fn a_seed_and_a_reset_give_its_text() {
    with_desk(|mut desk| {
        let model = letters();
        desk.answer(":resume");
        desk.chars(77);
        desk.enter(":seed 7");
        desk.chars(5);
        desk.enter(":reset");
        assert_eq!(desk.chars(300), written(&model, "", 7, 300));
        desk.enter(":pause");
        desk.answer(":reset");
        desk.answer(":seed 8");
        desk.answer(":resume");
        assert_eq!(desk.chars(300), written(&model, "", 8, 300));
    });
}

#[test]
fn a_temperature_of_zero_needs_no_seed() {
    with_desk(|mut desk| {
        let mut texts = [1, 2].map(|seed| {
            desk.answer(":temp 0");
            desk.answer(&format!(":seed {seed}"));
            desk.answer(":reset");
            desk.answer(":resume");
            let text = desk.chars(100);
            desk.enter(":pause");
            text
        });
        assert_eq!(texts[0], texts[1]);
        desk.answer(":temp 1");
        desk.answer(":reset");
        desk.answer(":resume");
        texts[1] = desk.chars(100);
        assert_ne!(texts[0], texts[1]);
    });
}

#[test]
fn a_pause_ends_when_it_is_told_to() {
    with_desk(|mut desk| {
        desk.enter("a line");
        for _ in 0..1000 {
            desk.step();
        }
        assert_eq!(desk.take(), "");
        desk.answer(":resume");
        desk.chars(10);
    });
}

#[test]
fn the_speed_is_kept() {
    with_desk(|mut desk| {
        desk.answer(":resume");
        // The mock clock has 10,000 ticks a second.
        for speed in [1, 25, 100] {
            desk.enter(&format!(":speed {speed}"));
            desk.chars(2);
            let start = desk.board.now;
            let mut written = 0;
            while desk.board.now - start < 100_000 {
                written += usize::from(desk.step());
            }
            let expected = 10 * speed;
            assert!(written.abs_diff(expected) <= 1, "{written} of {expected}");
        }
    });
}

#[test]
fn the_speed_is_kept_around_the_end_of_the_clock() {
    with_desk(|mut desk| {
        desk.answer(":resume");
        desk.enter(":speed 100");
        desk.chars(2);
        desk.board.now = u32::MAX - 50_000;
        desk.chars(1);
        let mut written = 0;
        let mut passed = 0;
        while passed < 100_000 {
            let before = desk.board.now;
            written += usize::from(desk.step());
            passed += desk.board.now.wrapping_sub(before);
        }
        assert!(written.abs_diff(1000) <= 1, "{written}");
    });
}

#[test]
fn statistics_tell_characters_ticks_and_losses() {
    with_desk(|mut desk| {
        let none = "# 0 characters, 0 mock ticks each, at 10000 a second; \
                    0 bytes lost, 0 port errors\n";
        assert_eq!(desk.answer(":stats"), none);
        desk.answer(":resume");
        desk.chars(123);
        desk.enter(":pause");
        desk.board.lost = 7;
        desk.console.note_port_error();
        let some = "# 123 characters, 1 mock ticks each, at 10000 a second; \
                    7 bytes lost, 1 port errors\n";
        assert_eq!(desk.answer(":stats"), some);
    });
}

#[test]
fn info_tells_model_and_memory() {
    with_desk(|mut desk| {
        let model = letters();
        let expected = format!(
            "# model {}, int4, checksum {:08x}, 27 symbols\n\
             # file format 1, CIFG 96 projected to 32\n\
             # flash: firmware 11 bytes; model 17684 of 17684 bytes\n\
             # RAM: variables 22 bytes; stack 33 bytes, high water 3\n\
             # temperature 0.8, top-k 256, top-p 1, seed 1, speed 0\n",
            model.name(),
            model.checksum()
        );
        assert_eq!(desk.answer(":info"), expected);
    });
}

/// A board with a slow flash copies the model to RAM, if it fits there, else its network, if that fits.
#[test]
fn info_tells_that_a_model_runs_from_ram() {
    let (len, model) = (LETTERS.0.len(), letters());
    let network = model.network_bytes();
    assert!(network < len);
    for (room, end) in [
        (network - 1, "\n"),
        (network, ", its network runs from a copy in RAM\n"),
        (len - 1, ", its network runs from a copy in RAM\n"),
        (len, ", runs from a copy in RAM\n"),
        (len + 100, ", runs from a copy in RAM\n"),
    ] {
        let mut copy = vec![0u128; room.div_ceil(16)];
        let copy = &mut bytemuck::cast_slice_mut(&mut copy)[..room];
        let mut ram = Desktop::new();
        let mut desk = Desk::of(Console::copied(&LETTERS.0, copy, &mut ram));
        assert_eq!(desk.chars(200), written(&model, "", SEED, 200));
        desk.enter(":pause");
        let expected = format!("; model {len} of {len} bytes{end}");
        let info = desk.answer(":info");
        assert!(info.contains(&expected), "{info}");
        assert!(desk.answer(":selftest").ends_with("# selftest PASS\n"));
    }
    // What is no model is not copied, and told as ever.
    let (mut copy, mut ram) = (Aligned([7; 64]), Desktop::new());
    let desk = Desk::of(Console::copied(&[0xff; 64], &mut copy.0, &mut ram));
    assert!(desk.sent.starts_with("# no model runs: not a .lstm file"));
    drop(desk);
    assert_eq!(copy.0, [7; 64]);
}

#[test]
fn a_selftest_passes_and_leaves_no_trace() {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    let expected = written(&model, "", SEED, 400);
    let mut text = desk.chars(200);
    let answer = desk.enter(":selftest");
    let lines: Vec<_> = answer.trim().lines().collect();
    let (checksum, golden) = (model.checksum(), model.golden().unwrap());
    assert_eq!(
        lines,
        [
            "> :selftest",
            &format!("# checksum {checksum:08x}: right"),
            &format!("# golden text of 1000 tokens .......... digest {golden:08x}: right"),
            "# state of 278 bytes: saved, restored, goes on alike",
            "# selftest PASS",
        ]
    );
    text += &desk.chars(200);
    assert_eq!(text, expected);
    desk.enter(":pause");
    assert!(desk.answer(":stats").starts_with("# 400 characters, "));
}

#[test]
fn a_bench_tells_what_to_report_and_leaves_no_trace() {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    let expected = written(&model, "", SEED, 400);
    let mut text = desk.chars(200);
    let answer = desk.enter(":bench");
    let lines: Vec<_> = answer.trim().lines().collect();
    let (checksum, golden) = (model.checksum(), model.golden().unwrap());
    let (name, format) = (model.name(), model.format());
    assert_eq!(
        lines,
        [
            "> :bench",
            &format!("# model {name}, {format}, checksum {checksum:08x}, on mock, 1 MHz"),
            // The board's clock goes on by a tick a character.
            "# 1000 characters, 1 mock ticks each, at 10000 a second: 100000 in 10 s",
            &format!("# text digest {golden:08x}: right"),
        ]
    );
    text += &desk.chars(200);
    assert_eq!(text, expected);
    desk.enter(":pause");
    assert!(desk.answer(":stats").starts_with("# 400 characters, "));
    let answer = desk.answer(":bench 7");
    assert_eq!(answer, "# found :bench 7, expected the command alone\n");
    drop(desk);

    // A text that is not the exporter's.
    let file = with_wrong_golden();
    let mut desk = Desk::new(Model::from_bytes(&file.0), &file.0, &mut ram);
    let answer = desk.enter(":bench");
    let line = format!("# text digest {golden:08x}, expected ");
    assert!(answer.contains(&line), "{answer}");
    drop(desk);

    // No room to put the state aside.
    let mut narrow = Ram::<MODEL_WORDS>::new();
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut narrow);
    let answer = desk.enter(":bench");
    assert!(answer.contains("# no room for the state: "), "{answer}");
    drop(desk);

    let mut desk = Desk::new(Err(ModelError::Description), &[], &mut ram);
    let answer = desk.enter(":bench");
    assert!(answer.contains("# no model runs: "), "{answer}");
}

#[test]
fn a_selftest_tells_what_fails() {
    let model = letters();
    let expected = written(&model, "", SEED, 100);

    // Flash that has changed since the start.
    let (mut damaged, mut ram) = (LETTERS, Desktop::new());
    damaged.0[9000] ^= 1;
    let mut desk = Desk::new(Ok(model), &damaged.0, &mut ram);
    let answer = desk.enter(":selftest");
    let line = "# the .lstm file is damaged: found checksum ";
    assert!(answer.contains(line), "{answer}");
    assert!(answer.ends_with("# selftest FAIL\n"), "{answer}");
    assert_eq!(desk.chars(100), expected);
    drop(desk);

    // A text that is not the exporter's.
    let file = with_wrong_golden();
    let wrong = Model::from_bytes(&file.0).unwrap();
    let mut desk = Desk::new(Ok(wrong), &file.0, &mut ram);
    let answer = desk.enter(":selftest");
    let [found, meant] = [&model, &wrong].map(|m| m.golden().unwrap());
    let line = format!(" digest {found:08x}, expected {meant:08x}\n");
    assert!(answer.contains(&line), "{answer}");
    assert!(answer.ends_with("# selftest FAIL\n"), "{answer}");
    assert_eq!(desk.chars(100), expected);

    // No room to put the state aside.
    let mut narrow = Ram::<MODEL_WORDS>::new();
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut narrow);
    let answer = desk.enter(":selftest");
    let line = "# selftest FAIL: no room for the state: the snapshot has ";
    assert!(answer.contains(line), "{answer}");
    assert_eq!(desk.chars(100), expected);
    assert!(desk.enter(":save").contains("# no room for the state: "));
}

#[test]
fn a_state_goes_from_one_console_to_another() {
    let model = letters();
    let expected = written(&model, "", SEED, 300);
    let (mut one, mut two) = (Desktop::new(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut one);
    assert_eq!(desk.chars(100), expected[..100]);
    let saved = desk.enter(":save");
    let line = saved.lines().last().unwrap();
    assert!(line.starts_with(":load "), "{saved}");
    assert_eq!(line.len(), ":load ".len() + (278usize * 4).div_ceil(3));
    // The one goes on.
    assert_eq!(desk.chars(50), expected[100..150]);

    let mut other = Desk::new(Ok(model), &LETTERS.0, &mut two);
    other.chars(33);
    other.enter(":temp 0.1");
    let sent = other.enter(line);
    let echo = format!("> {line}\n# state loaded: after 100 characters\n");
    assert_eq!(sent.trim_start_matches('\n'), echo);
    assert_eq!(other.chars(200), expected[100..]);
}

#[test]
fn a_state_that_cannot_be_used_changes_nothing() {
    with_desk(|mut desk| {
        let model = letters();
        desk.answer(":reset");
        let saved = desk.answer(":save");
        let line = saved.trim_end();
        let damaged = line.replacen(
            &line[60..62],
            if &line[60..62] == "AB" { "BA" } else { "AB" },
            1,
        );
        let other = {
            let (model, mut ram) = (Model::from_bytes(&OTHER.0).unwrap(), Desktop::new());
            let mut desk = Desk::new(Ok(model), &OTHER.0, &mut ram);
            desk.answer(":pause");
            desk.answer(":save").trim_end().to_owned()
        };
        let found = Model::from_bytes(&OTHER.0).unwrap().checksum();
        let expected = model.checksum();
        let wrong_model =
            format!("the snapshot is of model {found:08x}, expected model {expected:08x}");
        for (line, refusal) in [
            (":load ", "the snapshot has 0 bytes, expected 278"),
            (
                ":load A+",
                "the snapshot holds the byte 2b, expected only A-Z a-z 0-9 - _",
            ),
            (
                &format!("{line}AAAA"),
                "the snapshot has 281 bytes, expected 278",
            ),
            (
                &format!(":load {}", "A".repeat(4000)),
                "the snapshot has 3000 bytes, expected 278",
            ),
            (
                &damaged,
                "the snapshot is damaged: its checksum or a value in it is wrong",
            ),
            (&other, &wrong_model),
        ] {
            assert_eq!(
                desk.answer(line),
                format!("# state not loaded: {refusal}\n")
            );
        }
        // A state that is too short may go on in the next line, until there is nothing in one.
        for (line, found, refusal) in [
            (":load AAAA", 3, "the snapshot has 3 bytes, expected 278"),
            (
                ":load A",
                0,
                "the snapshot is cut off: its characters do not make whole bytes",
            ),
        ] {
            let more =
                format!("# found {found} of 278 bytes; the next line goes on, an empty one ends\n");
            assert_eq!(desk.answer(line), more);
            let refusal = format!("# state not loaded: {refusal}\n");
            assert_eq!(desk.enter(""), refusal);
        }
        // Given up half way.
        desk.type_bytes(&line.as_bytes()[..100]);
        desk.type_bytes(b"\x7f\x03");
        let sent = desk.take();
        assert_eq!(sent, format!("> {}\x07^C\n", &line[..100]));
        desk.answer(":resume");
        assert_eq!(desk.chars(200), written(&model, "", SEED, 200));
    });
}

/// Every board refuses what no model is: the console lives without one.
#[test]
fn without_a_model_the_console_answers() {
    let mut damaged = LETTERS;
    damaged.0[12_000] ^= 0x10;
    for region in [&[0xff; 64][..], &[], &damaged.0] {
        let (model, mut ram) = (Model::from_region(region), Desktop::new());
        let error = model.unwrap_err();
        let mut desk = Desk::new(Err(error), region, &mut ram);
        let refusal = format!("# no model runs: {error}\n");
        assert_eq!(desk.take(), refusal);
        for _ in 0..100 {
            assert!(!desk.step());
        }
        for line in [
            "to be",
            ":temp 1",
            ":topk",
            ":topp 1",
            ":seed 2",
            ":reset",
            ":save",
            ":load AAAA",
        ] {
            assert_eq!(desk.answer(line), refusal, "{line}");
        }
        assert_eq!(desk.enter(""), refusal);
        assert!(desk.answer(":help").contains(":selftest"));
        let info = desk.answer(":info");
        assert!(info.starts_with(&refusal), "{info}");
        let flash = format!(
            "# flash: firmware 11 bytes; model 0 of {} bytes\n",
            region.len()
        );
        assert!(info.contains(&flash), "{info}");
        let failed = format!("# selftest FAIL: no model runs: {error}\n");
        assert_eq!(desk.answer(":selftest"), failed);
        assert!(
            desk.answer(":stats")
                .starts_with("# 0 characters, 0 mock ticks each")
        );
        assert_eq!(desk.answer(":pause"), "# paused; :resume goes on\n");
        assert_eq!(desk.answer(":speed 5"), "# speed 5\n");
    }
}

#[test]
fn a_workspace_too_small_is_no_model() {
    let (model, mut ram) = (letters(), Ram::<8>::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    let expected = "# no model runs: the workspace has 8 words of state, expected at least ";
    assert!(desk.take().starts_with(expected));
    assert!(desk.answer(":selftest").contains("FAIL"));
}

/// Bytes without a meaning, from a generator of Knuth.
fn noise(count: usize) -> impl Iterator<Item = u8> {
    let mut state = 1u64;
    (0..count).map(move |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
}

#[test]
fn noise_does_no_harm() {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    let mut remarks = 0;
    for byte in noise(200_000) {
        desk.type_bytes(&[byte]);
        desk.step();
        let sent = std::mem::take(&mut desk.sent);
        remarks += sent.matches("# found ").count();
    }
    assert!(remarks > 500, "{remarks}");
    desk.type_bytes(b"\x03\r:temp 0.8\r:topk 256\r:topp 1\r:speed 0\r:resume\r:seed 7\r:reset\r");
    assert_eq!(desk.chars(500), written(&model, "", 7, 500));
}

/// A line of commands and text in which every byte is a command's.
#[test]
fn likely_noise_does_no_harm_either() {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    let bytes = b":loadsveinfotpkr 0.9\r\r\x15\x1b[A-_";
    for byte in noise(100_000) {
        desk.type_bytes(&[bytes[usize::from(byte) % bytes.len()]]);
    }
    desk.take();
    desk.type_bytes(b"\x03\r:temp 0.8\r:topk 256\r:topp 1\r:speed 0\r:resume\r:seed 9\r:reset\r");
    assert_eq!(desk.chars(500), written(&model, "", 9, 500));
}

#[test]
fn one_who_connects_later_is_greeted() {
    with_desk(|mut desk| {
        desk.take();
        desk.console.greet();
        desk.finish();
        assert!(desk.take().starts_with("# model "));
    });
    let mut ram = Desktop::new();
    let mut desk = Desk::new(Err(ModelError::Description), &[], &mut ram);
    desk.take();
    desk.console.greet();
    desk.finish();
    assert!(desk.take().starts_with("# no model runs: "));
}

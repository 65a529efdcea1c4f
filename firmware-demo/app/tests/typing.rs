//! What terminals and people do that no one has planned: echoes, stray bytes, odd keys, accents, pasted
//! texts.

mod common;

use std::collections::VecDeque;

use common::{Desk, Desktop, LETTERS, letters, written};
use firmware_app::SEED;
use lstm_core::ModelError;

/// Runs a test with a console that has a model.
fn with_desk(test: impl FnOnce(Desk<'_, '_>)) {
    let (model, mut ram) = (letters(), Desktop::new());
    let mut desk = Desk::new(Ok(model), &LETTERS.0, &mut ram);
    desk.take();
    test(desk);
}

/// What a terminal in echo mode makes of what it gets: as it is, or as Linux does at first.
fn echoes() -> [fn(&str) -> String; 2] {
    [str::to_owned, |text| text.replace("\r\n", "\r\n\r\n")]
}

#[test]
fn a_terminal_that_echoes_starts_no_loop() {
    for (echo, is_greeted) in echoes().into_iter().flat_map(|e| [(e, true), (e, false)]) {
        with_desk(|mut desk| {
            let mut pending = VecDeque::new();
            desk.console.greet();
            if !is_greeted {
                desk.finish();
                desk.chars(20);
            }
            let mut sent = Vec::new();
            for _ in 0..5000 {
                desk.step();
                if desk.console.is_listening()
                    && let Some(byte) = pending.pop_front()
                {
                    desk.sent.push_str(desk.console.input(byte));
                }
                let text = std::mem::take(&mut desk.sent);
                pending.extend(echo(&text).bytes());
                sent.push(text);
            }
            let all = sent.concat();
            assert_eq!(all.matches("# found an echo, ").count(), 1, "{all}");
            let (start, text) = all.split_once("listens again\r\n").unwrap();
            assert!(start.len() < 600, "{start}");
            // From there on, there is text and nothing else.
            assert!(
                text.len() > 1000 && !text.contains(['#', '>', '\r']),
                "{text}"
            );

            desk.take();
            desk.type_bytes(b"\x03");
            assert_eq!(desk.answer(":temp 0.5"), "# temperature 0.5\n");
        });
    }
}

#[test]
fn remarks_that_are_pasted_are_skipped() {
    with_desk(|mut desk| {
        desk.answer(":pause");
        desk.type_bytes(b"# temperature 0.5\r:temp\r");
        assert_eq!(desk.take(), "> # \n> :temp\n# temperature 0.8\n");
    });
}

#[test]
fn a_stray_byte_does_not_stop_the_text_for_good() {
    for byte in [b'x', b':', b'>', b'#'] {
        with_desk(|mut desk| {
            desk.chars(10);
            desk.type_bytes(&[byte]);
            desk.wait(59);
            assert_eq!(desk.take(), format!("\n> {}", char::from(byte)));
            desk.wait(2);
            assert_eq!(desk.take(), "\n# no key for 60 s: the line is dropped\n");
            let text = desk.chars(200);
            assert_eq!(text, written(&letters(), "", SEED, 210)[10..]);
        });
    }
}

#[test]
fn a_line_waits_as_long_as_keys_come() {
    with_desk(|mut desk| {
        for _ in 0..10 {
            desk.type_bytes(b"a");
            desk.wait(50);
        }
        assert_eq!(desk.take(), "> aaaaaaaaaa");
        // A long test between is no pause of the one who types.
        desk.type_bytes(b"\x15:selftest\rto");
        desk.board.now += 100 * 10_000;
        desk.type_bytes(b" ");
        desk.step();
        desk.step();
        assert!(desk.take().ends_with("# selftest PASS\n> to "));
    });
}

#[test]
fn a_line_without_a_model_is_dropped_too() {
    let mut ram = Desktop::new();
    let mut desk = Desk::new(Err(ModelError::Description), &[], &mut ram);
    desk.type_bytes(b":load AA");
    desk.wait(61);
    assert!(desk.take().ends_with("is dropped\n"));
    assert_eq!(desk.answer(":speed"), "# speed 0\n");
}

#[test]
fn characters_beyond_ascii_are_erased_whole() {
    with_desk(|mut desk| {
        // An accent of its own, one that is composed, and one of four bytes and two columns.
        desk.type_bytes("te\u{301}\u{e9}\u{1f600}".as_bytes());
        assert_eq!(desk.take(), "> te\u{301}\u{e9}\u{1f600}");
        let sent = |desk: &mut Desk<'_, '_>| std::mem::take(&mut desk.sent);
        for left in ["te\u{301}\u{e9}", "te\u{301}", "te"] {
            desk.type_bytes(b"\x7f");
            assert_eq!(sent(&mut desk), format!("\r> {left}  \x08\x08"));
        }
        desk.type_bytes(b"\x7f\x7f");
        assert_eq!(sent(&mut desk), "\x08 \x08\x08 \x08");
        // A long line begins anew below: it may take several lines of the terminal.
        let long = "\u{e9}".repeat(100);
        desk.type_bytes(format!("{long}\u{e9}").as_bytes());
        sent(&mut desk);
        desk.type_bytes(b"\x7f");
        assert_eq!(sent(&mut desk), format!("\r\n> {long}  \x08\x08"));
    });
}

#[test]
fn characters_that_the_model_lacks_are_told() {
    with_desk(|mut desk| {
        desk.enter(":pause");
        assert_eq!(
            desk.enter("caf\u{e9}, No\u{eb}l"),
            "> caf\u{e9}, No\u{eb}l\n# found 3 characters that the model lacks, first \u{e9}; \
             it read its symbol 0 instead\n"
        );
        // The count begins anew, and capitals are folded.
        assert_eq!(desk.enter("NOEL"), "> NOEL");
        desk.enter(":reset");
        desk.enter("caf\u{e9}");
        desk.enter(":resume");
        assert_eq!(desk.chars(100), written(&letters(), "caf ", SEED, 100));
    });
}

#[test]
fn a_line_break_can_be_typed() {
    with_desk(|mut desk| {
        assert_eq!(desk.enter(r"to be\nor \not"), r"> to be\nor \not");
        let expected = written(&letters(), "to be\nor \not", SEED, 100);
        assert_eq!(desk.chars(100), expected);
    });
}

#[test]
fn a_pasted_text_is_read_line_by_line() {
    let text = "shall i compare thee\nto a summers day\n\nthou art more lovely";
    for end in ["\r", "\n", "\r\n"] {
        with_desk(|mut desk| {
            desk.type_bytes(text.replace('\n', end).as_bytes());
            desk.type_bytes(end.as_bytes());
            let echo = desk.take();
            let shown = "> shall i compare thee\n> to a summers day\n> thou art more lovely";
            assert_eq!(echo, shown);
            assert_eq!(desk.chars(100), written(&letters(), text, SEED, 100));
        });
    }
    // Once the text goes on, a line is no part of a pasted one.
    with_desk(|mut desk| {
        desk.enter("to be");
        let between = desk.chars(5);
        desk.enter("or not");
        let prompt = format!("to be{between}or not");
        let model = letters();
        assert_ne!(between, "");
        let expected = {
            let (mut words, mut logits) = (vec![0; common::WORDS], vec![0; 256]);
            let mut poet = firmware_app::Poet::new(model, &mut words, &mut logits).unwrap();
            poet.restart();
            "to be".chars().for_each(|c| poet.read(c));
            (0..5).for_each(|_| _ = poet.write());
            "or not".chars().for_each(|c| poet.read(c));
            (0..50).map(|_| poet.write()).collect::<String>()
        };
        assert_eq!(desk.chars(50), expected, "{prompt}");
    });
}

#[test]
fn a_state_with_blanks_behind_it_is_loaded() {
    with_desk(|mut desk| {
        desk.enter(":pause");
        let saved = desk.answer(":save");
        let line = saved.trim_end();
        let loaded = "# state loaded: after 0 characters\n";
        assert_eq!(desk.answer(&format!("{line}  ")), loaded);
        assert_eq!(desk.answer(&format!("  {line}")), loaded);
        let cut = line.replacen(&line[50..51], " ", 1);
        let refusal = "# state not loaded: the snapshot holds the byte 20, ";
        assert!(desk.answer(&cut).starts_with(refusal));
    });
}

#[test]
fn a_state_in_several_lines_is_loaded() {
    with_desk(|mut desk| {
        desk.chars(33);
        desk.enter(":pause");
        let saved = desk.answer(":save");
        desk.enter("something else");
        let line = saved.trim_end();
        for width in [40, 80, 133] {
            let pieces = line
                .as_bytes()
                .chunks(width)
                .map(|c| str::from_utf8(c).unwrap());
            let wrapped = pieces.collect::<Vec<_>>().join("\r\n");
            let answer = desk.enter(&wrapped);
            let end = "\n# state loaded: after 33 characters\n";
            assert!(answer.ends_with(end), "{answer}");
        }
        // A command ends one that goes on.
        desk.answer(":load AAAA");
        assert_eq!(desk.answer(":temp"), "# temperature 0.8\n");
        desk.enter(":resume");
        assert_eq!(desk.chars(100), written(&letters(), "", SEED, 133)[33..]);
    });
}

#[test]
fn ctrl_s_pauses_and_ctrl_q_goes_on() {
    with_desk(|mut desk| {
        desk.chars(20);
        desk.type_bytes(b"\x13");
        (0..100).for_each(|_| assert!(!desk.step()));
        // Between the keys of a line too, which is as it was.
        desk.type_bytes(b":te\x11\x13\x11mp 0.5\r");
        assert_eq!(desk.take(), "\n> :temp 0.5\n# temperature 0.5\n");
        desk.chars(20);
    });
}

#[test]
fn a_bare_enter_tells_what_runs() {
    with_desk(|mut desk| {
        desk.chars(20);
        let model = letters();
        let (name, checksum) = (model.name(), model.checksum());
        let banner = format!("# model {name}, int4, checksum {checksum:08x}; type :help\n");
        assert_eq!(desk.enter(""), format!("\n{banner}"));
        desk.chars(20);
        desk.enter(":pause");
        assert_eq!(
            desk.enter(""),
            format!("{banner}# paused; :resume goes on\n")
        );
        // Not one who has typed something and thought better of it.
        desk.type_bytes(b"x\x7f\r");
        assert_eq!(desk.take(), "> x\x08 \x08\n");
    });
}

#[test]
fn blanks_before_a_command_do_not_matter() {
    with_desk(|mut desk| {
        assert_eq!(desk.answer("  :temp 0.5 "), "# temperature 0.5\n");
        assert_eq!(desk.enter("\t:temp"), ">  :temp\n# temperature 0.5\n");
    });
}

//! The line that is being typed.

use crate::{
    REMARK,
    output::{BACKSPACE, BELL, Output},
};

/// Bytes of the longest line that is taken.
pub(crate) const LONGEST_LINE: usize = 252;
/// Room for that line and one more character on its way.
const ROOM: usize = LONGEST_LINE + 4;
/// What stands before a line that is being typed.
pub(crate) const PROMPT: &str = "> ";
const ECHO: &str = "found an echo, expected a terminal without; after Ctrl-C, it listens again";

/// What a byte was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Part of the line, or nothing.
    Edited,
    /// The line is to be shown anew: how wide its last character was, the terminal alone knows.
    Redraw,
    /// A character of what follows the line, after [`Editor::hand_on`]; not echoed.
    Character(u8),
    /// The end of the line.
    Enter,
}

/// A line as it is typed, with its echo: backspace, Ctrl-C and Ctrl-U as in a terminal; CR, LF or
/// both end it.
///
/// What it does not take never gets into the line: characters beyond its room and control
/// characters ring the bell, escape sequences of keys are skipped, and bytes that are not UTF-8 are
/// remembered for the one that runs the line.
///
/// A terminal in echo mode sends back what it gets, and so would the console, for ever. So a line that
/// begins as a remark of the console is skipped, without an echo; and after one that begins with its
/// prompt, everything is, until Ctrl-C.
pub(crate) struct Editor {
    line: heapless::Vec<u8, ROOM>,
    /// How many of the last bytes of the line are a character that has not come whole.
    partial: usize,
    is_open: bool,
    hands_on: bool,
    skips: Skip,
    /// Bytes that found no room.
    refused: u32,
    /// The first byte that was not UTF-8.
    noise: Option<u8>,
    escape: Escape,
    is_after_cr: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// To the end of the line.
    Line,
    /// To Ctrl-C.
    Everything,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    No,
    /// After ESC.
    Start,
    /// After ESC and `[` or `O`.
    First,
    /// In the parameters of such a sequence.
    Parameters,
    /// In a character of several bytes after ESC: the Alt key with it.
    Rest,
}

impl Editor {
    pub(crate) const fn new() -> Self {
        Editor {
            line: heapless::Vec::new(),
            partial: 0,
            is_open: false,
            hands_on: false,
            skips: Skip::Nothing,
            refused: 0,
            noise: None,
            escape: Escape::No,
            is_after_cr: false,
        }
    }

    /// Whether a line has been begun.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(crate) fn line(&self) -> &str {
        // Only whole characters are in it when it is asked for.
        str::from_utf8(&self.line).unwrap_or_default()
    }

    /// The bytes of a line that was too long.
    pub(crate) fn too_long(&self) -> Option<usize> {
        (self.refused > 0).then(|| self.line.len().saturating_add(self.refused as usize))
    }

    /// The first byte that was not UTF-8.
    pub(crate) fn noise(&self) -> Option<u8> {
        self.noise
    }

    /// From here to its end, the line is not kept.
    pub(crate) fn hand_on(&mut self) {
        self.hands_on = true;
    }

    pub(crate) fn hands_on(&self) -> bool {
        self.hands_on
    }

    /// Before the next line.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
        self.partial = 0;
        self.is_open = false;
        self.hands_on = false;
        self.skips = Skip::Nothing;
        self.refused = 0;
        self.noise = None;
        self.escape = Escape::No;
    }

    /// Takes a byte, and echoes it.
    pub(crate) fn input(&mut self, byte: u8, output: &mut Output) -> Event {
        let is_after_cr = core::mem::replace(&mut self.is_after_cr, byte == b'\r');
        if self.is_of_escape(byte) || self.is_skipped(byte) {
            return Event::Edited;
        }
        if byte < b' ' || byte == 0x7f {
            self.drop_partial();
        }
        match byte {
            b'\n' if is_after_cr => {}
            b'\r' | b'\n' => return Event::Enter,
            0x08 | 0x7f => return self.rub_out(output),
            // Ctrl-C
            0x03 if self.is_open => {
                output.str("^C\n");
                self.clear();
            }
            // Ctrl-U
            0x15 if self.is_open => {
                output.str("^U\n");
                self.clear();
                self.open(output);
            }
            0x1b => self.escape = Escape::Start,
            b'\t' => return self.character(b' ', output),
            ..b' ' => self.ring(output),
            _ => return self.character(byte, output),
        }
        Event::Edited
    }

    /// Whether a byte is part of an escape sequence.
    fn is_of_escape(&mut self, byte: u8) -> bool {
        let next = match (self.escape, byte) {
            (Escape::Start, b'[' | b'O') => Some(Escape::First),
            // Alt and a key.
            (Escape::Start, b' '..0x7f) => Some(Escape::No),
            (Escape::Start, 0xc0..) => Some(Escape::Rest),
            (Escape::Rest, 0x80..0xc0) => Some(Escape::Rest),
            // The function keys of Linux' console.
            (Escape::First, b'[') => Some(Escape::Parameters),
            (Escape::First | Escape::Parameters, b' '..=b'?') => Some(Escape::Parameters),
            (Escape::First | Escape::Parameters, b'@'..0x7f) => Some(Escape::No),
            _ => None,
        };
        self.escape = next.unwrap_or(Escape::No);
        next.is_some()
    }

    /// Whether a byte is of an echo, and so to be skipped.
    fn is_skipped(&mut self, byte: u8) -> bool {
        const CTRL_C: u8 = 0x03;
        match (self.skips, byte) {
            (Skip::Nothing, _) => return false,
            (_, CTRL_C) | (Skip::Line, b'\r' | b'\n') => self.clear(),
            _ => {}
        }
        true
    }

    /// Drops a line that begins as one of the console's own.
    fn drop_echo(&mut self, output: &mut Output) {
        let skips = match self.line() {
            REMARK => Skip::Line,
            PROMPT => Skip::Everything,
            _ => return,
        };
        self.clear();
        self.skips = skips;
        output.end();
        if skips == Skip::Everything {
            output.remark(ECHO).end();
        }
    }

    fn open(&mut self, output: &mut Output) {
        if !self.is_open {
            self.is_open = true;
            self.noise = None;
            output.start_line();
            output.str(PROMPT);
        }
    }

    /// A bell for what was not typed at a line would ring for no reason that anyone could see.
    fn ring(&self, output: &mut Output) {
        if self.is_open {
            output.push(BELL);
        }
    }

    fn rub_out(&mut self, output: &mut Output) -> Event {
        if self.hands_on || self.line.is_empty() {
            self.ring(output);
            return Event::Edited;
        }
        let mut is_ascii = true;
        while let Some(byte) = self.line.pop() {
            is_ascii &= byte.is_ascii();
            if !is_continuation(byte) {
                break;
            }
        }
        // Whoever corrects the line has seen what it lacks.
        self.refused = 0;
        self.noise = None;
        if !is_ascii {
            return Event::Redraw;
        }
        output.push(BACKSPACE);
        output.push(' ');
        output.push(BACKSPACE);
        Event::Edited
    }

    fn character(&mut self, byte: u8, output: &mut Output) -> Event {
        if self.hands_on {
            return Event::Character(byte);
        }
        if self.partial > 0 && !is_continuation(byte) {
            self.drop_partial();
        }
        if self.partial == 0 && self.line.len() >= LONGEST_LINE {
            self.refused = self.refused.saturating_add(1);
            self.ring(output);
            return Event::Edited;
        }
        // There is room: a character is begun within the longest line only.
        let _ = self.line.push(byte);
        self.partial += 1;
        let start = self.line.len().saturating_sub(self.partial);
        match str::from_utf8(self.line.get(start..).unwrap_or_default()) {
            Ok(character) => {
                self.partial = 0;
                // Not `open`, which would borrow the line too.
                if !self.is_open {
                    self.is_open = true;
                    self.noise = None;
                    output.start_line();
                    output.str(PROMPT);
                }
                output.str(character);
                self.drop_echo(output);
            }
            // More of it may come.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                self.drop_partial();
                self.ring(output);
            }
        }
        Event::Edited
    }

    /// Takes an unfinished character out of the line again.
    fn drop_partial(&mut self) {
        while self.partial > 0 {
            self.partial -= 1;
            let byte = self.line.pop();
            if self.partial == 0 && self.noise.is_none() {
                self.noise = byte;
            }
        }
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{format, string::String, vec::Vec};

    use super::*;

    /// The events of these bytes other than [`Event::Edited`], the echo, and the editor then.
    fn typed(bytes: &[u8]) -> (Vec<Event>, String, Editor) {
        let (mut editor, mut echo, mut events) = (Editor::new(), String::new(), Vec::new());
        let mut output = Output::new();
        for &byte in bytes {
            output.clear();
            let event = editor.input(byte, &mut output);
            echo.push_str(output.as_str());
            if event != Event::Edited {
                events.push(event);
            }
        }
        (events, echo, editor)
    }

    fn line(bytes: &[u8]) -> String {
        typed(bytes).2.line().into()
    }

    #[test]
    fn what_is_typed_is_echoed_behind_a_prompt() {
        let (events, echo, editor) = typed("to bé\r".as_bytes());
        assert_eq!(events, [Event::Enter]);
        assert_eq!(echo, "> to bé");
        assert_eq!(editor.line(), "to bé");
    }

    #[test]
    fn a_line_ends_with_cr_lf_or_both() {
        for (bytes, count) in [
            (&b"a\r"[..], 1),
            (b"a\n", 1),
            (b"a\r\n", 1),
            (b"a\n\r", 2),
            (b"a\r\r", 2),
            (b"a\n\n", 2),
            (b"a\r\n\r\n", 2),
        ] {
            assert_eq!(typed(bytes).0.len(), count, "{bytes:?}");
        }
    }

    #[test]
    fn both_backspaces_take_a_whole_character() {
        for backspace in [0x08, 0x7f] {
            let bytes = ["aé—".as_bytes(), &[backspace, backspace], b"b"].concat();
            let (events, echo, editor) = typed(&bytes);
            assert_eq!(editor.line(), "ab");
            // How many columns they take, the terminal alone knows.
            assert_eq!(events, [Event::Redraw, Event::Redraw]);
            assert_eq!(echo, "> aé—b");
            let (_, echo, editor) = typed(&[b'a', backspace, backspace]);
            assert_eq!((editor.line(), &*echo), ("", "> a\x08 \x08\x07"));
            assert_eq!(typed(&[backspace]).1, "");
        }
    }

    #[test]
    fn control_keys_drop_the_line() {
        let (_, echo, editor) = typed(b"ab\x03");
        assert_eq!((editor.line(), &*echo), ("", "> ab^C\r\n"));
        assert!(!editor.is_open());
        let (_, echo, editor) = typed(b"ab\x15c");
        assert_eq!((editor.line(), &*echo), ("c", "> ab^U\r\n> c"));
        assert_eq!(typed(b"\x03\x15\x07\x1b").1, "");
    }

    #[test]
    fn arrow_keys_and_control_characters_are_left_out() {
        assert_eq!(
            line(b"a\x1b[Ab\x1b[1;5Cc\x1bOHd\x1bxe\x00\x07f\tg"),
            "abcdef g"
        );
        // A sequence cut short does not swallow the end of the line.
        for start in [
            &b"a\x1b"[..],
            b"a\x1b[",
            b"a\x1bO",
            b"a\x1b[1;",
            b"a\x1b[[",
            b"a\x1b\xc3",
        ] {
            let (events, echo, editor) = typed(&[start, b"\r"].concat());
            assert_eq!((events.len(), editor.line()), (1, "a"));
            assert_eq!((&*echo, editor.noise()), ("> a", None));
        }
        assert_eq!(typed(b"a\x01").1, "> a\x07");
    }

    #[test]
    fn odd_escape_sequences_leave_nothing_in_the_line() {
        for (bytes, expected) in [
            // Function keys of Linux' console, of xterm, and with modifiers.
            (&b"a\x1b[[Ab"[..], "ab"),
            (b"a\x1b[15~b", "ab"),
            (b"a\x1bOPb", "ab"),
            (b"a\x1bO1;5Pb", "ab"),
            // Alt with an arrow, and with a character of two bytes.
            (b"a\x1b\x1b[Ab", "ab"),
            (b"a\x1b\xc3\xa9b", "ab"),
            (b"\x1b\xc3\xa9", ""),
            // A sequence that breaks off at another, at a character or at a backspace.
            (b"a\x1b[1\x1b[Bb", "ab"),
            (b"a\x1b[\xc3\xa9", "aé"),
            (b"ax\x1b[\x7fb", "ab"),
            (b"ax\x1b\x7fb", "ab"),
        ] {
            let editor = typed(bytes).2;
            assert_eq!(editor.line(), expected, "{bytes:x?}");
            assert_eq!(editor.noise(), None, "{bytes:x?}");
        }
    }

    #[test]
    fn what_the_console_itself_writes_is_skipped() {
        let (events, echo, editor) = typed(b"# model a; type :help\r\nto be\r");
        assert_eq!(events, [Event::Enter]);
        assert_eq!((&*echo, editor.line()), ("> # \r\n> to be", "to be"));
        // What begins with its prompt is an echo, and so is all that comes.
        let (events, echo, mut editor) = typed(b"> t\r\n# temperature\r\n\x7f\x15x\r");
        assert_eq!(events, []);
        let remark = "# found an echo, expected a terminal without; after Ctrl-C, it listens again";
        assert_eq!(echo, format!("> > \r\n{remark}\r\n"));
        assert!(!editor.is_open());
        let mut output = Output::new();
        for &byte in b"\x03to be" {
            assert_eq!(editor.input(byte, &mut output), Event::Edited);
        }
        assert_eq!(editor.line(), "to be");
        // Neither is one of these.
        for text in ["#to be", "to # be", " # to be", ">to be", "to > be"] {
            assert_eq!(line(text.as_bytes()), text);
        }
    }

    #[test]
    fn what_is_not_utf_8_is_told_and_not_taken() {
        for (bytes, noise) in [
            (&b"a\xff\xfeb"[..], 0xff),
            (b"a\xc3b", 0xc3),
            (b"a\xe2\x80b", 0xe2),
            (b"a\x80b", 0x80),
            (b"a\xc0\xafb", 0xc0),
            (b"ab\xf0\x9f\r", 0xf0),
        ] {
            let (_, echo, editor) = typed(bytes);
            assert_eq!(editor.line(), "ab", "{bytes:x?}");
            assert_eq!(editor.noise(), Some(noise), "{bytes:x?}");
            assert_eq!(echo.replace('\x07', ""), "> ab");
        }
        // Noise between lines begins none, and is none of the next.
        let (_, echo, editor) = typed(b"\xff\x80\xc3");
        assert!(!editor.is_open() && echo.is_empty());
        let (_, echo, editor) = typed(b"\xff\x80\xc3ab");
        assert_eq!(
            (editor.line(), editor.noise(), &*echo),
            ("ab", None, "> ab")
        );
    }

    #[test]
    fn every_sequence_of_three_bytes_leaves_utf_8() {
        let bytes = [
            0x00, 0x08, b'\n', b'a', 0x7f, 0x80, 0xbf, 0xc3, 0xe2, 0xf0, 0xff,
        ];
        for a in bytes {
            for b in bytes {
                for c in bytes {
                    let editor = typed(&[b'x', a, b, c, b'\n']).2;
                    assert!(str::from_utf8(&editor.line).is_ok());
                    assert_eq!(editor.partial, 0);
                }
            }
        }
    }

    #[test]
    fn a_line_too_long_rings_and_is_told() {
        for character in ["x", "é", "—", "\u{1f600}"] {
            let text = character.repeat(300);
            let (_, echo, editor) = typed(text.as_bytes());
            assert_eq!(editor.too_long(), Some(text.len()), "{character}");
            assert!(editor.line().len() <= LONGEST_LINE + 3);
            assert!(text.starts_with(editor.line()));
            assert_eq!(editor.noise(), None, "{character}");
            assert!(echo.contains('\x07'));
            // After a correction it is a line like any other.
            let (_, _, editor) = typed(&[text.as_bytes(), b"\x7f"].concat());
            assert_eq!(editor.too_long(), None);
        }
        let longest = "x".repeat(LONGEST_LINE);
        assert_eq!(line(longest.as_bytes()), longest);
    }

    #[test]
    fn the_rest_of_a_line_can_be_handed_on() {
        let (_, _, mut editor) = typed(b"a");
        let mut output = Output::new();
        editor.hand_on();
        assert_eq!(editor.input(b'b', &mut output), Event::Character(b'b'));
        assert_eq!(editor.input(0xff, &mut output), Event::Character(0xff));
        assert_eq!(editor.input(0x7f, &mut output), Event::Edited);
        assert_eq!(editor.input(b'\r', &mut output), Event::Enter);
        assert_eq!((editor.line(), output.as_str()), ("a", "\x07"));
    }
}

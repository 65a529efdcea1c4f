//! What is to be sent.

use core::fmt::{self, Write};

use crate::{REMARK, number::divide};

/// Bytes of the longest line that the console sends.
const BYTES: usize = 192;
/// Bytes of `\r\n`, for which there is always room.
const LINE_END: usize = 2;

pub(crate) const BELL: char = '\x07';
pub(crate) const BACKSPACE: char = '\x08';

/// What one step sends: valid UTF-8, in which `\r\n` ends a line, as serial terminals want it; CR, LF
/// or both are such an end.
///
/// No control character of a model is in it: whoever made the model chose its name and its symbols, and
/// a terminal obeys escape sequences. What has no room is left out, but the end of the line. Numbers go
/// through few functions: in a small flash, every use of `write!` counts.
pub(crate) struct Output {
    text: heapless::String<BYTES>,
    /// Whether the terminal's cursor is behind something in its line. (Not the opposite, so that a
    /// new one is all zeros and takes no flash.)
    is_mid_line: bool,
    is_after_cr: bool,
}

impl Output {
    pub(crate) const fn new() -> Self {
        Output {
            text: heapless::String::new(),
            is_mid_line: false,
            is_after_cr: false,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    #[inline(never)]
    pub(crate) fn push(&mut self, character: char) {
        let is_after_cr = core::mem::replace(&mut self.is_after_cr, character == '\r');
        let is_end = matches!(character, '\r' | '\n');
        self.is_mid_line = !is_end;
        if is_end {
            // The LF behind a CR has been sent with it.
            if character == '\r' || !is_after_cr {
                let _ = self.text.push_str("\r\n");
            }
            return;
        }
        let shown = match character {
            '\t' | BELL | BACKSPACE => character,
            _ if character.is_control() => char::REPLACEMENT_CHARACTER,
            _ => character,
        };
        if self.text.len() + shown.len_utf8() + LINE_END <= BYTES {
            let _ = self.text.push(shown);
        }
    }

    #[inline(never)]
    pub(crate) fn str(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            self.push(character);
        }
        self
    }

    /// Goes to the start of a line of this many bytes, to write it anew; to a new line if it may be longer
    /// than the terminal is wide.
    pub(crate) fn rewrite_line(&mut self, bytes: usize) -> &mut Self {
        const NARROWEST: usize = 70;
        let _ = self.text.push_str(match bytes {
            ..NARROWEST => "\r",
            _ => "\r\n",
        });
        self
    }

    /// Goes to the start of a line, unless it is there.
    #[inline(never)]
    pub(crate) fn start_line(&mut self) -> &mut Self {
        if self.is_mid_line {
            self.push('\n');
        }
        self
    }

    /// Begins a line of the firmware itself.
    #[inline(never)]
    pub(crate) fn remark(&mut self, text: &str) -> &mut Self {
        self.start_line().str(REMARK).str(text)
    }

    /// Ends a line.
    pub(crate) fn end(&mut self) {
        self.push('\n');
    }

    /// A whole number.
    #[inline(never)]
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        const MILLIARD: u32 = 1_000_000_000;
        let (high, low) = divide(number, MILLIARD);
        // An output never fails.
        let _ = match u32::try_from(high) {
            Ok(0) => write!(self, "{low}"),
            Ok(high) => write!(self, "{high}{low:09}"),
            Err(_) => {
                let (higher, high) = divide(high, MILLIARD);
                let higher = higher as u32;
                write!(self, "{higher}{high:09}{low:09}")
            }
        };
        self
    }

    /// A number that is not negative, with up to four decimals.
    #[inline(never)]
    pub(crate) fn decimal(&mut self, number: f32) -> &mut Self {
        const ONE: u32 = 10_000;
        let scaled = (number * ONE as f32 + 0.5) as u32;
        self.number((scaled / ONE).into());
        let mut rest = scaled % ONE;
        if rest > 0 {
            self.push('.');
        }
        while rest > 0 {
            rest *= 10;
            self.push(char::from(b'0' + (rest / ONE) as u8));
            rest %= ONE;
        }
        self
    }

    /// A checksum.
    #[inline(never)]
    pub(crate) fn hex(&mut self, number: u32) -> &mut Self {
        let _ = write!(self, "{number:08x}");
        self
    }

    /// What was found and what was expected.
    #[inline(never)]
    pub(crate) fn error(&mut self, error: &dyn fmt::Display) -> &mut Self {
        let _ = write!(self, "{error}");
        self
    }
}

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{format, string::String};

    use super::*;

    #[test]
    fn lines_end_as_terminals_want_it() {
        let mut output = Output::new();
        output.str("a\nb").remark("c ").number(1).end();
        assert_eq!(output.as_str(), "a\r\nb\r\n# c 1\r\n");
        assert!(!output.is_mid_line);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut output = Output::new();
        output.str("a\x1b[2J\u{9b}2J\0\x7fb\t\n");
        let expected = "a\u{fffd}[2J\u{fffd}2J\u{fffd}\u{fffd}b\t\r\n";
        assert_eq!(output.as_str(), expected);
    }

    /// The alphabet of an imported model may have a CR.
    #[test]
    fn cr_lf_or_both_end_one_line() {
        for (text, sent) in [
            ("a\r\nb", "a\r\nb"),
            ("a\rb", "a\r\nb"),
            ("a\n\rb", "a\r\n\r\nb"),
            ("\r\n\r\n", "\r\n\r\n"),
            ("\r\r\n\n", "\r\n\r\n\r\n"),
        ] {
            let mut output = Output::new();
            output.str(text);
            assert_eq!(output.as_str(), sent, "{text:?}");
            assert_eq!(output.is_mid_line, text.ends_with('b'));
        }
    }

    #[test]
    fn a_line_too_long_keeps_its_end() {
        for pad in 0..4 {
            let mut output = Output::new();
            let long: String = "x".repeat(pad) + &"\u{e9}".repeat(200);
            output.remark(&long).end();
            assert!(output.as_str().len() > BYTES - 4);
            assert!(output.as_str().ends_with("\u{e9}\r\n"));
        }
    }

    #[test]
    fn numbers_are_written_as_the_library_writes_them() {
        let tens = (0..20).map(|n| 10u64.pow(n));
        for number in tens.flat_map(|n| [n - 1, n, n + 1, n.wrapping_mul(9)]) {
            let mut output = Output::new();
            assert_eq!(output.number(number).as_str(), format!("{number}"));
        }
        for number in [0, 1, 9, u64::MAX, u64::MAX - 1, 1 << 32, (1 << 32) - 1] {
            let mut output = Output::new();
            assert_eq!(output.number(number).as_str(), format!("{number}"));
        }
    }

    #[test]
    fn a_decimal_is_written_with_four_places_at_most() {
        for (value, text) in [
            (0.8, "0.8"),
            (1.0, "1"),
            (0.0, "0"),
            (100.0, "100"),
            (0.0125, "0.0125"),
            (0.010_05, "0.0101"),
            (0.999_99, "1"),
            (20.304, "20.304"),
        ] {
            assert_eq!(Output::new().decimal(value).as_str(), text);
        }
    }
}

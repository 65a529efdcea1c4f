//! What is to be sent.

use core::fmt::{self, Write};

use crate::{REMARK, number::divide};

/// Bytes of the longest line that the console sends.
const BYTES: usize = 192;
/// Bytes of `\r\n`, for which there is always room.
const LINE_END: usize = 2;

pub(crate) const BELL: char = '\x07';
pub(crate) const BACKSPACE: char = '\x08';

/// As much of a line as is worth repeating.
pub(crate) fn beginning(line: &str) -> &str {
    const CHARACTERS: usize = 40;
    let end = line.char_indices().nth(CHARACTERS);
    end.and_then(|(end, _)| line.get(..end)).unwrap_or(line)
}

/// What one step sends: valid UTF-8, in which `\r\n` ends a line, as serial terminals want it; CR, LF
/// or both are such an end.
///
/// No control character of a model is in it: whoever made the model chose its name and its symbols, and
/// a terminal obeys escape sequences. What has no room is left out, but the end of the line. Numbers go
/// through few functions: in a small flash, every use of `write!` counts.
pub(crate) struct Output {
    text: heapless::String<BYTES>,
    /// Whether the terminal's cursor is after something in its line. (Not the opposite, so that a
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
            // The LF after a CR has been sent with it.
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

    /// A probability in Q15, with two decimals.
    #[cfg(feature = "sensor")]
    pub(crate) fn hundredths(&mut self, q15: u16) -> &mut Self {
        let hundredths = (u32::from(q15) * 100 + (1 << 14)) >> 15;
        // An output never fails.
        let _ = write!(self, "{}.{:02}", hundredths / 100, hundredths % 100);
        self
    }

    /// Any number, with six digits, the last of which may be one off: `-0.0125`, `1.5e-7`.
    ///
    /// It is made of single roundings of f32, and so is the same on every chip.
    #[cfg(feature = "sensor")]
    #[inline(never)]
    pub(crate) fn real(&mut self, number: f32) -> &mut Self {
        const DIGITS: i32 = 6;
        const LIMIT: u32 = 10u32.pow(DIGITS as u32);
        if !number.is_finite() {
            return self.str("out of range");
        }
        if number < 0.0 {
            self.push('-');
        }
        let (mut scaled, mut exponent) = (number.abs(), 0);
        if scaled == 0.0 {
            return self.str("0");
        }
        while scaled >= LIMIT as f32 {
            scaled /= 10.0;
            exponent += 1;
        }
        while scaled < (LIMIT / 10) as f32 {
            scaled *= 10.0;
            exponent -= 1;
        }
        let mut digits = (scaled + 0.5) as u32;
        if digits >= LIMIT {
            digits /= 10;
            exponent += 1;
        }
        // Digits before the point.
        let places = exponent + DIGITS;
        let is_plain = (-3..=9).contains(&places);
        let mut before = if is_plain { places } else { 1 };
        if before <= 0 {
            self.str("0.");
            for _ in before..0 {
                self.push('0');
            }
            before = -1;
        }
        let mut place = LIMIT / 10;
        while digits > 0 || before > 0 {
            if before == 0 {
                self.push('.');
            }
            let digit = digits.checked_div(place).unwrap_or(0);
            self.push(char::from(b'0' + digit as u8));
            digits -= digit * place;
            place /= 10;
            before -= 1;
        }
        if !is_plain {
            self.push('e');
            if places <= 0 {
                self.push('-');
            }
            self.number((places - 1).unsigned_abs().into());
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

    #[cfg(feature = "sensor")]
    #[test]
    fn a_real_number_is_written_with_six_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-0.0125, "-0.0125"),
            (1234.5, "1234.5"),
            (999_999.9, "1000000"),
            (123_456_789.0, "123457000"),
            (1e12, "1e12"),
            (-2.5e10, "-2.5e10"),
            (-1.5e-7, "-1.5e-7"),
            (0.000_123, "0.000123"),
            (1.5e-12, "1.5e-12"),
            (f32::INFINITY, "out of range"),
            (f32::NAN, "out of range"),
        ] {
            assert_eq!(Output::new().real(value).as_str(), text);
        }
        for bits in (0..=u32::MAX).step_by(65_521) {
            let value = f32::from_bits(bits);
            if !value.is_finite() {
                continue;
            }
            let mut output = Output::new();
            let found: f64 = output.real(value).as_str().parse().unwrap();
            let error = (found - f64::from(value)).abs();
            assert!(error <= f64::from(value.abs()) * 1.5e-5, "{value} {found}");
        }
    }

    #[cfg(feature = "sensor")]
    #[test]
    fn a_probability_is_written_with_two_decimals() {
        for (q15, text) in [
            (0, "0.00"),
            (32768, "1.00"),
            (31785, "0.97"),
            (163, "0.00"),
            (164, "0.01"),
        ] {
            assert_eq!(Output::new().hundredths(q15).as_str(), text);
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

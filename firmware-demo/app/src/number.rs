//! Numbers by hand: the library's code for floats and for dividing 64 bits takes much flash.

/// The f32 nearest to a decimal of up to seven digits, such as `0.8`: what every correct reader of
/// decimals gives.
pub(crate) fn decimal(text: &str) -> Option<f32> {
    let (mut digits, mut divisor) = (0u32, 1u32);
    let (mut is_number, mut has_point) = (false, false);
    for byte in text.bytes() {
        match byte {
            b'.' if !has_point => has_point = true,
            b'0'..=b'9' => {
                is_number = true;
                digits = digits * 10 + u32::from(byte - b'0');
                if has_point {
                    divisor = divisor.checked_mul(10)?;
                }
                if digits >= 1 << f32::MANTISSA_DIGITS {
                    return None;
                }
            }
            _ => return None,
        }
    }
    // An f32 holds both exactly (the powers of ten up to the tenth), so one division rounds once.
    is_number.then(|| digits as f32 / divisor as f32)
}

/// A whole number.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let mut number = 0u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || number > u64::MAX / 10 {
            return None;
        }
        number = (number * 10).checked_add(digit.into())?;
    }
    (!text.is_empty()).then_some(number)
}

/// The quotient and the rest, by long division; 0 and the dividend if the divisor is 0.
pub(crate) fn divide(dividend: u64, divisor: u32) -> (u64, u32) {
    if divisor == 0 {
        return (0, dividend as u32);
    }
    let (mut quotient, mut rest) = (0, 0u64);
    for bit in (0..u64::BITS).rev() {
        rest = rest << 1 | dividend >> bit & 1;
        quotient <<= 1;
        if rest >= divisor.into() {
            rest -= u64::from(divisor);
            quotient |= 1;
        }
    }
    (quotient, rest as u32)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{format, string::ToString};

    use super::*;

    #[test]
    fn a_decimal_is_read_as_the_library_reads_it() {
        for digits in (0..100_000).chain(9_999_990..=9_999_999) {
            for places in 0..=9 {
                let text = format!("{digits:010}");
                let text = format!("{}.{}", &text[..10 - places], &text[10 - places..]);
                assert_eq!(decimal(&text), text.parse().ok(), "{text}");
            }
        }
        for text in ["1", "0.8", ".5", "5.", "0", "0.01", "100"] {
            assert_eq!(decimal(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_none() {
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "1e3",
            "0x1",
            "1.2.3",
            "nan",
            "inf",
            "1 ",
            " 1",
            "99999999",
            "0.123456789",
            "0.00000000001",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn a_whole_number_is_read_to_the_last_bit() {
        for number in [0, 1, 10, u64::MAX - 1, u64::MAX, u64::MAX / 10, 1 << 32] {
            assert_eq!(whole(&number.to_string()), Some(number));
        }
        for text in [
            "",
            "-1",
            "+1",
            "1 ",
            "a",
            "18446744073709551616",
            "184467440737095516150",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
        assert_eq!(whole("007"), Some(7));
    }

    #[test]
    fn long_division_divides() {
        for dividend in [0, 1, 9, 10, 11, u32::MAX.into(), 1 << 40, u64::MAX] {
            for divisor in [1, 2, 7, 10, 1_000_000_000, u32::MAX] {
                let expected = (dividend / u64::from(divisor), dividend % u64::from(divisor));
                let (quotient, rest) = divide(dividend, divisor);
                assert_eq!((quotient, u64::from(rest)), expected);
            }
            assert_eq!(divide(dividend, 0).0, 0);
        }
    }
}

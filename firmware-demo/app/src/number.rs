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

/// The decimals of a number that count.
#[cfg(feature = "sensor")]
const DECIMALS: i32 = 18;

/// The f32 nearest to a number such as `-0.0125` or `1.5e-3`, of two equally near the even one: what every correct
/// reader of decimals gives. Decimals after the 18th do not count; a number of 1.8e19 or more is none, nor are
/// `inf` and `nan`.
#[cfg(feature = "sensor")]
pub(crate) fn real(text: &str) -> Option<f32> {
    let (text, is_negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let (mut digits, mut decimals) = (0u64, 0i32);
    let (mut is_number, mut has_point, mut is_cut) = (false, false, false);
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, digits)) => (text, self::exponent(digits)?),
        None => (text, 0),
    };
    for byte in text.bytes() {
        match byte {
            b'.' if !has_point => has_point = true,
            b'0'..=b'9' => {
                is_number = true;
                let digit = u64::from(byte - b'0');
                if digits <= (u64::MAX - 9) / 10 {
                    digits = digits * 10 + digit;
                    decimals += i32::from(has_point);
                } else {
                    is_cut |= digit > 0;
                    decimals -= i32::from(!has_point);
                }
            }
            _ => return None,
        }
    }
    decimals -= exponent;
    while decimals < 0 && digits > 0 {
        digits = digits.checked_mul(10)?;
        decimals += 1;
    }
    while decimals > DECIMALS && digits > 0 {
        digits = divide(digits, 10).0;
        decimals -= 1;
    }
    let mut divisor = 1u64;
    for _ in 0..decimals.min(DECIMALS) {
        divisor *= 10;
    }
    let number = quotient(digits, divisor, is_cut);
    is_number.then_some(if is_negative { -number } else { number })
}

/// What stands after the `e` of a number.
#[cfg(feature = "sensor")]
fn exponent(text: &str) -> Option<i32> {
    let (digits, is_negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let exponent = whole(digits)?.min(9999) as i32;
    Some(if is_negative { -exponent } else { exponent })
}

/// The f32 nearest to a quotient, by long division; `is_more` if the dividend lacks something less than 1. The
/// divisor is at most 10^18.
#[cfg(feature = "sensor")]
fn quotient(dividend: u64, divisor: u64, mut is_more: bool) -> f32 {
    /// Bits of an f32, and one to round by.
    const FULL: u32 = 1 << f32::MANTISSA_DIGITS;
    if dividend == 0 {
        return 0.0;
    }
    let (mut bits, mut exponent, mut rest) = (0u32, 0i32, 0u64);
    for place in (0..u64::BITS).rev() {
        rest = rest << 1 | dividend >> place & 1;
        let bit = rest >= divisor;
        if bit {
            rest -= divisor;
        }
        if bits < FULL {
            bits = bits << 1 | u32::from(bit);
        } else {
            is_more |= bit;
            exponent += 1;
        }
    }
    // At most 60 zeros come before the first of its bits.
    while bits < FULL && exponent > -96 {
        rest <<= 1;
        let bit = rest >= divisor;
        if bit {
            rest -= divisor;
        }
        bits = bits << 1 | u32::from(bit);
        exponent -= 1;
    }
    is_more |= rest > 0;
    let half = bits & 1 == 1;
    bits >>= 1;
    bits += u32::from(half && (is_more || bits & 1 == 1));
    // Both factors and the product are exact.
    let power = f32::from_bits(((exponent + 1 + 127) as u32) << (f32::MANTISSA_DIGITS - 1));
    bits as f32 * power
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
#[inline(never)]
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

    #[cfg(feature = "sensor")]
    #[test]
    fn a_real_number_is_read_as_the_library_reads_it() {
        let mut random = 1u64;
        let mut numbers = std::vec![0, 1, u64::MAX, 1 << 24, (1 << 24) + 1, (1 << 25) + 3];
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            numbers.push(random >> (random & 63));
        }
        for number in numbers {
            for places in [0, 1, 3, 6, 9, 17, 18] {
                let text = format!("{number:019}");
                let (whole, rest) = text.split_at(text.len() - places);
                for text in [
                    format!("{whole}.{rest}"),
                    format!("-{whole}.{rest}"),
                    format!("{whole}.{rest}000e0"),
                    format!("{number}e-{places}"),
                    format!("+{number}.0E-{places}"),
                ] {
                    let library: f32 = text.parse().unwrap();
                    let found = real(&text).map(f32::to_bits);
                    assert_eq!(found, Some(library.to_bits()), "{text}");
                }
            }
            // As programs write floats.
            let float = f32::from_bits(number as u32);
            if float.is_finite() && (1e-9..1e19).contains(&float.abs()) {
                assert_eq!(real(&format!("{float}")), Some(float));
                assert_eq!(real(&format!("{float:e}")), Some(float));
                let double = f64::from(float) * 1.000_000_01;
                let text = format!("{double}");
                assert_eq!(real(&text), text.parse().ok(), "{text}");
            }
        }
        for text in [
            "1",
            "-.5",
            "5.",
            "1e3",
            "0e9999",
            "1e-9999",
            "12345678901234567890123e-10",
        ] {
            assert_eq!(real(text), text.parse().ok(), "{text}");
        }
        assert_eq!(real("1.00000000000000000049e-18"), Some(1e-18));
    }

    #[cfg(feature = "sensor")]
    #[test]
    fn what_is_no_real_number_is_none() {
        for text in [
            "",
            ".",
            "-",
            "+",
            "--1",
            "1-",
            "e3",
            "1e",
            "1e+",
            "1e1.5",
            "1e-x",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "infinity",
            "0x1",
            "1.2.3",
            "1 ",
            "1_0",
            "1e20",
            "20000000000000000000",
        ] {
            assert_eq!(real(text), None, "{text}");
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

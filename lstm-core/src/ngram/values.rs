//! What a cost takes off a logit, value by value.

use crate::arith::Arithmetic;
use crate::arith::Integer;

/// What the costs count, `k` in Q12: the coefficient of the longest row found plus the gate, whose
/// row's sum is `gate`, Q18; saturating at 16 bits.
#[inline(always)]
pub fn coefficient(coefficient: i16, gate: i32) -> i32 {
    i32::from(coefficient)
        .saturating_add(Integer::logit(gate))
        .clamp(-0x8000, 0x7fff)
}

/// What a quarter bit takes off a logit, Q16: `k`, Q12 and of 16 bits, times a quarter of ln 2.
#[inline(always)]
pub fn factor(k: i32) -> i32 {
    k.wrapping_mul(11_357) >> 12
}

/// A cost, in quarter bits, that is the sum of some; they are not negative.
#[inline(always)]
pub fn cost(sum: i32) -> u8 {
    (sum as u32).min(0xff) as u8
}

/// The logit, Q12, less a cost in quarter bits times `factor`.
#[inline(always)]
pub fn logit(logit: i32, cost: u8, factor: i32) -> i32 {
    logit.wrapping_sub(i32::from(cost).wrapping_mul(factor).wrapping_add(8) >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_formats_stated() {
        assert_eq!(coefficient(0x1000, 0x800 << 6), 0x1800);
        assert_eq!(coefficient(-5, -1), -6);
        assert_eq!(
            [coefficient(0x7fff, 1 << 6), coefficient(-0x8000, -1)],
            [0x7fff, -0x8000]
        );
        assert_eq!(
            [coefficient(1, i32::MAX), coefficient(-1, i32::MIN)],
            [0x7fff, -0x8000]
        );
        // A quarter of ln 2 is 0.17329, of 65,536 are 11,357.
        assert_eq!([factor(0x1000), factor(-0x1000)], [11_357, -11_357]);
        // Four quarter bits are 0.6931, of 4,096 are 2,839.
        assert_eq!(logit(1000, 4, factor(0x1000)), 1000 - 2839);
        assert_eq!(logit(0, 4, factor(-0x1000)), 2839);
        assert_eq!(logit(7, 0, factor(0x7fff)), 7);
    }

    /// The proof of docs/NUMBERS.md at its ends.
    #[test]
    fn nothing_overflows_at_the_ends_of_the_ranges() {
        for k in [-0x8000i32, -1, 0, 1, 0x7fff] {
            let exact = (i64::from(k) * 11_357) >> 12;
            assert_eq!(i64::from(factor(k)), exact);
            for cost in [0, 1, 255] {
                for start in [-(1 << 25), 0, 1 << 25] {
                    let expected = i64::from(start) - ((i64::from(cost) * exact + 8) >> 4);
                    assert_eq!(i64::from(logit(start, cost, factor(k))), expected);
                }
            }
        }
    }
}

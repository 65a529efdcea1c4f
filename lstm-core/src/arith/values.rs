//! The integer formats' arithmetic, value by value, for who trains a network in it.
//!
//! These are the very functions that a [`Session`](crate::Session) computes with; a row's sum
//! before them is `bias + weight_scale * dot + table_scale * entry`, exact. `docs/NUMBERS.md` in
//! the repository defines them, and proves for which arguments nothing overflows; beyond them the
//! results wrap.
#![deny(clippy::float_arithmetic)]

use super::{Arithmetic, Integer};
use crate::Activation;

/// The logistic function: Q18 to Q15.
pub fn sigmoid(z: i32) -> i32 {
    Integer::sigmoid(z)
}

/// The hyperbolic tangent: Q18 to Q14.
pub fn tanh(z: i32) -> i32 {
    Integer::tanh(z)
}

/// `1 - i`, Q15.
pub fn one_minus(i: i32) -> i32 {
    Integer::one_minus(i)
}

/// `f * c + i * g`: `f` and `i` Q15, `g` Q14, the cell Q11, saturating.
pub fn cell_state(f: i32, c: i16, i: i32, g: i32) -> i16 {
    Integer::cell_state(f, c, i, g)
}

/// `o * tanh(c)`: `o` Q15, `c` Q11, the result in units of 1/127.
pub fn hidden(o: i32, c: i16) -> i8 {
    Integer::hidden(o, c)
}

/// `a + b`: sums, Q18, saturating.
pub fn added(a: i32, b: i32) -> i32 {
    Integer::added(a, b)
}

/// `g * z`: `g` Q15, `z` a sum, Q18, of which the digits from Q12 up count, saturated to -16..16; the result Q18.
pub fn scaled(g: i32, z: i32) -> i32 {
    Integer::scaled(g, z)
}

/// `z * c + (1 - z) * n`: `z` Q15, `c` and `n` Q14, both between -1 and 1; the result Q14.
pub fn mixed(z: i32, c: i16, n: i32) -> i16 {
    Integer::mixed(z, c, n)
}

/// A cell state between -1 and 1, Q14, in units of 1/127.
pub fn shown(c: i16) -> i8 {
    Integer::shown(c)
}

/// A projection row's sum as an element of the hidden state: Q18 to Q4, saturating.
pub fn projected(z: i32) -> i8 {
    Integer::projected(z)
}

/// `r * h` of a GRU with the reset gate before the product: `r` Q15, `h` and the result in units of 1/127.
pub fn reset(r: i32, h: i8) -> i8 {
    Integer::reset(r, h)
}

/// A dense row's sum, Q18, as a unit of the layer: in Q4 for [`Activation::Linear`] and [`Activation::Relu`],
/// saturating, in units of 1/127 for the others.
pub fn activated(activation: Activation, z: i32) -> i8 {
    match activation {
        Activation::Linear => Integer::projected(z),
        Activation::Relu => Integer::relu(z),
        Activation::Tanh => Integer::dense_tanh(z),
        Activation::Sigmoid => Integer::dense_sigmoid(z),
    }
}

/// A dense row's sum as a logit: Q18 to Q12.
pub fn logit(z: i32) -> i32 {
    Integer::logit(z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Activation::{Linear, Relu, Sigmoid, Tanh};

    /// Each function where its value is plain.
    #[test]
    fn values_are_in_the_formats_stated() {
        // 0.7311, 0.7616.
        assert_eq!([sigmoid(0), sigmoid(1 << 18)], [0x4000, 23_955]);
        assert_eq!(
            [tanh(0), tanh(1 << 18), tanh(-1 << 18)],
            [0, 12_478, -12_478]
        );
        assert_eq!(one_minus(0x2000), 0x6000);
        // 1/2 * 2000 + 1/4 * -1/4, the latter in Q11.
        assert_eq!(cell_state(0x4000, 2000, 0x2000, -0x1000), 1000 - 128);
        assert_eq!([added(1, -3), added(i32::MAX, 1)], [-2, i32::MAX]);
        // 1/2 * 3, and 1 * 16.
        assert_eq!(
            [scaled(0x4000, 3 << 18), scaled(0x8000, i32::MAX)],
            [3 << 17, 0xffff << 6]
        );
        // 1/4 * 1/2 + 3/4 * -1/4.
        assert_eq!(mixed(0x2000, 0x2000, -0x1000), -0x400);
        assert_eq!([shown(0x4000), shown(-0x2000)], [127, -63]);
        // 127 * 0.7616.
        assert_eq!([hidden(0x8000, 0x800), hidden(0x8000, -0x800)], [97, -97]);
        assert_eq!(
            [projected(6 << 14), projected(-1), projected(1 << 30)],
            [6, -1, 127]
        );
        assert_eq!([logit(6 << 6), logit(-1)], [6, -1]);
        // 1/2 * 100 and 1/4 * -8.
        assert_eq!([reset(0x4000, 100), reset(0x2000, -8)], [50, -2]);
        // -1/2 and 1 in Q4, then 127 times the tanh and the sigmoid: -0.4621, 0.3775, 0.7616, 0.7311.
        let all = |z| [Linear, Relu, Tanh, Sigmoid].map(|kind| activated(kind, z));
        assert_eq!(all(-1 << 17), [-8, 0, -59, 48]);
        assert_eq!(all(1 << 18), [16, 16, 97, 93]);
    }

    /// Arguments that no gate gives, at both ends.
    #[test]
    fn no_argument_panics() {
        for z in [i32::MIN, -1, 0, 1 << 20, i32::MAX] {
            assert!((0..=0x8000).contains(&sigmoid(z)));
            assert!((-0x4000..=0x4000).contains(&tanh(z)));
            assert!((-127..=127).contains(&projected(z)));
            assert_eq!(logit(z), z >> 6);
            assert_eq!(one_minus(one_minus(z)), z);
            for c in [i16::MIN, 0, i16::MAX] {
                assert_eq!(cell_state(0, c, 0, z), 0);
                cell_state(z, c, z, z);
                assert_eq!(hidden(0, c), 0);
                hidden(z, c);
                mixed(z, c, z);
                assert!((-127..=127).contains(&shown(c.clamp(-0x4000, 0x4000))));
            }
            for other in [i32::MIN, 0, i32::MAX] {
                added(z, other);
                scaled(z, other);
            }
        }
    }
}

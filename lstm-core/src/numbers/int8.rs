//! [`Format::Int8`](crate::Format::Int8), integers only. `docs/NUMBERS.md` is this file in words.
#![deny(clippy::float_arithmetic)]

use super::{Arithmetic, tables};
use crate::file::Row;
use crate::kernel;

/// The arithmetic of [`Format::Int8`](crate::Format::Int8).
pub(crate) struct Int8;

/// The sigmoid of `z`, Q12 saturated to -8..8; Q15.
///
/// A table of 256 intervals of 1/16, linear in between.
#[inline(always)]
pub(crate) fn sigmoid_q12(z: i32) -> i32 {
    let u = (z.clamp(-0x8000, 0x7fff) + 0x8000) as u32;
    // The mask is for the compiler: u >> 8 is below 256.
    let (value, slope) = tables::SIGMOID[(u >> 8 & 0xff) as usize];
    i32::from(value) + ((i32::from(slope) * (u & 0xff) as i32) >> 8)
}

impl Arithmetic for Int8 {
    type Hidden = i8;
    type Cell = i16;
    type Input = kernel::int8::Input;
    type Correction = i32;
    type Dot = i32;
    type PreActivation = i32;
    type Gate = i32;
    type Logit = i32;

    const ROW_BYTES: usize = Row::BYTES;
    const WEIGHT_BITS: usize = 8;
    const TABLE_BYTES: usize = 1;

    #[inline(always)]
    fn pack(below: &[i8], own: &[i8], input: &mut [Self::Input]) -> i32 {
        kernel::int8::pack(below, own, input)
    }

    #[inline(always)]
    fn dot4(block: &[u8], input: &[Self::Input], correction: i32) -> [i32; 4] {
        kernel::int8::dot(block, input, correction)
    }

    /// Q18. No sum overflows: [`Row::in_range`] was checked when the file was read.
    #[inline(always)]
    fn pre_activations(dots: [i32; 4], rows: &[u8], table: Option<&[u8]>) -> [i32; 4] {
        let mut sums = dots;
        let rows = rows.as_chunks::<{ Row::BYTES }>().0;
        match table {
            Some(table) => {
                for ((sum, row), &entry) in sums.iter_mut().zip(rows).zip(table) {
                    let row = Row::from_bytes(row);
                    let entry = i32::from(entry as i8);
                    *sum = (sum.wrapping_mul(i32::from(row.weight_scale)))
                        .wrapping_add(entry.wrapping_mul(i32::from(row.table_scale)))
                        .wrapping_add(row.bias);
                }
            }
            None => {
                for (sum, row) in sums.iter_mut().zip(rows) {
                    let row = Row::from_bytes(row);
                    *sum = sum
                        .wrapping_mul(i32::from(row.weight_scale))
                        .wrapping_add(row.bias);
                }
            }
        }
        sums
    }

    /// Q18 to Q15.
    #[inline(always)]
    fn sigmoid(z: i32) -> i32 {
        sigmoid_q12(z >> 6)
    }

    /// Q18 to Q15, as `2 sigmoid(2 z) - 1`.
    #[inline(always)]
    fn tanh(z: i32) -> i32 {
        2 * sigmoid_q12(z >> 5) - 0x8000
    }

    /// Q4.11, saturating.
    #[inline(always)]
    fn cell(f: i32, c: i16, i: i32, g: i32) -> i16 {
        let sum = (f * i32::from(c) + ((i * g) >> 4) + (1 << 14)) >> 15;
        sum.clamp(-0x8000, 0x7fff) as i16
    }

    /// Q0.7, in -127..=127.
    #[inline(always)]
    fn hidden(o: i32, c: i16) -> i8 {
        let tanh = 2 * sigmoid_q12(i32::from(c) << 2) - 0x8000;
        ((o * tanh + (1 << 22)) >> 23).clamp(-127, 127) as i8
    }

    /// Q18 to Q12.
    #[inline(always)]
    fn logit(z: i32) -> i32 {
        z >> 6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_stay_near_the_functions() {
        let (mut sigmoid_error, mut tanh_error) = (0f64, 0f64);
        for z in -0x8000i32..0x8000 {
            let x = f64::from(z) / 4096.0;
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            let found = f64::from(sigmoid_q12(z)) / 32768.0;
            sigmoid_error = sigmoid_error.max((found - sigmoid).abs());
            let tanh = f64::from(Int8::tanh(z << 6)) / 32768.0;
            if x.abs() < 4.0 {
                tanh_error = tanh_error.max((tanh - x.tanh()).abs());
            }
        }
        // docs/NUMBERS.md states these bounds.
        assert!(sigmoid_error < 8.5e-5, "{sigmoid_error}");
        assert!(tanh_error < 2.3e-4, "{tanh_error}");
    }

    #[test]
    fn activations_saturate() {
        assert_eq!(sigmoid_q12(i32::MAX), sigmoid_q12(0x7fff));
        assert_eq!(sigmoid_q12(i32::MIN), sigmoid_q12(-0x8000));
        assert!((0x7ff0..0x8000).contains(&sigmoid_q12(0x7fff)));
        assert!((0..0x10).contains(&sigmoid_q12(-0x8000)));
    }

    #[test]
    fn zero_weights_keep_half_of_the_cell() {
        let half = Int8::sigmoid(0);
        assert_eq!(half, 0x4000);
        assert_eq!(Int8::cell(half, 2000, half, Int8::tanh(0)), 1000);
    }

    #[test]
    fn the_cell_saturates_and_the_hidden_state_is_symmetric() {
        let one = sigmoid_q12(0x7fff);
        assert_eq!(Int8::cell(one, i16::MAX, one, one), i16::MAX);
        assert_eq!(Int8::cell(one, i16::MIN, one, -one), i16::MIN);
        assert_eq!(Int8::hidden(one, i16::MAX), 127);
        assert_eq!(Int8::hidden(one, i16::MIN), -127);
    }
}

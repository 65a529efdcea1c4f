//! [`Format::Int8`](crate::Format::Int8) and [`Format::Int4`](crate::Format::Int4), integers only:
//! they differ in their dot products alone. `docs/NUMBERS.md` is this file in words.
#![deny(clippy::float_arithmetic)]

use super::Arithmetic;
#[cfg(lstm_units)]
use crate::format::CellKind;
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN, WeightFormat};
use crate::kernel::{self, Int4, Int8, Kernel, Room, Rows};
use crate::layout::Matrix;
use crate::tables::SIGMOID;

/// The arithmetic of the integer formats.
pub(crate) struct Integer;

/// The sigmoid of `z`, Q12 saturated to -8..8; Q15.
///
/// A table of 256 intervals of 1/16, linear in between. A line is counted from 0 and not from the start
/// of its interval: that is as exact, as an interval is 256 of `z`.
#[inline(always)]
pub(crate) fn sigmoid_q12(z: i32) -> i32 {
    #[cfg(lstm_kernel = "cortex_m0")]
    return kernel::sigmoid_q12(z);
    #[cfg(lstm_kernel = "cortex_m4")]
    return sigmoid(z, kernel::product_of_lower_halves);
    #[cfg(not(any(lstm_kernel = "cortex_m0", lstm_kernel = "cortex_m4")))]
    portable_sigmoid_q12(z)
}

/// The definition of [`sigmoid_q12`].
// Once in the module of the page, which is downloaded.
#[cfg_attr(target_family = "wasm", inline(never))]
#[cfg_attr(not(target_family = "wasm"), inline(always))]
#[cfg_attr(
    any(lstm_kernel = "cortex_m0", lstm_kernel = "cortex_m4"),
    allow(dead_code, reason = "the kernel has its own")
)]
pub(crate) fn portable_sigmoid_q12(z: i32) -> i32 {
    sigmoid(z, |word, z| {
        // A rise is at most 512. Each CPU takes the lower half of a word in its own way.
        let rise = if cfg!(target_arch = "riscv32") {
            (word & 0x3ff) as i32
        } else {
            i32::from(word as i16)
        };
        rise * z
    })
}

/// `product` is that of the lower half of a word of the table with a number of 16 bits.
#[inline(always)]
#[cfg_attr(
    lstm_kernel = "cortex_m0",
    allow(dead_code, reason = "the kernel has its own")
)]
fn sigmoid(z: i32, product: impl Fn(u32, i32) -> i32) -> i32 {
    let z = z.clamp(-0x8000, 0x7fff);
    let word = SIGMOID[usize::from((z >> 8) as u8)];
    let at_zero = (word >> 16) as i32;
    at_zero + (product(word, z) >> 8)
}

/// The packed columns of a matrix, by the format of its weights.
#[derive(Clone, Copy)]
pub(crate) enum Packed<'a> {
    Int8(<Int8 as Kernel>::Packed<'a>),
    #[cfg(feature = "int4")]
    Int4(<Int4 as Kernel>::Packed<'a>),
}

impl Arithmetic for Integer {
    type Hidden = i8;
    type CellState = i16;
    type Sum = i32;
    type Gate = i32;
    type Logit = i32;
    type Packed<'a> = Packed<'a>;

    fn scratch_words(matrix: &Matrix<'_>) -> usize {
        let group_bytes = match matrix.format {
            WeightFormat::Int4 => Int4::SCRATCH_BYTES,
            WeightFormat::Int8 | WeightFormat::F32 => Int8::SCRATCH_BYTES,
        };
        matrix.columns.div_ceil(COLUMN_ALIGN) * group_bytes / 4
    }

    #[inline(never)]
    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Packed<'a> {
        match matrix.format {
            #[cfg(feature = "int4")]
            WeightFormat::Int4 => Packed::Int4(Int4::pack(matrix, columns, scratch)),
            #[cfg(not(feature = "int4"))]
            WeightFormat::Int4 => Packed::Int8(Int8::pack(matrix, columns, scratch)),
            // A matrix of floats has the other arithmetic.
            WeightFormat::Int8 | WeightFormat::F32 => {
                Packed::Int8(Int8::pack(matrix, columns, scratch))
            }
        }
    }

    // Once, not for each cell.
    #[inline(never)]
    fn rows<'b>(
        matrix: &Matrix<'_>,
        line: &[u32],
        packed: Packed<'_>,
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        let entries = bytemuck::cast_slice(line);
        let rows = Rows { matrix, entries };
        if matrix.columns == 0 {
            return kernel::sums_of_entries(&rows, first, batch);
        }
        match packed {
            Packed::Int8(packed) => Int8::rows(&rows, packed, first, batch),
            #[cfg(feature = "int4")]
            Packed::Int4(packed) => Int4::rows(&rows, packed, first, batch),
        }
    }

    #[cfg(lstm_units)]
    #[inline(always)]
    fn units(
        cell: CellKind,
        sums: &[[i32; BLOCK_ROWS]],
        hidden: &mut [i8],
        cell_state: &mut [i16],
    ) -> bool {
        match cell {
            CellKind::Lstm => kernel::lstm_units(sums, hidden, cell_state),
            CellKind::Cifg => kernel::cifg_units(sums, hidden, cell_state),
            _ => return false,
        }
        true
    }

    /// Q18 to Q15.
    #[inline(always)]
    fn sigmoid(z: i32) -> i32 {
        sigmoid_q12(z >> 6)
    }

    /// Q18 to Q14, as `2 sigmoid(2 z) - 1`.
    #[inline(always)]
    fn tanh(z: i32) -> i32 {
        sigmoid_q12(z >> 5) - 0x4000
    }

    #[inline(always)]
    fn one_minus(i: i32) -> i32 {
        0x8000i32.wrapping_sub(i)
    }

    /// Q4.11, saturating.
    #[inline(always)]
    fn cell_state(f: i32, c: i16, i: i32, g: i32) -> i16 {
        let forget = f.wrapping_mul(c.into());
        let input = i.wrapping_mul(g) >> 3;
        let sum = forget.wrapping_add(input).wrapping_add(1 << 14) >> 15;
        sum.clamp(-0x8000, 0x7fff) as i16
    }

    /// Q15 times Q18, the latter to Q12 and saturated to -16..16; Q18.
    #[inline(always)]
    fn scaled(g: i32, z: i32) -> i32 {
        g.wrapping_mul((z >> 6).clamp(-0xffff, 0xffff)) >> 9
    }

    #[inline(always)]
    fn added(a: i32, b: i32) -> i32 {
        a.saturating_add(b)
    }

    /// Q14; it needs no saturation, for it lies between `c` and `n`.
    #[inline(always)]
    fn mixed(z: i32, c: i16, n: i32) -> i16 {
        let kept = z.wrapping_mul(c.into());
        let new = Self::one_minus(z).wrapping_mul(n);
        (kept.wrapping_add(new).wrapping_add(1 << 14) >> 15) as i16
    }

    /// Q14 to units of 1/127.
    #[inline(always)]
    fn shown(c: i16) -> i8 {
        ((127 * i32::from(c) + (1 << 13)) >> 14) as i8
    }

    /// In units of 1/127, from -127 to 127.
    #[inline(always)]
    fn hidden(o: i32, c: i16) -> i8 {
        // o tanh(c) in Q29, then times 127/128, so that it needs no clamp.
        let product = o.wrapping_mul(sigmoid_q12(i32::from(c) << 2) - 0x4000);
        let product = product.wrapping_sub(product >> 7);
        (product.wrapping_add(1 << 21) >> 22) as i8
    }

    /// Q18 to Q4, saturating at 127.
    #[inline(always)]
    fn projected(z: i32) -> i8 {
        ((z >> 14).clamp(-128, 127) as i8).max(-127)
    }

    /// Q15 times units of 1/127, in units of 1/127.
    #[cfg(feature = "sensor")]
    #[inline(always)]
    fn reset(r: i32, h: i8) -> i8 {
        (r.wrapping_mul(h.into()).wrapping_add(1 << 14) >> 15) as i8
    }

    /// As [`Integer::projected`], then at least 0.
    #[cfg(feature = "sensor")]
    #[inline(always)]
    fn relu(z: i32) -> i8 {
        Self::projected(z).max(0)
    }

    /// In units of 1/127.
    #[cfg(feature = "sensor")]
    #[inline(always)]
    fn dense_tanh(z: i32) -> i8 {
        Self::shown(Self::tanh(z) as i16)
    }

    /// In units of 1/127.
    #[cfg(feature = "sensor")]
    #[inline(always)]
    fn dense_sigmoid(z: i32) -> i8 {
        (Self::sigmoid(z).wrapping_mul(127).wrapping_add(1 << 14) >> 15) as i8
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

    /// All arguments in Q12; under Miri some of them, the ends included.
    fn arguments() -> impl Iterator<Item = i32> + Clone {
        (-0x8000..0x8000).step_by(if cfg!(miri) { 255 } else { 1 })
    }

    #[test]
    fn activations_stay_near_the_functions() {
        let (mut sigmoid_error, mut tanh_error) = (0f64, 0f64);
        for z in arguments() {
            let x = f64::from(z) / 4096.0;
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            let found = f64::from(sigmoid_q12(z)) / 32768.0;
            sigmoid_error = sigmoid_error.max((found - sigmoid).abs());
            let tanh = f64::from(Integer::tanh(z << 6)) / 16384.0;
            if x.abs() < 4.0 {
                tanh_error = tanh_error.max((tanh - x.tanh()).abs());
            }
        }
        // docs/NUMBERS.md states these bounds.
        assert!(sigmoid_error < 8.5e-5, "{sigmoid_error}");
        assert!(tanh_error < 2.3e-4, "{tanh_error}");
    }

    /// As docs/NUMBERS.md says it, with a line from the start of each interval.
    #[test]
    fn the_sigmoid_is_that_of_the_definition() {
        let at = |k: i32| (32768.0 / (1.0 + (-f64::from(k) / 16.0).exp())).round() as i32;
        for z in arguments() {
            let k = z >> 8;
            let (start, end) = (at(k), at(k + 1));
            let expected = start + (((end - start) * (z & 255)) >> 8);
            assert_eq!(sigmoid_q12(z), expected, "{z}");
        }
    }

    #[test]
    fn activations_saturate() {
        assert_eq!(sigmoid_q12(i32::MAX), sigmoid_q12(0x7fff));
        assert_eq!(sigmoid_q12(i32::MIN), sigmoid_q12(-0x8000));
        // The ranges of docs/NUMBERS.md.
        let all = arguments().map(sigmoid_q12);
        assert_eq!((all.clone().min(), all.max()), (Some(11), Some(32_756)));
        let all = arguments().map(|z| Integer::tanh(z << 5));
        assert_eq!(
            (all.clone().min(), all.max()),
            (Some(-16_373), Some(16_372))
        );
    }

    #[test]
    fn zero_weights_keep_half_of_the_cell() {
        let half = Integer::sigmoid(0);
        assert_eq!(half, 0x4000);
        assert_eq!(
            Integer::cell_state(half, 2000, half, Integer::tanh(0)),
            1000
        );
    }

    #[test]
    fn the_cell_saturates_and_the_hidden_state_is_symmetric() {
        let one = sigmoid_q12(0x7fff);
        assert_eq!(Integer::cell_state(one, i16::MAX, one, one / 2), i16::MAX);
        assert_eq!(Integer::cell_state(one, i16::MIN, one, -one / 2), i16::MIN);
        assert_eq!(Integer::hidden(one, i16::MAX), 127);
        assert_eq!(Integer::hidden(one, i16::MIN), -127);
    }

    /// The ends of the ranges in docs/NUMBERS.md, where its proof says that nothing overflows.
    #[test]
    fn nothing_overflows_at_the_ends_of_the_ranges() {
        let clamp = |value: i64| value.clamp(-0x8000, 0x7fff) as i16;
        let (gates, candidates) = ([11, 0x4000, 32_756], [-16_373, 0, 16_372]);
        let cells = [i16::MIN, -1, 0, i16::MAX];
        let mut coupled = gates.map(Integer::one_minus);
        coupled.sort();
        assert_eq!(coupled, [12, 0x4000, 32_757]);
        for i in gates {
            let forget = gates.into_iter().chain([Integer::one_minus(i)]);
            for (f, g, c) in forget.flat_map(|f| {
                let pairs = candidates
                    .into_iter()
                    .flat_map(move |g| cells.map(|c| (g, c)));
                pairs.map(move |(g, c)| (f, g, c))
            }) {
                let [f64, c64, i64, g64] = [f, c.into(), i, g].map(i64::from);
                let sum = f64 * c64 + ((i64 * g64) >> 3) + (1 << 14);
                assert_eq!(
                    Integer::cell_state(f, c, i, g),
                    clamp(sum >> 15),
                    "{f} {c} {i} {g}"
                );
            }
        }
        for (o, c) in gates.into_iter().flat_map(|o| cells.map(|c| (o, c))) {
            let tanh = sigmoid_q12(i32::from(c) << 2) - 0x4000;
            let product = i64::from(o) * i64::from(tanh);
            let expected = (product - (product >> 7) + (1 << 21)) >> 22;
            assert_eq!(i64::from(Integer::hidden(o, c)), expected, "{o} {c}");
        }
        // The GRU. 65,535 of Q12 is where a sum saturates.
        for (r, z) in gates
            .into_iter()
            .flat_map(|r| [i32::MIN, -1, 0, i32::MAX].map(|z| (r, z)))
        {
            let expected = (i64::from(r) * i64::from(z >> 6).clamp(-65_535, 65_535)) >> 9;
            assert_eq!(i64::from(Integer::scaled(r, z)), expected, "{r} {z}");
        }
        for (z, n) in gates.into_iter().flat_map(|z| candidates.map(|n| (z, n))) {
            // Up to where a restored state may be.
            for c in [-0x4000, -16_373, 0, 16_372, 0x4000i16] {
                let kept = i64::from(z) * i64::from(c) + (0x8000 - i64::from(z)) * i64::from(n);
                let mixed = Integer::mixed(z, c, n);
                assert_eq!(i64::from(mixed), (kept + (1 << 14)) >> 15, "{z} {c} {n}");
                let shown = (127 * i64::from(mixed) + (1 << 13)) >> 14;
                assert_eq!(i64::from(Integer::shown(mixed)), shown, "{z} {c} {n}");
                assert!((-127..=127).contains(&shown));
            }
        }
    }
}

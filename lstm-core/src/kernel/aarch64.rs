//! AArch64 with NEON, which every desktop and phone has.
//!
//! SMULL multiplies eight pairs of bytes to 16 bits, SMLAL adds eight more, SADALP adds neighbours
//! to sums of 32 bits: two for each row.
#![allow(
    unsafe_code,
    reason = "a function for NEON may be called only on a CPU that has it"
)]
#![deny(clippy::float_arithmetic)]

use bytemuck::must_cast;
use core::arch::aarch64::*;

/// Columns of a turn, which a block's columns are a multiple of.
const TURN: usize = 16;

/// The blocks of a matrix, `BYTES` bytes a turn, one after the other.
#[inline(always)]
fn dots<const BYTES: usize>(
    weights: &[u8],
    input: &[i8],
    correction: i32,
    dot: impl Fn(&[[u8; BYTES]], &[[i8; TURN]], i32) -> [i32; 4],
) -> impl Iterator<Item = [i32; 4]> {
    let (turns, _) = input.as_chunks();
    let blocks = weights.as_chunks().0.chunks_exact(turns.len().max(1));
    blocks.map(move |block| dot(block, turns, -correction))
}

/// 8-bit weights.
pub(crate) mod int8 {
    use super::super::Rows;
    use super::*;

    /// A byte, for SMULL.
    pub(crate) type Input = i8;

    /// As [`super::super::portable::int8::pack`]. There is nothing to correct: the dot products
    /// take the offset off the weights.
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        super::super::copy_columns(columns, input);
        0
    }

    /// Calls `each` with the sums of the rows over the packed columns, a block of four rows after
    /// the other, [`BATCH`](super::super::BATCH) blocks at a time.
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        correction: i32,
        each: impl FnMut(&[[i32; 4]]),
    ) {
        super::super::batches(rows, dots(rows.weights, input, correction), each);
    }

    /// As [`super::super::portable::int8::dots`].
    #[inline(always)]
    pub(super) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::dots(weights, input, correction, |block, input, start| {
            // SAFETY: the target has NEON.
            unsafe { dot(block, input, start) }
        })
    }

    #[target_feature(enable = "neon")]
    fn dot(block: &[[u8; 64]], input: &[[i8; TURN]], start: i32) -> [i32; 4] {
        // The even columns have an offset.
        let offset = vreinterpretq_s8_u16(vdupq_n_u16(0x80));
        let mut rows01 = vdupq_n_s32(0);
        let mut rows23 = vdupq_n_s32(0);
        for (w, x) in block.iter().zip(input) {
            let w: [int8x16_t; 4] = must_cast(*w);
            let [w0, w1, w2, w3] = w.map(|w| veorq_s8(w, offset));
            let x: int32x4_t = must_cast(*x);
            // Two groups. 2 * 128 * 127 fits 16 bits: a hidden state is in -127..=127.
            let mut add = |w0, w1, x0, x1| {
                let (x0, x1) = (vreinterpretq_s8_s32(x0), vreinterpretq_s8_s32(x1));
                let low = vmull_s8(vget_low_s8(w0), vget_low_s8(x0));
                let low = vmlal_s8(low, vget_low_s8(w1), vget_low_s8(x1));
                let high = vmlal_high_s8(vmull_high_s8(w0, x0), w1, x1);
                rows01 = vpadalq_s16(rows01, low);
                rows23 = vpadalq_s16(rows23, high);
            };
            add(w0, w1, vdupq_laneq_s32::<0>(x), vdupq_laneq_s32::<1>(x));
            add(w2, w3, vdupq_laneq_s32::<2>(x), vdupq_laneq_s32::<3>(x));
        }
        must_cast(vaddq_s32(vpaddq_s32(rows01, rows23), vdupq_n_s32(start)))
    }
}

/// 4-bit weights.
pub(crate) mod int4 {
    use super::super::Rows;
    use super::*;

    /// A byte, for SMULL. Eight columns are stored in the order of the bytes of a word of weights:
    /// those of the lower halves of the bytes, then those of the upper ones.
    pub(crate) type Input = i8;

    /// As [`super::super::portable::int4::pack`].
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        super::super::copy_columns(columns, input);
        let mut sum = 0;
        for x in input.as_chunks_mut::<8>().0 {
            sum += x.iter().copied().map(i32::from).sum::<i32>();
            *x = [x[0], x[4], x[1], x[5], x[2], x[6], x[3], x[7]];
        }
        8 * sum
    }

    /// Calls `each` with the sums of the rows over the packed columns, a block of four rows after
    /// the other, [`BATCH`](super::super::BATCH) blocks at a time.
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        correction: i32,
        each: impl FnMut(&[[i32; 4]]),
    ) {
        super::super::batches(rows, dots(rows.weights, input, correction), each);
    }

    /// As [`super::super::portable::int4::dots`].
    #[inline(always)]
    pub(super) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::dots(weights, input, correction, |block, input, start| {
            // SAFETY: the target has NEON.
            unsafe { dot(block, input, start) }
        })
    }

    #[target_feature(enable = "neon")]
    fn dot(block: &[[u8; 32]], input: &[[i8; TURN]], start: i32) -> [i32; 4] {
        let mask = vdupq_n_u8(0xf);
        let mut rows01 = vdupq_n_s32(0);
        let mut rows23 = vdupq_n_s32(0);
        for (w, x) in block.iter().zip(input) {
            let w: [uint8x16_t; 2] = must_cast(*w);
            let x: int32x4_t = must_cast(*x);
            // 4 * 15 * 127 fits 16 bits.
            let mut low = vdupq_n_s16(0);
            let mut high = vdupq_n_s16(0);
            let mut add = |w, x| {
                let (w, x) = (vreinterpretq_s8_u8(w), vreinterpretq_s8_s32(x));
                low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(x));
                high = vmlal_high_s8(high, w, x);
            };
            add(vandq_u8(w[0], mask), vdupq_laneq_s32::<0>(x));
            add(vshrq_n_u8::<4>(w[0]), vdupq_laneq_s32::<1>(x));
            add(vandq_u8(w[1], mask), vdupq_laneq_s32::<2>(x));
            add(vshrq_n_u8::<4>(w[1]), vdupq_laneq_s32::<3>(x));
            rows01 = vpadalq_s16(rows01, low);
            rows23 = vpadalq_s16(rows23, high);
        }
        must_cast(vaddq_s32(vpaddq_s32(rows01, rows23), vdupq_n_s32(start)))
    }
}

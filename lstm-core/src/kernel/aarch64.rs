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
    use crate::arith::Each;
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
        each: &mut Each<'_, i32>,
    ) {
        super::super::batches(rows, dots(rows.weights(), input, correction), each);
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

/// 4-bit weights, a column at a time: 16 rows in the halves of eight bytes.
pub(crate) mod int4 {
    use crate::arith::Each;
    use super::super::Rows;
    use super::super::nonzero::{self, Live, column};
    #[cfg_attr(not(feature = "int4"), allow(unused_imports))]
    pub(crate) use super::super::nonzero::{Input, input_len, pack};
    use super::*;

    /// Pairs of columns that add up in 16 bits: `2 * 15 * 127 * 8 < 2^15`.
    const PAIRS: usize = 8;
    /// Blocks whose dot products are computed at once.
    const BLOCKS: usize = 4;

    /// Calls `each` with the sums of the rows over the packed columns, a block of four rows after
    /// the other, [`BATCH`](super::super::BATCH) blocks at a time.
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        packed: i32,
        each: &mut Each<'_, i32>,
    ) {
        let dots = nonzero::dots(rows, input, packed, |blocks, live, start| {
            // SAFETY: the target has NEON, and the columns lie in the blocks.
            unsafe { dot(blocks, live, start) }
        });
        super::super::batches(rows, dots, each);
    }

    /// # Safety
    ///
    /// The columns lie in the blocks.
    #[target_feature(enable = "neon")]
    unsafe fn dot(
        blocks: [&[[u8; 8]]; BLOCKS],
        live: Live<'_>,
        start: i32,
    ) -> [[i32; 4]; 4 * BLOCKS] {
        let mask = vdup_n_u8(0xf);
        // Rows 0 4 1 5, 8 12 9 13, 2 6 3 7, 10 14 11 15 of a block.
        let mut sums = [[vdupq_n_s32(start); 4]; BLOCKS];
        for pairs in live.pairs(PAIRS) {
            let mut parts = [[vdupq_n_s16(0); 2]; BLOCKS];
            for &element in pairs.as_flattened() {
                let (x, column) = column(element);
                let x = vdup_n_s8(x as i8);
                for ([even, odd], block) in parts.iter_mut().zip(blocks) {
                    // SAFETY: the caller's.
                    let w: uint8x8_t = must_cast(unsafe { *block.get_unchecked(column) });
                    *even = vmlal_s8(*even, vreinterpret_s8_u8(vand_u8(w, mask)), x);
                    *odd = vmlal_s8(*odd, vreinterpret_s8_u8(vshr_n_u8::<4>(w)), x);
                }
            }
            for (sums, [even, odd]) in sums.iter_mut().zip(parts) {
                sums[0] = vaddw_s16(sums[0], vget_low_s16(even));
                sums[1] = vaddw_high_s16(sums[1], even);
                sums[2] = vaddw_s16(sums[2], vget_low_s16(odd));
                sums[3] = vaddw_high_s16(sums[3], odd);
            }
        }
        let mut rows = [[0; 4]; 4 * BLOCKS];
        for (rows, [even0, even1, odd0, odd1]) in rows.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
            // Of `[0 4 1 5]` and `[2 6 3 7]` the even places, then the odd ones.
            *rows = [
                must_cast(vuzp1q_s32(even0, odd0)),
                must_cast(vuzp2q_s32(even0, odd0)),
                must_cast(vuzp1q_s32(even1, odd1)),
                must_cast(vuzp2q_s32(even1, odd1)),
            ];
        }
        rows
    }
}

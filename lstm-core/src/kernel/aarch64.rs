//! AArch64 with NEON, which every desktop and phone has.
//!
//! SMULL multiplies eight pairs of bytes to 16 bits, SMLAL adds eight more, SADALP adds neighbours
//! to sums of 32 bits: two for each row.
#![allow(
    unsafe_code,
    reason = "a function for NEON may be called only on a CPU that has it"
)]
#![deny(clippy::float_arithmetic)]

use core::arch::aarch64::*;

use bytemuck::must_cast;

use super::vector::{self, BLOCKS, Blocks, List, column};
use super::{Kernel, Room, Rows, sums};
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN};
use crate::layout::Matrix;

/// Columns of a turn.
const TURN: usize = 16;

/// 8-bit weights.
pub(crate) struct Int8;

impl Kernel for Int8 {
    const SCRATCH_BYTES: usize = COLUMN_ALIGN;
    type Packed<'a> = &'a [[i8; TURN]];

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> &'a [[i8; TURN]] {
        let packed: &[i8] = vector::copy_columns::<_, TURN>(matrix, columns, scratch);
        packed.as_chunks().0
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: &[[i8; TURN]],
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        let blocks = vector::blocks(rows.matrix).skip(first);
        let dots = blocks.map(|block| {
            let whole = block.as_chunks().0;
            // SAFETY: the target has NEON.
            let mut sums = unsafe { int8_dots(whole, packed) };
            if let Some(input) = packed.get(whole.len()..)
                && !input.is_empty()
            {
                // SAFETY: the target has NEON.
                let last = unsafe { int8_dots(&[vector::last_turn(block)], input) };
                for (sum, last) in sums.iter_mut().zip(last) {
                    *sum = sum.wrapping_add(last);
                }
            }
            sums
        });
        sums(rows, dots, first, batch)
    }
}

#[target_feature(enable = "neon")]
fn int8_dots(block: &[[u8; 64]], input: &[[i8; TURN]]) -> [i32; 4] {
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
    must_cast(vpaddq_s32(rows01, rows23))
}

/// 4-bit weights, a column at a time: 16 rows in the halves of eight bytes.
pub(crate) struct Int4;

/// Pairs of columns that add up in 16 bits: `2 * 15 * 127 * 8 < 2^15`.
const PAIRS: usize = 8;

impl Kernel for Int4 {
    const SCRATCH_BYTES: usize = vector::ELEMENT_BYTES * COLUMN_ALIGN;
    type Packed<'a> = List<'a>;

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> List<'a> {
        List::pack(matrix, columns, scratch)
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: List<'_>,
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        // SAFETY: the target has NEON.
        let dots = vector::dots(rows, packed, first, |blocks| unsafe { int4_dots(blocks) });
        sums(rows, dots, first, batch)
    }
}

#[target_feature(enable = "neon")]
fn int4_dots(blocks: Blocks<'_>) -> [[i32; BLOCK_ROWS]; 4 * BLOCKS] {
    let (blocks, list) = (blocks.blocks(), blocks.list());
    let start = list.start();
    let mask = vdup_n_u8(0xf);
    // Rows 0 4 1 5, 8 12 9 13, 2 6 3 7, 10 14 11 15 of a block.
    let mut sums = [[vdupq_n_s32(start); 4]; BLOCKS];
    for pairs in list.pairs(PAIRS) {
        let mut parts = [[vdupq_n_s16(0); 2]; BLOCKS];
        for &element in pairs.as_flattened() {
            let (x, column) = column(element);
            let x = vdup_n_s8(x as i8);
            for ([even, odd], block) in parts.iter_mut().zip(blocks) {
                // SAFETY: the list's columns lie in its blocks.
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

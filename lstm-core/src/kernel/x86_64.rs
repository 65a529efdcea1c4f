//! x86-64: AVX2 where the CPU has it, else SSE2, which every one has.
//!
//! A vector of weights holds whole groups of four rows. Masks and shifts make of it pairs of 16-bit
//! weights, one pair a row, and PMADDWD multiplies them with the same pair of columns and adds.
//! AVX2 takes two groups at once, in the two halves of a vector.
#![allow(
    unsafe_code,
    reason = "a function for AVX2 may be called only on a CPU that has it"
)]
#![deny(clippy::float_arithmetic)]

use core::arch::x86_64::*;
use core::slice;

use bytemuck::must_cast;

use super::vector::{self, BLOCKS, Blocks, List, column};
use super::{Kernel, Room, Rows, sums};
use crate::format::{BLOCK_ROWS, COLUMN_ALIGN};
use crate::layout::Matrix;

cpufeatures::new!(avx2, "avx2");

/// Columns of a turn.
const TURN: usize = 16;

/// 8-bit weights.
pub(crate) struct Int8;

/// Columns for PMADDWD. In a turn the columns of the groups 0, 2, 1, 3 follow each other; in a group
/// first the even columns, then the odd ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    turns: &'a [[i16; TURN]],
    /// What takes the offset of 128 off the weights of even columns: a dot product starts here.
    start: i32,
}

impl Kernel for Int8 {
    const SCRATCH_BYTES: usize = 2 * COLUMN_ALIGN;
    type Packed<'a> = Columns<'a>;

    fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Columns<'a> {
        let packed: &mut [i16] = vector::copy_columns::<_, TURN>(matrix, columns, scratch);
        let turns = packed.as_chunks_mut::<TURN>().0;
        let mut even = 0;
        for turn in turns.iter_mut() {
            let x = *turn;
            *turn = [
                x[0], x[2], x[1], x[3], x[8], x[10], x[9], x[11], //
                x[4], x[6], x[5], x[7], x[12], x[14], x[13], x[15],
            ];
            let pairs = x.as_chunks::<2>().0;
            even += pairs.iter().map(|&[even, _]| i32::from(even)).sum::<i32>();
        }
        Columns {
            turns,
            start: -128 * even,
        }
    }

    fn rows<'b>(
        rows: &Rows<'_>,
        packed: Columns<'_>,
        first: usize,
        batch: Room<'b, i32>,
    ) -> &'b [[i32; BLOCK_ROWS]] {
        sums(
            rows,
            int8_dots(avx2::get(), rows, packed, first),
            first,
            batch,
        )
    }
}

/// The dot products from a block on; the CPU must have AVX2 if `avx2` says so.
#[inline(always)]
fn int8_dots(
    avx2: bool,
    rows: &Rows<'_>,
    packed: Columns<'_>,
    first: usize,
) -> impl Iterator<Item = [i32; BLOCK_ROWS]> {
    let mut blocks = vector::blocks(rows.matrix);
    if let Some(before) = first.checked_sub(1) {
        blocks.nth(before);
    }
    let mut sums = [[0; BLOCK_ROWS]; BLOCKS];
    (0..blocks.len()).map(move |block| {
        let place = block % BLOCKS;
        if place == 0 {
            // Where fewer are left, the first stands in for the missing ones.
            let first = blocks.next().unwrap_or_default();
            let mut next = || blocks.next().unwrap_or(first);
            let blocks = [first, next(), next(), next()];
            let whole = blocks.map(|block| block.as_chunks().0);
            sums = int8_turns(avx2, whole, packed.turns, packed.start);
            if let Some(input) = packed.turns.get(whole[0].len()..)
                && !input.is_empty()
            {
                let last = blocks.map(vector::last_turn);
                let last = int8_turns(avx2, last.each_ref().map(slice::from_ref), input, 0);
                for (sum, last) in sums.as_flattened_mut().iter_mut().zip(last.as_flattened()) {
                    *sum = sum.wrapping_add(*last);
                }
            }
        }
        sums[place]
    })
}

/// Those of some columns; the CPU must have AVX2 if `avx2` says so.
#[inline(always)]
fn int8_turns(
    avx2: bool,
    blocks: [&[[u8; 64]]; BLOCKS],
    input: &[[i16; TURN]],
    start: i32,
) -> [[i32; BLOCK_ROWS]; BLOCKS] {
    if avx2 {
        // SAFETY: the CPU has AVX2.
        unsafe { int8_dots_avx2(blocks, input, start) }
    } else {
        // SAFETY: the target has SSE2.
        unsafe { int8_dots_sse2(blocks, input, start) }
    }
}

#[target_feature(enable = "avx2")]
fn int8_dots_avx2(
    [a, b, c, d]: [&[[u8; 64]]; BLOCKS],
    input: &[[i16; TURN]],
    start: i32,
) -> [[i32; 4]; BLOCKS] {
    let mask = _mm256_set1_epi16(0xff);
    let mut sums = [_mm256_setzero_si256(); BLOCKS];
    for ((((a, b), c), d), x) in a.iter().zip(b).zip(c).zip(d).zip(input) {
        let x: __m256i = must_cast(*x);
        let x = [
            (
                _mm256_shuffle_epi32::<0x00>(x),
                _mm256_shuffle_epi32::<0x55>(x),
            ),
            (
                _mm256_shuffle_epi32::<0xaa>(x),
                _mm256_shuffle_epi32::<0xff>(x),
            ),
        ];
        for (sum, &w) in sums.iter_mut().zip([a, b, c, d]) {
            let w: [__m256i; 2] = must_cast(w);
            for (w, (x_even, x_odd)) in w.into_iter().zip(x) {
                let even = _mm256_madd_epi16(_mm256_and_si256(w, mask), x_even);
                let odd = _mm256_madd_epi16(_mm256_srai_epi16::<8>(w), x_odd);
                *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(even, odd));
            }
        }
    }
    sums.map(|sum| finish_avx2(sum, start))
}

#[target_feature(enable = "sse2")]
fn int8_dots_sse2(
    [a, b, c, d]: [&[[u8; 64]]; BLOCKS],
    input: &[[i16; TURN]],
    start: i32,
) -> [[i32; 4]; BLOCKS] {
    let mask = _mm_set1_epi16(0xff);
    let mut sums = [_mm_set1_epi32(start); BLOCKS];
    for ((((a, b), c), d), x) in a.iter().zip(b).zip(c).zip(d).zip(input) {
        let [x02, x13]: [__m128i; 2] = must_cast(*x);
        let x = [
            (
                _mm_shuffle_epi32::<0x00>(x02),
                _mm_shuffle_epi32::<0x55>(x02),
            ),
            (
                _mm_shuffle_epi32::<0x00>(x13),
                _mm_shuffle_epi32::<0x55>(x13),
            ),
            (
                _mm_shuffle_epi32::<0xaa>(x02),
                _mm_shuffle_epi32::<0xff>(x02),
            ),
            (
                _mm_shuffle_epi32::<0xaa>(x13),
                _mm_shuffle_epi32::<0xff>(x13),
            ),
        ];
        for (sum, &w) in sums.iter_mut().zip([a, b, c, d]) {
            let w: [__m128i; 4] = must_cast(w);
            for (w, (x_even, x_odd)) in w.into_iter().zip(x) {
                let even = _mm_madd_epi16(_mm_and_si128(w, mask), x_even);
                let odd = _mm_madd_epi16(_mm_srai_epi16::<8>(w), x_odd);
                *sum = _mm_add_epi32(*sum, _mm_add_epi32(even, odd));
            }
        }
    }
    sums.map(must_cast)
}

/// The sums of four rows, whose two halves lie in the halves of a vector.
#[target_feature(enable = "avx2")]
fn finish_avx2(sums: __m256i, start: i32) -> [i32; 4] {
    let (low, high) = (
        _mm256_castsi256_si128(sums),
        _mm256_extracti128_si256::<1>(sums),
    );
    must_cast(_mm_add_epi32(
        _mm_add_epi32(low, high),
        _mm_set1_epi32(start),
    ))
}

/// 4-bit weights, two columns a multiply.
///
/// The bytes of two columns take turns in a vector, so that PMADDUBSW multiplies and adds the
/// weights of a row in both: eight rows in the lower halves of the bytes and eight in the upper. Up
/// to 16 columns add up in 16 bits. AVX2 takes two blocks at once, in the two halves of a vector.
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
        sums(
            rows,
            int4_dots(avx2::get(), rows, packed, first),
            first,
            batch,
        )
    }
}

/// The dot products from a block on; the CPU must have AVX2 if `avx2` says so.
#[inline(always)]
fn int4_dots<'a>(
    avx2: bool,
    rows: &Rows<'a>,
    list: List<'a>,
    first: usize,
) -> impl Iterator<Item = [i32; BLOCK_ROWS]> {
    vector::dots(rows, list, first, move |blocks| {
        if avx2 {
            // SAFETY: the CPU has AVX2.
            unsafe { int4_dots_avx2(blocks) }
        } else {
            // SAFETY: the target has SSE2.
            unsafe { int4_dots_sse2(blocks) }
        }
    })
}

/// The bytes of two columns of a block in turn.
///
/// # Safety
///
/// Both are columns of the block.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn load(block: &[[u8; 8]], a: usize, b: usize) -> __m128i {
    // SAFETY: the caller's.
    let [a, b] = [a, b].map(|column| unsafe { block.get_unchecked(column) });
    // SAFETY: both have eight bytes.
    let [a, b] = [a, b].map(|column| unsafe { _mm_loadl_epi64(column.as_ptr().cast()) });
    _mm_unpacklo_epi8(a, b)
}

#[target_feature(enable = "avx2")]
fn int4_dots_avx2(blocks: Blocks<'_>) -> [[i32; BLOCK_ROWS]; 4 * BLOCKS] {
    let (blocks, list) = (blocks.blocks(), blocks.list());
    let start = list.start();
    let mask = _mm256_set1_epi8(0xf);
    let mut sums = [[_mm256_set1_epi32(start); 2]; BLOCKS];
    for pairs in list.pairs(PAIRS) {
        let mut parts = [[_mm256_setzero_si256(); 2]; BLOCKS / 2];
        for &[a, b] in pairs {
            let ((xa, a), (xb, b)) = (column(a), column(b));
            let x = _mm256_set1_epi16(xa & 0xff | xb << 8);
            for (parts, blocks) in parts.iter_mut().zip(blocks.as_chunks::<2>().0) {
                // SAFETY: the list's columns lie in its blocks.
                let [low, high] = blocks.map(|block| unsafe { load(block, a, b) });
                let w = _mm256_set_m128i(high, low);
                let even = _mm256_and_si256(w, mask);
                let odd = _mm256_and_si256(_mm256_srli_epi16::<4>(w), mask);
                parts[0] = _mm256_add_epi16(parts[0], _mm256_maddubs_epi16(even, x));
                parts[1] = _mm256_add_epi16(parts[1], _mm256_maddubs_epi16(odd, x));
            }
        }
        for (sums, parts) in sums.as_chunks_mut::<2>().0.iter_mut().zip(parts) {
            for (half, part) in parts.into_iter().enumerate() {
                let low = _mm256_castsi256_si128(part);
                let high = _mm256_extracti128_si256::<1>(part);
                for (sums, part) in sums.iter_mut().zip([low, high]) {
                    sums[half] = _mm256_add_epi32(sums[half], _mm256_cvtepi16_epi32(part));
                }
            }
        }
    }
    let mut rows = [[0; 4]; 4 * BLOCKS];
    for (rows, [even, odd]) in rows.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        *rows = in_order(must_cast(even), must_cast(odd));
    }
    rows
}

#[target_feature(enable = "sse2")]
fn int4_dots_sse2(blocks: Blocks<'_>) -> [[i32; BLOCK_ROWS]; 4 * BLOCKS] {
    let (blocks, list) = (blocks.blocks(), blocks.list());
    let start = list.start();
    let (mask, byte) = (_mm_set1_epi8(0xf), _mm_set1_epi16(0xff));
    let mut sums = [[[_mm_set1_epi32(start); 2]; 2]; BLOCKS];
    for pairs in list.pairs(PAIRS) {
        let mut parts = [[_mm_setzero_si128(); 2]; BLOCKS];
        for &[a, b] in pairs {
            let ((xa, a), (xb, b)) = (column(a), column(b));
            let (xa, xb) = (_mm_set1_epi16(xa), _mm_set1_epi16(xb));
            for (parts, block) in parts.iter_mut().zip(blocks) {
                // SAFETY: the list's columns lie in its blocks.
                let w = unsafe { load(block, a, b) };
                let even = _mm_and_si128(w, mask);
                let odd = _mm_and_si128(_mm_srli_epi16::<4>(w), mask);
                for (part, w) in parts.iter_mut().zip([even, odd]) {
                    let a = _mm_mullo_epi16(_mm_and_si128(w, byte), xa);
                    let b = _mm_mullo_epi16(_mm_srli_epi16::<8>(w), xb);
                    *part = _mm_add_epi16(*part, _mm_add_epi16(a, b));
                }
            }
        }
        for (sums, parts) in sums.iter_mut().zip(parts) {
            for (sums, part) in sums.iter_mut().zip(parts) {
                // To 32 bits, with their sign.
                let low = _mm_srai_epi32::<16>(_mm_unpacklo_epi16(part, part));
                let high = _mm_srai_epi32::<16>(_mm_unpackhi_epi16(part, part));
                sums[0] = _mm_add_epi32(sums[0], low);
                sums[1] = _mm_add_epi32(sums[1], high);
            }
        }
    }
    let mut rows = [[0; 4]; 4 * BLOCKS];
    for (rows, [even, odd]) in rows.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        *rows = in_order(must_cast(even), must_cast(odd));
    }
    rows
}

/// The sums of 16 rows, from those in the lower halves of the bytes of a column and those in the
/// upper.
#[inline(always)]
fn in_order(even: [[i32; 4]; 2], odd: [[i32; 4]; 2]) -> [[i32; 4]; 4] {
    let [[a0, a4, a1, a5], [b0, b4, b1, b5]] = even;
    let [[a2, a6, a3, a7], [b2, b6, b3, b7]] = odd;
    [
        [a0, a1, a2, a3],
        [a4, a5, a6, a7],
        [b0, b1, b2, b3],
        [b4, b5, b6, b7],
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{compare, product};
    use super::*;
    use crate::format::WeightFormat;

    /// A kernel with AVX2, or without.
    struct On<const AVX2: bool, K>(core::marker::PhantomData<K>);

    impl<const AVX2: bool> Kernel for On<AVX2, Int8> {
        const SCRATCH_BYTES: usize = Int8::SCRATCH_BYTES;
        type Packed<'a> = Columns<'a>;

        fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> Columns<'a> {
            Int8::pack(matrix, columns, scratch)
        }

        fn rows<'b>(
            rows: &Rows<'_>,
            packed: Columns<'_>,
            first: usize,
            batch: Room<'b, i32>,
        ) -> &'b [[i32; BLOCK_ROWS]] {
            sums(rows, int8_dots(AVX2, rows, packed, first), first, batch)
        }
    }

    impl<const AVX2: bool> Kernel for On<AVX2, Int4> {
        const SCRATCH_BYTES: usize = Int4::SCRATCH_BYTES;
        type Packed<'a> = List<'a>;

        fn pack<'a>(matrix: &Matrix<'_>, columns: &[i8], scratch: &'a mut [u32]) -> List<'a> {
            Int4::pack(matrix, columns, scratch)
        }

        fn rows<'b>(
            rows: &Rows<'_>,
            packed: List<'_>,
            first: usize,
            batch: Room<'b, i32>,
        ) -> &'b [[i32; BLOCK_ROWS]] {
            sums(rows, int4_dots(AVX2, rows, packed, first), first, batch)
        }
    }

    /// Miri has no CPU to ask; there AVX2 is a flag of the build.
    fn has_avx2() -> bool {
        cfg!(target_feature = "avx2") || avx2::get()
    }

    #[test]
    fn sse2_gives_the_portable_numbers() {
        compare(WeightFormat::Int8, product::<On<false, Int8>>);
        compare(WeightFormat::Int4, product::<On<false, Int4>>);
    }

    #[test]
    fn avx2_gives_the_portable_numbers() {
        if has_avx2() {
            compare(WeightFormat::Int8, product::<On<true, Int8>>);
            compare(WeightFormat::Int4, product::<On<true, Int4>>);
        }
    }
}

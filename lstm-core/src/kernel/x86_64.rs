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

use bytemuck::must_cast;
use core::arch::x86_64::*;

cpufeatures::new!(avx2, "avx2");

/// Columns of a turn, which a block's columns are a multiple of.
const TURN: usize = 16;

/// Blocks whose dot products are computed at once. They share the work on the columns, and the
/// caller's work on their sums can overlap.
const BATCH: usize = 4;

/// The dot products of the blocks of a matrix, `BYTES` bytes a turn.
#[inline(always)]
fn dots<const BYTES: usize>(
    weights: &[u8],
    input: &[i16],
    correction: i32,
    dot: impl Fn([&[[u8; BYTES]]; BATCH], &[[i16; TURN]], i32) -> [[i32; 4]; BATCH],
) -> impl Iterator<Item = [i32; 4]> {
    let (input, _) = input.as_chunks();
    let turns = input.len().max(1);
    let mut blocks = weights.as_chunks().0.chunks_exact(turns);
    let end = blocks.len();
    let mut sums = [[0; 4]; BATCH];
    (0..end).map(move |block| {
        let place = block % BATCH;
        if place == 0 {
            // Where fewer are left, the first stands in for the missing ones.
            let first = blocks.next().unwrap_or_default();
            let mut next = || blocks.next().unwrap_or(first);
            sums = dot([first, next(), next(), next()], input, -correction);
        }
        sums[place]
    })
}

/// 8-bit weights.
pub(crate) mod int8 {
    use super::super::Rows;
    use super::*;

    /// Half a word, for PMADDWD.
    ///
    /// In a turn the columns of the groups 0, 2, 1, 3 follow each other; in a group first the even
    /// columns, then the odd ones.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int8::pack`].
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        super::super::copy_columns(columns, input);
        let mut even = 0;
        for turn in input.as_chunks_mut::<TURN>().0 {
            let x = *turn;
            *turn = [
                x[0], x[2], x[1], x[3], x[8], x[10], x[9], x[11], //
                x[4], x[6], x[5], x[7], x[12], x[14], x[13], x[15],
            ];
            even += x
                .as_chunks()
                .0
                .iter()
                .map(|&[x, _]| i32::from(x))
                .sum::<i32>();
        }
        128 * even
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
        dots_on(avx2::get(), weights, input, correction)
    }

    /// As [`dots`]; the CPU must have AVX2 if `avx2` says so.
    #[inline(always)]
    pub(super) fn dots_on(
        avx2: bool,
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::dots(weights, input, correction, move |blocks, input, start| {
            if avx2 {
                // SAFETY: the CPU has AVX2.
                unsafe { dot_avx2(blocks, input, start) }
            } else {
                // SAFETY: the target has SSE2.
                unsafe { dot_sse2(blocks, input, start) }
            }
        })
    }

    #[target_feature(enable = "avx2")]
    fn dot_avx2(
        [a, b, c, d]: [&[[u8; 64]]; BATCH],
        input: &[[i16; TURN]],
        start: i32,
    ) -> [[i32; 4]; BATCH] {
        let mask = _mm256_set1_epi16(0xff);
        let mut sums = [_mm256_setzero_si256(); BATCH];
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
    fn dot_sse2(
        [a, b, c, d]: [&[[u8; 64]]; BATCH],
        input: &[[i16; TURN]],
        start: i32,
    ) -> [[i32; 4]; BATCH] {
        let mask = _mm_set1_epi16(0xff);
        let mut sums = [_mm_set1_epi32(start); BATCH];
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
}

/// 4-bit weights.
pub(crate) mod int4 {
    use super::super::Rows;
    use super::*;

    /// Half a word, for PMADDWD.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int4::pack`].
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        super::super::copy_columns(columns, input);
        8 * input.iter().copied().map(i32::from).sum::<i32>()
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
        dots_on(avx2::get(), weights, input, correction)
    }

    /// As [`dots`]; the CPU must have AVX2 if `avx2` says so.
    #[inline(always)]
    pub(super) fn dots_on(
        avx2: bool,
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::dots(weights, input, correction, move |blocks, input, start| {
            if avx2 {
                // SAFETY: the CPU has AVX2.
                unsafe { dot_avx2(blocks, input, start) }
            } else {
                // SAFETY: the target has SSE2.
                unsafe { dot_sse2(blocks, input, start) }
            }
        })
    }

    #[target_feature(enable = "avx2")]
    fn dot_avx2(
        [a, b, c, d]: [&[[u8; 32]]; BATCH],
        input: &[[i16; TURN]],
        start: i32,
    ) -> [[i32; 4]; BATCH] {
        let mask = _mm256_set1_epi16(0xf);
        let mut sums = [_mm256_setzero_si256(); BATCH];
        for ((((a, b), c), d), x) in a.iter().zip(b).zip(c).zip(d).zip(input) {
            let x: __m256i = must_cast(*x);
            let x = [
                _mm256_shuffle_epi32::<0x00>(x),
                _mm256_shuffle_epi32::<0x55>(x),
                _mm256_shuffle_epi32::<0xaa>(x),
                _mm256_shuffle_epi32::<0xff>(x),
            ];
            for (sum, &w) in sums.iter_mut().zip([a, b, c, d]) {
                let w: __m256i = must_cast(w);
                let w = [
                    w,
                    _mm256_srli_epi16::<4>(w),
                    _mm256_srli_epi16::<8>(w),
                    _mm256_srli_epi16::<12>(w),
                ];
                for (w, x) in w.into_iter().zip(x) {
                    let product = _mm256_madd_epi16(_mm256_and_si256(w, mask), x);
                    *sum = _mm256_add_epi32(*sum, product);
                }
            }
        }
        sums.map(|sum| finish_avx2(sum, start))
    }

    #[target_feature(enable = "sse2")]
    fn dot_sse2(
        [a, b, c, d]: [&[[u8; 32]]; BATCH],
        input: &[[i16; TURN]],
        start: i32,
    ) -> [[i32; 4]; BATCH] {
        let mask = _mm_set1_epi16(0xf);
        let mut sums = [_mm_set1_epi32(start); BATCH];
        for ((((a, b), c), d), x) in a.iter().zip(b).zip(c).zip(d).zip(input) {
            let x: [__m128i; 2] = must_cast(*x);
            let x = x.map(|x| {
                [
                    _mm_shuffle_epi32::<0x00>(x),
                    _mm_shuffle_epi32::<0x55>(x),
                    _mm_shuffle_epi32::<0xaa>(x),
                    _mm_shuffle_epi32::<0xff>(x),
                ]
            });
            for (sum, &w) in sums.iter_mut().zip([a, b, c, d]) {
                let w: [__m128i; 2] = must_cast(w);
                for (w, x) in w.into_iter().zip(x) {
                    let w = [
                        w,
                        _mm_srli_epi16::<4>(w),
                        _mm_srli_epi16::<8>(w),
                        _mm_srli_epi16::<12>(w),
                    ];
                    for (w, x) in w.into_iter().zip(x) {
                        let product = _mm_madd_epi16(_mm_and_si128(w, mask), x);
                        *sum = _mm_add_epi32(*sum, product);
                    }
                }
            }
        }
        sums.map(must_cast)
    }
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

#[cfg(test)]
mod tests {
    use super::super::tests::{compare, kernel};
    use super::*;
    use crate::file::WeightFormat;

    /// Miri has no CPU to ask; there AVX2 is a flag of the build.
    fn has_avx2() -> bool {
        cfg!(target_feature = "avx2") || avx2::get()
    }

    /// SSE2, then AVX2 where the CPU has it.
    #[test]
    fn each_kernel_of_8_bits_gives_the_portable_numbers() {
        let dots = |avx2| kernel!(int8, move |w, x, c| int8::dots_on(avx2, w, x, c));
        compare(WeightFormat::Int8, &[&dots(false), &dots(has_avx2())]);
    }

    #[test]
    fn each_kernel_of_4_bits_gives_the_portable_numbers() {
        let dots = |avx2| kernel!(int4, move |w, x, c| int4::dots_on(avx2, w, x, c));
        compare(WeightFormat::Int4, &[&dots(false), &dots(has_avx2())]);
    }
}

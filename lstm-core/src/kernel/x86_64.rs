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
const TURN: usize = crate::file::COLUMN_ALIGN;

/// The blocks of a matrix, whose turns are of `BYTES` bytes, one after the other.
#[inline(always)]
fn dots<const BYTES: usize>(
    weights: &[u8],
    input: &[i16],
    correction: i32,
    dot: impl Fn(&[[u8; BYTES]], &[[i16; TURN]], i32) -> [i32; 4],
) -> impl Iterator<Item = [i32; 4]> {
    let (turns, _) = input.as_chunks();
    let blocks = weights.as_chunks().0.chunks_exact(turns.len().max(1));
    blocks.map(move |block| dot(block, turns, -correction))
}

/// 8-bit weights.
pub(crate) mod int8 {
    use super::*;

    /// Half a word, for PMADDWD.
    ///
    /// In a turn the columns of the groups 0, 2, 1, 3 follow each other; in a group first the even
    /// columns, then the odd ones.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int8::pack`].
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        super::super::copy_columns(below, own, input);
        let mut even = 0;
        for turn in input.as_chunks_mut::<TURN>().0 {
            let x = *turn;
            *turn = [
                x[0], x[2], x[1], x[3], x[8], x[10], x[9], x[11], //
                x[4], x[6], x[5], x[7], x[12], x[14], x[13], x[15],
            ];
            even += x.as_chunks().0.iter().map(|&[x, _]| i32::from(x)).sum::<i32>();
        }
        128 * even
    }

    /// As [`super::super::portable::int8::dots`].
    #[inline(always)]
    pub(crate) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        dots_on(avx2::get(), weights, input, correction)
    }

    /// As [`dots`], on a CPU with or without AVX2.
    #[inline(always)]
    pub(super) fn dots_on(
        avx2: bool,
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::dots(weights, input, correction, move |block, input, start| {
            if avx2 {
                // SAFETY: the CPU has AVX2.
                unsafe { dot_avx2(block, input, start) }
            } else {
                // SAFETY: the target has SSE2.
                unsafe { dot_sse2(block, input, start) }
            }
        })
    }

    #[target_feature(enable = "avx2")]
    fn dot_avx2(block: &[[u8; 64]], input: &[[i16; TURN]], start: i32) -> [i32; 4] {
        let mask = _mm256_set1_epi16(0xff);
        let mut even = _mm256_setzero_si256();
        let mut odd = _mm256_setzero_si256();
        for (w, x) in block.iter().zip(input) {
            let [w0, w1]: [__m256i; 2] = must_cast(*w);
            let x: __m256i = must_cast(*x);
            let mut add = |w, x_even, x_odd| {
                let w_even = _mm256_and_si256(w, mask);
                let w_odd = _mm256_srai_epi16::<8>(w);
                even = _mm256_add_epi32(even, _mm256_madd_epi16(w_even, x_even));
                odd = _mm256_add_epi32(odd, _mm256_madd_epi16(w_odd, x_odd));
            };
            add(
                w0,
                _mm256_shuffle_epi32::<0x00>(x),
                _mm256_shuffle_epi32::<0x55>(x),
            );
            add(
                w1,
                _mm256_shuffle_epi32::<0xaa>(x),
                _mm256_shuffle_epi32::<0xff>(x),
            );
        }
        let sums = _mm256_add_epi32(even, odd);
        let sums = _mm_add_epi32(
            _mm256_castsi256_si128(sums),
            _mm256_extracti128_si256::<1>(sums),
        );
        must_cast(_mm_add_epi32(sums, _mm_set1_epi32(start)))
    }

    #[target_feature(enable = "sse2")]
    fn dot_sse2(block: &[[u8; 64]], input: &[[i16; TURN]], start: i32) -> [i32; 4] {
        let mask = _mm_set1_epi16(0xff);
        let mut even = _mm_set1_epi32(start);
        let mut odd = _mm_setzero_si128();
        for (w, x) in block.iter().zip(input) {
            let [w0, w1, w2, w3]: [__m128i; 4] = must_cast(*w);
            let [x02, x13]: [__m128i; 2] = must_cast(*x);
            let mut add = |w, x_even, x_odd| {
                let w_even = _mm_and_si128(w, mask);
                let w_odd = _mm_srai_epi16::<8>(w);
                even = _mm_add_epi32(even, _mm_madd_epi16(w_even, x_even));
                odd = _mm_add_epi32(odd, _mm_madd_epi16(w_odd, x_odd));
            };
            add(w0, _mm_shuffle_epi32::<0x00>(x02), _mm_shuffle_epi32::<0x55>(x02));
            add(w1, _mm_shuffle_epi32::<0x00>(x13), _mm_shuffle_epi32::<0x55>(x13));
            add(w2, _mm_shuffle_epi32::<0xaa>(x02), _mm_shuffle_epi32::<0xff>(x02));
            add(w3, _mm_shuffle_epi32::<0xaa>(x13), _mm_shuffle_epi32::<0xff>(x13));
        }
        must_cast(_mm_add_epi32(even, odd))
    }
}

/// 4-bit weights.
pub(crate) mod int4 {
    use super::*;

    /// Half a word, for PMADDWD.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int4::pack`].
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        super::super::copy_columns(below, own, input);
        8 * input.iter().copied().map(i32::from).sum::<i32>()
    }

    /// As [`super::super::portable::int4::dots`].
    #[inline(always)]
    pub(crate) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        dots_on(avx2::get(), weights, input, correction)
    }

    /// As [`dots`], on a CPU with or without AVX2.
    #[inline(always)]
    pub(super) fn dots_on(
        avx2: bool,
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        super::dots(weights, input, correction, move |block, input, start| {
            if avx2 {
                // SAFETY: the CPU has AVX2.
                unsafe { dot_avx2(block, input, start) }
            } else {
                // SAFETY: the target has SSE2.
                unsafe { dot_sse2(block, input, start) }
            }
        })
    }

    #[target_feature(enable = "avx2")]
    fn dot_avx2(block: &[[u8; 32]], input: &[[i16; TURN]], start: i32) -> [i32; 4] {
        let mask = _mm256_set1_epi16(0xf);
        let mut sums = _mm256_setzero_si256();
        for (w, x) in block.iter().zip(input) {
            let w: __m256i = must_cast(*w);
            let x: __m256i = must_cast(*x);
            let mut add = |w, x| {
                let w = _mm256_and_si256(w, mask);
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(w, x));
            };
            add(w, _mm256_shuffle_epi32::<0x00>(x));
            add(_mm256_srli_epi16::<4>(w), _mm256_shuffle_epi32::<0x55>(x));
            add(_mm256_srli_epi16::<8>(w), _mm256_shuffle_epi32::<0xaa>(x));
            add(_mm256_srli_epi16::<12>(w), _mm256_shuffle_epi32::<0xff>(x));
        }
        let sums = _mm_add_epi32(
            _mm256_castsi256_si128(sums),
            _mm256_extracti128_si256::<1>(sums),
        );
        must_cast(_mm_add_epi32(sums, _mm_set1_epi32(start)))
    }

    #[target_feature(enable = "sse2")]
    fn dot_sse2(block: &[[u8; 32]], input: &[[i16; TURN]], start: i32) -> [i32; 4] {
        let mask = _mm_set1_epi16(0xf);
        let mut sums = _mm_set1_epi32(start);
        for (w, x) in block.iter().zip(input) {
            let w: [__m128i; 2] = must_cast(*w);
            let x: [__m128i; 2] = must_cast(*x);
            let mut add = |w, x| {
                let w = _mm_and_si128(w, mask);
                sums = _mm_add_epi32(sums, _mm_madd_epi16(w, x));
            };
            for (w, x) in w.into_iter().zip(x) {
                add(w, _mm_shuffle_epi32::<0x00>(x));
                add(_mm_srli_epi16::<4>(w), _mm_shuffle_epi32::<0x55>(x));
                add(_mm_srli_epi16::<8>(w), _mm_shuffle_epi32::<0xaa>(x));
                add(_mm_srli_epi16::<12>(w), _mm_shuffle_epi32::<0xff>(x));
            }
        }
        must_cast(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{compare, kernel};
    use super::*;
    use crate::file::WeightFormat;

    /// SSE2, then AVX2 where the CPU has it.
    #[test]
    fn each_kernel_of_8_bits_gives_the_portable_numbers() {
        let dots = |avx2| kernel!(int8, move |w, x, c| int8::dots_on(avx2, w, x, c));
        compare(WeightFormat::Int8, &[&dots(false), &dots(avx2::get())]);
    }

    #[test]
    fn each_kernel_of_4_bits_gives_the_portable_numbers() {
        let dots = |avx2| kernel!(int4, move |w, x, c| int4::dots_on(avx2, w, x, c));
        compare(WeightFormat::Int4, &[&dots(false), &dots(avx2::get())]);
    }
}

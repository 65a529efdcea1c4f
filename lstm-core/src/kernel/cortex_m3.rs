//! Cortex-M3: no dual multiply, but a 64-bit sum, and shifts for free.
#![allow(unsafe_code, reason = "assembly: LLVM would reorder the loads and spill")]
#![deny(clippy::float_arithmetic)]

/// 8-bit weights: two columns a multiply with SMLAL.
///
/// A word of four columns has the bytes `b0 w1 b2 w3`, with `b = w + 128`. Masked with `0xff0000ff`
/// it is `b0 + 2^24 w3`. Times `x3 + 2^24 x0` that gives `b0 x3 + 2^24 (b0 x0 + w3 x3) + 2^48 w3 x0`;
/// the word rotated by 16 gives `b2 x2 + w1 x1` likewise. A 64-bit sum of such products has the dot
/// product in bits 24 to 47, modulo `2^24`, which suffices ([`Row::in_range`]): the sum of the low
/// parts stays below `2^23` for 512 columns.
///
/// [`Row::in_range`]: crate::file::Row::in_range
pub(crate) mod int8 {
    use super::super::blocks::{Block, Blocks, pack_groups};

    /// Half a column's share of a word: four columns are stored as the words `x3 + 2^24 x0` and
    /// `x1 + 2^24 x2`.
    pub(crate) type Input = i16;

    /// So many columns at a time keep the low parts small.
    const CHUNK: usize = 512;

    /// As [`super::super::portable::int8::pack`].
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        let mut even = 0;
        pack_groups(below, own, input, |x| {
            let [x0, x1, x2, x3] = x.map(i32::from);
            even += x0 + x2;
            let (a, b) = (x3 + (x0 << 24), x1 + (x2 << 24));
            [a as i16, (a >> 16) as i16, b as i16, (b >> 16) as i16]
        });
        128 * even
    }

    /// As [`super::super::portable::int8::dots`].
    #[inline(always)]
    pub(crate) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        let mut blocks = Blocks::new(weights, 8, input, input.len());
        core::iter::from_fn(move || {
            let mut block = blocks.next()?;
            let mut start = -correction;
            let mut sums = [0i32; 4];
            for input in blocks.input.chunks(CHUNK) {
                let [a, b] = rows2(block, input, start);
                let [c, d] = rows2(Block(block.0.wrapping_add(8)), input, start);
                sums[0] = sums[0].wrapping_add(a);
                sums[1] = sums[1].wrapping_add(b);
                sums[2] = sums[2].wrapping_add(c);
                sums[3] = sums[3].wrapping_add(d);
                block = Block(block.0.wrapping_add(4 * input.len()));
                start = 0;
            }
            blocks.block = block.0;
            let [a, b, c, d] = sums;
            // The sums count modulo 2^24.
            Some([a << 8 >> 8, b << 8 >> 8, c << 8 >> 8, d << 8 >> 8])
        })
    }

    /// `start` plus the dot products of the first two rows of a chunk of a block, modulo `2^24`.
    #[inline(always)]
    fn rows2(block: Block, input: &[Input], start: i32) -> [i32; 2] {
        // Half of bit 24, so that cutting off the low part rounds it away.
        let start = (i64::from(start) << 24) + (1 << 23);
        let (low, high) = (start as u32, (start >> 32) as u32);
        let (mut a0, mut a1, mut b0, mut b1) = (low, high, low, high);
        // SAFETY: `Blocks` gave a whole block and a positive multiple of 16 columns, so a chunk has
        // one too; both begin on a multiple of 4 (a model checks its data, and the workspace is made
        // of words). The code reads just these, 16 or 32 columns a turn, starting in the middle if
        // the turns do not come out even. It saves r6 and r7, which it may not name.
        unsafe {
            core::arch::asm!(
                "push {{r6, r7, r8}}",
                "tst r12, #16",
                "bne 3f",
                "2:",
                ".rept 2",
                "ldrd r6, r7, [r0], #16",
                "ldm r1!, {{r8, r9, r10, r11}}",
                "and r12, lr, r6",
                "smlal r2, r3, r12, r8",
                "and r12, lr, r6, ror #16",
                "smlal r2, r3, r12, r9",
                "and r12, lr, r7",
                "smlal r4, r5, r12, r8",
                "and r12, lr, r7, ror #16",
                "smlal r4, r5, r12, r9",
                "ldrd r6, r7, [r0], #16",
                "and r12, lr, r6",
                "smlal r2, r3, r12, r10",
                "and r12, lr, r6, ror #16",
                "smlal r2, r3, r12, r11",
                "and r12, lr, r7",
                "smlal r4, r5, r12, r10",
                "and r12, lr, r7, ror #16",
                "smlal r4, r5, r12, r11",
                ".endr",
                "3:",
                ".rept 2",
                "ldrd r6, r7, [r0], #16",
                "ldm r1!, {{r8, r9, r10, r11}}",
                "and r12, lr, r6",
                "smlal r2, r3, r12, r8",
                "and r12, lr, r6, ror #16",
                "smlal r2, r3, r12, r9",
                "and r12, lr, r7",
                "smlal r4, r5, r12, r8",
                "and r12, lr, r7, ror #16",
                "smlal r4, r5, r12, r9",
                "ldrd r6, r7, [r0], #16",
                "and r12, lr, r6",
                "smlal r2, r3, r12, r10",
                "and r12, lr, r6, ror #16",
                "smlal r2, r3, r12, r11",
                "and r12, lr, r7",
                "smlal r4, r5, r12, r10",
                "and r12, lr, r7, ror #16",
                "smlal r4, r5, r12, r11",
                ".endr",
                "ldr r6, [sp, #8]",
                "cmp r1, r6",
                "bne 2b",
                "pop {{r6, r7, r8}}",
                inout("r0") block.0 => _,
                inout("r1") input.as_ptr() => _,
                inout("r2") a0,
                inout("r3") a1,
                inout("r4") b0,
                inout("r5") b1,
                inout("r8") input.as_ptr_range().end => _,
                out("r9") _,
                out("r10") _,
                out("r11") _,
                inout("r12") input.len() => _,
                inout("lr") 0xff00_00ff_u32 => _,
                options(readonly),
            );
        }
        [
            (a1 << 8 | a0 >> 24) as i32,
            (b1 << 8 | b0 >> 24) as i32,
        ]
    }
}

/// 4-bit weights: two columns a multiply with MLA.
///
/// A shift and a mask give the weights `n0 + 2^16 n1` of two neighbouring columns, with `n = w + 8`.
/// Times `x1 + 2^16 x0` that is `n0 x1 + 2^16 (n0 x0 + n1 x1)` modulo `2^32`. A sum of eight has
/// the dot product of 16 columns in its upper half: at most `15 * 127 * 16 < 2^15`; half of bit 16
/// is added first, so that the lower half, as small, is rounded away.
pub(crate) mod int4 {
    use super::super::blocks::{Block, Blocks, pack_crossed_pairs};

    /// Half a word: a pair of columns `x0 x1` is the word `x1 + 2^16 x0`.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int4::pack`].
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        pack_crossed_pairs(below, own, input)
    }

    /// As [`super::super::portable::int4::dots`].
    #[inline(always)]
    pub(crate) fn dots(
        weights: &[u8],
        input: &[Input],
        correction: i32,
    ) -> impl Iterator<Item = [i32; 4]> {
        let mut blocks = Blocks::new(weights, 4, input, input.len());
        core::iter::from_fn(move || {
            let block = blocks.next()?;
            let [a, b] = rows2(block, blocks.input, -correction);
            let [c, d] = rows2(Block(block.0.wrapping_add(8)), blocks.input, -correction);
            blocks.block = block.0.wrapping_add(2 * blocks.input.len());
            Some([a, b, c, d])
        })
    }

    /// `start` plus the dot products of the first two rows of a block.
    #[inline(always)]
    fn rows2(block: Block, input: &[Input], start: i32) -> [i32; 2] {
        let (mut a, mut b) = (start, start);
        // SAFETY: as for 8 bits, with half as many bytes of weights.
        unsafe {
            core::arch::asm!(
                "push {{r6, r7, r8}}",
                "tst r12, #16",
                "bne 3f",
                "2:",
                "mov r2, #0x8000",
                "mov r3, #0x8000",
                "ldrd r6, r7, [r0], #16",
                "ldm r1!, {{r8, r9, r10, r11}}",
                "and r12, lr, r6",
                "mla r2, r12, r8, r2",
                "and r12, lr, r7",
                "mla r3, r12, r8, r3",
                "and r12, lr, r6, lsr #4",
                "mla r2, r12, r9, r2",
                "and r12, lr, r7, lsr #4",
                "mla r3, r12, r9, r3",
                "and r12, lr, r6, lsr #8",
                "mla r2, r12, r10, r2",
                "and r12, lr, r7, lsr #8",
                "mla r3, r12, r10, r3",
                "and r12, lr, r6, lsr #12",
                "mla r2, r12, r11, r2",
                "and r12, lr, r7, lsr #12",
                "mla r3, r12, r11, r3",
                "ldrd r6, r7, [r0], #16",
                "ldm r1!, {{r8, r9, r10, r11}}",
                "and r12, lr, r6",
                "mla r2, r12, r8, r2",
                "and r12, lr, r7",
                "mla r3, r12, r8, r3",
                "and r12, lr, r6, lsr #4",
                "mla r2, r12, r9, r2",
                "and r12, lr, r7, lsr #4",
                "mla r3, r12, r9, r3",
                "and r12, lr, r6, lsr #8",
                "mla r2, r12, r10, r2",
                "and r12, lr, r7, lsr #8",
                "mla r3, r12, r10, r3",
                "and r12, lr, r6, lsr #12",
                "mla r2, r12, r11, r2",
                "and r12, lr, r7, lsr #12",
                "mla r3, r12, r11, r3",
                "add r4, r4, r2, asr #16",
                "add r5, r5, r3, asr #16",
                "3:",
                "mov r2, #0x8000",
                "mov r3, #0x8000",
                "ldrd r6, r7, [r0], #16",
                "ldm r1!, {{r8, r9, r10, r11}}",
                "and r12, lr, r6",
                "mla r2, r12, r8, r2",
                "and r12, lr, r7",
                "mla r3, r12, r8, r3",
                "and r12, lr, r6, lsr #4",
                "mla r2, r12, r9, r2",
                "and r12, lr, r7, lsr #4",
                "mla r3, r12, r9, r3",
                "and r12, lr, r6, lsr #8",
                "mla r2, r12, r10, r2",
                "and r12, lr, r7, lsr #8",
                "mla r3, r12, r10, r3",
                "and r12, lr, r6, lsr #12",
                "mla r2, r12, r11, r2",
                "and r12, lr, r7, lsr #12",
                "mla r3, r12, r11, r3",
                "ldrd r6, r7, [r0], #16",
                "ldm r1!, {{r8, r9, r10, r11}}",
                "and r12, lr, r6",
                "mla r2, r12, r8, r2",
                "and r12, lr, r7",
                "mla r3, r12, r8, r3",
                "and r12, lr, r6, lsr #4",
                "mla r2, r12, r9, r2",
                "and r12, lr, r7, lsr #4",
                "mla r3, r12, r9, r3",
                "and r12, lr, r6, lsr #8",
                "mla r2, r12, r10, r2",
                "and r12, lr, r7, lsr #8",
                "mla r3, r12, r10, r3",
                "and r12, lr, r6, lsr #12",
                "mla r2, r12, r11, r2",
                "and r12, lr, r7, lsr #12",
                "mla r3, r12, r11, r3",
                "add r4, r4, r2, asr #16",
                "add r5, r5, r3, asr #16",
                "ldr r6, [sp, #8]",
                "cmp r1, r6",
                "bne 2b",
                "pop {{r6, r7, r8}}",
                inout("r0") block.0 => _,
                inout("r1") input.as_ptr() => _,
                out("r2") _,
                out("r3") _,
                inout("r4") a,
                inout("r5") b,
                inout("r8") input.as_ptr_range().end => _,
                out("r9") _,
                out("r10") _,
                out("r11") _,
                inout("r12") input.len() => _,
                inout("lr") 0x000f_000f => _,
                options(readonly),
            );
        }
        [a, b]
    }
}

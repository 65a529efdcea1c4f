//! Cortex-M4, M7 and M33: two columns a multiply with SMLAD.
//!
//! Three instructions for four exact products of a row; `docs/NUMBERS.md`, "Two columns in a lane",
//! shows why the sum is 256 times the dot product.
#![allow(unsafe_code, reason = "assembly: LLVM would reorder the loads and spill")]
#![deny(clippy::float_arithmetic)]


/// 8-bit weights.
pub(crate) mod int8 {
    use super::super::blocks::{Block, Blocks, pack_groups};

    /// Half a word. Four columns `x0 x1 x2 x3` are stored as `x1, x3, 256 x0 - x1, 256 x2 - x3`.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int8::pack`]; the correction is 256 times as large.
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        let mut even = 0;
        pack_groups(below, own, input, |x| {
            let [x0, x1, x2, x3] = x.map(i16::from);
            even += i32::from(x0 + x2);
            // No overflow: a hidden state is in -127..=127.
            let [y0, y2] = [(x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)];
            [x1, x3, y0, y2]
        });
        even * (128 * 256)
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
            let block = blocks.next()?;
            let (sums, end) = dot(block, blocks.input, -correction);
            blocks.block = end;
            Some(sums)
        })
    }

    /// The dot products of one block, plus `start`, and the end of the block.
    #[inline(always)]
    fn dot(block: Block, input: &[Input], start: i32) -> ([i32; 4], *const u8) {
        let (mut a, mut b, mut c, mut d) = (start, start, start, start);
        let mut end = block.0;
        // SAFETY: `Blocks` gave a whole block and checked that the columns are a positive multiple
        // of 16; both begin on a multiple of 4 (a model checks its data, and the workspace is made
        // of words). The code reads just these, 16 or 32 columns a turn, starting in the middle if
        // the turns do not come out even. It saves r6 and r7, which it may not name.
        unsafe {
            core::arch::asm!(
            "push {{r6, r7, r8}}",
            "tst r12, #16",
            "bne 3f",
            "2:",
            ".rept 2",
            "ldm r1!, {{r10, r11, r12, lr}}",
            "ldm r0!, {{r6, r7, r8, r9}}",
            "smlad r2, r6, r10, r2",
            "smlad r3, r7, r10, r3",
            "smlad r4, r8, r10, r4",
            "smlad r5, r9, r10, r5",
            "uxtb16 r6, r6",
            "uxtb16 r7, r7",
            "uxtb16 r8, r8",
            "uxtb16 r9, r9",
            "smlad r2, r6, r11, r2",
            "smlad r3, r7, r11, r3",
            "smlad r4, r8, r11, r4",
            "smlad r5, r9, r11, r5",
            "ldm r0!, {{r6, r7, r8, r9}}",
            "smlad r2, r6, r12, r2",
            "smlad r3, r7, r12, r3",
            "smlad r4, r8, r12, r4",
            "smlad r5, r9, r12, r5",
            "uxtb16 r6, r6",
            "uxtb16 r7, r7",
            "uxtb16 r8, r8",
            "uxtb16 r9, r9",
            "smlad r2, r6, lr, r2",
            "smlad r3, r7, lr, r3",
            "smlad r4, r8, lr, r4",
            "smlad r5, r9, lr, r5",
            ".endr",
            "3:",
            ".rept 2",
            "ldm r1!, {{r10, r11, r12, lr}}",
            "ldm r0!, {{r6, r7, r8, r9}}",
            "smlad r2, r6, r10, r2",
            "smlad r3, r7, r10, r3",
            "smlad r4, r8, r10, r4",
            "smlad r5, r9, r10, r5",
            "uxtb16 r6, r6",
            "uxtb16 r7, r7",
            "uxtb16 r8, r8",
            "uxtb16 r9, r9",
            "smlad r2, r6, r11, r2",
            "smlad r3, r7, r11, r3",
            "smlad r4, r8, r11, r4",
            "smlad r5, r9, r11, r5",
            "ldm r0!, {{r6, r7, r8, r9}}",
            "smlad r2, r6, r12, r2",
            "smlad r3, r7, r12, r3",
            "smlad r4, r8, r12, r4",
            "smlad r5, r9, r12, r5",
            "uxtb16 r6, r6",
            "uxtb16 r7, r7",
            "uxtb16 r8, r8",
            "uxtb16 r9, r9",
            "smlad r2, r6, lr, r2",
            "smlad r3, r7, lr, r3",
            "smlad r4, r8, lr, r4",
            "smlad r5, r9, lr, r5",
            ".endr",
            "ldr r6, [sp, #8]",
            "cmp r1, r6",
            "bne 2b",
            "pop {{r6, r7, r8}}",
                inout("r0") end,
                inout("r1") input.as_ptr() => _,
                inout("r2") a,
                inout("r3") b,
                inout("r4") c,
                inout("r5") d,
                inout("r8") input.as_ptr_range().end => _,
                inout("r12") input.len() => _,
                out("r9") _,
                out("r10") _,
                out("r11") _,
                out("lr") _,
                options(readonly),
            );
        }
        ([a >> 8, b >> 8, c >> 8, d >> 8], end)
    }
}

/// 4-bit weights.
pub(crate) mod int4 {
    use super::super::blocks::{Block, Blocks, pack_groups};

    /// Half a word: a pair of columns is a word.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int4::pack`].
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        let mut sum = 0;
        pack_groups(below, own, input, |x| {
            let x = x.map(i16::from);
            sum += i32::from(x[0] + x[1] + x[2] + x[3]);
            x
        });
        8 * sum
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
            let (sums, end) = dot(block, blocks.input, -correction);
            blocks.block = end;
            Some(sums)
        })
    }

    /// The dot products of one block, plus `start`, and the end of the block.
    #[inline(always)]
    fn dot(block: Block, input: &[Input], start: i32) -> ([i32; 4], *const u8) {
        let (mut a, mut b, mut c, mut d) = (start, start, start, start);
        let mut end = block.0;
        // SAFETY: as for 8 bits, 16 columns a turn.
        unsafe {
            core::arch::asm!(
            "push {{r6, r7, r8}}",
            "2:",
            ".rept 2",
            "ldrd r10, r11, [r1], #8",
            "ldm r0!, {{r6, r7, r8, r9}}",
            "and r12, lr, r6",
            "smlad r2, r12, r10, r2",
            "and r12, lr, r7",
            "smlad r3, r12, r10, r3",
            "and r12, lr, r8",
            "smlad r4, r12, r10, r4",
            "and r12, lr, r9",
            "smlad r5, r12, r10, r5",
            "and r12, lr, r6, lsr #4",
            "smlad r2, r12, r11, r2",
            "and r12, lr, r7, lsr #4",
            "smlad r3, r12, r11, r3",
            "and r12, lr, r8, lsr #4",
            "smlad r4, r12, r11, r4",
            "and r12, lr, r9, lsr #4",
            "smlad r5, r12, r11, r5",
            "ldrd r10, r11, [r1], #8",
            "and r12, lr, r6, lsr #8",
            "smlad r2, r12, r10, r2",
            "and r12, lr, r7, lsr #8",
            "smlad r3, r12, r10, r3",
            "and r12, lr, r8, lsr #8",
            "smlad r4, r12, r10, r4",
            "and r12, lr, r9, lsr #8",
            "smlad r5, r12, r10, r5",
            "and r12, lr, r6, lsr #12",
            "smlad r2, r12, r11, r2",
            "and r12, lr, r7, lsr #12",
            "smlad r3, r12, r11, r3",
            "and r12, lr, r8, lsr #12",
            "smlad r4, r12, r11, r4",
            "and r12, lr, r9, lsr #12",
            "smlad r5, r12, r11, r5",
            ".endr",
            "ldr r6, [sp, #8]",
            "cmp r1, r6",
            "bne 2b",
            "pop {{r6, r7, r8}}",
                inout("r0") end,
                inout("r1") input.as_ptr() => _,
                inout("r2") a,
                inout("r3") b,
                inout("r4") c,
                inout("r5") d,
                inout("r8") input.as_ptr_range().end => _,
                out("r9") _,
                out("r10") _,
                out("r11") _,
                out("r12") _,
                inout("lr") 0x000f_000f => _,
                options(readonly),
            );
        }
        ([a, b, c, d], end)
    }
}

//! Cortex-M0 and M0+: eight registers that can do anything, and a 32-bit multiply.
#![allow(unsafe_code, reason = "assembly: LLVM would reorder the loads and spill")]
#![deny(clippy::float_arithmetic)]

use core::arch::naked_asm;

/// 8-bit weights, a byte at a time: even columns are loaded as they are, odd ones with their sign.
pub(crate) mod int8 {
    use super::super::blocks::{Block, Blocks, pack_groups};

    /// A column.
    pub(crate) type Input = i32;

    /// As [`super::super::portable::int8::pack`].
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        let mut even = 0;
        pack_groups(below, own, input, |x| {
            let x = x.map(i32::from);
            even += x[0] + x[2];
            x
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
            let Block(block) = blocks.next()?;
            let mut sums = [-correction; 4];
            let end = block.wrapping_add(4 * blocks.input.len());
            // SAFETY: `Blocks` gave a whole block and a positive multiple of 16 columns; both begin
            // on a multiple of 4 (a model checks its data, and the workspace is made of words). The
            // function reads just these and `sums`, which it also writes.
            unsafe { super::dot_int8(block, blocks.input.as_ptr(), end, &mut sums) };
            blocks.block = end;
            Some(sums)
        })
    }
}

/// 4-bit weights: two columns a multiply, as on Cortex-M3.
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
            let Block(block) = blocks.next()?;
            let mut sums = [-correction; 4];
            let end = block.wrapping_add(2 * blocks.input.len());
            // SAFETY: as for 8 bits, with half as many bytes of weights.
            unsafe { super::dot_int4(block, blocks.input.as_ptr(), end, &mut sums) };
            blocks.block = end;
            Some(sums)
        })
    }
}

/// Adds the dot products of a block of 8-bit weights to `sums`.
#[unsafe(naked)]
unsafe extern "C" fn dot_int8(
    block: *const u8,
    input: *const i32,
    end: *const u8,
    sums: &mut [i32; 4],
) {
    // r0 weights, r1 = 1 and r2 = 3 (a load with sign takes its offset from a register), r3 product,
    // r4-r7 columns, r8-r11 sums, r12 address of the columns, lr end of the weights.
    naked_asm!(
        "push {{r3, r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "mov r12, r1",
        "mov lr, r2",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "movs r1, #1",
        "movs r2, #3",
        "2:",
        ".rept 4",
        "mov r3, r12",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r12, r3",
        "ldrb r3, [r0, #0]",
        "muls r3, r4, r3",
        "add r8, r3",
        "ldrsb r3, [r0, r1]",
        "muls r3, r5, r3",
        "add r8, r3",
        "ldrb r3, [r0, #2]",
        "muls r3, r6, r3",
        "add r8, r3",
        "ldrsb r3, [r0, r2]",
        "muls r3, r7, r3",
        "add r8, r3",
        "adds r0, #4",
        "ldrb r3, [r0, #0]",
        "muls r3, r4, r3",
        "add r9, r3",
        "ldrsb r3, [r0, r1]",
        "muls r3, r5, r3",
        "add r9, r3",
        "ldrb r3, [r0, #2]",
        "muls r3, r6, r3",
        "add r9, r3",
        "ldrsb r3, [r0, r2]",
        "muls r3, r7, r3",
        "add r9, r3",
        "adds r0, #4",
        "ldrb r3, [r0, #0]",
        "muls r3, r4, r3",
        "add r10, r3",
        "ldrsb r3, [r0, r1]",
        "muls r3, r5, r3",
        "add r10, r3",
        "ldrb r3, [r0, #2]",
        "muls r3, r6, r3",
        "add r10, r3",
        "ldrsb r3, [r0, r2]",
        "muls r3, r7, r3",
        "add r10, r3",
        "adds r0, #4",
        "ldrb r3, [r0, #0]",
        "muls r3, r4, r3",
        "add r11, r3",
        "ldrsb r3, [r0, r1]",
        "muls r3, r5, r3",
        "add r11, r3",
        "ldrb r3, [r0, #2]",
        "muls r3, r6, r3",
        "add r11, r3",
        "ldrsb r3, [r0, r2]",
        "muls r3, r7, r3",
        "add r11, r3",
        "adds r0, #4",
        ".endr",
        "cmp r0, lr",
        "beq 3f",
        "b 2b",
        "3:",
        "ldr r3, [sp, #16]",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "stm r3!, {{r4, r5, r6, r7}}",
        "pop {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r3, r4, r5, r6, r7, pc}}",
    )
}

/// Adds the dot products of a block of 4-bit weights to `sums`.
#[unsafe(naked)]
unsafe extern "C" fn dot_int4(
    block: *const u8,
    input: *const i16,
    end: *const u8,
    sums: &mut [i32; 4],
) {
    // r0 weights, r1 weights of a row, r2 mask, r3 product, r4-r7 pairs of columns, r8-r11 sums over
    // 16 columns, r12 address of the columns, lr end of the weights. On the stack: sums, half of bit
    // 16, saved registers.
    naked_asm!(
        "push {{r3, r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "mov r12, r1",
        "mov lr, r2",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "movs r3, #0x80",
        "lsls r3, r3, #8",
        "push {{r3}}",
        "push {{r4, r5, r6, r7}}",
        "movs r2, #0x0f",
        "lsls r3, r2, #16",
        "orrs r2, r3",
        "2:",
        "mov r3, r12",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r12, r3",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "mov r8, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r8, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r8, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r8, r1",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "mov r9, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r9, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r9, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r9, r1",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "mov r10, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r10, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r10, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r10, r1",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "mov r11, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r11, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r11, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r11, r1",
        "mov r3, r12",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r12, r3",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "add r8, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r8, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r8, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r8, r1",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "add r9, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r9, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r9, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r9, r1",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "add r10, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r10, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r10, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r10, r1",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "add r11, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add r11, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r11, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add r11, r1",
        "ldr r4, [sp, #16]",
        "mov r3, r8",
        "add r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #0]",
        "adds r1, r3",
        "str r1, [sp, #0]",
        "mov r3, r9",
        "add r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #4]",
        "adds r1, r3",
        "str r1, [sp, #4]",
        "mov r3, r10",
        "add r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #8]",
        "adds r1, r3",
        "str r1, [sp, #8]",
        "mov r3, r11",
        "add r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #12]",
        "adds r1, r3",
        "str r1, [sp, #12]",
        "cmp r0, lr",
        "beq 3f",
        "b 2b",
        "3:",
        "pop {{r4, r5, r6, r7}}",
        "ldr r3, [sp, #20]",
        "stm r3!, {{r4, r5, r6, r7}}",
        "pop {{r3, r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r3, r4, r5, r6, r7, pc}}",
    )
}

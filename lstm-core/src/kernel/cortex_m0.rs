//! Cortex-M0 and M0+: eight registers that can do anything, and a 32-bit multiply.
#![allow(unsafe_code, reason = "assembly: LLVM would reorder the loads and spill")]
#![deny(clippy::float_arithmetic)]

use super::blocks::Batch;
use crate::numbers::tables::SIGMOID;
use core::arch::{asm, naked_asm};

/// 8-bit weights, a byte at a time: even columns are loaded as they are, odd ones with their sign.
pub(crate) mod int8 {
    use super::super::Rows;
    use super::super::blocks::{self, pack_words};

    /// A column.
    pub(crate) type Input = i32;

    /// As [`super::super::portable::int8::pack`].
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        pack_words(columns, input)
    }

    /// As [`super::super::portable::int8::for_each_batch`].
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        correction: i32,
        each: impl FnMut(&[[i32; 4]]),
    ) {
        blocks::for_each_batch(super::rows_int8, rows, 8, input, -correction, each);
    }
}

/// 4-bit weights: two columns a multiply, as on Cortex-M3.
pub(crate) mod int4 {
    use super::super::Rows;
    use super::super::blocks::{self, pack_crossed_pairs};

    /// Half a word: a pair of columns `x0 x1` is the word `x1 + 2^16 x0`.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int4::pack`].
    pub(crate) fn pack(columns: &[i8], input: &mut [Input]) -> i32 {
        pack_crossed_pairs(columns, input)
    }

    /// As [`super::super::portable::int4::for_each_batch`].
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        correction: i32,
        each: impl FnMut(&[[i32; 4]]),
    ) {
        blocks::for_each_batch(super::rows_int4, rows, 4, input, -correction, each);
    }
}

/// The sigmoid of `z`, Q12 saturated to -8..8; Q15. The constants of a clamp would fill the
/// registers.
#[inline(always)]
pub(crate) fn sigmoid_q12(mut z: i32) -> i32 {
    // SAFETY: the index into the table is a byte, so it reads one of the 256 words.
    unsafe {
        asm!(
            "sxth {t}, {z}",
            "cmp {t}, {z}",
            "beq 1f",
            // 0x7fff or -0x8000.
            "asrs {z}, {z}, #31",
            "movs {t}, #1",
            "lsls {t}, {t}, #15",
            "subs {t}, #1",
            "eors {z}, {t}",
            "1:",
            "lsrs {t}, {z}, #8",
            "uxtb {t}, {t}",
            "lsls {t}, {t}, #2",
            "ldr {t}, [{table}, {t}]",
            "uxtb {z}, {z}",
            "uxth {rise}, {t}",
            "muls {z}, {rise}, {z}",
            "lsrs {z}, {z}, #8",
            "lsrs {t}, {t}, #16",
            "adds {z}, {z}, {t}",
            z = inout(reg) z,
            t = out(reg) _,
            rise = out(reg) _,
            table = in(reg) SIGMOID.as_ptr(),
            options(pure, readonly, nostack),
        );
    }
    z
}

/// Four rows at a time, a byte at a time.
#[unsafe(naked)]
unsafe extern "C" fn rows_int8(weights: *const u8, batch: &mut Batch<i32>) -> *const u8 {
    // r0 weights, r1 = 1 and r2 = 3 (a load with sign takes its offset from a register), r3 product,
    // r4-r7 columns, r8-r11 sums, r12 address of the columns, lr end of the block.
    // On the stack: batch, bytes of a block (as many as of the columns), saved registers.
    naked_asm!(
        "push {{r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "ldr r2, [r1]",
        "ldr r3, [r1, #8]",
        "subs r2, r3, r2",
        "push {{r1, r2}}",
        "1:",
        "ldr r3, [sp]",
        "ldm r3, {{r1, r2, r3}}",
        "mov r12, r1",
        "mov r8, r2",
        "mov r9, r2",
        "mov r10, r2",
        "mov r11, r2",
        "ldr r3, [sp, #4]",
        "adds r3, r0, r3",
        "mov lr, r3",
        "movs r1, #1",
        "movs r2, #3",
        "2:",
        ".rept 4",
        "mov r3, r12",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r12, r3",
        ".irp sum, r8, r9, r10, r11",
        "ldrb r3, [r0, #0]",
        "muls r3, r4, r3",
        "add \\sum, r3",
        "ldrsb r3, [r0, r1]",
        "muls r3, r5, r3",
        "add \\sum, r3",
        "ldrb r3, [r0, #2]",
        "muls r3, r6, r3",
        "add \\sum, r3",
        "ldrsb r3, [r0, r2]",
        "muls r3, r7, r3",
        "add \\sum, r3",
        "adds r0, #4",
        ".endr",
        ".endr",
        "cmp r0, lr",
        "beq 3f",
        "b 2b",
        "3:",
        // The parameters of the rows and the entries of the table.
        "ldr r3, [sp, #0]",
        "ldr r4, [r3, #12]",
        "ldr r5, [r3, #16]",
        "ldr r7, [r3, #20]",
        "ldm r4!, {{r3, r6}}",
        "mov r1, r8",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #0]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #0]",
        "ldm r4!, {{r3, r6}}",
        "mov r1, r9",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #1]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #4]",
        "ldm r4!, {{r3, r6}}",
        "mov r1, r10",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #2]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #8]",
        "ldm r4!, {{r3, r6}}",
        "mov r1, r11",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #3]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #12]",
        "adds r5, #4",
        "adds r7, #16",
        "ldr r3, [sp, #0]",
        "str r4, [r3, #12]",
        "str r5, [r3, #16]",
        "str r7, [r3, #20]",
        "ldr r4, [r3, #24]",
        "cmp r7, r4",
        "beq 4f",
        "b 1b",
        "4:",
        "add sp, #8",
        "pop {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4, r5, r6, r7, pc}}",
    )
}

/// Four rows at a time, two columns a multiply, 16 columns between two cuts.
#[unsafe(naked)]
unsafe extern "C" fn rows_int4(weights: *const u8, batch: &mut Batch<i16>) -> *const u8 {
    // r0 weights, r1 weights of a row, r2 mask, r3 product, r4-r7 pairs of columns, r8-r11 sums over
    // 16 columns, r12 address of the columns, lr end of the block.
    // On the stack: four sums, half of bit 16, batch, bytes of a block (as many as of the columns),
    // saved registers.
    naked_asm!(
        "push {{r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "ldr r2, [r1]",
        "ldr r3, [r1, #8]",
        "subs r2, r3, r2",
        "push {{r1, r2}}",
        "movs r2, #0x80",
        "lsls r2, r2, #8",
        "push {{r2}}",
        "sub sp, #16",
        "1:",
        "ldr r3, [sp, #20]",
        "ldm r3, {{r1, r2, r3}}",
        "mov r12, r1",
        "str r2, [sp]",
        "str r2, [sp, #4]",
        "str r2, [sp, #8]",
        "str r2, [sp, #12]",
        "ldr r3, [sp, #24]",
        "adds r3, r0, r3",
        "mov lr, r3",
        "movs r2, #0x0f",
        "lsls r3, r2, #16",
        "orrs r2, r3",
        "2:",
        ".rept 2",
        "mov r3, r12",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r12, r3",
        ".irp sum, r8, r9, r10, r11",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "mov \\sum, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add \\sum, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add \\sum, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add \\sum, r1",
        ".endr",
        "mov r3, r12",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r12, r3",
        ".irp sum, r8, r9, r10, r11",
        "ldm r0!, {{r1}}",
        "lsrs r3, r1, #12",
        "ands r3, r2",
        "muls r3, r7, r3",
        "add \\sum, r3",
        "lsrs r3, r1, #8",
        "ands r3, r2",
        "muls r3, r6, r3",
        "add \\sum, r3",
        "lsrs r3, r1, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add \\sum, r3",
        "ands r1, r2",
        "muls r1, r4, r1",
        "add \\sum, r1",
        ".endr",
        "ldr r4, [sp, #16]",
        "mov r3, r8",
        "adds r3, r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #0]",
        "adds r1, r1, r3",
        "str r1, [sp, #0]",
        "mov r3, r9",
        "adds r3, r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #4]",
        "adds r1, r1, r3",
        "str r1, [sp, #4]",
        "mov r3, r10",
        "adds r3, r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #8]",
        "adds r1, r1, r3",
        "str r1, [sp, #8]",
        "mov r3, r11",
        "adds r3, r3, r4",
        "asrs r3, r3, #16",
        "ldr r1, [sp, #12]",
        "adds r1, r1, r3",
        "str r1, [sp, #12]",
        ".endr",
        "cmp r0, lr",
        "beq 3f",
        "b 2b",
        "3:",
        // The parameters of the rows and the entries of the table.
        "ldr r3, [sp, #20]",
        "ldr r4, [r3, #12]",
        "ldr r5, [r3, #16]",
        "ldr r7, [r3, #20]",
        "ldm r4!, {{r3, r6}}",
        "ldr r1, [sp, #0]",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #0]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #0]",
        "ldm r4!, {{r3, r6}}",
        "ldr r1, [sp, #4]",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #1]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #4]",
        "ldm r4!, {{r3, r6}}",
        "ldr r1, [sp, #8]",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #2]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #8]",
        "ldm r4!, {{r3, r6}}",
        "ldr r1, [sp, #12]",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #3]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #12]",
        "adds r5, #4",
        "adds r7, #16",
        "ldr r3, [sp, #20]",
        "str r4, [r3, #12]",
        "str r5, [r3, #16]",
        "str r7, [r3, #20]",
        "ldr r4, [r3, #24]",
        "cmp r7, r4",
        "beq 4f",
        "b 1b",
        "4:",
        "add sp, #20",
        "add sp, #8",
        "pop {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4, r5, r6, r7, pc}}",
    )
}

//! Cortex-M3: no dual multiply, but a 64-bit sum, and shifts for free.
#![allow(
    unsafe_code,
    reason = "assembly: LLVM would reorder the loads and spill"
)]
#![deny(clippy::float_arithmetic)]

use core::arch::naked_asm;

use super::assembly::{self, Assembly, Call, Int8Assembly, pack_groups};
pub(crate) use super::thumb2::Int4;

/// 8-bit weights: two columns a multiply with SMLAL.
///
/// A word of four columns has the bytes `b0 w1 b2 w3`, with `b = w + 128`. Masked with `0xff0000ff`
/// it is `b0 + 2^24 w3`. Times `x3 + 2^24 x0` that gives `b0 x3 + 2^24 (b0 x0 + w3 x3) + 2^48 w3 x0`;
/// the word rotated by 16 gives `b2 x2 + w1 x1` likewise. A 64-bit sum of such products has the dot
/// product in bits 24 to 47, modulo `2^24`, which suffices ([`Row::in_range`]): the sum of the low
/// parts stays below `2^23` for 512 columns.
///
/// [`Row::in_range`]: crate::format::Row::in_range
pub(crate) type Int8 = assembly::Int8<CortexM3>;

/// See [`Int8`].
pub(crate) struct CortexM3;

impl Int8Assembly for CortexM3 {
    /// Half a column's share of a word: four columns are stored as the words `x3 + 2^24 x0` and
    /// `x1 + 2^24 x2`.
    type Element = i16;

    fn pack(columns: &[i8], packed: &mut [i16]) -> i32 {
        let mut even = 0;
        pack_groups(columns, packed, |x| {
            let [x0, x1, x2, x3] = x.map(i32::from);
            even += x0 + x2;
            let (a, b) = (x3 + (x0 << 24), x1 + (x2 << 24));
            [a as i16, (a >> 16) as i16, b as i16, (b >> 16) as i16]
        });
        128 * even
    }

    const ROWS: Assembly = int8_rows;
}

/// Two rows at a time, with sums of 64 bits.
#[unsafe(naked)]
unsafe extern "C" fn int8_rows(weights: *const u8, call: &mut Call) {
    // r0 weights, r1 columns, r2 r3 and r4 r5 sums, r6 r7 weights of two rows, r8-r11 columns,
    // r12 two weights, lr mask.
    // On the stack: batch, input_end, from the end of a block's first two rows to the beginning of
    // its last two, saved registers.
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldr r2, [r1, #8]",
        "ldr r3, [r1]",
        "sub r3, r2, r3",
        "lsl r3, r3, #1",
        "sub r3, r3, #8",
        "push {{r1, r2, r3}}",
        "movw lr, #0x00ff",
        "movt lr, #0xff00",
        "1:",
        "ldr r6, [sp]",
        "ldrd r1, r3, [r6]",
        "mov r2, #0x00800000",
        "orr r2, r2, r3, lsl #24",
        "asr r3, r3, #8",
        "mov r4, r2",
        "mov r5, r3",
        "2:",
        ".rept 4",
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
        "ldr r6, [sp, #4]",
        "cmp r1, r6",
        "bne 2b",
        "lsl r3, r3, #16",
        "orr r3, r3, r2, lsr #16",
        "asr r3, r3, #8",
        "lsl r5, r5, #16",
        "orr r5, r5, r4, lsr #16",
        "asr r5, r5, #8",
        // The parameters of the rows and the entries of the table.
        "ldr r6, [sp]",
        "add r7, r6, #12",
        "ldm r7, {{r8, r9, r10}}",
        "ldrd r11, r12, [r8], #8",
        "uxth r1, r12",
        "mla r3, r3, r1, r11",
        "ldrsb r11, [r9], #1",
        "lsr r12, r12, #16",
        "mla r3, r12, r11, r3",
        "ldrd r11, r12, [r8], #8",
        "uxth r1, r12",
        "mla r5, r5, r1, r11",
        "ldrsb r11, [r9], #1",
        "lsr r12, r12, #16",
        "mla r5, r12, r11, r5",
        "stm r10!, {{r3, r5}}",
        "stm r7, {{r8, r9, r10}}",
        "tst r10, #8",
        "ittt ne",
        "ldrne r7, [sp, #8]",
        "subne r0, r0, r7",
        "bne 1b",
        "ldr r11, [r6, #24]",
        "sub r0, r0, #8",
        "cmp r10, r11",
        "bne 1b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}

//! Cortex-M3: no dual multiply, a slow one of 64 bits, and shifts for free.
#![allow(
    unsafe_code,
    reason = "assembly: LLVM would reorder the loads and spill"
)]
#![deny(clippy::float_arithmetic)]

use core::arch::naked_asm;

use super::assembly::{self, Assembly, Call, Int8Assembly, added, pack_groups};
pub(crate) use super::thumb2::Int4;
#[cfg(feature = "int8")]
pub(super) use super::thumb2::units_until;

/// 8-bit weights: two columns a multiply with MLA.
///
/// A word of four columns has the bytes `b0 w1 b2 w3`, with `b = w + 128`. With the signs of the odd
/// ones flipped it is `b0 b1 b2 b3`, and masked it is `b0 + 2^16 b2`. Times `x2 + 2^16 x0`, less 128
/// times as much for the offsets, that gives `w0 x2 + 2^16 (w0 x0 + w2 x2)` modulo `2^32`. Both parts
/// fit 16 bits with their sign, so half a lane more makes the upper one exact, and a shift takes it
/// out. The word rotated by 8 gives `w1 x1 + w3 x3` likewise.
///
/// That is faster than SMLAL, which would sum up two columns a multiply and takes 4 to 7 cycles.
pub(crate) type Int8 = assembly::Int8<CortexM3>;

/// See [`Int8`].
pub(crate) struct CortexM3;

impl Int8Assembly for CortexM3 {
    /// A column's share: four columns are stored as a factor and what MLA adds, for the even ones and
    /// for the odd ones.
    type Element = i32;

    /// The offsets are taken off in each product.
    fn pack(columns: &[i8], packed: &mut [i32]) -> i32 {
        pack_groups(columns, packed, |&[x0, x1, x2, x3]| {
            // Without a loop over four.
            let (x0, x1) = (i32::from(x0), i32::from(x1));
            let (x2, x3) = (i32::from(x2), i32::from(x3));
            let [even, odd] = [x2 + (x0 << 16), x3 + (x1 << 16)];
            [even, added(even), odd, added(odd)]
        });
        0
    }

    const ROWS: Assembly = int8_rows;
}

/// Four rows at a time. A turn takes 16 columns, and a block enters it where as many fours are left as fill no
/// turn.
#[unsafe(naked)]
unsafe extern "C" fn int8_rows(weights: *const u8, call: &mut Call) {
    // r0 weights, r1 columns, r2-r5 sums, r6 r7 weights of two rows, r8-r11 columns, r12 product,
    // lr mask.
    // On the stack: what a block begins with, from the columns and four times the start of a sum to where it
    // enters the turn; call, input_end, saved registers.
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldm r1, {{r2, r3, r4}}",
        "push {{r1, r4}}",
        "sub r4, r4, r2",
        // Fours that fill no turn; a whole turn where nothing is left.
        "ubfx r4, r4, #4, #2",
        "cmp r4, #0",
        "it eq",
        "moveq r4, #4",
        // 31 instructions of four bytes are 4 columns.
        "movs r5, #124",
        "adr.w r6, 5f",
        "mls r7, r4, r5, r6",
        // An address of Thumb code.
        "orr r7, r7, #1",
        "mov r4, r3",
        "mov r5, r3",
        "mov r6, r3",
        "push {{r2, r3, r4, r5, r6, r7}}",
        "mov lr, #0x00ff00ff",
        "ldm sp, {{r1, r2, r3, r4, r5, pc}}",
        "2:",
        ".macro row sum, word",
        "eor \\word, \\word, #0x80008000",
        "and r12, lr, \\word",
        "mla r12, r12, r8, r9",
        "and \\word, lr, \\word, ror #8",
        "mla \\word, \\word, r10, r11",
        "add \\sum, \\sum, r12, asr #16",
        "add \\sum, \\sum, \\word, asr #16",
        ".endm",
        ".rept 4",
        "ldm r1!, {{r8, r9, r10, r11}}",
        "ldrd r6, r7, [r0], #8",
        "row r2, r6",
        "row r3, r7",
        "ldrd r6, r7, [r0], #8",
        "row r4, r6",
        "row r5, r7",
        ".endr",
        ".purgem row",
        "5:",
        "ldr r6, [sp, #28]",
        "cmp r1, r6",
        "bne 2b",
        // The parameters of the rows and the entries of the table: one load after the other takes a cycle.
        "ldr r6, [sp, #24]",
        "add r7, r6, #12",
        "ldm r7, {{r8, r9, r10}}",
        "cmp r9, #0",
        "beq 4f",
        ".irp sum, r2, r3, r4, r5",
        "ldrh r11, [r8, #4]",
        "ldrh r12, [r8, #6]",
        "ldrsb lr, [r9], #1",
        "ldr r1, [r8], #8",
        "mla \\sum, \\sum, r11, r1",
        "mla \\sum, r12, lr, \\sum",
        ".endr",
        "mov lr, #0x00ff00ff",
        "3:",
        "stm r10!, {{r2, r3, r4, r5}}",
        "stm r7, {{r8, r9, r10}}",
        "ldr r11, [r6, #24]",
        "cmp r10, r11",
        "it ne",
        "ldmne sp, {{r1, r2, r3, r4, r5, pc}}",
        "add sp, #32",
        "pop {{r4-r11, pc}}",
        "4:",
        ".irp sum, r2, r3, r4, r5",
        "ldrh r12, [r8, #4]",
        "ldr r11, [r8], #8",
        "mla \\sum, \\sum, r12, r11",
        ".endr",
        "b 3b",
    )
}

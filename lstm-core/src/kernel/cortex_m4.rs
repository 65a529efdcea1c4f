//! Cortex-M4, M7 and M33: two columns a multiply with SMLAD.
//!
//! Three instructions for four exact products of a row; `docs/NUMBERS.md`, "Two columns in a lane",
//! shows why the sum is 256 times the dot product.
#![allow(
    unsafe_code,
    reason = "assembly: LLVM would reorder the loads and spill"
)]
#![deny(clippy::float_arithmetic)]

use core::arch::naked_asm;

use super::assembly::{self, Assembly, Call, Int8Assembly, pack_groups};
pub(crate) use super::thumb2::Int4;
#[cfg(feature = "int8")]
pub(super) use super::thumb2::units_until;

/// 8-bit weights.
pub(crate) type Int8 = assembly::Int8<CortexM4>;

/// See [`Int8`].
pub(crate) struct CortexM4;

impl Int8Assembly for CortexM4 {
    /// Half a word. Four columns `x0 x1 x2 x3` are stored as `x1, x3, 256 x0 - x1, 256 x2 - x3`.
    type Element = i16;

    /// The correction is 256 times as large as the portable one.
    fn pack(columns: &[i8], packed: &mut [i16]) -> i32 {
        let mut even = 0;
        pack_groups(columns, packed, |x| {
            let mut word = u32::from_ne_bytes(x.map(|x| x as u8));
            let odd: u32;
            // SAFETY: arithmetic on registers alone. No half overflows: a hidden state is in
            // -127..=127.
            unsafe {
                core::arch::asm!(
                    "sxtb16 {odd}, {word}, ror #8",
                    "sxtb16 {t}, {word}",
                    "smlad {even}, {t}, {ones}, {even}",
                    "uxtb16 {word}, {word}",
                    "lsl {word}, {word}, #8",
                    "ssub16 {word}, {word}, {odd}",
                    odd = out(reg) odd,
                    t = out(reg) _,
                    word = inout(reg) word,
                    even = inout(reg) even,
                    ones = in(reg) 0x0001_0001,
                    // SSUB16 writes flags (GE).
                    options(pure, nomem, nostack),
                );
            }
            [
                odd as i16,
                (odd >> 16) as i16,
                word as i16,
                (word >> 16) as i16,
            ]
        });
        even * (128 * 256)
    }

    const ROWS: Assembly = int8_rows;
}

/// The product of the lower halves, in two's complement. LLVM would take them out first.
#[inline(always)]
pub(crate) fn product_of_lower_halves(a: u32, b: i32) -> i32 {
    let product;
    // SAFETY: arithmetic on registers alone.
    unsafe {
        core::arch::asm!(
            "smulbb {product}, {a}, {b}",
            product = lateout(reg) product,
            a = in(reg) a,
            b = in(reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    product
}

/// The sums of bytes in two's complement, from -127 to 127.
#[cfg(feature = "ngram")]
#[inline(always)]
pub(crate) fn symmetric_sum(x: u32, y: u32) -> u32 {
    let sum;
    // SAFETY: arithmetic on registers alone.
    unsafe {
        core::arch::asm!(
            "qadd8 {sum}, {x}, {y}",
            // The larger of each byte and -127.
            "ssub8 {t}, {sum}, {least}",
            "sel {sum}, {sum}, {least}",
            sum = out(reg) sum,
            t = out(reg) _,
            x = in(reg) x,
            y = in(reg) y,
            least = in(reg) 0x8181_8181u32,
            // SSUB8 writes flags (GE).
            options(pure, nomem, nostack),
        );
    }
    sum
}

/// Three instructions for four products of a row; the sums are 256 times the dot products.
///
/// A turn takes 32 columns. A block begins with those that fill no turn: four, if their number is odd in fours,
/// and then it enters the turn where as many eights are left.
#[unsafe(naked)]
unsafe extern "C" fn int8_rows(weights: *const u8, call: &mut Call) {
    // r0 weights, r1 columns, r2-r5 sums, r6-r9 weights of four rows, r10-r12 lr columns.
    // On the stack: what a block begins with, from the columns and four times the start of a sum to where it
    // enters the turn; where the eights enter it; the end of the columns, rows, entries, sums and their end;
    // saved registers.
    naked_asm!(
        env!("CPU_DIRECTIVE"),
        "push {{r4-r11, lr}}",
        "ldm r1, {{r2, r3, r4, r5, r6, r7, r8}}",
        "sub r1, r4, r2",
        "adr.w r10, 5f",
        // Eights that fill no turn; a whole turn where nothing is left.
        "ubfx r11, r1, #4, #2",
        "tst r1, #0x38",
        "it eq",
        "moveq r11, #4",
        // 27 instructions of four bytes are 8 columns.
        "mov r12, #108",
        "mls r11, r11, r12, r10",
        // Addresses of Thumb code.
        "orr r11, r11, #1",
        "adr.w r10, 6f",
        "orr r10, r10, #1",
        "tst r1, #8",
        "it eq",
        "moveq r10, r11",
        "push {{r4, r5, r6, r7, r8}}",
        "mov r4, r3",
        "mov r5, r3",
        "mov r6, r3",
        "push {{r2, r3, r4, r5, r6, r10, r11}}",
        "ldm sp, {{r1, r2, r3, r4, r5, pc}}",
        // Four columns of four rows.
        ".macro four even, odd",
        "ldm r0!, {{r6, r7, r8, r9}}",
        "smlad r2, r6, \\even, r2",
        "smlad r3, r7, \\even, r3",
        "smlad r4, r8, \\even, r4",
        "smlad r5, r9, \\even, r5",
        "uxtb16 r6, r6",
        "uxtb16 r7, r7",
        "uxtb16 r8, r8",
        "uxtb16 r9, r9",
        "smlad r2, r6, \\odd, r2",
        "smlad r3, r7, \\odd, r3",
        "smlad r4, r8, \\odd, r4",
        "smlad r5, r9, \\odd, r5",
        ".endm",
        "6:",
        "ldm r1!, {{r10, r11}}",
        "four r10, r11",
        "ldr pc, [sp, #24]",
        "2:",
        ".rept 4",
        "ldm r1!, {{r10, r11, r12, lr}}",
        "four r10, r11",
        "four r12, lr",
        ".endr",
        ".purgem four",
        "5:",
        "ldr r6, [sp, #28]",
        "cmp r1, r6",
        "bne 2b",
        // The parameters of the rows and the entries of the table: one load after the other takes a cycle.
        "ldrd r8, r9, [sp, #32]",
        "cmp r9, #0",
        "beq 4f",
        ".macro with_entry sum, bias, weight_scale, table_scale, shift",
        "asrs \\sum, \\sum, #8",
        "mla \\sum, \\sum, \\weight_scale, \\bias",
        "sxtb \\bias, r12, ror #\\shift",
        "mla \\sum, \\table_scale, \\bias, \\sum",
        ".endm",
        "ldr r12, [r9], #4",
        ".macro two_rows sum, shift, next_sum, next_shift",
        "ldrh r6, [r8, #4]",
        "ldrh r7, [r8, #6]",
        "ldr r10, [r8, #8]",
        "ldrh r11, [r8, #12]",
        "ldrh lr, [r8, #14]",
        "ldr r1, [r8], #16",
        "with_entry \\sum, r1, r6, r7, \\shift",
        "with_entry \\next_sum, r10, r11, lr, \\next_shift",
        ".endm",
        "two_rows r2, 0, r3, 8",
        "two_rows r4, 16, r5, 24",
        ".purgem two_rows",
        ".purgem with_entry",
        "3:",
        "ldrd r10, r11, [sp, #40]",
        "strd r8, r9, [sp, #32]",
        "stm r10!, {{r2, r3, r4, r5}}",
        "str r10, [sp, #40]",
        "cmp r10, r11",
        "it ne",
        "ldmne sp, {{r1, r2, r3, r4, r5, pc}}",
        "add sp, #48",
        "pop {{r4-r11, pc}}",
        "4:",
        ".macro two_rows sum, next_sum",
        "ldrh r6, [r8, #4]",
        "ldr r10, [r8, #8]",
        "ldrh r11, [r8, #12]",
        "ldr r1, [r8], #16",
        "asrs \\sum, \\sum, #8",
        "mla \\sum, \\sum, r6, r1",
        "asrs \\next_sum, \\next_sum, #8",
        "mla \\next_sum, \\next_sum, r11, r10",
        ".endm",
        "two_rows r2, r3",
        "two_rows r4, r5",
        ".purgem two_rows",
        "b 3b",
    )
}

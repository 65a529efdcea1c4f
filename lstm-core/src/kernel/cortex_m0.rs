//! Cortex-M0 and M0+: eight registers that can do anything, and a 32-bit multiply.
#![allow(
    unsafe_code,
    reason = "assembly: LLVM would reorder the loads and spill"
)]
#![deny(clippy::float_arithmetic)]

use core::arch::{asm, naked_asm};

use super::assembly::{self, Assembly, Call, Int4Assembly, Int8Assembly, added, pack_groups};
#[cfg(feature = "int8")]
use crate::format::BLOCK_ROWS;
use crate::tables::SIGMOID;

/// 8-bit weights: the two even columns of a word with one multiply, the odd ones with one each.
///
/// A word of four columns has the bytes `b0 w1 b2 w3`, with `b = w + 128`. Masked it is
/// `b0 + 2^16 b2`. Times `x2 + 2^16 x0`, less 128 times as much for the offsets, that gives
/// `w0 x2 + 2^16 (w0 x0 + w2 x2)` modulo `2^32`. Both parts fit 16 bits with their sign, so half a lane
/// more makes the upper one exact, and a shift takes it out.
pub(crate) type Int8 = assembly::Int8<CortexM0>;

/// 4-bit weights, a column at a time: two rows a multiply.
pub(crate) type Int4 = assembly::Int4<CortexM0>;

/// See [`Int8`] and [`Int4`].
pub(crate) struct CortexM0;

impl Int8Assembly for CortexM0 {
    /// A column's share: four columns are stored as the factor of the even ones, what is added to that
    /// product, and the two odd ones.
    type Element = i32;

    /// The offsets are taken off in each product.
    fn pack(columns: &[i8], packed: &mut [i32]) -> i32 {
        pack_groups(columns, packed, |&[x0, x1, x2, x3]| {
            // Without a loop over four.
            let (x0, x1) = (i32::from(x0), i32::from(x1));
            let (x2, x3) = (i32::from(x2), i32::from(x3));
            let even = x2 + (x0 << 16);
            [even, added(even), x1, x3]
        });
        0
    }

    const ROWS: Assembly = int8_rows;
}

impl Int4Assembly for CortexM0 {
    const ROWS: Assembly = int4_rows;
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
            "uxth {rise}, {t}",
            "muls {z}, {rise}, {z}",
            "asrs {z}, {z}, #8",
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

/// Four rows at a time, a word of four columns at a time. A turn takes eight columns; a block whose last turn
/// would be half a one begins with that half.
#[unsafe(naked)]
unsafe extern "C" fn int8_rows(weights: *const u8, call: &mut Call) {
    // r0 weights, r1 mask, r2 product, r3 weights of a row, r4-r7 columns, r8-r11 sums,
    // r12 address of the columns, lr end of the block.
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
        "ldm r3!, {{r1, r2}}",
        "mov r12, r1",
        "mov r8, r2",
        "mov r9, r2",
        "mov r10, r2",
        "mov r11, r2",
        "ldr r3, [sp, #4]",
        "adds r2, r0, r3",
        "mov lr, r2",
        "movs r1, #0xff",
        "lsls r2, r1, #16",
        "orrs r1, r2",
        // Four columns are 16 bytes.
        "lsrs r3, r3, #5",
        "bcs 3f",
        "2:",
        ".irp half, 2, 3",
        ".if \\half == 3",
        "3:",
        ".endif",
        "mov r3, r12",
        "ldm r3!, {{r4, r5, r6, r7}}",
        "mov r12, r3",
        ".irp sum, r8, r9, r10, r11",
        "ldm r0!, {{r3}}",
        "asrs r2, r3, #24",
        "muls r2, r7, r2",
        "add \\sum, r2",
        "lsrs r2, r3, #8",
        "sxtb r2, r2",
        "muls r2, r6, r2",
        "add \\sum, r2",
        "ands r3, r1",
        "muls r3, r4, r3",
        "adds r3, r3, r5",
        "asrs r3, r3, #16",
        "add \\sum, r3",
        ".endr",
        ".endr",
        "cmp r0, lr",
        "bne 2b",
        // The parameters of the rows and the entries of the table.
        "ldr r3, [sp, #0]",
        "ldr r4, [r3, #12]",
        "ldr r5, [r3, #16]",
        "ldr r7, [r3, #20]",
        "cmp r5, #0",
        "beq 6f",
        ".irp sum, 8, 9, 10, 11",
        "ldm r4!, {{r3, r6}}",
        "mov r1, r\\sum",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "ldrb r2, [r5, #\\sum - 8]",
        "sxtb r2, r2",
        "lsrs r6, r6, #16",
        "muls r2, r6, r2",
        "adds r1, r1, r2",
        "str r1, [r7, #4 * (\\sum - 8)]",
        ".endr",
        "adds r5, #4",
        "5:",
        "adds r7, #16",
        "ldr r3, [sp, #0]",
        "str r4, [r3, #12]",
        "str r5, [r3, #16]",
        "str r7, [r3, #20]",
        "ldr r4, [r3, #24]",
        "cmp r7, r4",
        "beq 4f",
        "b 1b",
        "6:",
        ".irp sum, 8, 9, 10, 11",
        "ldm r4!, {{r3, r6}}",
        "mov r1, r\\sum",
        "uxth r2, r6",
        "muls r1, r2, r1",
        "adds r1, r1, r3",
        "str r1, [r7, #4 * (\\sum - 8)]",
        ".endr",
        "b 5b",
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

/// Eight rows at a time: the first or the second word of each column.
///
/// A word has four pairs of rows. The first sum takes it as it is, so it has all four,
/// `d0 + 16 d1 + 256 d2 + 4096 d3` modulo `2^32`, and the others' are taken off at the end of a group.
#[unsafe(naked)]
unsafe extern "C" fn int4_rows(weights: *const u8, call: &mut Call) {
    // r0 list, r1 weights, r2 mask, r3 product, r4 and r6 two columns, r5 x, r7-r10 sums of a group,
    // r11 end of a group, r12 list, lr the batch's sums.
    // On the stack: the weights of the eight rows, batch, from there to the next eight rows, saved
    // registers.
    // In memory, while eight rows are under way: for each pair of rows the sum of both sums, the
    // lower one as it is and the upper one times 2^16, then the sum of the upper one.
    naked_asm!(
        "push {{r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "movs r2, #4",
        "push {{r0, r1, r2}}",
        "1:",
        "ldr r3, [sp, #4]",
        "ldr r0, [r3, #0]",
        "ldr r4, [r3, #4]",
        "ldr r3, [r3, #20]",
        "mov lr, r3",
        "movs r5, #0",
        ".rept 4",
        "stm r3!, {{r4, r5}}",
        ".endr",
        "ldr r1, [sp, #0]",
        "movs r2, #0x0f",
        "lsls r3, r2, #16",
        "orrs r2, r3",
        "2:",
        "ldm r0!, {{r3, r4}}",
        "adds r4, r0, r4",
        "mov r11, r4",
        "mov r8, r3",
        "mov r9, r3",
        "mov r10, r3",
        "lsls r4, r3, #4",
        "adds r3, r3, r4",
        "lsls r4, r3, #8",
        "adds r7, r3, r4",
        "3:",
        ".rept 2",
        "ldm r0!, {{r4, r6}}",
        ".irp w, r4, r6",
        "sxth r5, \\w",
        "lsrs \\w, \\w, #16",
        "ldr \\w, [r1, \\w]",
        "lsrs r3, \\w, #4",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r8, r3",
        "lsrs r3, \\w, #8",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r9, r3",
        "lsrs r3, \\w, #12",
        "ands r3, r2",
        "muls r3, r5, r3",
        "add r10, r3",
        "muls \\w, r5, \\w",
        "adds r7, r7, \\w",
        ".endr",
        ".endr",
        "cmp r0, r11",
        "bne 3b",
        "mov r12, r0",
        "mov r3, r8",
        "lsls r4, r3, #4",
        "subs r7, r7, r4",
        "mov r5, r9",
        "lsls r4, r5, #8",
        "subs r7, r7, r4",
        "mov r6, r10",
        "lsls r4, r6, #12",
        "subs r7, r7, r4",
        "mov r4, lr",
        ".irp sum, 7, 3, 5, 6",
        "ldr r0, [r4, #0]",
        "adds r0, r0, r\\sum",
        "str r0, [r4, #0]",
        "ldr r0, [r4, #4]",
        "asrs r\\sum, r\\sum, #16",
        "adds r0, r0, r\\sum",
        "str r0, [r4, #4]",
        "adds r4, #8",
        ".endr",
        "mov r0, r12",
        "ldr r3, [sp, #4]",
        "ldr r4, [r3, #8]",
        "cmp r0, r4",
        "beq 4f",
        "b 2b",
        "4:",
        // The parameters of the rows and the entries of the table.
        "ldr r1, [r3, #12]",
        "ldr r2, [r3, #16]",
        "mov r0, lr",
        "ldr r4, [r3, #24]",
        "mov r5, r0",
        "adds r5, #32",
        "cmp r5, r4",
        "bls 5f",
        "mov r5, r4",
        "5:",
        "mov r11, r5",
        "cmp r2, #0",
        "beq 8f",
        "6:",
        "ldr r6, [r0, #0]",
        "ldr r7, [r0, #4]",
        "lsls r3, r7, #16",
        "subs r6, r6, r3",
        ".irp row, 6, 7",
        "ldm r1!, {{r3, r4}}",
        "uxth r5, r4",
        "muls r\\row, r5, r\\row",
        "adds r\\row, r\\row, r3",
        "ldrb r5, [r2, #\\row - 6]",
        "sxtb r5, r5",
        "lsrs r4, r4, #16",
        "muls r5, r4, r5",
        "adds r\\row, r\\row, r5",
        ".endr",
        "stm r0!, {{r6, r7}}",
        "adds r2, #2",
        "cmp r0, r11",
        "bne 6b",
        "9:",
        "ldr r3, [sp, #4]",
        "str r1, [r3, #12]",
        "str r2, [r3, #16]",
        "str r0, [r3, #20]",
        "ldr r1, [sp, #0]",
        "ldr r4, [sp, #8]",
        "ldr r5, [r3, #28]",
        "adds r1, r1, r4",
        "subs r5, r5, r4",
        "str r1, [sp, #0]",
        "str r5, [sp, #8]",
        "ldr r4, [r3, #24]",
        "cmp r0, r4",
        "beq 7f",
        "b 1b",
        "7:",
        "mov r0, r1",
        "add sp, #12",
        "pop {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4, r5, r6, r7, pc}}",
        "8:",
        "ldr r6, [r0, #0]",
        "ldr r7, [r0, #4]",
        "lsls r3, r7, #16",
        "subs r6, r6, r3",
        ".irp row, 6, 7",
        "ldm r1!, {{r3, r4}}",
        "uxth r5, r4",
        "muls r\\row, r5, r\\row",
        "adds r\\row, r\\row, r3",
        ".endr",
        "stm r0!, {{r6, r7}}",
        "cmp r0, r11",
        "bne 8b",
        "b 9b",
    )
}

/// Takes units one step on, at least one, until their hidden states end at `end`, by the equations of
/// [`Integer`](crate::arith::Integer).
///
/// # Safety
///
/// As `Units` says.
#[cfg(feature = "int8")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn units_until<const IS_CIFG: bool>(
    sums: *const [i32; BLOCK_ROWS],
    hidden: *mut i8,
    cell_state: *mut i16,
    end: *const i8,
) {
    // r0 sums, r1 hidden states, r2 cell states, r3 table, r4 what is computed, r7 f c, then tanh(c); r8 end, r9 -2^14, r10 2^15, r11 2^21,
    // r12 where the sums began, lr i.
    naked_asm!(
        "push {{r4, r5, r6, r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4, r5, r6, r7}}",
        "mov r8, r3",
        "movs r4, #1",
        "lsls r5, r4, #14",
        "rsbs r5, r5, #0",
        "mov r9, r5",
        "lsls r5, r4, #15",
        "mov r10, r5",
        "lsls r5, r4, #21",
        "mov r11, r5",
        "mov r12, r0",
        "ldr r3, 3f",
        // Saturates r4 to 16 bits.
        ".macro saturate",
        "sxth r5, r4",
        "cmp r5, r4",
        "beq 7f",
        "asrs r4, r4, #31",
        "mov r5, r10",
        "subs r5, #1",
        "eors r4, r5",
        "7:",
        ".endm",
        // The sigmoid of r4, Q12.
        ".macro sigmoid",
        "saturate",
        "lsls r5, r4, #16",
        "lsrs r5, r5, #24",
        "lsls r5, r5, #2",
        "ldr r5, [r3, r5]",
        "uxth r6, r5",
        "muls r4, r6, r4",
        "asrs r4, r4, #8",
        "lsrs r5, r5, #16",
        "adds r4, r4, r5",
        ".endm",
        "1:",
        "ldr r4, [r0]",
        "asrs r4, r4, #6",
        "sigmoid",
        "mov lr, r4",
        ".if {is_cifg}",
        "mov r7, r10",
        "subs r7, r7, r4",
        ".else",
        "ldr r4, [r0, #4]",
        "asrs r4, r4, #6",
        "sigmoid",
        "mov r7, r4",
        ".endif",
        "movs r5, #0",
        "ldrsh r5, [r2, r5]",
        "muls r7, r5, r7",
        ".if {is_cifg}",
        "ldr r4, [r0, #16]",
        ".else",
        "ldr r4, [r0, #8]",
        ".endif",
        "asrs r4, r4, #5",
        "sigmoid",
        "add r4, r9",
        "mov r5, lr",
        "muls r4, r5, r4",
        "asrs r4, r4, #3",
        "adds r4, r4, r7",
        "mov r5, r9",
        "subs r4, r4, r5",
        "asrs r4, r4, #15",
        "saturate",
        "strh r4, [r2]",
        "adds r2, #2",
        "lsls r4, r4, #2",
        "sigmoid",
        "add r4, r9",
        "mov r7, r4",
        ".if {is_cifg}",
        "ldr r4, [r0, #32]",
        ".else",
        "ldr r4, [r0, #12]",
        ".endif",
        "asrs r4, r4, #6",
        "sigmoid",
        "muls r4, r7, r4",
        "asrs r5, r4, #7",
        "subs r4, r4, r5",
        "add r4, r11",
        "asrs r4, r4, #22",
        "strb r4, [r1]",
        "adds r1, #1",
        ".if {is_cifg}",
        "adds r0, #4",
        // Behind four units follow the sums of the next.
        "mov r5, r12",
        "subs r5, r0, r5",
        "lsls r5, r5, #28",
        "bne 2f",
        "adds r0, #32",
        "2:",
        ".else",
        "adds r0, #16",
        ".endif",
        "cmp r1, r8",
        "beq 4f",
        "b 1b",
        ".purgem saturate",
        ".purgem sigmoid",
        "4:",
        "pop {{r4, r5, r6, r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4, r5, r6, r7, pc}}",
        ".p2align 2",
        "3:",
        ".word {table}",
        table = sym SIGMOID,
        is_cifg = const IS_CIFG as usize,
    )
}

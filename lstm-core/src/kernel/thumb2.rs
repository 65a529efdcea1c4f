//! The 4-bit kernel of Cortex-M3, M4, M7 and M33: shifts for free, and a multiply that adds. And the equations
//! of the LSTM and the CIFG.
#![allow(
    unsafe_code,
    reason = "assembly: LLVM would reorder the loads and spill"
)]
#![deny(clippy::float_arithmetic)]

use core::arch::naked_asm;

use super::assembly::{self, Assembly, Call, Int4Assembly};
#[cfg(feature = "int8")]
use crate::{format::BLOCK_ROWS, tables::SIGMOID};

/// 4-bit weights, a column at a time: two rows a multiply with MLA.
pub(crate) type Int4 = assembly::Int4<Thumb2>;

/// See [`Int4`].
pub(crate) struct Thumb2;

impl Int4Assembly for Thumb2 {
    const ROWS: Assembly = int4_rows;
}

/// 16 rows at a time.
///
/// A word of a column has four pairs of rows. The first sum takes the word as it is, so it has all
/// four, `d0 + 16 d1 + 256 d2 + 4096 d3` modulo `2^32`. A shift and a mask drop the lowest pair for
/// the next sum, and so on: `d1 + 16 d2 + 256 d3`, `d2 + 16 d3`, `d3`. At the end of a group 16 times
/// the next sum is taken off each.
#[unsafe(naked)]
unsafe extern "C" fn int4_rows(weights: *const u8, call: &mut Call) {
    // r0 weights, r1 list, r2-r9 sums of a group, r10 r11 weights of a column, r12 x, lr mask.
    // On the stack: the block, batch, its sums, the end of the list, saved registers.
    // In memory, while a block is under way: for each pair of rows the sum of both sums, the lower
    // one as it is and the upper one times 2^16, then the sum of the upper one.
    naked_asm!(
        env!("CPU_DIRECTIVE"),
        "push {{r4-r11, lr}}",
        "sub sp, #16",
        "strd r0, r1, [sp]",
        "ldr r2, [r1, #8]",
        "str r2, [sp, #12]",
        "movw lr, #0x0fff",
        "movt lr, #0x0fff",
        "1:",
        "ldr r12, [sp, #4]",
        "ldrd r1, r2, [r12]",
        "ldr r12, [r12, #20]",
        "str r12, [sp, #8]",
        "movs r3, #0",
        "mov r4, r2",
        "mov r5, r3",
        "mov r6, r2",
        "mov r7, r3",
        "mov r8, r2",
        "mov r9, r3",
        "stm r12!, {{r2-r9}}",
        "stm r12!, {{r2-r9}}",
        "2:",
        "ldm r1!, {{r9, r10}}",
        "mov r5, r9",
        "add r4, r9, r5, lsl #4",
        "add r3, r9, r4, lsl #4",
        "add r2, r9, r3, lsl #4",
        "mov r8, r4",
        "mov r7, r3",
        "mov r6, r2",
        "cmp r10, #0",
        "bne 4f",
        "3:",
        ".irp last, 0, 0, 0, 1",
        "ldr r12, [r1], #4",
        // Not next to the load: it would wait for the address.
        "add r11, r0, r12, lsr #16",
        "sxth r12, r12",
        ".if \\last",
        "asrs r12, r12, #1",
        ".endif",
        "ldrd r10, r11, [r11]",
        "mla r2, r10, r12, r2",
        "and r10, lr, r10, lsr #4",
        "mla r3, r10, r12, r3",
        "and r10, lr, r10, lsr #4",
        "mla r4, r10, r12, r4",
        "and r10, lr, r10, lsr #4",
        "mla r5, r10, r12, r5",
        "mla r6, r11, r12, r6",
        "and r11, lr, r11, lsr #4",
        "mla r7, r11, r12, r7",
        "and r11, lr, r11, lsr #4",
        "mla r8, r11, r12, r8",
        "and r11, lr, r11, lsr #4",
        "mla r9, r11, r12, r9",
        ".endr",
        "bcc 3b",
        "b 5f",
        "4:",
        ".irp last, 0, 0, 0, 1",
        "ldrsh r12, [r1], #4",
        ".if \\last",
        "asrs r12, r12, #1",
        ".endif",
        "ldrd r10, r11, [r0], #8",
        "mla r2, r10, r12, r2",
        "and r10, lr, r10, lsr #4",
        "mla r3, r10, r12, r3",
        "and r10, lr, r10, lsr #4",
        "mla r4, r10, r12, r4",
        "and r10, lr, r10, lsr #4",
        "mla r5, r10, r12, r5",
        "mla r6, r11, r12, r6",
        "and r11, lr, r11, lsr #4",
        "mla r7, r11, r12, r7",
        "and r11, lr, r11, lsr #4",
        "mla r8, r11, r12, r8",
        "and r11, lr, r11, lsr #4",
        "mla r9, r11, r12, r9",
        ".endr",
        "bcc 4b",
        "5:",
        "sub r2, r2, r3, lsl #4",
        "sub r3, r3, r4, lsl #4",
        "sub r4, r4, r5, lsl #4",
        "sub r6, r6, r7, lsl #4",
        "sub r7, r7, r8, lsl #4",
        "sub r8, r8, r9, lsl #4",
        "ldrd r12, lr, [sp, #8]",
        ".irp sum, 2, 3, 4, 5, 6, 7, 8, 9",
        "ldrd r10, r11, [r12, #8 * (\\sum - 2)]",
        "add r10, r10, r\\sum",
        "add r11, r11, r\\sum, asr #16",
        "strd r10, r11, [r12, #8 * (\\sum - 2)]",
        ".endr",
        "cmp r1, lr",
        "movw lr, #0x0fff",
        "movt lr, #0x0fff",
        "bne 2b",
        // The parameters of the rows and the entries of the table.
        "ldr r6, [sp, #4]",
        "add r7, r6, #12",
        "ldm r7, {{r8, r9, r10, r11}}",
        "add r10, r12, #64",
        "cmp r10, r11",
        "it hi",
        "movhi r10, r11",
        "cmp r9, #0",
        "beq 8f",
        "6:",
        "ldrd r2, r3, [r12]",
        "sub r2, r2, r3, lsl #16",
        "ldm r8!, {{r0, r1, r4, r5}}",
        "uxth r7, r1",
        "mla r2, r2, r7, r0",
        "ldrsb r7, [r9], #1",
        "lsr r1, r1, #16",
        "mla r2, r1, r7, r2",
        "uxth r7, r5",
        "mla r3, r3, r7, r4",
        "ldrsb r7, [r9], #1",
        "lsr r5, r5, #16",
        "mla r3, r5, r7, r3",
        "strd r2, r3, [r12], #8",
        "cmp r12, r10",
        "bne 6b",
        "7:",
        "add r7, r6, #12",
        "stm r7, {{r8, r9, r12}}",
        "ldr r0, [sp]",
        "ldr r7, [r6, #28]",
        "add r0, r0, r7",
        "str r0, [sp]",
        "cmp r12, r11",
        "bne 1b",
        "add sp, #16",
        "pop {{r4-r11, pc}}",
        "8:",
        "ldrd r2, r3, [r12]",
        "sub r2, r2, r3, lsl #16",
        "ldm r8!, {{r0, r1, r4, r5}}",
        "uxth r1, r1",
        "mla r2, r2, r1, r0",
        "uxth r5, r5",
        "mla r3, r3, r5, r4",
        "strd r2, r3, [r12], #8",
        "cmp r12, r10",
        "bne 8b",
        "b 7b",
    )
}

/// Takes units one step on, at least one, until their hidden states end at `end`.
///
/// The equations are those of [`Integer`](crate::arith::Integer). Loads of a kind follow each other: all but
/// the first of them take a cycle.
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
    // r0 sums, r1 hidden states, r2 cell states, r3 end, r4 i and tanh(c), r5 f and c, r6 g, r7 o, r8-r11 their
    // lines of the sigmoid, r9 c before, r12 table; lr of a CIFG has a bit for the last of each four units.
    naked_asm!(
        env!("CPU_DIRECTIVE"),
        "push {{r4-r11, lr}}",
        "movw r12, #:lower16:{table}",
        "movt r12, #:upper16:{table}",
        ".if {is_cifg}",
        "mov lr, #0x88888888",
        ".endif",
        // Saturates an argument in Q18, of which it cuts off bits; then where its line is.
        ".macro argument z, line, cut",
        "ssat \\z, #16, \\z, asr #\\cut",
        "ubfx \\line, \\z, #8, #8",
        ".endm",
        // The argument times the rise of its line.
        ".macro product z, line",
        ".if {has_dsp}",
        "smulbb \\z, \\line, \\z",
        ".elseif {is_cifg}",
        "uxth r5, \\line",
        "mul \\z, r5, \\z",
        ".else",
        "uxth lr, \\line",
        "mul \\z, lr, \\z",
        ".endif",
        ".endm",
        // The sigmoid.
        ".macro value z, line",
        "lsr \\line, \\line, #16",
        "add \\z, \\line, \\z, asr #8",
        ".endm",
        "1:",
        ".if {is_cifg}",
        "ldr r4, [r0], #4",
        "ldr r6, [r0, #12]",
        "ldr r7, [r0, #28]",
        "ldrsh r9, [r2]",
        "argument r4, r8, 6",
        "argument r6, r10, 5",
        "argument r7, r11, 6",
        "ldr r8, [r12, r8, lsl #2]",
        "ldr r10, [r12, r10, lsl #2]",
        "ldr r11, [r12, r11, lsl #2]",
        ".else",
        "ldm r0!, {{r4, r5, r6, r7}}",
        "argument r4, r8, 6",
        "argument r5, r9, 6",
        "argument r6, r10, 5",
        "argument r7, r11, 6",
        "ldr r8, [r12, r8, lsl #2]",
        "ldr r9, [r12, r9, lsl #2]",
        "ldr r10, [r12, r10, lsl #2]",
        "ldr r11, [r12, r11, lsl #2]",
        "product r5, r9",
        "value r5, r9",
        "ldrsh r9, [r2]",
        ".endif",
        "product r4, r8",
        "value r4, r8",
        "product r6, r10",
        "value r6, r10",
        "sub r6, r6, #0x4000",
        "mul r6, r4, r6",
        ".if {is_cifg}",
        "rsb r5, r4, #0x8000",
        ".endif",
        "mul r5, r5, r9",
        "add r5, r5, r6, asr #3",
        "add r5, r5, #0x4000",
        "ssat r5, #16, r5, asr #15",
        "strh r5, [r2], #2",
        "ssat r4, #16, r5, lsl #2",
        "ubfx r8, r4, #8, #8",
        "product r7, r11",
        "ldr r8, [r12, r8, lsl #2]",
        "value r7, r11",
        "product r4, r8",
        "value r4, r8",
        "sub r4, r4, #0x4000",
        "mul r4, r7, r4",
        "sub r4, r4, r4, asr #7",
        "add r4, r4, #0x200000",
        "asr r4, r4, #22",
        "strb r4, [r1], #1",
        ".if {is_cifg}",
        "rors lr, lr, #1",
        "it cs",
        "addcs r0, r0, #32",
        ".endif",
        "cmp r1, r3",
        "bne 1b",
        ".purgem argument",
        ".purgem product",
        ".purgem value",
        "pop {{r4-r11, pc}}",
        table = sym SIGMOID,
        is_cifg = const IS_CIFG as usize,
        has_dsp = const cfg!(lstm_kernel = "cortex_m4") as usize,
    )
}

//! Cortex-M4, M7 and M33: two columns a multiply with SMLAD.
//!
//! Three instructions for four exact products of a row; `docs/NUMBERS.md`, "Two columns in a lane",
//! shows why the sum is 256 times the dot product.
#![allow(unsafe_code, reason = "naked assembly: LLVM would reorder the loads and spill")]
#![deny(clippy::float_arithmetic)]

use core::arch::naked_asm;

/// 8-bit weights.
pub(crate) mod int8 {
    use super::super::for_each_group;

    /// Half a word. Four columns `x0 x1 x2 x3` are stored as `x1, x3, 256 x0 - x1, 256 x2 - x3`.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int8::pack`]; the correction is 256 times as large.
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        let mut even = 0;
        let mut groups = input.as_chunks_mut::<4>().0.iter_mut();
        let mut put = |x: [i8; 4]| {
            let [x0, x1, x2, x3] = x.map(i16::from);
            even += i32::from(x0) + i32::from(x2);
            if let Some(group) = groups.next() {
                // No overflow: a hidden state is in -127..=127.
                *group = [
                    x1,
                    x3,
                    (x0 << 8).wrapping_sub(x1),
                    (x2 << 8).wrapping_sub(x3),
                ];
            }
        };
        for_each_group(below, own, &mut put);
        for group in groups {
            *group = [0; 4];
        }
        even * (128 * 256)
    }

    /// As [`super::super::portable::int8::dot`].
    #[inline(always)]
    pub(crate) fn dot(block: &[u8], input: &[Input], correction: i32) -> [i32; 4] {
        let columns = input.len().min(block.len() / 4) & !15;
        let mut sums = [0; 4];
        if columns != 0 {
            // SAFETY: `columns` is a positive multiple of 16, `block` holds 4 bytes for each column and
            // `input` an element; both begin on a multiple of 4 (a model checks its data, and the
            // workspace is made of words). The function reads just these and writes `sums`.
            unsafe {
                super::smlad_int8(block.as_ptr(), input.as_ptr(), columns, -correction, &mut sums);
            }
        }
        sums.map(|sum| sum >> 8)
    }
}

/// 4-bit weights.
pub(crate) mod int4 {
    use super::super::for_each_group;

    /// Half a word: a pair of columns is a word.
    pub(crate) type Input = i16;

    /// As [`super::super::portable::int4::pack`].
    pub(crate) fn pack(below: &[i8], own: &[i8], input: &mut [Input]) -> i32 {
        let mut sum = 0;
        let mut groups = input.as_chunks_mut::<4>().0.iter_mut();
        let mut put = |x: [i8; 4]| {
            let x = x.map(i16::from);
            sum += x.iter().copied().map(i32::from).sum::<i32>();
            if let Some(group) = groups.next() {
                *group = x;
            }
        };
        for_each_group(below, own, &mut put);
        for group in groups {
            *group = [0; 4];
        }
        8 * sum
    }

    /// As [`super::super::portable::int4::dot`].
    #[inline(always)]
    pub(crate) fn dot(block: &[u8], input: &[Input], correction: i32) -> [i32; 4] {
        let columns = input.len().min(block.len() / 2) & !15;
        let mut sums = [0; 4];
        if columns != 0 {
            // SAFETY: as for 8 bits, with 2 bytes of `block` a column.
            unsafe {
                super::smlad_int4(
                    block.as_ptr(),
                    input.as_ptr(),
                    columns,
                    -correction,
                    &mut sums,
                );
            }
        }
        sums
    }
}

/// `sums[r] = start + 256 * dot(row r, input)` for four rows.
#[unsafe(naked)]
unsafe extern "C" fn smlad_int8(
    block: *const u8,
    input: *const i16,
    columns: usize,
    start: i32,
    sums: &mut [i32; 4],
) {
    // r0 weights, r1 columns, r2-r5 sums, r6-r9 weights of four rows, r10-r12 lr columns.
    naked_asm!(
        "push {{r4-r11, lr}}",
        "add lr, r1, r2, lsl #1",
        "push {{lr}}",
        "tst r2, #16",
        "mov r2, r3",
        "mov r4, r3",
        "mov r5, r3",
        "bne 2f",
        "1:",
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
        "ldr r6, [sp]",
        "cmp r1, r6",
        "bne 1b",
        "add sp, #4",
        "ldr r6, [sp, #36]",
        "stm r6, {{r2, r3, r4, r5}}",
        "pop {{r4-r11, pc}}",
    )
}

/// `sums[r] = start + dot(row r, input)` for four rows, with the offset of 8 in the weights.
#[unsafe(naked)]
unsafe extern "C" fn smlad_int4(
    block: *const u8,
    input: *const i16,
    columns: usize,
    start: i32,
    sums: &mut [i32; 4],
) {
    // r0 weights, r1 columns, r2-r5 sums, r6-r9 weights of four rows, r10 r11 columns, r12 two
    // weights, lr mask.
    naked_asm!(
        "push {{r4-r11, lr}}",
        "add r12, r1, r2, lsl #1",
        "push {{r12}}",
        "mov lr, #0x000f000f",
        "mov r2, r3",
        "mov r4, r3",
        "mov r5, r3",
        "1:",
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
        "ldr r12, [sp]",
        "cmp r1, r12",
        "bne 1b",
        "add sp, #4",
        "ldr r6, [sp, #36]",
        "stm r6, {{r2, r3, r4, r5}}",
        "pop {{r4-r11, pc}}",
    )
}

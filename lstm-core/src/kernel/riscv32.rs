//! RISC-V with the M extension (RV32IMAC, RV32IMC): 32 registers, loads with sign.
#![allow(unsafe_code, reason = "assembly: LLVM would reorder the loads and spill")]
#![deny(clippy::float_arithmetic)]

use super::blocks::Batch;
use core::arch::naked_asm;

/// 8-bit weights, a byte at a time: even columns are loaded as they are, odd ones with their sign.
pub(crate) mod int8 {
    use crate::arith::Each;
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
        each: &mut Each<'_, i32>,
    ) {
        blocks::for_each_int8_batch(super::rows_int8, rows, input, -correction, each);
    }
}

/// 4-bit weights, a column at a time: two rows a multiply.
pub(crate) mod int4 {
    use crate::arith::Each;
    use super::super::Rows;
    use super::super::live;
    #[cfg_attr(not(feature = "int4"), allow(unused_imports))]
    pub(crate) use super::super::live::{Input, input_len, pack};

    /// As [`super::super::portable::int4::for_each_batch`].
    #[inline(always)]
    pub(crate) fn for_each_batch(
        rows: &Rows<'_>,
        input: &[Input],
        packed: i32,
        each: &mut Each<'_, i32>,
    ) {
        live::for_each_batch(super::rows_int4, rows, input, packed, each);
    }
}

/// Four rows at a time, a byte at a time.
#[unsafe(naked)]
unsafe extern "C" fn rows_int8(weights: *const u8, batch: &mut Batch) -> *const u8 {
    // a0 weights, a1 batch, a2 and a3 the columns' ends, a4 start, a6 a7 s0 s1 sums,
    // t0-t3 columns, t4 t5 products,
    // t6 address of the columns, s8 rows, s9 entries, s10 and s11 the sums' ends.
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "addi sp, sp, -32",
        "sw s0, 0(sp)",
        "sw s1, 4(sp)",
        "sw s8, 8(sp)",
        "sw s9, 12(sp)",
        "sw s10, 16(sp)",
        "sw s11, 20(sp)",
        "lw a2, 0(a1)",
        "lw a4, 4(a1)",
        "lw a3, 8(a1)",
        "lw s8, 12(a1)",
        "lw s9, 16(a1)",
        "lw s10, 20(a1)",
        "lw s11, 24(a1)",
        "1:",
        "mv t6, a2",
        "mv a6, a4",
        "mv a7, a4",
        "mv s0, a4",
        "mv s1, a4",
        "2:",
        ".irp o, 0, 16, 32, 48, 64, 80, 96, 112",
        "lw t0, \\o+0(t6)",
        "lw t1, \\o+4(t6)",
        "lw t2, \\o+8(t6)",
        "lw t3, \\o+12(t6)",
        "lbu t4, \\o+0(a0)",
        "mul t4, t4, t0",
        "add a6, a6, t4",
        "lb t5, \\o+1(a0)",
        "mul t5, t5, t1",
        "add a6, a6, t5",
        "lbu t4, \\o+2(a0)",
        "mul t4, t4, t2",
        "add a6, a6, t4",
        "lb t5, \\o+3(a0)",
        "mul t5, t5, t3",
        "add a6, a6, t5",
        "lbu t4, \\o+4(a0)",
        "mul t4, t4, t0",
        "add a7, a7, t4",
        "lb t5, \\o+5(a0)",
        "mul t5, t5, t1",
        "add a7, a7, t5",
        "lbu t4, \\o+6(a0)",
        "mul t4, t4, t2",
        "add a7, a7, t4",
        "lb t5, \\o+7(a0)",
        "mul t5, t5, t3",
        "add a7, a7, t5",
        "lbu t4, \\o+8(a0)",
        "mul t4, t4, t0",
        "add s0, s0, t4",
        "lb t5, \\o+9(a0)",
        "mul t5, t5, t1",
        "add s0, s0, t5",
        "lbu t4, \\o+10(a0)",
        "mul t4, t4, t2",
        "add s0, s0, t4",
        "lb t5, \\o+11(a0)",
        "mul t5, t5, t3",
        "add s0, s0, t5",
        "lbu t4, \\o+12(a0)",
        "mul t4, t4, t0",
        "add s1, s1, t4",
        "lb t5, \\o+13(a0)",
        "mul t5, t5, t1",
        "add s1, s1, t5",
        "lbu t4, \\o+14(a0)",
        "mul t4, t4, t2",
        "add s1, s1, t4",
        "lb t5, \\o+15(a0)",
        "mul t5, t5, t3",
        "add s1, s1, t5",
        ".endr",
        "addi a0, a0, 128",
        "addi t6, t6, 128",
        "bne t6, a3, 2b",
        // The parameters of the rows and the entries of the table.
        "lhu t0, 4(s8)",
        "lhu t1, 6(s8)",
        "lw t2, 0(s8)",
        "lb t3, 0(s9)",
        "mul a6, a6, t0",
        "mul t1, t1, t3",
        "add a6, a6, t2",
        "add a6, a6, t1",
        "sw a6, 0(s10)",
        "lhu t0, 12(s8)",
        "lhu t1, 14(s8)",
        "lw t2, 8(s8)",
        "lb t3, 1(s9)",
        "mul a7, a7, t0",
        "mul t1, t1, t3",
        "add a7, a7, t2",
        "add a7, a7, t1",
        "sw a7, 4(s10)",
        "lhu t0, 20(s8)",
        "lhu t1, 22(s8)",
        "lw t2, 16(s8)",
        "lb t3, 2(s9)",
        "mul s0, s0, t0",
        "mul t1, t1, t3",
        "add s0, s0, t2",
        "add s0, s0, t1",
        "sw s0, 8(s10)",
        "lhu t0, 28(s8)",
        "lhu t1, 30(s8)",
        "lw t2, 24(s8)",
        "lb t3, 3(s9)",
        "mul s1, s1, t0",
        "mul t1, t1, t3",
        "add s1, s1, t2",
        "add s1, s1, t1",
        "sw s1, 12(s10)",
        "addi s8, s8, 32",
        "addi s9, s9, 4",
        "addi s10, s10, 16",
        "bne s10, s11, 1b",
        "sw s8, 12(a1)",
        "sw s9, 16(a1)",
        "lw s0, 0(sp)",
        "lw s1, 4(sp)",
        "lw s8, 8(sp)",
        "lw s9, 12(sp)",
        "lw s10, 16(sp)",
        "lw s11, 20(sp)",
        "addi sp, sp, 32",
        "ret",
        ".option pop",
    )
}

/// 16 rows at a time, two columns a turn.
///
/// A word of a column has four pairs of rows. The first sum takes the word as it is, so it has all
/// four, `d0 + 16 d1 + 256 d2 + 4096 d3` modulo `2^32`. A shift and a mask drop the lowest pair for
/// the next sum, and so on: `d1 + 16 d2 + 256 d3`, `d2 + 16 d3`, `d3`. At the end of a group 16 times
/// the next sum is taken off each.
#[unsafe(naked)]
unsafe extern "C" fn rows_int4(weights: *const u8, batch: &mut Batch) -> *const u8 {
    // a0 weights, a1 batch, a2 list, a3 x, a4 a5 weights of a column, a6 product,
    // t0-t6 a7 sums of a group, s0 mask, s1 end of the group, s2 the block's sums, s3 end of the list.
    // In memory, while a block is under way: for each pair of rows the sum of both sums, the lower
    // one as it is and the upper one times 2^16, then the sum of the upper one.
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "addi sp, sp, -16",
        "sw s0, 0(sp)",
        "sw s1, 4(sp)",
        "sw s2, 8(sp)",
        "sw s3, 12(sp)",
        "li s0, 0x0fff0fff",
        "lw s2, 20(a1)",
        "lw s3, 8(a1)",
        "1:",
        "lw a2, 0(a1)",
        "lw a4, 4(a1)",
        ".irp o, 0, 8, 16, 24, 32, 40, 48, 56",
        "sw a4, \\o(s2)",
        "sw zero, \\o+4(s2)",
        ".endr",
        "2:",
        "lw t3, 0(a2)",
        "lw s1, 4(a2)",
        "addi a2, a2, 8",
        "add s1, s1, a2",
        "slli a6, t3, 4",
        "add t2, t3, a6",
        "slli a6, t2, 4",
        "add t1, t3, a6",
        "slli a6, t1, 4",
        "add t0, t3, a6",
        "mv a7, t3",
        "mv t6, t2",
        "mv t5, t1",
        "mv t4, t0",
        "3:",
        ".irp o, 0, 4",
        "lhu a5, \\o+2(a2)",
        "lh a3, \\o(a2)",
        "add a5, a5, a0",
        "lw a4, 0(a5)",
        "lw a5, 4(a5)",
        "mul a6, a4, a3",
        "add t0, t0, a6",
        ".irp sum, t1, t2, t3",
        "srli a4, a4, 4",
        "and a4, a4, s0",
        "mul a6, a4, a3",
        "add \\sum, \\sum, a6",
        ".endr",
        "mul a6, a5, a3",
        "add t4, t4, a6",
        ".irp sum, t5, t6, a7",
        "srli a5, a5, 4",
        "and a5, a5, s0",
        "mul a6, a5, a3",
        "add \\sum, \\sum, a6",
        ".endr",
        ".endr",
        "addi a2, a2, 8",
        "bne a2, s1, 3b",
        "slli a6, t1, 4",
        "sub t0, t0, a6",
        "slli a6, t2, 4",
        "sub t1, t1, a6",
        "slli a6, t3, 4",
        "sub t2, t2, a6",
        "slli a6, t5, 4",
        "sub t4, t4, a6",
        "slli a6, t6, 4",
        "sub t5, t5, a6",
        "slli a6, a7, 4",
        "sub t6, t6, a6",
        ".macro flush sum, o",
        "lw a4, \\o(s2)",
        "lw a5, \\o+4(s2)",
        "add a4, a4, \\sum",
        "srai \\sum, \\sum, 16",
        "add a5, a5, \\sum",
        "sw a4, \\o(s2)",
        "sw a5, \\o+4(s2)",
        ".endm",
        "flush t0, 0",
        "flush t1, 8",
        "flush t2, 16",
        "flush t3, 24",
        "flush t4, 32",
        "flush t5, 40",
        "flush t6, 48",
        "flush a7, 56",
        ".purgem flush",
        "bne a2, s3, 2b",
        // The parameters of the rows and the entries of the table.
        "lw a2, 12(a1)",
        "lw a3, 16(a1)",
        "lw s1, 24(a1)",
        "lw a4, 28(a1)",
        "add a0, a0, a4",
        "addi a4, s2, 64",
        "bleu a4, s1, 4f",
        "mv a4, s1",
        "4:",
        "lw t0, 0(s2)",
        "lw t1, 4(s2)",
        "slli t2, t1, 16",
        "sub t0, t0, t2",
        "lw t2, 0(a2)",
        "lhu t3, 4(a2)",
        "lhu t4, 6(a2)",
        "lb t5, 0(a3)",
        "mul t0, t0, t3",
        "mul t4, t4, t5",
        "add t0, t0, t2",
        "add t0, t0, t4",
        "sw t0, 0(s2)",
        "lw t2, 8(a2)",
        "lhu t3, 12(a2)",
        "lhu t4, 14(a2)",
        "lb t5, 1(a3)",
        "mul t1, t1, t3",
        "mul t4, t4, t5",
        "add t1, t1, t2",
        "add t1, t1, t4",
        "sw t1, 4(s2)",
        "addi a2, a2, 16",
        "addi a3, a3, 2",
        "addi s2, s2, 8",
        "bne s2, a4, 4b",
        "sw a2, 12(a1)",
        "sw a3, 16(a1)",
        "bne s2, s1, 1b",
        "lw s0, 0(sp)",
        "lw s1, 4(sp)",
        "lw s2, 8(sp)",
        "lw s3, 12(sp)",
        "addi sp, sp, 16",
        "ret",
        ".option pop",
    )
}

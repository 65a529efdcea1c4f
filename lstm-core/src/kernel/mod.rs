//! The dot products of the integer formats.
//!
//! `portable.rs` is the definition, and is always built. A CPU's kernel is a file beside it with
//! the same names and signatures (modules `int8` and `int4`, each with `Input`, `pack` and
//! `for_each_batch`), chosen by one line of `choose!`, and equal to it bit for bit.

#[cfg_attr(
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "riscv32"
    ),
    allow(dead_code, reason = "the definition is always built")
)]
pub(crate) mod portable;

#[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
mod blocks;

/// Takes the first kernel whose condition holds, or the portable one.
macro_rules! choose {
    ($($condition:meta => $kernel:ident;)*) => {
        choose!(@ [] $($condition => $kernel;)*);
    };
    (@ [$($before:meta,)*] $condition:meta => $kernel:ident; $($rest:tt)*) => {
        #[cfg(all($condition, not(any($($before),*))))]
        mod $kernel;
        #[cfg(all($condition, not(any($($before),*))))]
        pub(crate) use $kernel::{int4, int8};
        choose!(@ [$($before,)* $condition,] $($rest)*);
    };
    (@ [$($before:meta,)*]) => {
        #[cfg(not(any($($before),*)))]
        pub(crate) use portable::{int4, int8};
    };
}

choose! {
    all(target_arch = "x86_64", target_feature = "sse2") => x86_64;
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little") => aarch64;
    thumb = "v7em" => cortex_m4;
    thumb = "v7m" => cortex_m3;
    thumb = "v6m" => cortex_m0;
    target_arch = "riscv32" => riscv32;
}

use crate::file::{BLOCK_ROWS, WeightFormat, decode_weight};

/// Blocks whose dot products a kernel hands over at a time: a multiple of 3, for the cells whose
/// units take three blocks.
pub(crate) const BATCH: usize = 12;

/// Hands over dot products that come block by block, in batches of [`BATCH`]; the last may be
/// smaller.
#[cfg_attr(
    any(target_arch = "arm", target_arch = "riscv32"),
    allow(dead_code, reason = "the kernels there fill batches themselves")
)]
#[inline(always)]
fn batches(mut dots: impl Iterator<Item = [i32; 4]>, mut each: impl FnMut(&[[i32; 4]])) {
    let mut batch = [[0; 4]; BATCH];
    loop {
        let mut filled = 0;
        for (sums, dots) in batch.iter_mut().zip(dots.by_ref()) {
            *sums = dots;
            filled += 1;
        }
        let Some(filled) = batch.get(..filled).filter(|filled| !filled.is_empty()) else {
            break;
        };
        each(filled);
    }
}

/// The sum of the absolute weights of each row of a block, in the file's order.
pub(crate) fn sum_abs(format: WeightFormat, block: &[u8]) -> [u32; BLOCK_ROWS] {
    let mut sums = [0; BLOCK_ROWS];
    for group in block.as_chunks::<16>().0 {
        for (sum, bytes) in sums.iter_mut().zip(group.as_chunks::<4>().0) {
            match format {
                WeightFormat::F32 => {}
                WeightFormat::Int8 => {
                    for (column, &byte) in bytes.iter().enumerate() {
                        *sum += u32::from(decode_weight(byte, column).unsigned_abs());
                    }
                }
                WeightFormat::Int4 => {
                    for &byte in bytes {
                        let nibbles = [byte & 0xf, byte >> 4];
                        *sum += nibbles
                            .map(|n| u32::from(n.abs_diff(8)))
                            .iter()
                            .sum::<u32>();
                    }
                }
            }
        }
    }
    sums
}

/// The columns of (layer below, own hidden state), then zeros.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn copy_columns<T: From<i8>>(below: &[i8], own: &[i8], input: &mut [T]) {
    let (below_input, input) = input.split_at_mut(below.len().min(input.len()));
    let (own_input, padding) = input.split_at_mut(own.len().min(input.len()));
    for (input, &value) in below_input.iter_mut().zip(below) {
        *input = value.into();
    }
    for (input, &value) in own_input.iter_mut().zip(own) {
        *input = value.into();
    }
    for input in padding {
        *input = 0.into();
    }
}

#[cfg(test)]
mod tests;

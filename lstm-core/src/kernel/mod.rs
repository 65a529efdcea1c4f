//! The dot products of the integer formats.
//!
//! `portable.rs` is the definition, and is always built. A CPU's kernel is a file beside it with
//! the same names and signatures (modules `int8` and `int4`, each with `Input`, `pack` and `dots`),
//! chosen by one line of `choose!`, and equal to it bit for bit.

#[cfg_attr(
    target_arch = "arm",
    allow(dead_code, reason = "the definition is always built")
)]
pub(crate) mod portable;

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
    thumb = "v7em" => cortex_m4;
}

use crate::file::{BLOCK_ROWS, WeightFormat, decode_weight};

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

/// Calls `put` with each four columns of (layer below, own hidden state), the last filled with
/// zeros.
#[cfg(thumb = "v7em")]
fn for_each_group(below: &[i8], own: &[i8], put: &mut impl FnMut([i8; 4])) {
    let (below, uneven) = below.as_chunks::<4>();
    for group in below {
        put(*group);
    }
    if uneven.is_empty() {
        let (own, rest) = own.as_chunks::<4>();
        for group in own {
            put(*group);
        }
        if !rest.is_empty() {
            put(first4(rest.iter().copied()));
        }
    } else {
        let mut columns = uneven.iter().chain(own).copied().peekable();
        while columns.peek().is_some() {
            put(first4(columns.by_ref()));
        }
    }
}

#[cfg(thumb = "v7em")]
fn first4(mut columns: impl Iterator<Item = i8>) -> [i8; 4] {
    [(); 4].map(|()| columns.next().unwrap_or(0))
}

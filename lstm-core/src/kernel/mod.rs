//! The dot products of the integer formats.
//!
//! `portable.rs` is the definition, and is always built. A CPU's kernel is a file beside it with
//! the same names and signatures, chosen by one line below, and equal to it bit for bit.

mod portable;

pub(crate) use portable::{Input, dot4, pack};

use crate::file::{BLOCK_ROWS, decode_weight};

/// The sum of the absolute weights of each row of an int8 block.
pub(crate) fn sum_abs(block: &[u8]) -> [u32; BLOCK_ROWS] {
    let mut sums = [0; BLOCK_ROWS];
    for group in block.as_chunks::<16>().0 {
        for (sum, bytes) in sums.iter_mut().zip(group.as_chunks::<4>().0) {
            for (column, &byte) in bytes.iter().enumerate() {
                *sum += u32::from(decode_weight(byte, column).unsigned_abs());
            }
        }
    }
    sums
}

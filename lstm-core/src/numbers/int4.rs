//! [`Format::Int4`](crate::Format::Int4): as int8, with 4-bit weights in the recurrent layers.
#![deny(clippy::float_arithmetic)]

use super::{Arithmetic, Int8};
use crate::kernel;
use crate::model::Matrix;

/// The arithmetic of the layers of [`Format::Int4`](crate::Format::Int4); its dense layer is
/// [`Int8`]'s.
pub(crate) struct Int4;

impl Arithmetic for Int4 {
    type Hidden = i8;
    type Cell = i16;
    type Input = kernel::int4::Input;
    type Correction = i32;
    type PreActivation = i32;
    type Gate = i32;
    type Logit = i32;

    const TABLE_BYTES: usize = 1;

    #[inline(always)]
    fn pack(below: &[i8], own: &[i8], input: &mut [Self::Input]) -> i32 {
        kernel::int4::pack(below, own, input)
    }

    #[inline(always)]
    fn for_each_batch(
        matrix: &Matrix<'_>,
        table: &[u8],
        input: &[Self::Input],
        correction: i32,
        each: impl FnMut(&[[i32; 4]]),
    ) {
        let rows = super::int8::rows(matrix, table);
        kernel::int4::for_each_batch(&rows, input, correction, each);
    }

    #[inline(always)]
    fn sigmoid(z: i32) -> i32 {
        Int8::sigmoid(z)
    }

    #[inline(always)]
    fn tanh(z: i32) -> i32 {
        Int8::tanh(z)
    }

    #[inline(always)]
    fn one_minus(i: i32) -> i32 {
        Int8::one_minus(i)
    }

    #[inline(always)]
    fn cell(f: i32, c: i16, i: i32, g: i32) -> i16 {
        Int8::cell(f, c, i, g)
    }

    #[inline(always)]
    fn hidden(o: i32, c: i16) -> i8 {
        Int8::hidden(o, c)
    }

    #[inline(always)]
    fn projected(z: i32) -> i8 {
        Int8::projected(z)
    }

    #[inline(always)]
    fn logit(z: i32) -> i32 {
        Int8::logit(z)
    }
}

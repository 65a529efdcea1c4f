//! [`Format::Int4`](crate::Format::Int4): as int8, with 4-bit weights in the recurrent layers.
#![deny(clippy::float_arithmetic)]

use super::{Arithmetic, Int8};
use crate::kernel;

/// The arithmetic of the layers of [`Format::Int4`](crate::Format::Int4); its dense layer is
/// [`Int8`]'s.
pub(crate) struct Int4;

impl Arithmetic for Int4 {
    type Hidden = i8;
    type Cell = i16;
    type Input = kernel::int4::Input;
    type Correction = i32;
    type Dot = i32;
    type PreActivation = i32;
    type Gate = i32;
    type Logit = i32;
    type Rows = <Int8 as Arithmetic>::Rows;
    type Entries = <Int8 as Arithmetic>::Entries;

    #[inline(always)]
    fn pack(below: &[i8], own: &[i8], input: &mut [Self::Input]) -> i32 {
        kernel::int4::pack(below, own, input)
    }

    #[inline(always)]
    fn for_each_batch(
        weights: &[u8],
        input: &[Self::Input],
        correction: i32,
        each: impl FnMut(&[[i32; 4]]),
    ) {
        kernel::int4::for_each_batch(weights, input, correction, each);
    }

    #[inline(always)]
    fn rows(bytes: &[u8]) -> &[Self::Rows] {
        Int8::rows(bytes)
    }

    #[inline(always)]
    fn entries(bytes: &[u8]) -> &[Self::Entries] {
        Int8::entries(bytes)
    }

    #[inline(always)]
    fn pre_activations(
        dots: [i32; 4],
        rows: &Self::Rows,
        entries: Option<&Self::Entries>,
    ) -> [i32; 4] {
        Int8::pre_activations(dots, rows, entries)
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

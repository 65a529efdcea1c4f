//! Arithmetic on plain slices: matrix products, the loops of recurrent layers and of the dense layer compiled for
//! each instruction set, the threads that share them out, and the random numbers.
//!
//! May import [`files`](crate::files).

pub(crate) mod cell;
pub(crate) mod dense;
pub mod gemm;
pub(crate) mod layer;
pub(crate) mod panels;
pub mod pool;
pub(crate) mod product;
pub mod random;
pub mod softmax;
pub mod stack;
pub mod vectorize;

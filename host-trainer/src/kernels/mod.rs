//! Arithmetic on plain slices: matrix products, the loops of a recurrent layer and of the dense layer compiled for
//! each instruction set, the threads that share them out, and the random numbers.
//!
//! May import [`files`](crate::files), and of the network only the sizes of a layer and its equations.

pub(crate) mod dense;
pub mod gemm;
pub(crate) mod kernel;
pub mod lstm;
pub(crate) mod panels;
pub mod random;
pub(crate) mod recurrent;
pub(crate) mod threads;
pub mod vectorize;

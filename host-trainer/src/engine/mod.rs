//! A batch becomes a loss and gradients, and gradients move the weights.
//!
//! May import [`network`](crate::network), [`text`](crate::text), [`kernels`](crate::kernels) and
//! [`files`](crate::files).

pub mod fused;
pub mod graph;
pub mod lstm_op;
pub mod optimizer;
pub mod schedule;
pub mod step;

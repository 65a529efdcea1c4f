//! The candle graph: a batch becomes a loss, its gradients go back, and move the weights.
//!
//! Parameters are variables of candle, embedding and dense layer those of candle-nn. On the processor a network is one
//! operation of the graph, computed by the kernels; on another device it is made of candle's own operations.
//!
//! May import [`network`](crate::network), [`text`](crate::text), [`kernels`](crate::kernels) and
//! [`files`](crate::files).

pub mod average;
pub mod clipping;
pub mod device;
pub mod device_predictor;
mod layer;
pub mod loss;
pub(crate) mod many;
pub mod model;
pub(crate) mod ngrams;
pub mod optimizer;
pub mod schedule;
pub mod sensor;
pub(crate) mod slices;
pub(crate) mod stack_op;
pub(crate) mod unrolled;
pub mod variables;

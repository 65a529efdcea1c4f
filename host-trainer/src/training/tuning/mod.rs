//! Quantization-aware fine-tuning under way: its loop, its texts, its checkpoint. What it computes is in
//! [`quantize::qat`](crate::quantize::qat).

pub mod checkpoint;
mod learner;
pub mod settings;
mod source;
pub mod tune;

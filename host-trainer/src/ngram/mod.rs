//! What a text says about itself by counting, and what a network looks up of that.
//!
//! May import [`text`](crate::text), [`kernels`](crate::kernels) (for the threads) and
//! [`files`](crate::files).

mod backoff_table;
mod cross_fit;
mod discounts;
mod embedding_maps;
mod memory;
mod occurrences;
mod perfect_hash;
mod prune;
mod recalled;
mod recitation;
mod tensors;
#[cfg(test)]
mod tests;

pub use backoff_table::{BackoffTable, Gate, least_bytes};
pub use cross_fit::{CrossFitted, CrossFittedReader, Settings, Size};
pub use embedding_maps::{EmbeddingMaps, PackedVectors};
#[cfg(test)]
pub(crate) use memory::example_memory;
pub use memory::{Memory, MemoryConfig, MemoryReader, NATS, NgramConfig, push};
pub use occurrences::{Occurrences, PARTS, Text, part_of, part_range};
pub use prune::dense_length;
pub use recalled::{Recall, Recalled};
pub use recitation::{RUN_LENGTHS, Recitation};

//! What a text says about itself by counting.
//!
//! May import [`text`](crate::text), [`kernels`](crate::kernels) (for the threads) and
//! [`files`](crate::files).

pub(crate) mod backoff_table;
pub(crate) mod cross_fit;
pub(crate) mod embedding_maps;
pub(crate) mod occurrences;
pub(crate) mod perfect_hash;
pub(crate) mod prune;

pub use backoff_table::{BackoffTable, Gate};
pub use cross_fit::{CrossFitted, CrossFittedReader, Settings, Size};
pub use embedding_maps::{EmbeddingMaps, PackedVectors};
pub use occurrences::{Occurrences, PARTS, Text, part_of, part_range};
pub use prune::{Pruning, dense_length};

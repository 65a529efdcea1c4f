//! What a text says about itself by counting.
//!
//! May import [`text`](crate::text), [`kernels`](crate::kernels) (for the threads) and
//! [`files`](crate::files).

mod memory;
mod occurrences;
mod prune;
mod recalled;

pub use memory::{Memory, MemoryReader, NATS, NgramConfig, push};
pub use occurrences::{HISTORY, Occurrences, PARTS, Text, part_of, part_range};
pub use prune::Pruning;
pub use recalled::Recalled;

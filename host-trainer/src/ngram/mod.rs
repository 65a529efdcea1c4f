//! What a text says about itself by counting.
//!
//! May import [`text`](crate::text), [`kernels`](crate::kernels) (for the threads) and
//! [`files`](crate::files).

mod occurrences;
mod prune;

pub use occurrences::{HISTORY, Occurrences, PARTS, Text, part_of, part_range};
pub use prune::Pruning;

//! Text: its alphabet, a corpus in three parts, and how it is cut into batches.
//!
//! May import [`kernels`](crate::kernels) (for the random numbers) and [`files`](crate::files).

pub mod alphabet;
pub mod batches;
pub mod corpus;
pub mod text_file;

//! The page of a run: its course, its network in each format, what flows through the gates, and texts side by side.
//!
//! May import [`training`](crate::training) and what is below it.

pub mod columns;
pub mod content;
pub mod page;
pub mod signals;

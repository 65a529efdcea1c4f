//! The page of a run, or of several beside each other: its course, its network in each format, what flows through the gates, and texts side by side.
//!
//! May import [`training`](crate::training) and what is below it.

pub mod columns;
pub mod comparison;
pub mod content;
mod html;
mod memory;
pub mod page;
pub mod sensor;
pub mod signals;

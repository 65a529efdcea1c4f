//! Models that read values, or give classes or values.

mod golden;
mod output;
mod session;
mod snapshot;
mod window;

pub use golden::OutputGolden;
pub use output::Output;
pub use session::{InputError, SensorSession};
pub use window::{SensorWindow, window_words};

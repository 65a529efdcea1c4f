//! Models that read values, or give classes or values.

mod golden;
mod output;
mod scaling;
mod session;
mod window;

pub use golden::OutputGolden;
pub use output::Output;
pub(crate) use scaling::Scaling;
pub use scaling::quantize_column;
pub use session::{InputError, SensorSession};
pub use window::{Column, SensorWindow};

//! What the cross-crate tests share: models in memory, the text that the host writes with them, and
//! boards under QEMU with a time limit.

mod console;
mod model;
mod text;

pub use console::Console;
pub use model::{Flash, random_int8, shipped};
pub use text::{assert_same_text, host_text};

use std::{path::PathBuf, sync::OnceLock};

/// The program `host-trainer`, built once as its users build it.
pub fn host_trainer() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || xtask::trainer::build().unwrap_or_else(|error| panic!("{error:#}"));
    BUILT.get_or_init(build).clone()
}

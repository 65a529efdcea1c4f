//! What the cross-crate tests share: models in memory, the text that the host writes with them, and
//! boards under QEMU with a time limit.

mod boot_rom;
mod console;
mod figures;
mod model;
mod sizes;
mod text;

pub use boot_rom::flash_of_rp2040;
pub use console::Console;
pub use figures::compare_figures;
pub use model::{models_in, shipped};
pub use sizes::{Sizes, sections};
pub use text::{HostText, assert_same_text, difference, host_text};

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
};

use xtask::{boards::Board, firmware};

/// The firmware of a board, built once.
pub fn board_firmware(board: &Board) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || firmware::build(board).unwrap_or_else(|error| panic!("{error:#}"));
    built
        .entry(board.name.clone())
        .or_insert_with(build)
        .clone()
}

/// The program `host-trainer`, built once as its users build it.
pub fn host_trainer() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || xtask::trainer::build().unwrap_or_else(|error| panic!("{error:#}"));
    BUILT.get_or_init(build).clone()
}

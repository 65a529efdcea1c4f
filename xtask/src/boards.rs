//! The boards, as the folders in `firmware-demo/boards` tell of them.

use anyhow::{Context, Result};
use board_list::Emulator;
pub use board_list::{Board, all};

/// The board of the demo and of the first tests.
pub fn default_board() -> &'static Board {
    Board::parse("mps2-an386").expect("the board of the demo")
}

/// The boards that QEMU emulates.
pub fn emulated() -> impl Iterator<Item = &'static Board> + Clone {
    all().iter().filter(|board| board.emulator.is_some())
}

/// The boards without a HAL of the chip's maker.
pub fn bare_metal() -> impl Iterator<Item = &'static Board> + Clone {
    all().iter().filter(|board| board.is_bare_metal())
}

/// The machine of QEMU that stands for a board.
///
/// # Errors
///
/// There is none.
pub fn emulator(board: &Board) -> Result<&Emulator> {
    let emulator = board.emulator.as_ref();
    emulator.with_context(|| format!("QEMU has no machine for {}", board.name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::firmware;

    /// Cargo reads the target of a board from its `.cargo/config.toml`, which we cannot make.
    #[test]
    fn cargo_builds_each_board_for_its_target() {
        for board in all() {
            let path = firmware::folder(board).join(".cargo/config.toml");
            let config = fs::read_to_string(&path).unwrap();
            // Of several boards in a folder, cargo builds one unless told otherwise.
            let mut targets = all().iter().filter(|other| other.folder == board.folder);
            let line = |board: &Board| format!("\ntarget = {:?}\n", board.target);
            assert!(
                targets.any(|other| config.contains(&line(other))),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_board_on_registers_has_no_hal_and_the_others_have_one() {
        for board in all() {
            let path = firmware::folder(board).join("Cargo.toml");
            let manifest = fs::read_to_string(&path).unwrap();
            let found = manifest.contains("\nsupport-uart");
            assert_eq!(found, board.is_bare_metal(), "{}", path.display());
        }
    }
}

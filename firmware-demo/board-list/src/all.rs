use std::sync::LazyLock;

use crate::{
    board::Board,
    error::{Error, Result},
    file::read,
};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Every board, by the name of its folder.
pub fn all() -> &'static [Board] {
    static BOARDS: LazyLock<Vec<Board>> = LazyLock::new(|| {
        let read = |&(folder, text)| read(folder, text).expect("build.rs has read it too");
        FILES.iter().flat_map(read).collect()
    });
    &BOARDS
}

impl Board {
    /// The board of this name.
    ///
    /// # Errors
    ///
    /// A line with the names there are.
    pub fn parse(name: &str) -> Result<&'static Board> {
        Self::one_of(all().iter(), name)
    }

    /// The board of this name, which QEMU emulates.
    ///
    /// # Errors
    ///
    /// A line with the names there are.
    pub fn parse_emulated(name: &str) -> Result<&'static Board> {
        Self::one_of(all().iter().filter(|board| board.emulator.is_some()), name)
    }

    fn one_of(
        mut boards: impl Iterator<Item = &'static Board> + Clone,
        name: &str,
    ) -> Result<&'static Board> {
        let names: Vec<_> = boards.clone().map(|board| &*board.name).collect();
        boards.find(|board| board.name == name).ok_or_else(|| {
            Error::new(format!(
                "found {name:?}, expected one of: {}",
                names.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_board_is_named_with_those_there_are() {
        let error = Board::parse("mps2").unwrap_err().to_string();
        assert!(
            error.starts_with("found \"mps2\", expected one of: bluepill, "),
            "{error}"
        );
        let error = Board::parse_emulated("pico").unwrap_err().to_string();
        assert!(
            error.contains("microbit, ") && !error.contains("pico2"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_with_several_boards_is_read_once_for_each() {
        let mps2: Vec<_> = all()
            .iter()
            .filter(|board| board.folder == "mps2")
            .collect();
        let names: Vec<_> = mps2.iter().map(|board| &*board.name).collect();
        assert_eq!(names, ["mps2-an385", "mps2-an386", "mps2-an500"]);
        assert!(mps2.iter().all(|board| board.memory == mps2[0].memory));
    }
}

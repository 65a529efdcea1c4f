//! `cargo xtask boards`: the boards, and which of the shipped models fit their flash.

use std::fs;

use anyhow::{Context, Result};

use crate::{
    boards::{self, Board},
    shell::root,
    table::{Table, grouped},
};

/// A shipped model.
struct Model {
    name: String,
    bytes: u64,
}

/// `cargo xtask boards`.
pub fn run() -> Result<()> {
    let models = models()?;
    print!("{}", table(boards::all(), &models));
    println!(
        "\nroom: bytes of flash for a model. fits: how many of the {} models in models/ are no \
         larger; the largest of them.\n`cargo xtask image BOARD --model FILE` writes a file for the board's flash; \
         `cargo xtask qemu BOARD` runs it under QEMU.",
        models.len()
    );
    Ok(())
}

fn table(boards: &[Board], models: &[Model]) -> String {
    let mut table = Table::new(&["board", "core", "room", "fits", "largest", "image", "QEMU"]);
    for board in boards {
        let fits = |model: &&Model| model.bytes <= board.memory.model.size.0.into();
        let largest = models.iter().filter(fits).max_by_key(|model| model.bytes);
        table.push(vec![
            board.name.clone(),
            board.core.to_string(),
            grouped(board.memory.model.size.0.into()),
            models.iter().filter(fits).count().to_string(),
            largest.map_or("-".to_owned(), |model| model.name.clone()),
            board.image.format.to_string(),
            board
                .emulator
                .as_ref()
                .map_or("-", |emulator| &emulator.machine)
                .to_owned(),
        ]);
    }
    table.render()
}

/// The shipped models.
fn models() -> Result<Vec<Model>> {
    let folder = root().join("models");
    let mut models = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_string_lossy().strip_suffix(".lstm") {
            models.push(Model {
                name: name.to_owned(),
                bytes: entry.metadata()?.len(),
            });
        }
    }
    Ok(models)
}

#[cfg(test)]
mod tests {
    use board_list::Bytes;

    use super::*;

    #[test]
    fn a_model_fits_where_its_bytes_do() {
        let mut board = boards::default_board().clone();
        board.memory.model.size = Bytes(1000);
        let model = |name: &str, bytes| Model {
            name: name.to_owned(),
            bytes,
        };
        let models = [model("a", 900), model("b", 1000), model("c", 1001)];
        let table = table(&[board], &models);
        let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row[2..5], ["1,000", "2", "b"]);
    }

    #[test]
    fn every_board_has_a_shipped_model_that_fits() {
        let models = models().unwrap();
        for board in boards::all() {
            let room = u64::from(board.memory.model.size.0);
            assert!(models.iter().any(|m| m.bytes <= room), "{}", board.name);
        }
    }
}

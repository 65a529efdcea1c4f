//! The images of a board in a release.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::VERSION;
use crate::{boards::Board, firmware, image, models};

/// The name of the image of a board with a model.
pub fn name(board: &Board, model: &Path) -> String {
    let model = model.file_stem().unwrap_or_default().display();
    let what = match board.image.firmware {
        true => "",
        false => "-model-only",
    };
    format!(
        "sonnets-{VERSION}-{}-{model}{what}.{}",
        board.name, board.image.format
    )
}

/// The models of a board's images: the best that fits and the smallest, which may be the same.
pub(super) fn models_of(board: &Board) -> Result<BTreeSet<PathBuf>> {
    let mut shipped = models::shipped()?;
    shipped.sort_by_key(|model| model.bytes);
    let smallest = shipped.first().context("found no model in models/")?;
    Ok(BTreeSet::from([models::default(board), smallest.path()]))
}

/// Writes the images of a board into a folder. Where no image holds the firmware, it comes beside them, as the
/// tool of the chip's maker takes it.
pub(super) fn make(board: &Board, out: &Path) -> Result<()> {
    let elf = firmware::build(board)?;
    let of_image = Some(&*elf).filter(|_| board.image.firmware);
    for model in models_of(board)? {
        let image = image::build(board, of_image, &model)?;
        let bytes = image.encode(board.image.format);
        image::write(&out.join(name(board, &model)), &bytes)?;
    }
    if of_image.is_none() {
        let partitions = firmware::folder(board).join("partitions.csv");
        let copies = [(elf, "firmware.elf"), (partitions, "partitions.csv")];
        for (from, name) in copies {
            let to = out.join(format!("sonnets-{VERSION}-{}-{name}", board.name));
            fs::copy(&from, to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_gets_the_best_model_and_the_smallest() {
        let of = |name: &str| {
            let board = Board::parse(name).unwrap();
            let models = models_of(board).unwrap();
            models
                .iter()
                .map(|model| self::name(board, model))
                .collect::<Vec<_>>()
        };
        let start = format!("sonnets-{VERSION}");
        assert_eq!(
            of("microbit"),
            ["cifg-96-int4", "verse-384-int4"].map(|model| format!("{start}-microbit-{model}.hex"))
        );
        // Only the smallest fits.
        assert_eq!(
            of("bluepill"),
            [format!("{start}-bluepill-cifg-96-int4.hex")]
        );
        assert!(
            of("esp32c3")
                .iter()
                .all(|name| name.ends_with("-model-only.bin"))
        );
    }
}

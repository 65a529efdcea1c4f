//! A model in the flash of a board, and in the file from which the flash is written.

use crate::files::error::{Error, Result};
use crate::hardware::boards::{BOARDS, Board, ModelBytes};
use crate::hardware::cost::Shape;
use flash_image::{Format, Place};
use lstm_core::Model;

/// How the flash of a board is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flash {
    /// The format of the file.
    pub format: Format,
    /// The address of the flash's first byte for the firmware, where a file of plain bytes begins.
    pub start: u32,
    /// The address of the model.
    pub model: u32,
    /// Whether the file holds the firmware too. Otherwise a tool of the chip's maker writes the firmware.
    pub has_firmware: bool,
    /// For people, in Markdown; the file is FILE with the end of its format.
    pub how: &'static str,
    /// What the board's drive does besides with a file that has a model alone.
    pub drive_without_firmware: Option<&'static str>,
}

impl Board {
    /// A board that is more than an emulated machine, and its flash.
    ///
    /// # Errors
    /// There is no such board, or it is emulated only.
    pub fn with_flash(name: &str) -> Result<(&'static Self, Flash)> {
        let with_flash = |board: &'static Self| Some((board, board.flash?));
        let mut boards = BOARDS.iter().filter_map(with_flash);
        let found = boards.clone().find(|(board, _)| board.name == name);
        found.ok_or_else(|| {
            let first = boards.next().map_or("", |(board, _)| board.name);
            let names = boards.fold(first.to_owned(), |names, (board, _)| {
                names + ", " + board.name
            });
            Error::bad_input(format!("found the board {name}, expected one of {names}"))
        })
    }

    /// Where a model lies in its flash.
    pub fn place(&self, flash: &Flash) -> Place {
        Place {
            format: flash.format,
            start: flash.start,
            model: flash.model,
            // Its flash has addresses of 32 bits.
            room: self.model_room as u32,
        }
    }

    /// Refuses a model that the board does not run.
    ///
    /// # Errors
    /// Its firmware lacks what the model needs, or its flash or RAM is too small.
    pub fn check(&self, model: &Model<'_>) -> Result<()> {
        let outcome = self.try_model(&Shape::of(model), ModelBytes::of(model), self.clock);
        match outcome.misfit {
            None => Ok(()),
            Some(misfit) => Err(Error::bad_input(format!(
                "found a model that {} does not run: {misfit}",
                self.name
            ))),
        }
    }
}

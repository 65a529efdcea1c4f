//! A model in the flash of a board, and in the file from which the flash is written.

use crate::files::error::{Error, Result};
use crate::hardware::boards::{BOARDS, Board, Flash, ModelBytes};
use crate::hardware::cost::Shape;
use flash_image::Place;
use lstm_core::Model;

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

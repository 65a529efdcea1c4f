use std::path::PathBuf;

use anyhow::Result;

use crate::{boards::Board, firmware, image, models};

/// A board, and what is written to its flash.
#[derive(clap::Args)]
pub struct Program {
    /// The name of the board; `cargo xtask boards` shows them
    #[arg(value_parser = Board::parse)]
    pub board: &'static Board,
    /// The model for its flash [default: the best in models/ that fits]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Take this firmware instead of building it
    #[arg(long, value_name = "FILE")]
    pub elf: Option<PathBuf>,
}

impl Program {
    /// The model that goes with the firmware.
    ///
    /// # Errors
    ///
    /// It is no model, or it does not fit.
    pub fn model(&self) -> Result<PathBuf> {
        let default = || models::default(self.board);
        let model = self.model.clone().unwrap_or_else(default);
        image::check_model(self.board, &model)?;
        Ok(model)
    }

    /// The firmware.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub fn elf(&self) -> Result<PathBuf> {
        match &self.elf {
            Some(elf) => Ok(elf.clone()),
            None => firmware::build(self.board),
        }
    }
}

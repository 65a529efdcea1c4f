//! `cargo xtask flash`: writes firmware and model to a board that is attached, and opens its console.

mod drive;
mod program;
mod tools;
mod way;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

pub use drive::Drive;
pub use program::Program;
pub use way::{Attached, Way};

use crate::{
    boards::Board,
    console::{self, Port},
    image,
    shell::step,
};

/// How long a board may take until its serial port is there.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an interface chip may take until it tells that it has refused an image.
const REFUSAL_TIME: Duration = Duration::from_secs(2);

/// What is written, and where to.
#[derive(clap::Args)]
pub struct Options {
    /// What is written.
    #[command(flatten)]
    pub program: Program,
    /// The serial port of its console [default: the one that the board's USB numbers tell]
    #[arg(long, value_name = "NAME")]
    port: Option<String>,
    /// Copy the image to the drive in this folder, instead of looking for the board's
    #[arg(long, value_name = "FOLDER")]
    drive: Option<PathBuf>,
    /// Do not open the console
    #[arg(long)]
    no_console: bool,
}

impl Options {
    /// Writes the firmware with this model, and opens the console.
    ///
    /// # Errors
    ///
    /// The board is not there, it cannot be written, or its port does not come.
    pub fn run(&self, model: &Path) -> Result<()> {
        let board = self.program.board;
        let attached = Attached::look();
        let way = match &self.drive {
            Some(folder) => {
                ensure!(
                    folder.is_dir(),
                    "found no folder {}, expected a drive",
                    folder.display()
                );
                Way::Drive(folder.clone())
            }
            None => Way::to(board, &attached)?,
        };
        let elf = self.program.elf()?;
        write(board, &way, self.port.as_deref(), &elf, model)?;
        match self.no_console {
            true => Ok(()),
            false => open_console(board, &way, self.port.as_deref(), &attached),
        }
    }
}

/// Writes firmware and model to a board, which then starts.
///
/// # Errors
///
/// A tool fails, or the board refuses the image.
pub fn write(board: &Board, way: &Way, port: Option<&str>, elf: &Path, model: &Path) -> Result<()> {
    let name = model.file_stem().unwrap_or_default().display();
    let by = match way {
        Way::Drive(folder) => format!("its drive {}", folder.display()),
        Way::Probe { .. } => "its debug probe".into(),
        Way::Espflash { .. } => "espflash".into(),
    };
    step(
        &format!("writing {} with {name}, by {by}", board.name),
        || match way {
            Way::Drive(folder) => copy_to(board, folder, elf, model),
            Way::Probe { chip } => tools::probe(board, chip, elf, model),
            Way::Espflash { chip } => tools::espflash(board, chip, port, elf, model),
        },
    )
}

fn copy_to(board: &Board, folder: &Path, elf: &Path, model: &Path) -> Result<()> {
    ensure!(
        board.image.firmware,
        "no image holds the firmware of {}, expected none for a drive",
        board.name
    );
    let format = board.image.format;
    let image = image::build(board, Some(elf), model)?.encode(format);
    drive::write(folder, &format!("firmware.{format}"), &image)?;
    // Then the drive comes anew, with the reason if the image was refused.
    let start = Instant::now();
    while start.elapsed() < REFUSAL_TIME {
        drive::check_refusal(folder)?;
        thread::sleep(REFUSAL_TIME / 10);
    }
    Ok(())
}

/// Opens the console of a board that was written by this way, with what was attached before.
///
/// # Errors
///
/// Its port does not come, or it goes away.
pub fn open_console(board: &Board, way: &Way, port: Option<&str>, before: &Attached) -> Result<()> {
    let port = match port {
        Some(port) => port.to_owned(),
        None => {
            let flashing = board.flashing.as_ref();
            let flashing = flashing.with_context(|| format!("{} has no port", board.name))?;
            // With USB of its own, it was no serial port while it was a drive.
            let was_none = matches!(way, Way::Drive(_)) && !board.is_bare_metal();
            let others: &[Port] = if was_none { &before.ports } else { &[] };
            step("waiting for its serial port", || {
                Port::wait(flashing, others, PATIENCE, Port::all)
            })?
        }
    };
    console::show(board, &port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(board: &str, model: Option<PathBuf>) -> Options {
        Options {
            program: Program {
                board: Board::parse(board).unwrap(),
                model,
                elf: None,
            },
            port: None,
            drive: Some("no-such-folder".into()),
            no_console: true,
        }
    }

    #[test]
    fn a_wrong_model_is_refused_before_anything_is_looked_for() {
        let root = crate::shell::root();
        let refusal = |file: &str| {
            let model = options("microbit", Some(root.join(file))).program.model();
            format!("{:#}", model.unwrap_err())
        };
        let error = refusal("models/sonnets-256.lstm");
        assert!(
            error.ends_with("; models/sonnets-256-int4.lstm fits"),
            "{error}"
        );
        let error = refusal("Cargo.toml");
        assert!(error.contains("not a .lstm file"), "{error}");
        let default = options("microbit", None).program.model().unwrap();
        assert_eq!(
            default,
            crate::models::default(Board::parse("microbit").unwrap())
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_drive() {
        let options = options("microbit", None);
        let error = options.run(Path::new("")).unwrap_err().to_string();
        assert_eq!(error, "found no folder no-such-folder, expected a drive");
    }
}

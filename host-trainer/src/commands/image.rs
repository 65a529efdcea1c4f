//! `image`: one file for a board's flash, with a model.

use crate::files::error::{Error, Result};
use crate::files::output::{refuse_input_as_output, write_atomically};
use crate::files::stdout::{say, tell};
use crate::hardware::boards::Board;
use crate::model::file::ModelFile;
use serde_json::json;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Arguments of `image`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model (.lstm)
    model: PathBuf,
    /// The board, such as microbit-v2
    #[arg(long, value_name = "NAME")]
    board: String,
    /// An image with the firmware of the board, from a release: the model takes the place of the one in it. Without it,
    /// the file has the model alone, for a board that has the firmware already
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// The file to write, in the format that the board takes [default: the names of the model and of the board]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON: the file, its bytes, and from which address to which it goes
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
///
/// The model or the image cannot be read, they are not for this board, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let (board, flash) = Board::with_flash(&args.board)?;
    let end = flash.format.to_string();
    let stem = args.model.file_stem().unwrap_or_default().display();
    let default = || PathBuf::from(format!("{stem}-{}.{end}", board.name));
    let out = args.out.clone().unwrap_or_else(default);
    if out.extension().is_none_or(|found| found != &*end) {
        return Err(Error::bad_input(format!(
            "found --out {}, expected a name that ends in .{end}, which {} takes",
            out.display(),
            board.name
        )));
    }
    let inputs = [Some(&args.model), args.into.as_ref()];
    let inputs = inputs.into_iter().flatten().map(PathBuf::as_path);
    refuse_input_as_output("out", &out, inputs)?;
    let file = ModelFile::load(&args.model)?;
    let model = file.model()?;
    board
        .check(&model)
        .map_err(|error| named(&args.model, error))?;
    let place = board.place(&flash);
    let image = match &args.into {
        None => place
            .alone(file.bytes())
            .map_err(|error| named(&args.model, error))?,
        Some(_) if !flash.has_firmware => {
            return Err(Error::bad_input(format!(
                "found --into, expected none: an image of {} has a model alone, and its firmware is written by itself",
                board.name
            )));
        }
        Some(path) => {
            let image = std::fs::read(path).map_err(|error| Error::reading(path, &error))?;
            place
                .replace(&image, file.bytes())
                .map_err(|error| named(path, error))?
        }
    };
    let bytes = image.encode(flash.format);
    write_atomically(&out, &bytes)?;
    let range = image.range();
    if args.json {
        let told =
            json!({ "out": out, "bytes": bytes.len(), "start": range.start, "end": range.end });
        say!("{told}");
        return Ok(());
    }
    say!(
        "wrote {} ({} bytes), for the flash from {:#x} to {:#x}",
        out.display(),
        bytes.len(),
        range.start,
        range.end
    );
    if let (None, Some(does)) = (&args.into, flash.drive_without_firmware) {
        tell!(
            "note: it has no firmware: do not copy it to the board's drive, which {does}; --into takes an image with the firmware"
        );
    }
    // It is Markdown, for the page of the boards.
    let how = flash.how.trim().replace('`', "");
    let how = how.replace(&format!("FILE.{end}"), &out.display().to_string());
    tell!("next: {how}");
    tell!("then: open the serial port at 115200 baud; Enter shows what runs, :help what it can");
    Ok(())
}

/// An error of a file.
fn named(path: &Path, error: impl Display) -> Error {
    Error::bad_input(format!("{}: {error}", path.display()))
}

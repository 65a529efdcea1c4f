//! `inspect`: tells people what is in a file.

use crate::files::error::Result;
use crate::files::stdout::say;
use crate::model::describe::describe;
use crate::model::file::ModelFile;
use std::path::PathBuf;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model (.lstm)
    model: PathBuf,
}

/// Runs the subcommand.
///
/// # Errors
///
/// The file cannot be read or is refused.
pub fn run(args: &Args) -> Result<()> {
    let file = ModelFile::load(&args.model)?;
    let model = file.model()?;
    say!("{}", describe(&model).trim_end());
    Ok(())
}

//! `header`: a model as an array of C.

use crate::files::error::Result;
use crate::files::output::{refuse_input_as_output, write_atomically};
use crate::files::stdout::say;
use crate::model::describe::c_workspace_words;
use crate::model::file::ModelFile;
use lstm_core::export::c_header;
use std::path::PathBuf;

/// Arguments of `header`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model (.lstm)
    model: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "model.h")]
    out: PathBuf,
}

/// Runs the subcommand.
///
/// # Errors
///
/// The model cannot be read or is refused, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    refuse_input_as_output("out", &args.out, [args.model.as_path()])?;
    let file = ModelFile::load(&args.model)?;
    let model = file.model()?;
    write_atomically(&args.out, c_header(file.bytes()).as_bytes())?;
    say!(
        "wrote {}: model_file has {} bytes; its workspace takes {} words on a chip",
        args.out.display(),
        file.bytes().len(),
        c_workspace_words(&model)
    );
    Ok(())
}

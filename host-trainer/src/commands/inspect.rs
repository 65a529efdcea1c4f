//! `inspect`: tells people what is in a file.

use crate::files::error::Result;
use crate::files::stdout::say;
use crate::model::describe::{describe, facts};
use crate::model::file::ModelFile;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model (.lstm)
    model: PathBuf,
    /// Print JSON: an object with a text for each line
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
///
/// The file cannot be read or is refused.
pub fn run(args: &Args) -> Result<()> {
    let file = ModelFile::load(&args.model)?;
    let model = file.model()?;
    if args.json {
        let facts = facts(&model).into_iter();
        let facts: Map<String, Value> = facts
            .map(|(what, value)| (what.into(), value.into()))
            .collect();
        say!("{}", Value::Object(facts));
    } else {
        say!("{}", describe(&model).trim_end());
    }
    Ok(())
}

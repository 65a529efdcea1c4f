//! `report`: a run as one HTML page, with all that it needs inside.

use crate::files::error::Result;
use crate::files::output::{refuse_input_as_output, write_atomically};
use crate::files::stdout::tell;
use crate::report::content::gather;
use crate::report::page;
use crate::training::run_folder::{self, read_config};
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of a run, finished or under way
    run: PathBuf,
    /// A network in integers that came of the run, such as `quantize --qat` writes; may be repeated
    #[arg(long, value_name = "FILE")]
    quantized: Vec<PathBuf>,
    /// Where to write the page [default: report.html in the folder of the run]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The seed of the texts side by side
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Writes the page.
///
/// # Errors
/// The folder holds no run, or none that has reported yet; a file does not belong to it; or the
/// disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let config = read_config(&args.run)?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| run_folder::report(&args.run));
    let page = run_folder::report(&args.run);
    let inputs = run_folder::files(&args.run)
        .filter(|file| *file != page)
        .chain([config.corpus.path.clone()])
        .chain(args.quantized.iter().cloned());
    let inputs: Vec<PathBuf> = inputs.collect();
    refuse_input_as_output("out", &out, inputs.iter().map(PathBuf::as_path))?;
    let report = gather(&args.run, config, &args.quantized, args.seed)?;
    let html = page::page(&report).into_string();
    write_atomically(&out, html.as_bytes())?;
    tell!("wrote {}", out.display());
    Ok(())
}

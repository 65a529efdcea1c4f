//! `report`: a run as one HTML page, with all that it needs inside; or several runs beside each other.

use crate::commands::text::Text;
use crate::files::error::{Error, Result};
use crate::files::output::{refuse_input_as_output, write_atomically};
use crate::files::stdout::tell;
use crate::report::content::gather;
use crate::report::{comparison, page, sensor};
use crate::text::text_file::TrainingText;
use crate::training::run_folder::{self, read_config};
use crate::training::sensor::SensorRunConfig;
use std::path::{Path, PathBuf};

/// Where several runs are compared if nothing else is asked for.
const COMPARISON: &str = "comparison.html";

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of a run, finished or under way; or of several, to compare them
    #[arg(required = true)]
    run: Vec<PathBuf>,
    /// A network in integers that came of the run, such as `quantize --qat` writes; may be repeated
    #[arg(long, value_name = "FILE")]
    quantized: Vec<PathBuf>,
    /// The text, where it lies elsewhere or has changed [default: the one that the run was trained on]
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// Where to write the page [default: report.html in the folder of the run; of several, comparison.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The seed of the texts side by side [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Writes the page.
///
/// # Errors
/// A folder holds no run, or none that has reported yet; a file does not belong to it; or the
/// disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let (out, html) = match &args.run[..] {
        [folder] => report(args, folder)?,
        folders => compare(args, folders)?,
    };
    write_atomically(&out, html.as_bytes())?;
    tell!("wrote {}", out.display());
    Ok(())
}

/// Several runs beside each other.
fn compare(args: &Args, folders: &[PathBuf]) -> Result<(PathBuf, String)> {
    let of_one = [
        ("quantized", !args.quantized.is_empty()),
        ("corpus", args.corpus.is_some()),
        ("seed", args.seed.is_some()),
    ];
    if let Some((flag, _)) = of_one.into_iter().find(|(_, is_given)| *is_given) {
        return Err(Error::bad_input(format!(
            "found --{flag} with {} runs, expected it with one",
            folders.len()
        )));
    }
    let out = args.out.clone().unwrap_or_else(|| COMPARISON.into());
    for folder in folders {
        if SensorRunConfig::read(folder)?.is_some() {
            return Err(Error::bad_input(format!(
                "{}: found a run on data among several, expected runs on texts: a run on data has a page of its own",
                folder.display()
            )));
        }
        let config = read_config(folder)?;
        check_out(&out, run_folder::files(folder).chain([config.corpus.path]))?;
    }
    let runs = comparison::gather(folders)?;
    Ok((out, comparison::page(&runs).into_string()))
}

/// One run.
fn report(args: &Args, folder: &Path) -> Result<(PathBuf, String)> {
    if let Some(config) = SensorRunConfig::read(folder)? {
        return report_on_data(args, folder, &config);
    }
    let config = read_config(folder)?;
    let page = run_folder::report(folder);
    let out = args.out.clone().unwrap_or_else(|| page.clone());
    let corpus = args.corpus.as_ref().unwrap_or(&config.corpus.path);
    let inputs = run_folder::files(folder)
        .filter(|file| *file != page)
        .chain([corpus.clone()])
        .chain(args.quantized.iter().cloned());
    check_out(&out, inputs)?;
    let trained_on = TrainingText {
        file: config.corpus.clone(),
        held_out: config.holds_out(),
    };
    let asked = args.corpus.as_deref();
    let alphabet = config.network.alphabet();
    let text = Text::read(asked, Some(&trained_on), folder, alphabet)?;
    let seed = args.seed.unwrap_or(1);
    let report = gather(folder, config, &text.corpus, &args.quantized, seed)?;
    Ok((out, page::page(&report).into_string()))
}

/// A run on data.
fn report_on_data(
    args: &Args,
    folder: &Path,
    config: &SensorRunConfig,
) -> Result<(PathBuf, String)> {
    if !args.quantized.is_empty() || args.corpus.is_some() || args.seed.is_some() {
        return Err(Error::bad_input(format!(
            "{}: found a run on data, expected a run on a text for --quantized, --corpus and --seed",
            folder.display()
        )));
    }
    let page = run_folder::report(folder);
    let out = args.out.clone().unwrap_or_else(|| page.clone());
    let inputs = run_folder::files(folder).filter(|file| *file != page);
    check_out(&out, inputs.chain([config.data.path.clone()]))?;
    Ok((out, sensor::page(folder, config)?.into_string()))
}

fn check_out(out: &Path, inputs: impl Iterator<Item = PathBuf>) -> Result<()> {
    let inputs: Vec<PathBuf> = inputs.collect();
    refuse_input_as_output("out", out, inputs.iter().map(PathBuf::as_path))
}

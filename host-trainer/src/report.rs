//! `report`: a run as one HTML page, with all that it needs inside.

mod page;

use crate::budget::grouped;
use crate::compare::{Variant, variants};
use crate::files::error::{Error, Result};
use crate::files::output::{refuse_input_as_output, write_atomically};
use crate::files::stdout::say;
use crate::generate::sample_text;
use crate::metrics::Row;
use crate::network::parameters::Network;
use crate::quantize::QuantizedNetwork;
use crate::run_folder::{self, RunConfig, read_config, read_metrics};
use crate::signals::{Histogram, Observed, float_cells, float_flow, observe};
use crate::text::corpus::{Corpus, Split};
use lstm_core::Format;
use std::path::PathBuf;

/// Characters of the text that each format writes.
const SAMPLE: usize = 600;
/// Characters that signals are observed on; of an LSTM of 256 units each takes 6 KB, twice.
const MOST_OBSERVED: usize = 16_384;
/// Of the page, in the run's folder.
const FILE: &str = "report.html";

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

/// All that the page tells.
struct Report {
    name: String,
    config: RunConfig,
    /// The flags that stand for the run.
    flags: String,
    rows: Vec<Row>,
    /// The file that the network was read from.
    weights: PathBuf,
    network: Network,
    /// The f32 network first.
    variants: Vec<Variant>,
    /// Why a format has no variant.
    refused: Vec<String>,
    /// Of each variant but the first.
    observed: Vec<Observed>,
    /// What they were observed on.
    observed_part: String,
    /// Of |c| of each layer of the f32 network.
    cells: Vec<Histogram>,
    /// What each variant writes, from the same seed.
    texts: Vec<String>,
    seed: u64,
}

/// Writes the page.
///
/// # Errors
/// The folder holds no run, or none that has reported yet; a file does not belong to it; or the
/// disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let config = read_config(&args.run)?;
    let out = args.out.clone().unwrap_or_else(|| args.run.join(FILE));
    let inputs = run_folder::files(&args.run)
        .chain([config.corpus.path.clone()])
        .chain(args.quantized.iter().cloned());
    let inputs: Vec<PathBuf> = inputs.collect();
    refuse_input_as_output("out", &out, inputs.iter().map(PathBuf::as_path))?;
    let report = gather(args, config)?;
    let html = page::page(&report).into_string();
    write_atomically(&out, html.as_bytes())?;
    say!("wrote {}", out.display());
    Ok(())
}

fn gather(args: &Args, config: RunConfig) -> Result<Report> {
    let folder = &args.run;
    let corpus = config.corpus.read(config.network.alphabet())?;
    let rows = read_metrics(folder)?;
    if rows.is_empty() {
        return Err(Error::bad_input(format!(
            "{}: found no report of the training yet, expected at least one",
            folder.display()
        )));
    }
    // What the notebook calls its result are the last weights.
    let last = run_folder::last(folder);
    let weights = match config.holds_out() {
        false if last.exists() => last,
        _ => run_folder::best(folder),
    };
    let mut network = Network::load(&weights)?;
    // A file of before does not say it.
    network.config.window = config.network.window;
    let mut refused = Vec::new();
    let mut shown = Vec::new();
    for (format, variant) in variants(&network, &corpus) {
        match variant {
            Ok(variant) => shown.push(variant),
            // All others are shown beside it.
            Err(error) if format == Format::F32 => return Err(error),
            Err(error) => refused.push(format!("{format}: {error}")),
        }
    }
    for path in &args.quantized {
        shown.push(given(path, &config, &corpus)?);
    }
    let validation = corpus.split(Split::Validation);
    let tokens = &validation[..validation.len().min(MOST_OBSERVED)];
    let float = float_flow(&network, tokens);
    let observed = shown.iter().filter_map(|v| v.quantized.as_ref());
    let observed = observed.map(|q| observe(&network, &float, q, tokens));
    let texts = shown
        .iter()
        .map(|variant| sample_text(&variant.file, args.seed, SAMPLE));
    let name = match folder.canonicalize() {
        Ok(path) => path.file_name().map(|n| n.to_string_lossy().into_owned()),
        Err(_) => None,
    };
    Ok(Report {
        name: name.unwrap_or_else(|| folder.display().to_string()),
        flags: std::fs::read_to_string(folder.join("config.toml")).unwrap_or_default(),
        observed: observed.collect(),
        observed_part: match tokens.len() < validation.len() {
            true => format!(
                "the first {} characters of the validation part",
                grouped(tokens.len())
            ),
            false => "the validation part".to_owned(),
        },
        cells: float_cells(&float),
        texts: texts.collect::<Result<_>>()?,
        variants: shown,
        seed: args.seed,
        config,
        rows,
        weights,
        network,
        refused,
    })
}

/// A network in integers from a file.
fn given(path: &std::path::Path, config: &RunConfig, corpus: &Corpus) -> Result<Variant> {
    let expected = || {
        Error::bad_input(format!(
            "{}: expected a network in integers, with the layers and the alphabet of the run",
            path.display()
        ))
    };
    let mut quantized = QuantizedNetwork::load(path)?.ok_or_else(expected)?;
    quantized.config.window = config.network.window;
    if quantized.config != config.network {
        return Err(expected());
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{} ({stem})", quantized.format);
    Variant::integers(name, quantized, Vec::new(), corpus)
}

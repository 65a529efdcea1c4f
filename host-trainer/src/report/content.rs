//! What the page of a run tells.

use crate::files::error::{Error, Result};
use crate::files::stdout::grouped;
use crate::kernels::random::Random;
use crate::model::compare::{Variant, variants};
use crate::model::generate::{PROMPT, TEMPERATURE, sample_text};
use crate::network::parameters::Network;
use crate::network::sample::by_state;
use crate::quantize::QuantizedNetwork;
use crate::report::memory::MemoryReport;
use crate::report::signals::{Histogram, Observed, float_cells, float_flow, observe};
use crate::text::corpus::{Corpus, Split};
use crate::training::metrics::Row;
use crate::training::run_config::RunConfig;
use crate::training::run_folder::{self, read_metrics};
use lstm_core::Format;
use std::path::{Path, PathBuf};

/// Characters of the text that each format writes.
const SAMPLE: usize = 600;
/// Characters that signals are observed on; of an LSTM of 256 units each takes 6 KB, twice.
const MOST_OBSERVED: usize = 16_384;
/// All that the page tells.
pub struct Report {
    pub(crate) name: String,
    pub(crate) config: RunConfig,
    /// The flags that stand for the run.
    pub(crate) flags: String,
    pub(crate) rows: Vec<Row>,
    /// The file that the network was read from.
    pub(crate) weights: PathBuf,
    pub(crate) network: Network,
    /// The f32 network first.
    pub(crate) variants: Vec<Variant>,
    /// Of a network that has one.
    pub(crate) memory: Option<MemoryReport>,
    /// Why a format has no variant.
    pub(crate) refused: Vec<String>,
    /// Of each variant but the first.
    pub(crate) observed: Vec<Observed>,
    /// What they were observed on.
    pub(crate) observed_part: String,
    /// Of |c| of each layer of the f32 network.
    pub(crate) cells: Vec<Histogram>,
    /// What each variant writes, from the same seed.
    pub(crate) texts: Vec<String>,
    pub(crate) seed: u64,
}

/// Gathers it from the folder of a run and its corpus; `quantized` are networks in integers that came of the run,
/// `seed` is that of the texts.
///
/// # Errors
/// As [`RunConfig`] and the files are refused.
pub fn gather(
    folder: &Path,
    config: RunConfig,
    corpus: &Corpus,
    quantized: &[PathBuf],
    seed: u64,
) -> Result<Report> {
    let rows = read_metrics(folder)?;
    if rows.is_empty() {
        return Err(Error::bad_input(format!(
            "{}: found no report of the training yet, expected at least one",
            folder.display()
        )));
    }
    let weights = weights_of(folder, &config);
    let network = Network::load(&weights)?;
    let mut refused = Vec::new();
    let mut shown = Vec::new();
    for (format, variant) in variants(&network, corpus) {
        match variant {
            Ok(variant) => shown.push(variant),
            // All others are shown beside it.
            Err(error) if format == Format::F32 => return Err(error),
            Err(error) => refused.push(format!("{format}: {error}")),
        }
    }
    for path in quantized {
        shown.push(given(path, &config, corpus)?);
    }
    let validation = corpus.split(Split::Validation);
    let tokens = &validation[..validation.len().min(MOST_OBSERVED)];
    let float = float_flow(&network, tokens);
    let observed = shown.iter().filter_map(|v| v.quantized.as_ref());
    let observed = observed.map(|q| observe(&network, &float, q, tokens));
    let texts = shown.iter().map(|variant| match &variant.file {
        Some(file) => sample_text(file, seed, SAMPLE),
        None => Ok(written(&network, seed)),
    });
    Ok(Report {
        name: name_of(folder),
        flags: std::fs::read_to_string(folder.join("config.toml")).unwrap_or_default(),
        observed: observed.collect(),
        observed_part: if tokens.len() < validation.len() {
            format!(
                "the first {} characters of the validation part",
                grouped(tokens.len())
            )
        } else {
            "the validation part".to_owned()
        },
        cells: float_cells(&float),
        texts: texts.collect::<Result<_>>()?,
        variants: shown,
        memory: MemoryReport::new(&config, &network, corpus, seed)?,
        seed,
        config,
        rows,
        weights,
        network,
        refused,
    })
}

/// What a network writes that no chip runs in f32.
fn written(network: &Network, seed: u64) -> String {
    let alphabet = network.config.alphabet();
    let random = &mut Random::new(seed);
    let prompt = alphabet.encode(PROMPT);
    alphabet.decode(&by_state(network, &prompt, SAMPLE, TEMPERATURE, random))
}

/// The weights that a run is judged by. What the notebook calls its result are the last.
pub(crate) fn weights_of(folder: &Path, config: &RunConfig) -> PathBuf {
    let last = run_folder::last(folder);
    match config.holds_out() {
        false if last.exists() => last,
        _ => run_folder::best(folder),
    }
}

/// The name of a run: that of its folder.
pub(crate) fn name_of(folder: &Path) -> String {
    let path = folder.canonicalize();
    let path = path.as_deref().unwrap_or(folder);
    let name = path.file_name();
    name.map_or_else(
        || folder.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// A network in integers from a file.
fn given(path: &Path, config: &RunConfig, corpus: &Corpus) -> Result<Variant> {
    let expected = || {
        Error::bad_input(format!(
            "{}: expected a network in integers, with the layers and the alphabet of the run",
            path.display()
        ))
    };
    let quantized = QuantizedNetwork::load(path)?.ok_or_else(expected)?;
    if !quantized.config.is_alike(&config.network) {
        return Err(expected());
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{} ({stem})", quantized.format);
    Variant::integers(name, quantized, Vec::new(), corpus)
}

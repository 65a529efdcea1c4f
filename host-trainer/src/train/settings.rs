//! What a person asks for: flags as typed become a run as meant.

use super::texts::Texts;
use crate::alphabet::AlphabetKind;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::graph::DeviceKind;
use crate::network::{Cell, LayerConfig, NetworkConfig};
use crate::recipe::{RecipeName, Source};
use crate::run_folder::{RunConfig, TextFile};
use std::path::PathBuf;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// many-to-one, many-to-many (the notebook's two), sonnets (from scratch), or pre-trained: best,
    /// small, micro
    #[arg(long, default_value = "sonnets", value_name = "NAME")]
    pub(super) recipe: String,
    /// The text to learn, UTF-8
    #[arg(long, default_value = "data/sonnets.txt", value_name = "FILE")]
    pub(super) corpus: PathBuf,
    /// More text of the same kind, read first (recipes best, small and micro)
    #[arg(long, value_name = "FILE")]
    pub(super) pretrain: Option<PathBuf>,
    /// The symbols: 27 letters, or every character of the text
    #[arg(long, value_enum, default_value_t = AlphabetKind::Letters)]
    pub(super) alphabet: AlphabetKind,
    /// Kind of each layer (default: the recipe's)
    #[arg(long, value_enum)]
    pub(super) cell: Option<Cell>,
    /// Units of each layer (default: the recipe's)
    #[arg(long, value_name = "N")]
    pub(super) hidden: Option<usize>,
    /// Width that each layer's output is projected to; 0 for no projection (default: the recipe's)
    #[arg(long, value_name = "R")]
    pub(super) projection: Option<usize>,
    /// Layers, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) layers: usize,
    /// Width of the embedding
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(super) embedding: usize,
    /// Passes over the corpus
    #[arg(long, value_name = "N")]
    pub(super) epochs: Option<f64>,
    /// Passes over the text of --pretrain
    #[arg(long, value_name = "N")]
    pub(super) pretrain_epochs: Option<f64>,
    /// Highest learning rate on the corpus
    #[arg(long, value_name = "RATE")]
    pub(super) learning_rate: Option<f64>,
    /// Rows of a batch on the corpus
    #[arg(long, value_name = "N")]
    pub(super) batch: Option<usize>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Train for so long instead of counting passes; the learning rate's schedule is scaled to it
    #[arg(long, value_name = "M")]
    pub(super) minutes: Option<f64>,
    /// Threads (default: one a core)
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// What computes a batch; any can go on with a run, but only the same to the identical file
    #[arg(long, value_enum, default_value_t)]
    pub(super) device: DeviceKind,
    /// Folder of the run (default: runs/RECIPE-HIDDEN; with a lean cell or a projection, such as
    /// runs/best-lean-384-96)
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: Option<PathBuf>,
    /// Overwrite the run that is in the folder
    #[arg(long, conflicts_with = "resume")]
    pub(super) force: bool,
    /// Go on with the run in the folder, with the settings it was started with
    #[arg(long)]
    pub(super) resume: bool,
}

/// The recipe's layer with every flag applied.
pub(super) fn layer(args: &Args, recipe: RecipeName) -> LayerConfig {
    let default = recipe.default_layer();
    LayerConfig {
        cell: args.cell.unwrap_or(default.cell),
        hidden: args.hidden.unwrap_or(default.hidden),
        projection: match args.projection {
            None => default.projection,
            Some(0) => None,
            width => width,
        },
    }
}

/// For example `256`, `lstm-512-96` or `lean-384-96`.
pub(super) fn folder_name(layer: LayerConfig) -> String {
    let hidden = layer.hidden;
    match (layer.cell, layer.projection) {
        (Cell::Lstm, None) => hidden.to_string(),
        (cell, None) => format!("{}-{hidden}", cell.name()),
        (cell, Some(width)) => format!("{}-{hidden}-{width}", cell.name()),
    }
}

/// Turns flags as typed into a run as meant, and reads its texts.
pub(super) fn configure(
    args: &Args,
    recipe: RecipeName,
    layer: LayerConfig,
) -> Result<(RunConfig, Texts)> {
    let positive = |name: &str, value: Option<f64>| match value {
        Some(v) if !(v > 0.0 && v < 1e9) => Err(Error::bad_input(format!(
            "found --{name} {v}, expected a number above 0"
        ))),
        _ => Ok(()),
    };
    positive("epochs", args.epochs)?;
    positive("pretrain-epochs", args.pretrain_epochs)?;
    positive("learning-rate", args.learning_rate)?;
    positive("minutes", args.minutes)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(cores);
    for (name, value, limit) in [
        ("batch", args.batch.unwrap_or(1), 4096),
        ("threads", threads, 256),
    ] {
        if !(1..=limit).contains(&value) {
            return Err(Error::bad_input(format!(
                "found --{name} {value}, expected 1 to {limit}"
            )));
        }
    }
    let mut phases = recipe.phases();
    let pre_trains = phases.iter().any(|p| p.source == Source::Pretrain);
    match &args.pretrain {
        None if pre_trains => {
            let name = recipe.name();
            return Err(Error::bad_input(format!(
                "found no --pretrain FILE, expected one with --recipe {name}"
            )));
        }
        Some(path) if !pre_trains => {
            return Err(Error::bad_input(format!(
                "found --pretrain {} with --recipe {}, expected it with best, small or micro only",
                path.display(),
                recipe.name()
            )));
        }
        _ => {}
    }
    for phase in &mut phases {
        if phase.source == Source::Pretrain {
            phase.passes = args.pretrain_epochs.unwrap_or(phase.passes);
        } else {
            phase.passes = args.epochs.unwrap_or(phase.passes);
            phase.learning_rate = args.learning_rate.unwrap_or(phase.learning_rate);
            let rows = phase.feed.rows_mut();
            *rows = args.batch.unwrap_or(*rows);
        }
    }
    let corpus = Corpus::read(&args.corpus, args.alphabet)?;
    let network = NetworkConfig::stack(&corpus.alphabet, args.embedding, layer, args.layers);
    network.check()?;
    let pretrain = match &args.pretrain {
        Some(path) => Some(Corpus::read_with(path, corpus.alphabet.clone())?.tokens),
        None => None,
    };
    let named = |path: &Option<PathBuf>, tokens: &Option<Vec<u8>>| match (path, tokens) {
        (Some(path), Some(tokens)) => Some(TextFile::new(path, tokens)),
        _ => None,
    };
    let config = RunConfig {
        recipe,
        seed: args.seed,
        threads,
        minutes: args.minutes,
        alphabet: args.alphabet,
        corpus: TextFile::new(&args.corpus, &corpus.tokens),
        pretrain: named(&args.pretrain, &pretrain),
        network,
        phases,
    };
    let texts = Texts { corpus, pretrain };
    texts.check_lengths(&config)?;
    Ok((config, texts))
}

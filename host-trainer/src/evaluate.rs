//! `evaluate`: bits per character of a trained network or of a `.lstm` model on each part of a
//! corpus. A `.lstm` is run by the device's own engine, so its figure is the device's.

use crate::alphabet::Alphabet;
use crate::corpus::{Corpus, Split};
use crate::error::{Error, Result};
use crate::graph::{DeviceKind, GraphPredictor};
use crate::model_file::{HeapWorkspace, ModelFile};
use crate::network::Network;
use crate::output::say;
use crate::predictor::{
    ModelPredictor, NetworkPredictor, Predictor, Score, Windowed, bits_per_char,
};
use std::path::{Path, PathBuf};

/// Characters before a part that are read first, so that the state is carried into it.
pub const WARM_UP: usize = 512;

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A network (.safetensors) or a model (.lstm)
    pub file: PathBuf,
    /// The text to predict
    #[arg(long, default_value = "data/sonnets.txt", value_name = "FILE")]
    pub corpus: PathBuf,
    /// Only this part of the text
    #[arg(long)]
    pub split: Option<Split>,
    /// Read only the last N characters for each prediction, from a fresh state (default: carry the
    /// state through the whole text)
    #[arg(long, value_name = "N")]
    pub window: Option<usize>,
    /// What computes; a .lstm is always run by the engine of the chip
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceKind,
}

/// Prints a line for each part.
///
/// # Errors
/// A file cannot be used.
pub fn run(args: &Args) -> Result<()> {
    if args.window == Some(0) {
        return Err(Error::bad_input("found --window 0, expected at least 1"));
    }
    let device = args.device.open()?;
    if ModelFile::is_one(&args.file)? {
        if device.is_some() {
            return Err(Error::bad_input(format!(
                "{} is a .lstm, which the engine of the chip runs: expected a network with --device",
                args.file.display()
            )));
        }
        let file = ModelFile::load(&args.file)?;
        let model = file
            .model()
            .map_err(|e| Error::bad_input(format!("{}: {e}", args.file.display())))?;
        let mut workspace = HeapWorkspace::new(&model);
        let predictor = ModelPredictor::new(workspace.session(&model)?);
        score(args, predictor, alphabet_of(&model))
    } else {
        let network = Network::load(&args.file)?;
        let alphabet = network.config.alphabet();
        match device {
            Some(device) => score(args, GraphPredictor::new(&network, &device)?, alphabet),
            None => score(args, NetworkPredictor::new(&network), alphabet),
        }
    }
}

fn score(args: &Args, mut predictor: impl Predictor, alphabet: Alphabet) -> Result<()> {
    let corpus = Corpus::read_with(&args.corpus, alphabet)?;
    check_length(&corpus)?;
    let splits = args.split.map_or(Split::ALL.to_vec(), |split| vec![split]);
    match args.window {
        Some(length) => print_scores(&mut Windowed::new(predictor, length), &corpus, &splits),
        None => print_scores(&mut predictor, &corpus, &splits),
    }
    Ok(())
}

/// Scores one part, with the state carried from the text before it.
pub fn score_split(predictor: &mut dyn Predictor, corpus: &Corpus, split: Split) -> Score {
    bits_per_char(
        predictor,
        corpus.before(split, WARM_UP),
        corpus.split(split),
    )
}

/// Prints [`score_table`].
pub fn print_scores(predictor: &mut dyn Predictor, corpus: &Corpus, splits: &[Split]) {
    say!("{}", score_table(predictor, corpus, splits).trim_end());
}

/// A table with a line for each part.
pub fn score_table(predictor: &mut dyn Predictor, corpus: &Corpus, splits: &[Split]) -> String {
    let mut table = format!(
        "{:<12} {:>10} {:>10} {:>10}\n",
        "part", "characters", "bits/char", "perplexity"
    );
    for &split in splits {
        let score = score_split(predictor, corpus, split);
        table += &format!(
            "{:<12} {:>10} {:>10.4} {:>10.4}\n",
            split.name(),
            score.characters,
            score.bits_per_char,
            score.perplexity()
        );
    }
    table
}

/// The scores of a `.lstm` model on every part of a corpus, by the device's own engine.
///
/// # Errors
/// The corpus cannot be used.
pub fn score_model(file: &ModelFile, path: &Path) -> Result<String> {
    let model = file.model().map_err(|e| Error::bad_input(e.to_string()))?;
    let corpus = Corpus::read_with(path, alphabet_of(&model))?;
    check_length(&corpus)?;
    let mut workspace = HeapWorkspace::new(&model);
    let mut predictor = ModelPredictor::new(workspace.session(&model)?);
    Ok(score_table(&mut predictor, &corpus, &Split::ALL))
}

fn alphabet_of(model: &lstm_core::Model<'_>) -> Alphabet {
    Alphabet {
        symbols: model.alphabet().symbols().chars().collect(),
        fold_case: model.alphabet().fold_case(),
    }
}

/// Refuses a text with an empty part.
fn check_length(corpus: &Corpus) -> Result<()> {
    match corpus.tokens.len() {
        20.. => Ok(()),
        n => Err(Error::bad_input(format!(
            "the corpus has {n} characters, expected at least 20 to split it in three"
        ))),
    }
}

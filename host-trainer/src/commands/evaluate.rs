//! `evaluate`: bits per character of a trained network or of a `.lstm` model on each part of a
//! corpus. A `.lstm` is run by the device's own engine, so its figure is the device's.

use crate::commands::numbers::Window;
use crate::commands::text::{Text, trained_on};
use crate::engine::device::DeviceKind;
use crate::engine::device_predictor::DevicePredictor;
use crate::files::error::{Error, Result};
use crate::files::stdout::{be_quiet, say, tell};
use crate::model::encode::{Labels, encode_quantized};
use crate::model::file::ModelFile;
use crate::model::sensor::{config_of, encode_f32};
use crate::network::parameters::Network;
use crate::network::predictor::{context, describe_context};
use crate::network::score::{Extent, Piece, network_scores, score_table, scores};
use crate::network::sensor::SensorNetwork;
use crate::quantize::QuantizedNetwork;
use crate::sequences::{Sequences, task};
use crate::text::alphabet::Alphabet;
use crate::text::corpus::Split;
use crate::text::text_file::TrainingText;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A network, in f32 or in integers (.safetensors), or a model (.lstm)
    pub file: PathBuf,
    /// The text to predict [default: the one that the network was trained on]
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// The data to answer on (.npz, .csv), of a network that reads values
    #[arg(long, value_name = "FILE", conflicts_with_all = ["corpus", "split", "window"])]
    pub data: Option<PathBuf>,
    /// With --data: the network's values are those of the next step's first channels
    #[arg(long, requires = "data")]
    pub next: bool,
    /// Only this part of the text
    #[arg(long)]
    pub split: Option<Split>,
    /// Read only the last N characters for each prediction, from a zero state; 0 carries the state
    /// [default: as the network was trained]
    #[arg(long, value_name = "N")]
    pub window: Option<Window>,
    /// What computes; integers and a .lstm are always run by the engine of the chip
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceKind,
    /// Print JSON: an object with a score for each part
    #[arg(long)]
    pub json: bool,
}

/// Prints a line for each part.
///
/// # Errors
/// A file cannot be used.
pub fn run(args: &Args) -> Result<()> {
    if args.json {
        be_quiet();
    }
    if let Some(data) = &args.data {
        return evaluate_values(args, data);
    }
    let device = args.device.open()?;
    let splits = args.split.map_or(Split::ALL.to_vec(), |split| vec![split]);
    let asked = args.window.map(Window::size);
    let read = |trained_on: Option<&TrainingText>, alphabet| {
        let asked = args.corpus.as_deref();
        long_enough(Text::read(asked, trained_on, &args.file, alphabet)?)
    };
    let (text, window, found);
    if let Some(file) = model_of(&args.file)? {
        if !device.is_cpu() {
            return Err(Error::bad_input(format!(
                "{} is run by the engine of the chip, expected a network in f32 with --device",
                args.file.display()
            )));
        }
        let model = file.model()?;
        window = context(asked, model.window());
        text = read(trained_on(&args.file)?.as_ref(), alphabet_of(&model))?;
        found = file.score(window, &text.corpus, &splits, Extent::Whole)?;
    } else {
        let network = Network::load(&args.file)?;
        window = context(asked, network.config.window);
        let config = &network.config;
        text = read(config.corpus.as_ref(), config.alphabet())?;
        found = if device.is_cpu() {
            network_scores(&network, window, &text.corpus, &splits, Extent::Whole)?
        } else {
            let read = |piece: Piece<'_>| Ok(piece.read(DevicePredictor::new(&network, &device)?));
            scores(read, window, &text.corpus, &splits, Extent::Whole)?
        };
    }
    if args.json {
        let parts: Map<String, Value> = splits
            .iter()
            .zip(&found)
            .map(|(split, score)| (split.name().to_owned(), json!(score)))
            .collect();
        say!(
            "{}",
            json!({ "corpus": text.path, "window": window, "parts": parts })
        );
        return Ok(());
    }
    say!("{text}, {}", describe_context(window));
    say!("{}", score_table(&splits, &found).trim_end());
    Ok(())
}

/// Prints how a network or a model that reads values answers on data; both are run by the engine of the chip.
fn evaluate_values(args: &Args, path: &Path) -> Result<()> {
    let file = match ModelFile::is_one(&args.file)? {
        true => ModelFile::load(&args.file)?,
        false => {
            let network = SensorNetwork::load(&args.file)?.ok_or_else(|| {
                Error::bad_input(format!(
                    "{}: found a network that reads text, expected one that reads values for --data",
                    args.file.display()
                ))
            })?;
            ModelFile::from_bytes(&encode_f32(&network, "")?)
        }
    };
    let model = file.model()?;
    if model.num_channels() == 0 {
        return Err(Error::bad_input(format!(
            "{}: found a model that reads text, expected one that reads values for --data",
            args.file.display()
        )));
    }
    let data = Sequences::read(path)?;
    let task = task(&config_of(&model), &data, args.next)?;
    let score = file.answers(&data, &task)?;
    let short = model
        .window()
        .map(|steps| (steps, data.shorter_than(steps)));
    if let Some((window, short)) = short.filter(|&(_, short)| short > 0) {
        let count = data.sequences.len();
        if short == count {
            return Err(Error::bad_input(format!(
                "{}: found {count} sequences of fewer steps than the window of {window}, expected longer ones: a chip answers \
                 when it has read a whole window",
                path.display()
            )));
        }
        tell!(
            "note: {short} of {count} sequences have fewer steps than the window of {window}: nothing is answered there, as on a chip"
        );
    }
    if args.json {
        let figures = json!({ "accuracy": score.accuracy(), "mse": score.mse(), "answers": score });
        say!(
            "{}",
            json!({ "data": path, "format": model.format().name(), "score": figures })
        );
        return Ok(());
    }
    say!("{}: {}", path.display(), data.summary());
    say!(
        "{}, {} answers in {}",
        score.figure(),
        score.count(),
        model.format()
    );
    say!("{}", score.table().trim_end());
    Ok(())
}

/// A `.lstm`, or what it would be of a network in integers.
fn model_of(path: &Path) -> Result<Option<ModelFile>> {
    if ModelFile::is_one(path)? {
        return ModelFile::load(path).map(Some);
    }
    let file = QuantizedNetwork::load(path)?.map(|network| {
        let bytes = encode_quantized(&network, &Labels::default())?;
        Ok(ModelFile::from_bytes(&bytes))
    });
    file.transpose()
}

/// How a `.lstm` model scores on every part of a text, by the device's own engine and with the
/// model's own window.
///
/// # Errors
/// The text is too short.
pub(crate) fn score_model(file: &ModelFile, text: Text, extent: Extent) -> Result<String> {
    let model = file.model()?;
    let text = long_enough(text)?;
    let scores = file.score(model.window(), &text.corpus, &Split::ALL, extent)?;
    Ok(format!(
        "bits per character on {}, {}\n{}",
        text.path.display(),
        describe_context(model.window()),
        score_table(&Split::ALL, &scores).trim_end()
    ))
}

/// Refuses a text of which a part would be empty.
fn long_enough(text: Text) -> Result<Text> {
    match text.corpus.tokens.len() {
        20.. => Ok(text),
        n => Err(Error::bad_input(format!(
            "{} has {n} characters, expected at least 20 to split it in three",
            text.path.display()
        ))),
    }
}

/// The alphabet of a model.
pub(crate) fn alphabet_of(model: &lstm_core::Model<'_>) -> Alphabet {
    Alphabet {
        symbols: model.alphabet().symbols().chars().collect(),
        fold_case: model.alphabet().fold_case(),
    }
}

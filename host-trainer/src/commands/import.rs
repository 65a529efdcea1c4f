//! `import`: a network of Keras, PyTorch or ONNX becomes one as `train` writes it.

use crate::commands::quantize::told_lines;
use crate::files::error::{Error, Result};
use crate::files::output::refuse_input_as_output;
use crate::files::stdout::{be_quiet, say, tell};
use crate::interchange::values::{self, Answer, MeanAndStd};
use crate::interchange::{self, Contents, Context, Reads, Told};
use crate::network::predictor::describe_context;
use crate::network::sensor::{Activation, Head, SensorConfig};
use crate::quantize::range::beyond_integers;
use crate::text::alphabet::Alphabet;
use lstm_core::MAX_WINDOW;
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keras (.keras, .weights.h5, .h5, .npz), PyTorch (a state_dict in .pt or .safetensors) or ONNX (.onnx)
    pub file: PathBuf,
    /// Where to write the network (.safetensors)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What the network reads [default: text if it has an embedding, or if --symbols is given, or if it has one dense
    /// layer of as many outputs as inputs, 27; otherwise values]
    #[arg(long, value_name = "INPUT")]
    pub input: Option<InputKind>,
    /// Text: a text file of the alphabet's characters in the order of their tokens, and nothing else
    /// [default: 27 symbols, the space for everything that is no letter, then a to z]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["classes", "values", "normalize", "activation", "channels"])]
    pub symbols: Option<PathBuf>,
    /// With --symbols: lower-case a text before its characters are looked up
    #[arg(long, requires = "symbols")]
    pub fold_case: bool,
    /// The characters, or the steps, that the network was given each time in training, from a zero state; 0 if it
    /// learned to carry its state [default: as the file says, or 0 where it says nothing]
    #[arg(long, value_name = "N")]
    pub window: Option<usize>,
    /// Values: the answer is classes of these labels, or so many of them
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        conflicts_with = "values"
    )]
    pub classes: Vec<String>,
    /// Values: the answer is values of these names
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub values: Vec<String>,
    /// Values: the answer is the next step's first channels: in their units, with their names
    #[arg(long, conflicts_with = "classes")]
    pub next: bool,
    /// Values: a .npz with the mean and the std of each channel; the network reads (x - mean) / std
    #[arg(long, value_name = "FILE")]
    pub normalize: Option<PathBuf>,
    /// Values: the activation of the dense layers before the last, or one each (linear, relu, tanh, sigmoid), where the
    /// file does not tell [default: relu]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = activation)]
    pub activation: Vec<Activation>,
    /// Values: the names of the channels
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub channels: Vec<String>,
    /// The names of the recurrent layers, or of all layers, from the input to the output, where the file does not
    /// tell their order
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub order: Vec<String>,
    /// A tensor, or a module, that is no part of the network, such as a loss's weights
    #[arg(long, value_name = "NAME")]
    pub ignore: Vec<String>,
    /// Where a checkpoint of PyTorch holds several networks: the key of one, such as model.ema
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Print JSON: the network in a line, what became of each tensor, notes, and what lies beyond the integers
    #[arg(long)]
    pub json: bool,
}

/// What `--input` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InputKind {
    /// Characters.
    Text,
    /// A vector of numbers each step.
    Values,
}

fn activation(name: &str) -> std::result::Result<Activation, String> {
    match name {
        "linear" => Ok(Activation::Linear),
        "relu" => Ok(Activation::Relu),
        "tanh" => Ok(Activation::Tanh),
        "sigmoid" => Ok(Activation::Sigmoid),
        _ => Err("expected linear, relu, tanh or sigmoid".to_owned()),
    }
}

/// What was found in a file.
#[derive(serde::Serialize)]
struct Found {
    /// The network in one line.
    network: String,
    parameters: usize,
    /// Characters or steps of a window; none where the state is carried.
    window: Option<usize>,
    /// What became of each tensor.
    map: Vec<String>,
    notes: Vec<String>,
    /// What of a network of text the integers do not hold.
    saturation: Vec<String>,
}

/// Prints what became of each tensor, and writes the network.
///
/// # Errors
/// The file is no network that runs here, or does not fit the alphabet, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let inputs = [
        Some(&args.file),
        args.symbols.as_ref(),
        args.normalize.as_ref(),
    ];
    let inputs = inputs.into_iter().flatten().map(PathBuf::as_path);
    refuse_input_as_output("out", &args.out, inputs)?;
    if args.json {
        be_quiet();
    }
    let alphabet = match &args.symbols {
        Some(path) => read_symbols(path, args.fold_case)?,
        None => Alphabet::letters(),
    };
    let told = Told {
        order: args.order.clone(),
        ignore: args.ignore.clone(),
        key: args.key.clone(),
    };
    let contents = interchange::read(&args.file, &told)?;
    let found = match reads(args, &contents, &told, &alphabet)? {
        Reads::Characters => import_text(args, &contents, &told, &alphabet)?,
        Reads::Values => import_values(args, &contents, &told)?,
    };
    tell!("wrote {}", args.out.display());
    if args.json {
        let mut json = serde_json::json!(found);
        json["out"] = serde_json::json!(args.out);
        json["kind"] = contents.kind.into();
        say!("{json}");
    }
    Ok(())
}

/// What the network reads, as a flag says or the file.
fn reads(args: &Args, contents: &Contents, told: &Told, alphabet: &Alphabet) -> Result<Reads> {
    let is_about_values = !args.classes.is_empty()
        || !args.values.is_empty()
        || !args.activation.is_empty()
        || !args.channels.is_empty()
        || args.normalize.is_some()
        || args.next;
    match (args.input, &args.symbols) {
        (Some(InputKind::Values), Some(_)) => Err(Error::bad_input(
            "found --input values and --symbols, expected one of them",
        )),
        (Some(InputKind::Text), _) if is_about_values => Err(Error::bad_input(
            "found --input text and a flag for networks of values, expected one of them",
        )),
        (Some(InputKind::Text), _) | (None, Some(_)) => Ok(Reads::Characters),
        (Some(InputKind::Values), None) => Ok(Reads::Values),
        (None, None) if is_about_values => Ok(Reads::Values),
        (None, None) => Ok(values::reads(contents, told, alphabet.len())),
    }
}

fn import_text(
    args: &Args,
    contents: &Contents,
    told: &Told,
    alphabet: &Alphabet,
) -> Result<Found> {
    let mut mapped = interchange::find(&args.file, contents, told, alphabet)?;
    let window = window(args, contents)?;
    mapped.network.config.window = window;
    mapped.network.config.check()?;
    let config = &mapped.network.config;
    let layers: Vec<String> = config.layers.iter().map(|l| l.to_string()).collect();
    let mut notes = [&contents.notes[..], &mapped.notes].concat();
    if contents.context == Context::Untold && args.window.is_none() {
        notes.push(
            "the file does not tell whether the network was trained on windows from a zero state (--window N): \
             taken as one that carries its state"
                .to_owned(),
        );
    }
    let parameters = config.parameter_count();
    let found = Found {
        network: format!(
            "embedding {}, {}, dense {}: {parameters} parameters; {}",
            config.embedding,
            layers.join(", "),
            config.vocabulary(),
            describe_context(window)
        ),
        parameters,
        window,
        map: mapped.map,
        notes,
        saturation: told_lines(&beyond_integers(&mapped.network)),
    };
    found.tell(args, contents);
    mapped.network.save(&args.out)?;
    Ok(found)
}

fn import_values(args: &Args, contents: &Contents, told: &Told) -> Result<Found> {
    let answer = match (&args.classes[..], &args.values[..]) {
        // What they are follows from the channels.
        ([], []) if args.next => Some(Answer::Values(Vec::new())),
        ([], []) => None,
        ([], names) => Some(Answer::Values(names.to_vec())),
        (labels, _) => Some(Answer::Classes(labels.to_vec())),
    };
    let normalization = args.normalize.as_deref().map(MeanAndStd::read);
    let settings = values::Settings {
        activations: args.activation.clone(),
        answer,
        normalization: normalization.transpose()?,
        channels: args.channels.clone(),
        window: args.window,
    };
    let mut mapped = values::find(&args.file, contents, told, &settings)?;
    if args.next {
        let config = &mut mapped.network.config;
        config
            .tell_next()
            .map_err(|e| Error::bad_input(format!("{}: {e}", args.file.display())))?;
    }
    let config = &mapped.network.config;
    let found = Found {
        network: describe(config),
        parameters: config.parameter_count(),
        window: config.window,
        map: mapped.map,
        notes: [&contents.notes[..], &mapped.notes].concat(),
        saturation: Vec::new(),
    };
    found.tell(args, contents);
    mapped.network.save(&args.out)?;
    Ok(found)
}

/// A network of values in one line.
fn describe(config: &SensorConfig) -> String {
    let mut parts = vec![format!("channels {}", config.channels.len())];
    parts.extend(config.layers.iter().map(|layer| layer.to_string()));
    for dense in &config.dense {
        let activation = match dense.activation {
            Activation::Linear => "",
            Activation::Relu => " relu",
            Activation::Tanh => " tanh",
            Activation::Sigmoid => " sigmoid",
        };
        parts.push(format!("dense {}{activation}", dense.width));
    }
    parts.push(match &config.head {
        Head::Classes(labels) => format!("classes {}", labels.join(", ")),
        Head::Values(values) => format!("values {}", values.len()),
    });
    let context = match config.window {
        None => "state carried, an answer each step".to_owned(),
        Some(steps) => format!("windows of {steps} steps from a zero state"),
    };
    let parameters = config.parameter_count();
    format!("{}: {parameters} parameters; {context}", parts.join(", "))
}

impl Found {
    /// The map, the network in one line, and what a person should know.
    fn tell(&self, args: &Args, contents: &Contents) {
        tell!("{}: {}", args.file.display(), contents.kind);
        for line in &self.map {
            tell!("  {line}");
        }
        tell!("{}", self.network);
        for note in self.notes.iter().chain(&self.saturation) {
            tell!("note: {note}");
        }
    }
}

/// The characters that the network is given each time; `None` where it carries its state.
fn window(args: &Args, contents: &Contents) -> Result<Option<usize>> {
    let path = args.file.display();
    let window = match (args.window, contents.context) {
        (Some(0), _) | (None, Context::Untold | Context::Carried) => None,
        (Some(window), _) | (None, Context::Window(window)) => Some(window),
        (None, Context::WindowOfUntoldLength) => {
            return Err(Error::bad_input(format!(
                "{path}: the network answers at the end of a window, and the file does not tell its \
                 length, expected --window N (the characters that it was given in training), or \
                 --window 0 if it carries its state"
            )));
        }
    };
    match window {
        Some(window) if window > MAX_WINDOW => Err(Error::bad_input(format!(
            "{path}: found a window of {window} characters, expected at most {MAX_WINDOW} (--window N \
             gives another)"
        ))),
        window => Ok(window),
    }
}

fn read_symbols(path: &Path, fold_case: bool) -> Result<Alphabet> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        Error::bad_input(format!(
            "{} is not UTF-8 ({}), expected characters",
            path.display(),
            e.utf8_error()
        ))
    })?;
    Ok(Alphabet {
        symbols: text.chars().collect(),
        fold_case,
    })
}

//! `import`: weights of Keras or PyTorch become a network as `train` writes it.

use crate::files::error::{Error, Result};
use crate::files::output::refuse_input_as_output;
use crate::files::stdout::tell;
use crate::interchange::{self, Contents, Context, Told};
use crate::network::predictor::describe_context;
use crate::quantize::range::beyond_integers;
use crate::text::alphabet::Alphabet;
use lstm_core::MAX_WINDOW;
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keras 3 (.weights.h5, .keras, .npz) or PyTorch (a state_dict in .pt or .safetensors)
    pub file: PathBuf,
    /// Where to write the network (.safetensors)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A text file of the alphabet's characters in the order of their tokens, and nothing else
    /// [default: 27 symbols, the space for everything that is no letter, then a to z]
    #[arg(long, value_name = "FILE")]
    pub symbols: Option<PathBuf>,
    /// With --symbols: lower-case a text before its characters are looked up
    #[arg(long, requires = "symbols")]
    pub fold_case: bool,
    /// The characters that the network was given each time in training, from a zero state; 0 if it
    /// learned to carry its state [default: as the file says, or 0 where it says nothing]
    #[arg(long, value_name = "N")]
    pub window: Option<usize>,
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
}

/// Prints what became of each tensor, and writes the network.
///
/// # Errors
/// The file is no network that runs here, or does not fit the alphabet, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let inputs = [Some(&args.file), args.symbols.as_ref()];
    let inputs = inputs.into_iter().flatten().map(PathBuf::as_path);
    refuse_input_as_output("out", &args.out, inputs)?;
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
    let window = window(args, &contents)?;
    let mut mapped = interchange::find(&args.file, &contents, &told, &alphabet)?;
    mapped.network.config.window = window;
    mapped.network.config.check()?;
    let config = &mapped.network.config;
    tell!("{}: {}", args.file.display(), contents.kind);
    for line in &mapped.map {
        tell!("  {line}");
    }
    let layers: Vec<String> = config.layers.iter().map(|l| l.to_string()).collect();
    tell!(
        "embedding {}, {}, dense {}: {} parameters; {}",
        config.embedding,
        layers.join(", "),
        config.vocabulary(),
        config.parameter_count(),
        describe_context(window)
    );
    for note in contents.notes.iter().chain(&mapped.notes) {
        tell!("note: {note}");
    }
    for beyond in beyond_integers(&mapped.network) {
        tell!("note: {beyond}");
    }
    if contents.context == Context::Untold && args.window.is_none() {
        tell!(
            "note: the file does not tell whether the network was trained on windows from a zero state \
             (--window N): taken as one that carries its state"
        );
    }
    mapped.network.save(&args.out)?;
    tell!("wrote {}", args.out.display());
    Ok(())
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

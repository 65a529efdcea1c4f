//! `import`: weights of Keras or PyTorch become a network as `train` writes it.

use crate::files::error::{Error, Result};
use crate::files::output::refuse_input_as_output;
use crate::files::stdout::tell;
use crate::interchange::{self, names};
use crate::network::predictor::{context, describe_context};
use crate::text::alphabet::Alphabet;
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
    /// learned to carry its state [default: as a .keras file says, or 0]
    #[arg(long, value_name = "N")]
    pub window: Option<usize>,
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
    let contents = interchange::read(&args.file)?;
    let mut mapped = names::find(&args.file, &contents.tensors, &alphabet)?;
    let window = context(args.window, contents.window);
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
    for note in &contents.notes {
        tell!("note: {note}");
    }
    mapped.network.save(&args.out)?;
    tell!("wrote {}", args.out.display());
    Ok(())
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

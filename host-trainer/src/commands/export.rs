//! `export`: a network becomes a `.lstm` file, or another framework's.

use crate::commands::evaluate::{alphabet_of, score_model};
use crate::commands::model_name::{check_description, stem};
use crate::commands::numbers::Window;
use crate::commands::quantize::{refuse_beyond, tell_beyond, told_lines};
use crate::commands::text::{Text, trained_on};
use crate::files::error::{Error, Result};
use crate::files::output::refuse_input_as_output;
use crate::files::stdout::{be_quiet, say, tell};
use crate::interchange::write::FileKind;
use crate::interchange::{self};
use crate::model::encode::{Labels, encode_file, write_model};
use crate::model::file::ModelFile;
use crate::model::sensor::encode_f32;
use crate::network::parameters::Network;
use crate::network::score::Extent;
use crate::network::sensor::SensorNetwork;
use crate::quantize::QuantizedNetwork;
use crate::quantize::range::beyond_integers;
use crate::text::text_file::TrainingText;
use lstm_core::Format;
use std::path::PathBuf;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A trained network, or one that `quantize` wrote (.safetensors)
    network: PathBuf,
    /// Where to write the model (.lstm), or the other framework's file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The number format; a quantized network has its own
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// Round a network that the integers do not hold, too: its cells stop at 16, and its text is another
    #[arg(long)]
    saturate: bool,
    /// Write the weights for PyTorch (safetensors) or Keras (npz) instead
    #[arg(long, value_enum, conflicts_with_all = ["format", "name", "window", "note", "corpus", "saturate"])]
    to: Option<FileKind>,
    /// A name for people, at most 64 bytes [default: the file's]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// The characters that the network was given each time in training, from a zero state; 0 if it
    /// learned to carry its state [default: as its file says]
    #[arg(long, value_name = "N")]
    window: Option<Window>,
    /// A line for the .txt, such as the command that trained the network; may be repeated
    #[arg(long, value_name = "TEXT")]
    note: Vec<String>,
    /// Score the model on the parts of this text, for the .txt [default: the one that the network was trained
    /// on; of its long parts a sample]
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// Print JSON: how far rounding moved each tensor, what lies beyond the integers, and the score
    #[arg(long, conflicts_with = "to")]
    json: bool,
}

/// The formats of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Single precision, the reference.
    F32,
    /// Quantized to 8 bits.
    Int8,
    /// As int8, with 4-bit weights in the recurrent layers.
    Int4,
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::F32 => Format::F32,
            ExportFormat::Int8 => Format::Int8,
            ExportFormat::Int4 => Format::Int4,
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// The network cannot be read or does not fit the file, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    if args.json {
        be_quiet();
    }
    if let Some(network) = SensorNetwork::load(&args.network)? {
        return export_values(args, &network);
    }
    let trained_on = trained_on(&args.network)?;
    let known = trained_on.as_ref().map(|text| &text.file.path);
    let inputs = || [Some(&args.network), args.corpus.as_ref().or(known)];
    let inputs = || inputs().into_iter().flatten().map(PathBuf::as_path);
    refuse_input_as_output("out", &args.out, inputs())?;
    if let Some(kind) = args.to {
        interchange::write::write(&Network::load(&args.network)?, kind, &args.out)?;
        tell!("wrote {}", args.out.display());
        return Ok(());
    }
    check_description(&args.out, inputs())?;
    let stem = args
        .out
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned());
    let labels = Labels {
        name: args.name.clone().or(stem).unwrap_or_default(),
        window: args.window.map(Window::size),
    };
    let mut beyond = Vec::new();
    if args.format != Some(ExportFormat::F32) && QuantizedNetwork::load(&args.network)?.is_none() {
        let network = Network::load(&args.network)?;
        beyond = beyond_integers(&network);
        if !args.saturate {
            refuse_beyond(&args.network, &network, &beyond)?;
        }
        tell_beyond(&beyond);
    }
    let (file, errors) = encode_file(&args.network, args.format.map(Format::from), &labels)?;
    let scores = scores(args, &ModelFile::from_bytes(&file), trained_on.as_ref())?;
    let notes: Vec<String> = scores
        .iter()
        .cloned()
        .chain(args.note.iter().cloned())
        .collect();
    write_model(&args.out, &file, trained_on.as_ref(), &errors, &notes)?;
    let text = args.out.with_extension("txt");
    tell!(
        "wrote {} ({} bytes) and {}",
        args.out.display(),
        file.len(),
        text.display()
    );
    if args.json {
        say!(
            "{}",
            serde_json::json!({ "out": args.out, "tensors": errors, "beyond": beyond, "saturation": told_lines(&beyond), "score": scores })
        );
    }
    Ok(())
}

/// Writes the `.lstm` in f32 of a network that reads values.
fn export_values(args: &Args, network: &SensorNetwork) -> Result<()> {
    if args.format != Some(ExportFormat::F32) {
        return Err(Error::bad_input(format!(
            "{}: found a network that reads values, expected --format f32, or `quantize --data FILE`, which rounds it \
             by data and writes the model",
            args.network.display()
        )));
    }
    if args.to.is_some() || args.window.is_some() || args.corpus.is_some() {
        return Err(Error::bad_input(
            "found --to, --window or --corpus for a network that reads values, expected them for one that reads text",
        ));
    }
    refuse_input_as_output("out", &args.out, [args.network.as_path()])?;
    check_description(&args.out, [args.network.as_path()].into_iter())?;
    let name = args.name.clone().unwrap_or_else(|| stem(&args.out));
    let file = encode_f32(network, &name)?;
    write_model(&args.out, &file, None, &[], &args.note)?;
    tell!("wrote {} ({} bytes)", args.out.display(), file.len());
    if args.json {
        say!(
            "{}",
            serde_json::json!({ "out": args.out, "tensors": [], "beyond": [], "saturation": [], "score": null })
        );
    }
    Ok(())
}

/// How the model scores on the text that is asked for, or on the one that the network was trained on; a line says
/// which, or why on none.
fn scores(
    args: &Args,
    file: &ModelFile,
    trained_on: Option<&TrainingText>,
) -> Result<Option<String>> {
    let asked = args.corpus.as_deref();
    let alphabet = alphabet_of(&file.model()?);
    match Text::read(asked, trained_on, &args.network, alphabet) {
        Ok(text) if asked.is_some() => score_model(file, text, Extent::Whole).map(Some),
        Ok(text) => {
            tell!("scored on {text}");
            score_model(file, text, Extent::Sample).map(Some)
        }
        Err(error) if asked.is_some() => Err(error),
        Err(error) => {
            tell!("note: not scored: {error}");
            Ok(None)
        }
    }
}

//! `budget`: what a model will cost on a chip, before it is trained.

use crate::commands::export::ExportFormat;
use crate::commands::numbers::real;
use crate::files::error::{Error, Result};
use crate::files::stdout::{be_quiet, grouped, say};
use crate::files::table;
use crate::hardware::boards::{BOARDS, Board};
use crate::hardware::cost::{Core, Shape, layer_name};
use crate::hardware::figures::CORES;
use crate::model::encode::{Labels, encode_in, encode_quantized, encode_zeros};
use crate::model::file::ModelFile;
use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::quantize::QuantizedNetwork;
use crate::text::alphabet::{Alphabet, AlphabetKind};
use crate::text::corpus::Corpus;
use lstm_core::Format;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `budget`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model (.lstm) or a network (.safetensors) to take the shape from, instead of the flags
    #[arg(conflicts_with_all = ["cell", "hidden", "projection", "layers", "embedding", "alphabet"])]
    file: Option<PathBuf>,
    /// Kind of each layer's cell
    #[arg(long, value_enum, default_value_t = CellKind::Lstm)]
    cell: CellKind,
    /// Units of each layer
    #[arg(long, value_name = "N", default_value_t = 256)]
    hidden: usize,
    /// Width that each layer's output is projected to; 0 for no projection
    #[arg(long, value_name = "R", default_value_t = 0)]
    projection: usize,
    /// Layers, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 1)]
    layers: usize,
    /// Width of the embedding, which costs nothing on the chip
    #[arg(long, value_name = "N", default_value_t = 64)]
    embedding: usize,
    /// The symbols: 27 letters, or every character of the text of --corpus
    #[arg(long, value_enum, default_value_t = AlphabetKind::Letters)]
    alphabet: AlphabetKind,
    /// The text of --alphabet text
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// The number format [default: int8, or the file's own]
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// Megahertz of every board [default: what its firmware sets]
    #[arg(long, value_name = "MHZ")]
    clock: Option<Megahertz>,
    /// Print JSON: the model, the cores and the boards
    #[arg(long)]
    json: bool,
}

real!(
    /// The clock of a board.
    Megahertz, "megahertz above 0 and up to 100000", |x| x > 0.0 && x <= 1e5
);

/// Prints the costs and the boards.
///
/// # Errors
/// A file that cannot be used, or a shape that the device does not run.
pub fn run(args: &Args) -> Result<()> {
    if args.json {
        be_quiet();
    }
    let (parameters, file) = model(args)?;
    let model = file.model()?;
    let clock = args.clock.map(|megahertz| f64::from(megahertz) * 1e6);
    if args.json {
        say!("{}", as_json(&Shape::of(&model), &model, clock));
        return Ok(());
    }
    let table = table(&Shape::of(&model), &model, clock);
    say!("{}{}", parameters.unwrap_or_default(), table.trim_end());
    Ok(())
}

/// The model to be, filled with zeros unless there is one already; and a line about the network.
fn model(args: &Args) -> Result<(Option<String>, ModelFile)> {
    let config = match &args.file {
        Some(path) if ModelFile::is_one(path)? => {
            let file = ModelFile::load(path)?;
            check_format(args, path, file.model()?.format())?;
            return Ok((None, file));
        }
        Some(path) => match QuantizedNetwork::load(path)? {
            Some(network) => {
                check_format(args, path, network.format)?;
                let file = encode_quantized(&network, &Labels::default())?;
                return Ok((None, ModelFile::from_bytes(&file)));
            }
            None => {
                let network = Network::load(path)?;
                if network.ngrams.is_some() {
                    let format = args.format.map_or(Format::Int8, Format::from);
                    let (file, _) = encode_in(&network, format, &Labels::default())?;
                    let parameters = told(&network.config);
                    return Ok((Some(parameters), ModelFile::from_bytes(&file)));
                }
                network.config
            }
        },
        None => config(args)?,
    };
    let format = args.format.map_or(Format::Int8, Format::from);
    let zeros = encode_zeros(&config, format)?;
    Ok((Some(told(&config)), ModelFile::from_bytes(&zeros)))
}

/// A line about a network.
fn told(config: &NetworkConfig) -> String {
    format!(
        "{:<14} {}\n",
        "parameters",
        grouped(config.parameter_count())
    )
}

/// Refuses another --format than that of a file whose numbers are decided.
fn check_format(args: &Args, path: &Path, found: Format) -> Result<()> {
    match args.format.map(Format::from) {
        Some(asked) if asked != found => Err(Error::bad_input(format!(
            "{} is in {found}, expected --format {found}, or none",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn config(args: &Args) -> Result<NetworkConfig> {
    let alphabet = match (args.alphabet, &args.corpus) {
        (AlphabetKind::Letters, _) => Alphabet::letters(),
        (kind, Some(corpus)) => Corpus::read(corpus, kind)?.alphabet,
        (_, None) => {
            return Err(Error::bad_input(
                "found --alphabet text and no text, expected --corpus FILE",
            ));
        }
    };
    let layer = LayerConfig {
        cell: args.cell,
        hidden: args.hidden,
        projection: (args.projection > 0).then_some(args.projection),
    };
    let config = NetworkConfig::stack(&alphabet, args.embedding, layer, args.layers);
    config.check()?;
    Ok(config)
}

/// The whole report, for programs.
fn as_json(shape: &Shape, model: &lstm_core::Model<'_>, clock: Option<f64>) -> serde_json::Value {
    let cores = CORES.iter().map(|core| {
        json!({
            "name": core.name,
            "engine_bytes": core.engine(shape.format),
            "ram_bytes": core.ram(shape),
            "stack_bytes": core.stack,
            "instructions": core.instructions(shape),
            "most_instructions": core.most_instructions(shape),
            "cycles": core.cycles(shape),
            "largest_error": core.error(shape.format),
        })
    });
    let boards = BOARDS.iter().map(|board| {
        let clock = clock.unwrap_or(board.clock);
        let outcome = board.try_model(shape, model.file_bytes(), clock);
        json!({
            "name": board.name,
            "core": board.core,
            "hertz": clock,
            "model_room_bytes": board.model_room,
            "ram_bytes": board.ram,
            "characters_per_second": outcome.characters_per_second,
            "misfit": outcome.misfit,
        })
    });
    json!({
        "layers": shape.layers.iter().copied().map(layer_name).collect::<Vec<_>>(),
        "symbols": shape.symbols,
        "format": shape.format.to_string(),
        "file_bytes": model.file_bytes(),
        "multiply_adds": model.multiply_adds(),
        "cores": cores.collect::<Vec<_>>(),
        "boards": boards.collect::<Vec<_>>(),
    })
}

/// The whole report, for people.
fn table(shape: &Shape, model: &lstm_core::Model<'_>, clock: Option<f64>) -> String {
    let layers: Vec<String> = shape.layers.iter().copied().map(layer_name).collect();
    let flash = model.file_bytes();
    let mut text = String::new();
    for (what, value) in [
        (
            "network",
            format!("{}, {} symbols", layers.join(", "), shape.symbols),
        ),
        ("format", shape.format.to_string()),
        (
            "model",
            format!(
                "{} bytes of flash, of which the name takes {}",
                grouped(flash),
                model.name().len()
            ),
        ),
        (
            "multiply-adds",
            format!("{} a character", grouped(model.multiply_adds())),
        ),
    ] {
        text += &format!("{what:<14} {value}\n");
    }
    text += "\n";
    let heads = [
        "core",
        "engine",
        "RAM",
        "stack",
        "instructions",
        "at most",
        "error",
        "cycles",
    ];
    let row = |core: &Core| {
        [
            core.name.to_owned(),
            grouped(core.engine(shape.format)),
            grouped(core.ram(shape)),
            grouped(core.stack),
            grouped(core.instructions(shape).round() as usize),
            grouped(core.most_instructions(shape).round() as usize),
            format!("{:.1} %", 100.0 * core.error(shape.format)),
            core.cycles(shape)
                .map_or("-".to_owned(), |cycles| grouped(cycles.round() as usize)),
        ]
    };
    text += &table::table(&heads, &[0], CORES.iter().map(row));
    text += "bytes; instructions of a character, estimated from docs/bench.txt, with the largest\n\
             error on what was counted there; int4 skips zeros, at most it skips none;\n\
             cycles at zero wait states, as docs/CYCLES.md estimates them\n\n";
    let heads = [
        "board",
        "core",
        "MHz",
        "model room",
        "RAM",
        "characters/s",
        "fits",
    ];
    let row = |board: &Board| {
        let clock = clock.unwrap_or(board.clock);
        let outcome = board.try_model(shape, flash, clock);
        [
            board.name.to_owned(),
            board.core.to_owned(),
            (clock / 1e6).to_string(),
            grouped(board.model_room),
            grouped(board.ram),
            format!("{:.1}", outcome.characters_per_second),
            outcome
                .misfit
                .map_or("yes".to_owned(), |misfit| format!("no: {misfit}")),
        ]
    };
    text += &table::table(&heads, &[0, 1, 6], BOARDS.iter().map(row));
    text + "characters/s: an estimate by the cycles (or one an instruction where they are not known)\n\
            and the time to read from flash that is a chip of its own; nobody has measured it\n"
}

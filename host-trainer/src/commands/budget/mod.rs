//! `budget`: what a model will cost on a chip, before it is trained.

mod proposal;
mod subject;
mod table;

use crate::commands::export::ExportFormat;
use crate::commands::numbers::{Bytes, real};
use crate::files::error::Result;
use crate::files::stdout::{be_quiet, say};
use crate::network::config::CellKind;
use crate::text::alphabet::AlphabetKind;
use std::path::PathBuf;
use subject::Subject;

/// The flags of a network that reads values.
const VALUES: &str = "A network that reads values";

/// Arguments of `budget`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model (.lstm) or a network (.safetensors) to take the shape from, instead of the flags
    #[arg(conflicts_with_all = ["cell", "hidden", "projection", "layers", "embedding", "alphabet", "flash", "channels"])]
    file: Option<PathBuf>,
    /// Propose a network with a memory for so much flash, such as 384K, how the two share it, and the line that trains it
    #[arg(long, value_name = "BYTES")]
    flash: Option<Bytes>,
    /// Kind of each layer's cell [default: lstm; that of the recipe with --flash or --channels]
    #[arg(long, value_enum)]
    cell: Option<CellKind>,
    /// Units of each layer [default: 256; as many as the recipe has with --flash or --channels]
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Width that each layer's output is projected to; 0 for no projection [default: 0; that of the recipe with --flash]
    #[arg(long, value_name = "R")]
    projection: Option<usize>,
    /// Layers, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 1)]
    layers: usize,
    /// Width of the embedding, which costs nothing on the chip [default: 64]
    #[arg(long, value_name = "N")]
    embedding: Option<usize>,
    /// The symbols: 27 letters, or every character of the text of --corpus
    #[arg(long, value_enum, default_value_t = AlphabetKind::Letters)]
    alphabet: AlphabetKind,
    /// The text of --alphabet text
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// The number format [default: int8, or the file's own]
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// Values that a step reads, instead of a character
    #[arg(long, value_name = "N", conflicts_with_all = ["flash", "embedding", "alphabet", "corpus"], help_heading = VALUES)]
    channels: Option<usize>,
    /// Classes that it tells
    #[arg(long, value_name = "N", requires = "channels", conflicts_with = "values", help_heading = VALUES)]
    classes: Option<usize>,
    /// Values that it tells
    #[arg(long, value_name = "N", requires = "channels", help_heading = VALUES)]
    values: Option<usize>,
    /// Units of the dense layers before the head, with relu
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "channels", help_heading = VALUES)]
    dense: Vec<usize>,
    /// Steps of a window that each answer is computed from; 0 for a carried state
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        requires = "channels",
        help_heading = VALUES
    )]
    window: usize,
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
    let clock = args.clock.map(|megahertz| f64::from(megahertz) * 1e6);
    let (subject, proposal) = match args.flash {
        Some(flash) => {
            let (subject, proposal) = proposal::propose(args, flash)?;
            (subject, Some(proposal))
        }
        None => (Subject::of(args)?, None),
    };
    if args.json {
        let mut report = table::as_json(&subject, clock);
        if let Some(proposal) = &proposal {
            report["proposal"] = proposal.as_json();
        }
        say!("{report}");
        return Ok(());
    }
    let told = proposal.map(|proposal| proposal.to_string() + "\n");
    say!(
        "{}{}",
        told.unwrap_or_default(),
        table::table(&subject, clock).trim_end()
    );
    Ok(())
}

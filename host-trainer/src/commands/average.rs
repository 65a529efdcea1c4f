//! `average`: the mean of the weights of several networks.

use crate::commands::text::Text;
use crate::files::error::Result;
use crate::files::output::refuse_input_as_output;
use crate::files::stdout::{say, tell};
use crate::files::table;
use crate::network::mean::mean;
use crate::network::parameters::Network;
use crate::network::score::{Extent, network_scores};
use crate::text::corpus::Split;
use std::path::PathBuf;

/// Arguments of `average`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Networks of one shape and alphabet (.safetensors), such as those of runs that began with --from one network
    #[arg(required = true, num_args = 2..)]
    networks: Vec<PathBuf>,
    /// Where to write the network of their mean (.safetensors)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The text to score all on [default: the one that they were trained on]
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
}

/// Writes the network, and tells how it scores beside the others; of a long part on a sample.
///
/// # Errors
/// A file is no network, or differs from the first; the text cannot be read; or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let inputs = args.networks.iter().chain(&args.corpus);
    refuse_input_as_output("out", &args.out, inputs.map(PathBuf::as_path))?;
    let load = |path: &PathBuf| Ok((path.display().to_string(), Network::load(path)?));
    let mut networks: Vec<(String, Network)> =
        args.networks.iter().map(load).collect::<Result<_>>()?;
    let mean = mean(&networks)?;
    let trained_on = mean.config.corpus.as_ref();
    let text = Text::read(
        args.corpus.as_deref(),
        trained_on,
        &args.out,
        mean.config.alphabet(),
    );
    let text = match text {
        Ok(text) => Some(text),
        Err(error) if args.corpus.is_some() => return Err(error),
        Err(error) => {
            tell!("note: not scored: {error}");
            None
        }
    };
    mean.save(&args.out)?;
    if let Some(text) = text {
        networks.push((args.out.display().to_string(), mean));
        let parts = [Split::Validation, Split::Test];
        let mut rows = Vec::new();
        for (name, network) in networks {
            let window = network.config.window;
            let found = network_scores(&network, window, &text.corpus, &parts, Extent::Sample)?;
            let [validation, test] =
                [&found[0], &found[1]].map(|s| format!("{:.4}", s.bits_per_char));
            rows.push([name, validation, test]);
        }
        say!("bits per character on {text}");
        let heads = ["network", "validation", "test"];
        say!(
            "{}",
            table::table(&heads, &[0], rows.into_iter()).trim_end()
        );
    }
    tell!("wrote {}", args.out.display());
    Ok(())
}

//! Generate: writes text with a `.lstm` model, through the device's own engine.

use crate::error::{Error, Result};
use crate::model_file::{HeapWorkspace, ModelFile, encode};
use lstm_core::{Sampler, Session, Token, Window};
use std::io::Write;
use std::path::PathBuf;

/// The window of the source notebook's many-to-one network.
const WINDOW: usize = 40;

/// Write text with a .lstm model, as the device would.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model (.lstm).
    model: PathBuf,
    /// Text that the model reads before it writes.
    #[arg(long, default_value = "\n")]
    prompt: String,
    /// Characters to write.
    #[arg(long, default_value_t = 1000)]
    length: usize,
    /// The seed of the random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 0 always takes the likeliest character; 1 follows the model; in between is tidier.
    #[arg(long, default_value_t = 0.8)]
    temperature: f32,
    /// Choose among the likeliest so many characters only.
    #[arg(long)]
    top_k: Option<usize>,
    /// Choose among the likeliest characters that together have this probability.
    #[arg(long)]
    top_p: Option<f32>,
    /// Re-run the last 40 characters from a zero state for each new one, as the source notebook's
    /// many-to-one network does, instead of carrying the state.
    #[arg(long)]
    window: bool,
}

/// The sampler that these settings ask for.
///
/// # Errors
///
/// A setting is out of range.
pub fn sampler(
    seed: u64,
    temperature: f32,
    top_k: Option<usize>,
    top_p: Option<f32>,
) -> Result<Sampler, lstm_core::Error> {
    let mut sampler = Sampler::new(seed).temperature(temperature)?;
    if let Some(k) = top_k {
        sampler = sampler.top_k(k)?;
    }
    if let Some(p) = top_p {
        sampler = sampler.top_p(p)?;
    }
    Ok(sampler)
}

/// Runs the subcommand.
///
/// # Errors
///
/// The model is refused, a setting is out of range, or standard output is closed.
pub fn run(args: &Args) -> Result<()> {
    let bad = |e: lstm_core::Error| Error::bad_input(e.to_string());
    let mut sampler = sampler(args.seed, args.temperature, args.top_k, args.top_p).map_err(bad)?;
    let file = ModelFile::load(&args.model)?;
    let model = file.model().map_err(bad)?;
    let mut prompt = encode(&model, &args.prompt);
    let mut token = prompt.pop().unwrap_or_default();
    let mut workspace = HeapWorkspace::new(&model);
    let mut session = workspace.session(&model)?;
    let mut window = Window::<WINDOW>::new();
    for &token in &prompt {
        if args.window {
            window.push(token);
        } else {
            session.advance(token);
        }
    }
    let mut out = std::io::stdout().lock();
    let mut step = |session: &mut Session<'_, '_>, token: Token| {
        let logits = if args.window {
            window.step(session, token)
        } else {
            session.step(token)
        };
        sampler.sample(logits)
    };
    let mut write = || -> std::io::Result<()> {
        for _ in 0..args.length {
            token = step(&mut session, token);
            write!(out, "{}", model.alphabet().decode(token))?;
            out.flush()?;
        }
        writeln!(out)
    };
    match write() {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Error::failed(format!("cannot write the text: {e}"))),
        Ok(()) => Ok(()),
    }
}

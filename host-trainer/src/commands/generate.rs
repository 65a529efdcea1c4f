//! Generate: writes text with a model, through the device's own engine.

use crate::commands::evaluate::alphabet_of;
use crate::commands::export::ExportFormat;
use crate::commands::numbers::Window;
use crate::files::error::{Error, Result};
use crate::files::output::{refuse_input_as_output, write_atomically};
use crate::files::stdout::is_quiet;
use crate::model::encode::{Labels, encode_file, encode_in};
use crate::model::file::{ModelFile, encode};
use crate::model::generate::{PROMPT, TEMPERATURE};
use crate::model::snapshot;
use crate::model::workspace::{Generator, HeapWorkspace};
use crate::network::parameters::Network;
use crate::network::predictor::context;
use crate::report::columns;
use crate::text::alphabet::Alphabet;
use lstm_core::{Format, Sampler};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

/// For `--seed`.
const SEED: u64 = 1;
/// Arguments of `generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model (.lstm), or a network (.safetensors)
    model: PathBuf,
    /// Text that the model reads, and shows, before it writes [default: a line break, or none with --state]
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Characters to write
    #[arg(long, value_name = "N", default_value_t = 1000)]
    length: usize,
    /// The seed of the random numbers [default: 1, or go on as in --state]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// 0 always takes the likeliest character; 1 follows the model; in between is tidier [default:
    /// 0.8, or as in --state]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Choose among the likeliest so many characters only
    #[arg(long, value_name = "N")]
    top_k: Option<usize>,
    /// Choose among the likeliest characters that together have this probability
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// For each new character, read the last N again from a zero state, as many-to-one networks do with
    /// 40; 0 carries the state on instead [default: as the file says]
    #[arg(long, value_name = "N")]
    window: Option<Window>,
    /// The number format that a network is run in [default: int8, or its own]
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// Show what the same seed writes in each of these formats, side by side
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "FORMATS",
        conflicts_with_all = ["format", "state", "save_state"]
    )]
    compare: Vec<ExportFormat>,
    /// Go on from a state that --save-state or the firmware's :save wrote: the line, or a file with
    /// it
    #[arg(long, value_name = "LINE|FILE")]
    state: Option<String>,
    /// Write the state after the last character into this file, for --state or the firmware's :load
    #[arg(long, value_name = "FILE")]
    save_state: Option<PathBuf>,
}

impl Args {
    /// A sampler as it was, but for what is asked for.
    fn sampler(&self, mut sampler: Sampler) -> Result<Sampler> {
        // The engine tells what it expects; for what it found, a chip has no room.
        let with = |flag: &'static str, found: f32| {
            move |expected: lstm_core::SamplerError| {
                Error::bad_input(format!("{flag} {found}: {expected}"))
            }
        };
        if let Some(seed) = self.seed {
            sampler = sampler.with_seed(seed);
        }
        if let Some(temperature) = self.temperature {
            let sampled = sampler.with_temperature(temperature);
            sampler = sampled.map_err(with("--temperature", temperature))?;
        }
        if let Some(k) = self.top_k {
            sampler = sampler.with_top_k(k)?;
        }
        if let Some(p) = self.top_p {
            sampler = sampler.with_top_p(p).map_err(with("--top-p", p))?;
        }
        Ok(sampler)
    }

    /// The sampler of a text that starts anew.
    fn first_sampler(&self) -> Result<Sampler> {
        self.sampler(Sampler::new(SEED).with_temperature(TEMPERATURE)?)
    }

    /// Tells which characters of the prompt the model does not know.
    fn tell_unknown(&self, prompt: &str, model: &lstm_core::Model<'_>) {
        let alphabet = alphabet_of(model);
        let is_known = |c: &char| alphabet.unknown(&c.to_string()) == 0;
        let unknown: BTreeSet<char> = prompt.chars().filter(|c| !is_known(c)).collect();
        if !unknown.is_empty() && alphabet != Alphabet::letters() && !is_quiet() {
            let unknown: String = unknown.into_iter().collect();
            eprintln!(
                "note: {unknown:?} of the prompt is not in the alphabet, and is read as {:?}",
                alphabet.symbols[0]
            );
        }
    }

    /// Writes with `file`, and gives `put` each character at once, until it fails.
    fn write(
        &self,
        file: &ModelFile,
        mut put: impl FnMut(char) -> std::io::Result<()>,
    ) -> Result<std::io::Result<()>> {
        let model = file.model()?;
        let mut workspace = HeapWorkspace::new(&model);
        let session = workspace.session(&model)?;
        let sampler = self.first_sampler()?;
        let mut generator = match context(self.window.map(Window::size), model.window()) {
            None => Generator::stateful(session, sampler)?,
            Some(window) => Generator::windowed(session, sampler, window)?,
        };
        if let Some(state) = &self.state {
            snapshot::load(&mut generator, state)?;
            *generator.sampler_mut() = self.sampler(generator.sampler().clone())?;
        }
        let default = if self.state.is_some() { "" } else { PROMPT };
        if let Some(prompt) = &self.prompt {
            self.tell_unknown(prompt, &model);
            if let Err(error) = prompt.chars().try_for_each(&mut put) {
                return Ok(Err(error));
            }
        }
        for token in encode(&model, self.prompt.as_deref().unwrap_or(default)) {
            generator.prime(token);
        }
        let mut write = || {
            (0..self.length).try_for_each(|_| put(model.alphabet().decode(generator.next_token())))
        };
        let written = write();
        if let Some(path) = &self.save_state {
            write_atomically(path, snapshot::save(&generator)?.as_bytes())?;
        }
        Ok(written)
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// The model or the state is refused, a setting is out of range, or standard output is closed.
pub fn run(args: &Args) -> Result<()> {
    args.first_sampler()?;
    if let Some(path) = &args.save_state {
        refuse_input_as_output("save-state", path, [args.model.as_path()])?;
    }
    let written = if args.compare.is_empty() {
        stream(args)?
    } else {
        compare(args)?
    };
    match written {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Error::failed(format!("cannot write the text: {e}"))),
        Ok(()) => Ok(()),
    }
}

/// Shows each character as soon as it is written.
fn stream(args: &Args) -> Result<std::io::Result<()>> {
    let asked = args.format.map(Format::from);
    let file = if ModelFile::is_one(&args.model)? {
        let file = ModelFile::load(&args.model)?;
        let found = file.model()?.format();
        if let Some(asked) = asked.filter(|&asked| asked != found) {
            return Err(Error::bad_input(format!(
                "{} is in {found}, expected a network (.safetensors) for --format {asked}",
                args.model.display()
            )));
        }
        file
    } else {
        let (bytes, _) = encode_file(&args.model, asked, &Labels::default())?;
        ModelFile::from_bytes(&bytes)
    };
    let mut out = std::io::stdout().lock();
    let written = args.write(&file, |character| {
        write!(out, "{character}")?;
        out.flush()
    })?;
    Ok(written.and_then(|()| writeln!(out)))
}

/// Shows what each format writes, in columns.
fn compare(args: &Args) -> Result<std::io::Result<()>> {
    if ModelFile::is_one(&args.model)? {
        return Err(Error::bad_input(format!(
            "{} is in one format already, expected a network (.safetensors) for --compare",
            args.model.display()
        )));
    }
    let network = Network::load(&args.model)?;
    let mut texts = Vec::new();
    for &format in &args.compare {
        let format = Format::from(format);
        let (bytes, _) = encode_in(&network, format, &Labels::default())?;
        let mut text = String::new();
        let written = args.write(&ModelFile::from_bytes(&bytes), |character| {
            text.push(character);
            Ok(())
        })?;
        if written.is_ok() {
            texts.push((format.to_string(), text));
        }
    }
    let terminal = console::Term::stdout();
    let width = terminal
        .size_checked()
        .map_or(columns::WIDTH, |(_, w)| w.into());
    let page = columns::side_by_side(&texts, width)?;
    Ok(std::io::stdout().lock().write_all(page.as_bytes()))
}

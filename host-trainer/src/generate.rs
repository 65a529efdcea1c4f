//! Generate: writes text with a model, through the device's own engine.

use crate::columns;
use crate::error::{Error, Result};
use crate::export::{ExportFormat, Labels, encode_file, encode_in};
use crate::model_file::{HeapWorkspace, ModelFile, encode};
use crate::network::Network;
use lstm_core::{Format, Sampler, Session, Token};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

/// The longest window, in characters.
const MAX_WINDOW: usize = 4096;

/// Write text with a model, as the device would.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model (.lstm), or a network (.safetensors).
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
    /// Re-run the last N characters from a zero state for each new one, as the source notebook's
    /// many-to-one network does with 40; 0 carries the state [default: as the model's file says].
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// The number format that a network is run in [default: int8, or its own].
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// Show what the same seed writes in each of these formats, side by side.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "FORMATS",
        conflicts_with = "format"
    )]
    compare: Vec<ExportFormat>,
}

impl Args {
    fn sampler(&self) -> Result<Sampler, lstm_core::Error> {
        let mut sampler = Sampler::new(self.seed).temperature(self.temperature)?;
        if let Some(k) = self.top_k {
            sampler = sampler.top_k(k)?;
        }
        if let Some(p) = self.top_p {
            sampler = sampler.top_p(p)?;
        }
        Ok(sampler)
    }

    /// Writes with `file`, and gives `put` each character at once, until it fails.
    fn write(
        &self,
        file: &ModelFile,
        mut put: impl FnMut(char) -> std::io::Result<()>,
    ) -> Result<std::io::Result<()>> {
        let bad = |e: lstm_core::Error| Error::bad_input(e.to_string());
        let model = file.model().map_err(bad)?;
        let window = self.window.or(model.window()).unwrap_or(0);
        let mut workspace = HeapWorkspace::new(&model);
        let mut writer = Writer {
            session: workspace.session(&model)?,
            sampler: self.sampler().map_err(bad)?,
            window: (window > 0).then(|| Window::new(window)),
            last: Token::default(),
        };
        let prompt = encode(&model, &self.prompt);
        let (&last, before) = prompt.split_last().unwrap_or((&Token::default(), &[]));
        for &token in before {
            writer.read(token);
        }
        writer.last = last;
        let mut write =
            || (0..self.length).try_for_each(|_| put(model.alphabet().decode(writer.write())));
        Ok(write())
    }
}

/// A session and a sampler: each token that is drawn is the next that is fed.
struct Writer<'s, 'm> {
    session: Session<'s, 'm>,
    sampler: Sampler,
    window: Option<Window>,
    last: Token,
}

impl Writer<'_, '_> {
    fn read(&mut self, token: Token) {
        match &mut self.window {
            Some(window) => window.push(token),
            None => self.session.advance(token),
        }
    }

    fn write(&mut self) -> Token {
        if let Some(window) = &mut self.window {
            // Everything but the last token, from the zero state.
            window.push(self.last);
            self.session.reset();
            let before = window.tokens.len() - 1;
            for &token in window.tokens.iter().take(before) {
                self.session.advance(token);
            }
        }
        self.last = self.sampler.sample(self.session.step(self.last));
        self.last
    }
}

/// The last tokens.
struct Window {
    tokens: VecDeque<Token>,
    length: usize,
}

impl Window {
    fn new(length: usize) -> Self {
        let tokens = VecDeque::with_capacity(length);
        Self { tokens, length }
    }

    fn push(&mut self, token: Token) {
        if self.tokens.len() == self.length {
            self.tokens.pop_front();
        }
        self.tokens.push_back(token);
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// The model is refused, a setting is out of range, or standard output is closed.
pub fn run(args: &Args) -> Result<()> {
    args.sampler()
        .map_err(|e| Error::bad_input(e.to_string()))?;
    if let Some(window) = args.window
        && window > MAX_WINDOW
    {
        return Err(Error::bad_input(format!(
            "found --window {window}, expected 0 to {MAX_WINDOW}"
        )));
    }
    let written = match args.compare.is_empty() {
        true => stream(args)?,
        false => compare(args)?,
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
        let found = file.model().map_err(|e| Error::bad_input(e.to_string()))?;
        let found = found.format();
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

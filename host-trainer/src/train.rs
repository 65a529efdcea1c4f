//! `train`: from a text to a network.

use crate::alphabet::AlphabetKind;
use crate::corpus::{Corpus, Split};
use crate::error::{Error, Result};
use crate::evaluate::{print_scores, score_split};
use crate::feed::Feeder;
use crate::network::{Cell, LayerConfig, Network, NetworkConfig};
use crate::optimizer::{Adam, clip_by_global_norm};
use crate::predictor::{NetworkPredictor, Predictor, Windowed};
use crate::random::Random;
use crate::recipe::{Feed, Phase, RecipeName, Source};
use crate::run_folder::{Checkpoint, Progress, RunConfig, RunFolder, TextFile};
use crate::sample;
use crate::step::{Batch, Engine, LossOn, zero_states};
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Seconds between two checkpoints, and between two plain progress lines.
const CHECKPOINT_SECONDS: u64 = 30;
const LINE_SECONDS: u64 = 10;
/// Characters in a sample.
const SAMPLE: usize = 100;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// many-to-one, many-to-many (the notebook's two), sonnets (from scratch), or pre-trained: best,
    /// small, micro
    #[arg(long, default_value = "sonnets", value_name = "NAME")]
    recipe: String,
    /// The text to learn, UTF-8
    #[arg(long, default_value = "data/sonnets.txt", value_name = "FILE")]
    corpus: PathBuf,
    /// More text of the same kind, read first (recipes best, small and micro)
    #[arg(long, value_name = "FILE")]
    pretrain: Option<PathBuf>,
    /// The symbols: 27 letters, or every character of the text
    #[arg(long, value_enum, default_value_t = AlphabetKind::Letters)]
    alphabet: AlphabetKind,
    /// Kind of each layer (default: the recipe's)
    #[arg(long, value_enum)]
    cell: Option<Cell>,
    /// Units of each layer (default: the recipe's)
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Width that each layer's output is projected to; 0 for no projection (default: the recipe's)
    #[arg(long, value_name = "R")]
    projection: Option<usize>,
    /// Layers, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 1)]
    layers: usize,
    /// Width of the embedding
    #[arg(long, value_name = "N", default_value_t = 64)]
    embedding: usize,
    /// Passes over the corpus
    #[arg(long, value_name = "N")]
    epochs: Option<f64>,
    /// Passes over the text of --pretrain
    #[arg(long, value_name = "N")]
    pretrain_epochs: Option<f64>,
    /// Highest learning rate on the corpus
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Rows of a batch on the corpus
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Train for so long instead of counting passes; the learning rate's schedule is scaled to it
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Threads (default: one a core)
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Folder of the run (default: runs/RECIPE-HIDDEN; with a lean cell or a projection, such as
    /// runs/best-lean-384-96)
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Overwrite the run that is in the folder
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Go on with the run in the folder, with the settings it was started with
    #[arg(long)]
    resume: bool,
}

/// Trains, from the start or from a checkpoint, and reports.
///
/// # Errors
/// The input cannot be used, the disk refuses, the loss is not finite, or the user stopped it.
pub fn run(args: &Args) -> Result<()> {
    let recipe: RecipeName = args.recipe.parse()?;
    let layer = layer(args, recipe);
    let default = || PathBuf::from(format!("runs/{}-{}", recipe.name(), folder_name(layer)));
    let path = args.out.clone().unwrap_or_else(default);
    let (folder, config, checkpoint, texts);
    if args.resume {
        (folder, config, checkpoint) = RunFolder::resume(&path)?;
        texts = Texts::read(&config)?;
    } else {
        RunFolder::check_new(&path, args.force)?;
        (config, texts) = configure(args, recipe, layer)?;
        folder = RunFolder::create(&path, &config)?;
        checkpoint = None;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    Trainer::new(&config, &texts, &folder, checkpoint, &stop)?.train()
}

/// The recipe's layer with every flag applied.
fn layer(args: &Args, recipe: RecipeName) -> LayerConfig {
    let default = recipe.default_layer();
    LayerConfig {
        cell: args.cell.unwrap_or(default.cell),
        hidden: args.hidden.unwrap_or(default.hidden),
        projection: match args.projection {
            None => default.projection,
            Some(0) => None,
            width => width,
        },
    }
}

/// For example `256`, `lstm-512-96` or `lean-384-96`.
fn folder_name(layer: LayerConfig) -> String {
    let hidden = layer.hidden;
    match (layer.cell, layer.projection) {
        (Cell::Lstm, None) => hidden.to_string(),
        (cell, None) => format!("{}-{hidden}", cell.name()),
        (cell, Some(width)) => format!("{}-{hidden}-{width}", cell.name()),
    }
}

/// Turns flags as typed into a run as meant, and reads its texts.
fn configure(args: &Args, recipe: RecipeName, layer: LayerConfig) -> Result<(RunConfig, Texts)> {
    let positive = |name: &str, value: Option<f64>| match value {
        Some(v) if !(v > 0.0 && v < 1e9) => Err(Error::bad_input(format!(
            "found --{name} {v}, expected a number above 0"
        ))),
        _ => Ok(()),
    };
    positive("epochs", args.epochs)?;
    positive("pretrain-epochs", args.pretrain_epochs)?;
    positive("learning-rate", args.learning_rate)?;
    positive("minutes", args.minutes)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(cores);
    for (name, value, limit) in [
        ("batch", args.batch.unwrap_or(1), 4096),
        ("threads", threads, 256),
    ] {
        if !(1..=limit).contains(&value) {
            return Err(Error::bad_input(format!(
                "found --{name} {value}, expected 1 to {limit}"
            )));
        }
    }
    let mut phases = recipe.phases();
    let pre_trains = phases.iter().any(|p| p.source == Source::Pretrain);
    match &args.pretrain {
        None if pre_trains => {
            let name = recipe.name();
            return Err(Error::bad_input(format!(
                "found no --pretrain FILE, expected one with --recipe {name}"
            )));
        }
        Some(path) if !pre_trains => {
            return Err(Error::bad_input(format!(
                "found --pretrain {} with --recipe {}, expected it with best, small or micro only",
                path.display(),
                recipe.name()
            )));
        }
        _ => {}
    }
    for phase in &mut phases {
        if phase.source == Source::Pretrain {
            phase.passes = args.pretrain_epochs.unwrap_or(phase.passes);
        } else {
            phase.passes = args.epochs.unwrap_or(phase.passes);
            phase.learning_rate = args.learning_rate.unwrap_or(phase.learning_rate);
            let rows = phase.feed.rows_mut();
            *rows = args.batch.unwrap_or(*rows);
        }
    }
    let corpus = Corpus::read(&args.corpus, args.alphabet)?;
    let network = NetworkConfig::stack(&corpus.alphabet, args.embedding, layer, args.layers);
    network.check()?;
    let pretrain = match &args.pretrain {
        Some(path) => Some(Corpus::read_with(path, corpus.alphabet.clone())?.tokens),
        None => None,
    };
    let named = |path: &Option<PathBuf>, tokens: &Option<Vec<u8>>| match (path, tokens) {
        (Some(path), Some(tokens)) => Some(TextFile::new(path, tokens)),
        _ => None,
    };
    let config = RunConfig {
        recipe,
        seed: args.seed,
        threads,
        minutes: args.minutes,
        alphabet: args.alphabet,
        corpus: TextFile::new(&args.corpus, &corpus.tokens),
        pretrain: named(&args.pretrain, &pretrain),
        network,
        phases,
    };
    let texts = Texts { corpus, pretrain };
    texts.check_lengths(&config)?;
    Ok((config, texts))
}

/// The texts of a run as tokens.
struct Texts {
    corpus: Corpus,
    pretrain: Option<Vec<u8>>,
}

impl Texts {
    /// Reads the texts of a run that goes on.
    fn read(config: &RunConfig) -> Result<Self> {
        let read = |file: &TextFile| {
            let corpus = Corpus::read_with(&file.path, config.network.alphabet())?;
            let found = TextFile::new(&file.path, &corpus.tokens).hash;
            if found != file.hash {
                return Err(Error::bad_input(format!(
                    "{} has hash {found}, expected {} as when the run began",
                    file.path.display(),
                    file.hash
                )));
            }
            Ok(corpus)
        };
        let corpus = read(&config.corpus)?;
        let pretrain = config.pretrain.as_ref().map(read).transpose()?;
        Ok(Self {
            corpus,
            pretrain: pretrain.map(|c| c.tokens),
        })
    }

    /// The text of a phase.
    fn source(&self, source: Source) -> &[u8] {
        match source {
            Source::Whole => &self.corpus.tokens,
            Source::Train => self.corpus.split(Split::Train),
            Source::Pretrain => self.pretrain.as_deref().unwrap_or(&[]),
        }
    }

    /// Refuses texts that are shorter than one window.
    fn check_lengths(&self, config: &RunConfig) -> Result<()> {
        for phase in &config.phases {
            let (found, window) = (self.source(phase.source).len(), phase.feed.steps());
            if found > window {
                continue;
            }
            let (path, part) = match (phase.source, &config.pretrain) {
                (Source::Pretrain, Some(file)) => (&file.path, ""),
                (Source::Train, _) => (&config.corpus.path, " in its training part"),
                _ => (&config.corpus.path, ""),
            };
            return Err(Error::bad_input(format!(
                "{} has {found} characters{part}, expected at least {} (a window of {window} and \
                 the character after it)",
                path.display(),
                window + 1
            )));
        }
        Ok(())
    }
}

/// A run under way.
struct Trainer<'r> {
    config: &'r RunConfig,
    texts: &'r Texts,
    folder: &'r RunFolder,
    stop: &'r AtomicBool,
    engine: Engine,
    feeder: Feeder<'r>,
    /// All that a checkpoint holds.
    now: Checkpoint,
    decays: Vec<bool>,
    display: Display,
    saved: Instant,
}

impl<'r> Trainer<'r> {
    fn new(
        config: &'r RunConfig,
        texts: &'r Texts,
        folder: &'r RunFolder,
        checkpoint: Option<Checkpoint>,
        stop: &'r AtomicBool,
    ) -> Result<Self> {
        let is_fresh = checkpoint.is_none();
        let (feeder, now) = match checkpoint {
            Some(now) => {
                let phase = &config.phases[now.progress.phase];
                let cursor = now.progress.cursor.clone();
                (
                    Feeder::resume(texts.source(phase.source), phase.feed, cursor),
                    now,
                )
            }
            None => {
                let mut random = Random::new(config.seed);
                let network = Network::new(config.network.clone(), &mut random)?;
                let phase = &config.phases[0];
                let feeder = Feeder::new(texts.source(phase.source), phase.feed, &mut random);
                let progress = Progress {
                    phase: 0,
                    step: 0,
                    pass: 0,
                    phase_seconds: 0.0,
                    seconds: 0.0,
                    characters: 0,
                    loss_sum: 0.0,
                    loss_weight: 0.0,
                    reported_step: 0,
                    best: None,
                    metrics_bytes: 0,
                    samples_bytes: 0,
                    cursor: feeder.cursor().clone(),
                    random,
                };
                let adam = fresh_adam(phase, &network);
                let states = Vec::new();
                (
                    feeder,
                    Checkpoint {
                        progress,
                        network,
                        adam,
                        states,
                    },
                )
            }
        };
        let is_matrix = |(_, shape): (String, Vec<usize>)| shape.len() > 1;
        let mut trainer = Self {
            engine: Engine::new(config.threads),
            decays: config.network.shapes().into_iter().map(is_matrix).collect(),
            display: Display::new(now.progress.characters, now.progress.seconds),
            saved: Instant::now(),
            config,
            texts,
            folder,
            stop,
            feeder,
            now,
        };
        trainer.introduce();
        if is_fresh {
            trainer.now.progress.metrics_bytes = folder.add_metrics(
                "phase,step,pass,characters,seconds,learning_rate,train_nats,validation_bits_per_char\n",
            )?;
            if config.recipe == RecipeName::ManyToMany {
                trainer.write_sample()?;
            }
        }
        Ok(trainer)
    }

    /// Says what is about to be trained.
    fn introduce(&self) {
        let network = &self.config.network;
        let layers: Vec<String> = network.layers.iter().map(LayerConfig::to_string).collect();
        println!(
            "{}: {} symbols, embedding {}, {}, {} parameters; {} characters; {} thread(s); {}",
            self.config.recipe.name(),
            network.vocabulary(),
            network.embedding,
            layers.join(" + "),
            network.parameter_count(),
            self.texts.corpus.tokens.len(),
            self.config.threads,
            self.folder.path().display()
        );
        if self.now.progress.step > 0 {
            println!("going on after step {}", self.now.progress.step);
        }
    }

    fn train(mut self) -> Result<()> {
        loop {
            let mut clock = Instant::now();
            while self.phase_progress() < 1.0 {
                if self.stop.load(Ordering::SeqCst) {
                    return self.interrupted();
                }
                self.step()?;
                let pass_ends = self.feeder.pass_progress() >= 1.0;
                if pass_ends {
                    self.now.progress.pass += 1;
                    self.feeder.start_pass(&mut self.now.progress.random);
                    self.now.states.clear();
                }
                let due = match self.phase().report_every {
                    Some(steps) => self.now.progress.step.is_multiple_of(steps),
                    None => pass_ends,
                };
                if due {
                    self.report()?;
                }
                let seconds = clock.elapsed().as_secs_f64();
                clock = Instant::now();
                self.now.progress.seconds += seconds;
                self.now.progress.phase_seconds += seconds;
                if self.saved.elapsed().as_secs() >= CHECKPOINT_SECONDS {
                    self.save()?;
                }
                let rate = self.learning_rate();
                self.display.show(
                    &self.now.progress,
                    rate,
                    self.total_progress(),
                    self.phase(),
                );
            }
            if self.now.progress.reported_step != self.now.progress.step {
                self.report()?;
            }
            if self.now.progress.phase + 1 == self.config.phases.len() {
                return self.finish();
            }
            self.next_phase();
        }
    }

    fn phase(&self) -> &'r Phase {
        &self.config.phases[self.now.progress.phase]
    }

    /// How much of the phase is done, 0 to 1: by time where time is set, else by passes.
    fn phase_progress(&self) -> f64 {
        let progress = &self.now.progress;
        match self.config.minutes {
            Some(minutes) => {
                let share = self.share(progress.phase);
                progress.phase_seconds / (60.0 * minutes * share)
            }
            None => (progress.pass as f64 + self.feeder.pass_progress()) / self.phase().passes,
        }
    }

    /// How much of the run is done, 0 to 1.
    fn total_progress(&self) -> f64 {
        let current = self.now.progress.phase;
        let before: f64 = (0..current).map(|i| self.share(i)).sum();
        before + self.share(current) * self.phase_progress().min(1.0)
    }

    /// The part of the run's characters that phase `index` reads.
    fn share(&self, index: usize) -> f64 {
        let characters = |phase: &Phase| {
            let width = match phase.feed {
                Feed::Windows { steps, .. } => steps,
                Feed::Streams { .. } => 1,
            };
            phase.passes * (self.texts.source(phase.source).len() * width) as f64
        };
        let total: f64 = self.config.phases.iter().map(characters).sum();
        characters(&self.config.phases[index]) / total
    }

    fn learning_rate(&self) -> f64 {
        let phase = self.phase();
        let factor = phase
            .schedule
            .factor(self.now.progress.step, self.phase_progress());
        phase.learning_rate * factor
    }

    /// One batch: forward, backward, update.
    fn step(&mut self) -> Result<()> {
        let phase = self.phase();
        let rate = self.learning_rate();
        let now = &mut self.now;
        let random = &mut now.progress.random;
        let Some(mut batch) = self.feeder.next_batch(random) else {
            unreachable!("a pass is left as soon as it ends");
        };
        let loss_on = self.feeder.loss_on();
        if !self.feeder.is_stateful() || now.states.is_empty() {
            now.states = zero_states(&now.network, batch.rows);
        }
        drop_tokens(
            &mut batch,
            phase.token_dropout,
            now.network.config.vocabulary(),
            random,
        );
        let masks = drop_connect(&now.network, phase.drop_connect, random);
        let (loss, mut gradients) = self.engine.loss_and_gradients(
            &now.network,
            &batch,
            loss_on,
            &mut now.states,
            &masks,
        )?;
        if !self.feeder.is_stateful() {
            now.states.clear();
        }
        let norm = clip_by_global_norm(&mut gradients, phase.clip.unwrap_or(f64::INFINITY));
        if !loss.is_finite() || !norm.is_finite() {
            return Err(Error::failed(format!(
                "loss {loss} and gradient norm {norm} at step {} of {}, expected finite numbers \
                 (a lower --learning-rate may help)",
                now.progress.step + 1,
                phase.name
            )));
        }
        now.adam.update(
            &mut now.network.parameters_mut(),
            &gradients,
            &self.decays,
            rate,
        );
        let counted = match loss_on {
            LossOn::LastStep => batch.rows,
            LossOn::EveryStep => batch.rows * batch.steps,
        };
        now.progress.loss_sum += loss * counted as f64;
        now.progress.loss_weight += counted as f64;
        now.progress.characters += (batch.rows * batch.steps) as u64;
        now.progress.step += 1;
        Ok(())
    }

    /// Validates, keeps the best weights, writes a row of metrics and a sample.
    fn report(&mut self) -> Result<()> {
        let rate = self.learning_rate();
        let mut predictor = self.in_context(NetworkPredictor::new(&self.now.network));
        let validation = score_split(&mut *predictor, &self.texts.corpus, Split::Validation);
        let validation = validation.bits_per_char;
        drop(predictor);
        let passes = self.now.progress.pass as f64 + self.feeder.pass_progress();
        let progress = &mut self.now.progress;
        let nats = progress.loss_sum / progress.loss_weight.max(1.0);
        (progress.loss_sum, progress.loss_weight) = (0.0, 0.0);
        progress.reported_step = progress.step;
        let is_best = progress.best.is_none_or(|best| validation < best);
        if is_best {
            progress.best = Some(validation);
            self.now.network.save(&self.folder.best())?;
        }
        let progress = &mut self.now.progress;
        let phase = &self.config.phases[progress.phase];
        progress.metrics_bytes = self.folder.add_metrics(&format!(
            "{},{},{passes:.3},{},{:.1},{rate:.3e},{nats:.5},{validation:.5}\n",
            phase.name, progress.step, progress.characters, progress.seconds
        ))?;
        let line = match self.config.recipe.notebook_losses() {
            Some(losses) if progress.pass >= 1 => {
                let own = losses.get(progress.pass as usize - 1);
                let own = own.map_or(String::new(), |l| {
                    format!(" (the notebook's own run: {l:.4})")
                });
                format!("epoch {passes:.0}/{:.0}: loss {nats:.4}{own}", phase.passes)
            }
            _ => format!(
                "{} pass {passes:.2}: train {:.4}, validation {validation:.4} bits/char{}",
                phase.name,
                nats / std::f64::consts::LN_2,
                if is_best { " *" } else { "" }
            ),
        };
        self.display.print(&line);
        self.write_sample()
    }

    /// The predictor with the context that its network was trained on: windows for the
    /// many-to-one network, the whole text before for all others.
    fn in_context<'p>(&self, predictor: NetworkPredictor<'p>) -> Box<dyn Predictor + 'p> {
        match self.phase().feed {
            Feed::Windows {
                steps,
                loss_on: LossOn::LastStep,
                ..
            } => Box::new(Windowed::new(predictor, steps)),
            _ => Box::new(predictor),
        }
    }

    /// Writes a sample the recipe's way, to the terminal and to samples.txt.
    fn write_sample(&mut self) -> Result<()> {
        let progress = &self.now.progress;
        let stream = ((progress.phase as u64) << 48) | (progress.step << 1) | 1;
        let random = &mut Random::fork(self.config.seed, stream);
        let (network, corpus) = (&self.now.network, &self.texts.corpus);
        let decode = |tokens: &[u8]| corpus.alphabet.decode(tokens);
        let mut text = String::new();
        match self.config.recipe {
            RecipeName::ManyToOne => {
                let windows = corpus.tokens.len() - 40;
                let start = random.below(windows);
                let window = &corpus.tokens[start..][..40];
                let next = (start + 1).min(windows - 1);
                let written = sample::by_window(network, window, SAMPLE, random);
                let truth = decode(&corpus.tokens[next..][..40]);
                let (thin, thick) = ("-".repeat(20), "=".repeat(40));
                let _ = write!(text, "{}\n{thin}\n{truth}\n{thick}", decode(&written));
            }
            RecipeName::ManyToMany => {
                let letter = [random.below(network.config.vocabulary()) as u8];
                let written = sample::by_state(network, &letter, SAMPLE - 1, 1.0, random);
                let thick = "=".repeat(100);
                let _ = write!(text, "{}{}\n{thick}", decode(&letter), decode(&written));
            }
            RecipeName::Sonnets | RecipeName::Best | RecipeName::Small | RecipeName::Micro => {
                let prompt = corpus.before(Split::Validation, SAMPLE);
                let written = sample::by_state(network, prompt, SAMPLE, 0.8, random);
                let _ = write!(text, "  {}", decode(&written).replace('\n', "\n  "));
            }
        }
        self.display.print(&text);
        let heading = format!("# {} step {}\n", self.phase().name, progress.step);
        self.now.progress.samples_bytes = self.folder.add_sample(&(heading + &text + "\n"))?;
        Ok(())
    }

    fn next_phase(&mut self) {
        let index = self.now.progress.phase + 1;
        let phase = &self.config.phases[index];
        let now = &mut self.now;
        let text = self.texts.source(phase.source);
        self.feeder = Feeder::new(text, phase.feed, &mut now.progress.random);
        now.adam = fresh_adam(phase, &now.network);
        now.states.clear();
        let progress = &mut now.progress;
        (
            progress.phase,
            progress.step,
            progress.pass,
            progress.reported_step,
        ) = (index, 0, 0, 0);
        progress.phase_seconds = 0.0;
    }

    fn save(&mut self) -> Result<()> {
        self.now.progress.cursor = self.feeder.cursor().clone();
        self.folder.save(&self.now)?;
        self.saved = Instant::now();
        Ok(())
    }

    fn interrupted(mut self) -> Result<()> {
        self.save()?;
        self.display.finish();
        Err(Error::Interrupted(format!(
            "stopped after step {}; go on with: host-trainer train --resume --out {}",
            self.now.progress.step,
            self.folder.path().display()
        )))
    }

    /// Writes the last weights and prints the closing report.
    fn finish(mut self) -> Result<()> {
        self.now.network.save(&self.folder.last())?;
        self.save()?;
        self.display.finish();
        let progress = &self.now.progress;
        println!(
            "trained {:.1} s, {} characters, {:.0} a second",
            progress.seconds,
            progress.characters,
            progress.characters as f64 / progress.seconds.max(1e-9)
        );
        let is_notebook = self.config.recipe.notebook_losses().is_some();
        let (path, what) = if is_notebook {
            (
                self.folder.last(),
                "last weights; all three parts were trained on, as in the notebook",
            )
        } else {
            (self.folder.best(), "weights of the best validation")
        };
        println!("{} ({what}):", path.display());
        let network = Network::load(&path)?;
        let predictor = NetworkPredictor::new(&network);
        print_scores(
            &mut *self.in_context(predictor),
            &self.texts.corpus,
            &Split::ALL,
        );
        Ok(())
    }
}

fn fresh_adam(phase: &Phase, network: &Network) -> Adam {
    let lengths: Vec<usize> = network.parameters().iter().map(|p| p.len()).collect();
    Adam::new(phase.adam, lengths.into_iter())
}

/// Replaces each input with probability `share` by a random token.
fn drop_tokens(batch: &mut Batch, share: f32, vocabulary: usize, random: &mut Random) {
    if share == 0.0 {
        return;
    }
    let mut replace = |&token: &u8| match random.uniform() < share {
        true => random.below(vocabulary) as u8,
        false => token,
    };
    batch.inputs = batch.inputs.iter().map(&mut replace).collect();
}

/// For each layer factors on `w_hh`: 0 with probability `share`, else 1 / (1 - share).
fn drop_connect(network: &Network, share: f32, random: &mut Random) -> Vec<Vec<f32>> {
    if share == 0.0 {
        return Vec::new();
    }
    let mask = |layer: &crate::network::Layer| random.mask(layer.w_hh.len(), share);
    network.layers.iter().map(mask).collect()
}

/// What a person at a terminal sees while training; plain lines elsewhere.
struct Display {
    bar: Option<ProgressBar>,
    shown: Instant,
    /// Characters and seconds at the last line.
    last: (u64, f64),
}

impl Display {
    fn new(characters: u64, seconds: f64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "[{bar:30}] {percent:>3}% {msg}";
            let style = ProgressStyle::with_template(template).expect("a valid template");
            ProgressBar::new(10_000).with_style(style.progress_chars("=> "))
        });
        Self {
            bar,
            shown: Instant::now(),
            last: (characters, seconds),
        }
    }

    fn show(&mut self, now: &Progress, rate: f64, done: f64, phase: &Phase) {
        let interval = match self.bar {
            Some(_) => Duration::from_millis(500),
            None => Duration::from_secs(LINE_SECONDS),
        };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let speed = (now.characters - self.last.0) as f64 / (now.seconds - self.last.1).max(1e-9);
        self.last = (now.characters, now.seconds);
        let loss = match now.loss_weight {
            0.0 => String::new(),
            weight => format!("loss {:.3}, ", now.loss_sum / weight),
        };
        let left = (now.seconds * (1.0 - done) / done.max(1e-9)).round() as u64;
        let message = format!(
            "{} step {}, {loss}rate {rate:.1e}, {:.1}k chars/s, {}:{:02} left",
            phase.name,
            now.step,
            speed / 1e3,
            left / 60,
            left % 60
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position((done * 1e4) as u64);
                bar.set_message(message);
            }
            None => eprintln!("{:3.0}% {message}", 100.0 * done),
        }
    }

    fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

//! Settings as typed become a run as meant, and a run becomes the settings that stand for it.

use super::settings::Settings;
use crate::commands::numbers::{BelowOne, Bytes, NotNegative, Positive, Share, Whole};
use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::network::config::{CellKind, EMBEDDING, LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::network::symbols::Mapped;
use crate::ngram::MemoryConfig;
use crate::text::batches::Feed;
use crate::text::corpus::{Corpus, Split};
use crate::text::text_file::{TextFile, TrainingText};
use crate::training::phase::{Phase, Source, holds_out, window};
use crate::training::recipe::{self, RECIPES, Recipe};
use crate::training::run_config::RunConfig;
use crate::training::texts::Texts;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// How often the corpus counts for a memory, for each time that the text for pre-training does. Of 1, 3, 6, 10 and 16 this one
/// predicted the sonnets' training part best at equal thresholds, cross-fitted, but for 10, whose table is larger.
const CORPUS_WEIGHT: u32 = 6;
/// The corpus where none is named.
const CORPUS: &str = "data/sonnets.txt";

/// The recipe that is asked for.
pub(crate) fn recipe_of(settings: &Settings) -> &'static Recipe {
    settings.recipe.unwrap_or(recipe::DEFAULT)
}

/// A layer with every setting applied.
pub(crate) fn layer_over(settings: &Settings, default: LayerConfig) -> LayerConfig {
    LayerConfig {
        cell: settings.cell.unwrap_or(default.cell),
        hidden: settings.hidden.map_or(default.hidden, Whole::size),
        projection: match settings.projection.map(Whole::size) {
            None => default.projection,
            Some(0) => None,
            width => width,
        },
    }
}

/// The folder of a run where none is named, for example `runs/best-256` or `runs/best-cifg-384-96`.
pub(crate) fn default_folder(settings: &Settings) -> PathBuf {
    if let Some(data) = &settings.data {
        let stem = data.file_stem().unwrap_or_default();
        return Path::new("runs").join(stem);
    }
    let recipe = recipe_of(settings);
    let layer = layer_over(settings, recipe.layer);
    let mut name = recipe.name.to_owned();
    if layer.cell != CellKind::Lstm || layer.projection.is_some() {
        name += &format!("-{}", layer.cell.name());
    }
    name += &format!("-{}", layer.hidden);
    if let Some(width) = layer.projection {
        name += &format!("-{width}");
    }
    Path::new("runs").join(name)
}

/// Turns settings into a run, and reads its texts.
pub(crate) fn configure(settings: &Settings, stop: &AtomicBool) -> Result<(RunConfig, Texts)> {
    let recipe = recipe_of(settings);
    let corpus_path = settings.corpus.as_deref().unwrap_or(Path::new(CORPUS));
    let pretrain_path = settings.pretrain.as_deref();
    for (name, path) in [
        ("corpus", Some(corpus_path)),
        ("pretrain", pretrain_path),
        ("from", settings.from.as_deref()),
    ] {
        // The run's config holds it as text.
        if let Some(path) = path.filter(|path| path.to_str().is_none()) {
            return Err(Error::bad_input(format!(
                "found --{name} {}, expected a name in UTF-8",
                path.display()
            )));
        }
    }
    let phases = phases(settings, recipe)?;
    let from = settings.from.as_deref().map(start_of).transpose()?;
    let (kind, corpus) = match &from {
        None => {
            let kind = settings.alphabet.unwrap_or(recipe.alphabet);
            (Some(kind), Corpus::read(corpus_path, kind)?)
        }
        Some((_, network)) => {
            refuse_shape(settings)?;
            let corpus = match settings.alphabet {
                Some(kind) => Corpus::read(corpus_path, kind)?,
                None => Corpus::read_with(corpus_path, network.alphabet())?,
            };
            (settings.alphabet, corpus)
        }
    };
    let layer = layer_over(settings, recipe.layer);
    let embedding = settings.embedding.map_or(EMBEDDING, Whole::size);
    let layers = settings.layers.map_or(1, Whole::size);
    let stack = || NetworkConfig::stack(&corpus.alphabet, embedding, layer, layers);
    let (from, network) = from.unzip();
    let speaks = |mut network: NetworkConfig| {
        let before = network.clone();
        network.symbols = corpus.alphabet.symbols.iter().collect();
        network.fold_case = corpus.alphabet.fold_case;
        tell_symbols(&before, &network);
        network
    };
    let mut network = network.map_or_else(stack, speaks);
    network.window = window(&phases);
    network.check()?;
    let read = |path| Corpus::read_with(path, corpus.alphabet.clone());
    let pretrain = pretrain_path.map(read).transpose()?;
    let pretrain = pretrain.map(|corpus| corpus.tokens);
    let named = |(path, tokens): (&Path, &Vec<u8>)| TextFile::new(path, tokens);
    let corpus_file = TextFile::new(corpus_path, &corpus.tokens);
    network.corpus = Some(TrainingText {
        file: corpus_file.clone(),
        held_out: holds_out(&phases),
    });
    let mut texts = Texts {
        corpus,
        pretrain,
        memory: None,
    };
    let bytes = match settings.memory {
        Some(bytes) => Some(bytes.size()).filter(|&bytes| bytes > 0),
        None => recipe.memory.map(|most| most.min(worth_counting(&texts))),
    };
    let memory = bytes.map(|bytes| MemoryConfig {
        bytes,
        corpus_weight: CORPUS_WEIGHT,
    });
    texts.count(memory, &network, stop)?;
    if let Some(memory) = &texts.memory {
        network.ngrams = memory.memory.config();
    }
    let pretrain = &texts.pretrain;
    let config = RunConfig {
        recipe,
        seed: settings.seed.map_or(1, Whole::count),
        minutes: settings.minutes.and_then(NotNegative::unless_zero),
        alphabet: kind,
        corpus: corpus_file,
        pretrain: pretrain_path.zip(pretrain.as_ref()).map(named),
        from,
        memory,
        network,
        phases,
    };
    texts.check_lengths(&config)?;
    Ok((config, texts))
}

/// Bytes beyond which a memory of these texts learns them by heart, and does worse on others: as many as they have
/// characters. (Of 40, 100 and 340 KB the second is the best for the sonnets alone, on their validation part.)
fn worth_counting(texts: &Texts) -> usize {
    /// Enough for every table.
    const LEAST: usize = 48 << 10;
    let pretrain = texts.pretrain.as_ref().map_or(0, Vec::len);
    (texts.corpus.tokens.len() + pretrain).max(LEAST)
}

/// The file that a run starts from, and its network's shape.
fn start_of(path: &Path) -> Result<(TextFile, NetworkConfig)> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
    let network = Network::load(path)?;
    if network.ngrams.is_some() {
        return Err(Error::bad_input(format!(
            "{} has a memory, expected a network without one for --from: a memory is counted anew for each run",
            path.display()
        )));
    }
    Ok((TextFile::new(path, &bytes), network.config))
}

/// Says what becomes of the symbols of a network that learns another alphabet.
fn tell_symbols(before: &NetworkConfig, after: &NetworkConfig) {
    if before.alphabet() != after.alphabet() {
        let Mapped { kept, fresh, gone } = Mapped::of(before, after);
        tell!(
            "--from with another alphabet: {kept} symbols keep their weights, {fresh} begin anew, {gone} are \
             left out"
        );
    }
}

/// The settings that a network has already.
fn shape_of(settings: &Settings) -> Settings {
    Settings {
        cell: settings.cell,
        hidden: settings.hidden,
        projection: settings.projection,
        layers: settings.layers,
        embedding: settings.embedding,
        ..Settings::default()
    }
}

/// Refuses the settings of a shape where a network with its own is named.
fn refuse_shape(settings: &Settings) -> Result<()> {
    match shape_of(settings).to_table()?.keys().next() {
        None => Ok(()),
        Some(key) => Err(Error::bad_input(format!(
            "found --{key} with --from, expected none: the network has its own"
        ))),
    }
}

/// Says where the scores of a run will tell little.
pub(crate) fn tell_doubts(config: &RunConfig, texts: &Texts) {
    tell_small(&texts.corpus, &config.corpus.path);
    if let Some(pretrain) = &texts.pretrain {
        tell_seen(&texts.corpus, pretrain);
    }
}

/// Says so where a part that is held out tells little.
fn tell_small(corpus: &Corpus, path: &Path) {
    /// With as many characters, a score is right to about 0.05 bits: a character's vary by about 2.
    const ENOUGH: usize = 1500;
    for (part, use_of_it) in [
        (Split::Validation, "choose the best weights"),
        (Split::Test, "judge the network"),
    ] {
        let found = corpus.split(part).len();
        if found < ENOUGH {
            tell!(
                "{}: its {} part has {found} characters, too few to {use_of_it} by; {ENOUGH} or more tell",
                path.display(),
                part.name()
            );
        }
    }
}

/// Says so where the text for pre-training holds what the corpus holds out.
fn tell_seen(corpus: &Corpus, pretrain: &[u8]) {
    for part in [Split::Validation, Split::Test] {
        let (found, all) = corpus.excerpts_in(part, pretrain);
        if found > 0 {
            tell!(
                "--pretrain holds {found} of {all} excerpts of the {} part: its score does not tell of \
                 unseen text",
                part.name()
            );
        }
    }
}

/// The recipe's phases with every setting applied.
fn phases(settings: &Settings, recipe: &Recipe) -> Result<Vec<Phase>> {
    let refused = |found: String, expected: &str| {
        let name = recipe.name;
        let line = format!("found {found} with --recipe {name}, expected {expected}");
        Err(Error::bad_input(line))
    };
    let with_pretraining = || {
        let recipes = RECIPES.iter().filter(|recipe| recipe.pretrained.is_some());
        let names: Vec<&str> = recipes.map(|recipe| recipe.name).collect();
        format!("it with one of {} only", names.join(", "))
    };
    let Some(mut phases) = recipe.phases(settings.pretrain.is_some()) else {
        return match &settings.pretrain {
            None => refused("no --pretrain FILE".into(), "one"),
            Some(path) => refused(
                format!("--pretrain {}", path.display()),
                &with_pretraining(),
            ),
        };
    };
    if let (Some(epochs), None) = (settings.pretrain_epochs, &settings.pretrain) {
        return match recipe.pretrained {
            None => refused(format!("--pretrain-epochs {epochs}"), &with_pretraining()),
            Some(_) => refused(
                format!("--pretrain-epochs {epochs}"),
                "it with --pretrain FILE",
            ),
        };
    }
    for phase in &mut phases {
        if let Some(factor) = settings.embedding_rate {
            phase.embedding_rate = factor.into();
        }
        match (phase.source, settings.pretrain_epochs) {
            (Source::Pretrain, Some(epochs)) => phase.epochs = epochs.into(),
            (Source::Pretrain, None) => {}
            _ => apply(settings, phase),
        }
    }
    Ok(phases)
}

/// Gives a phase on the corpus what the settings say.
pub(super) fn apply(settings: &Settings, phase: &mut Phase) {
    fn set<T>(place: &mut T, setting: Option<impl Into<T>>) {
        if let Some(setting) = setting {
            *place = setting.into();
        }
    }
    fn set_share(place: &mut f32, setting: Option<impl Into<f64>>) {
        if let Some(setting) = setting {
            *place = setting.into() as f32;
        }
    }
    set(&mut phase.epochs, settings.epochs);
    set(&mut phase.learning_rate, settings.learning_rate);
    set(
        phase.feed.batch_size_mut(),
        settings.batch_size.map(Whole::size),
    );
    let length = settings.sequence_length.map(Whole::size);
    if let Some(place) = phase.feed.sequence_length_mut() {
        set(place, length);
    }
    if let Feed::Streams { jitter, .. } = &mut phase.feed {
        set(jitter, settings.jitter);
    }
    set(&mut phase.schedule.decay, settings.schedule);
    set(
        &mut phase.schedule.warm_up,
        settings.warm_up.map(Whole::count),
    );
    set(&mut phase.schedule.min_lr, settings.min_lr);
    set(&mut phase.optimizer.method, settings.optimizer);
    set_share(&mut phase.optimizer.beta1, settings.beta1);
    set_share(&mut phase.optimizer.beta2, settings.beta2);
    set_share(&mut phase.optimizer.epsilon, settings.epsilon);
    set_share(&mut phase.optimizer.weight_decay, settings.weight_decay);
    set_share(&mut phase.token_dropout, settings.token_dropout);
    set_share(&mut phase.drop_connect, settings.drop_connect);
    if let Some(norm) = settings.grad_clip {
        phase.grad_clip = norm.unless_zero();
    }
    if let Some(decay) = settings.ema {
        phase.ema = Some(decay.into()).filter(|&decay| decay > 0.0);
    }
    if let Some(patience) = settings.patience {
        phase.patience = Some(patience.count()).filter(|&validations| validations > 0);
    }
    if let Some(updates) = settings.validate_every {
        phase.validate_every = Some(updates.count());
    }
}

/// The settings that stand for a run.
pub(crate) fn settings_of(config: &RunConfig) -> Settings {
    let network = &config.network;
    let layer = network.layers[0];
    let mut settings = Settings {
        recipe: Some(config.recipe),
        corpus: Some(config.corpus.path.clone()),
        pretrain: config.pretrain.as_ref().map(|text| text.path.clone()),
        from: config.from.as_ref().map(|file| file.path.clone()),
        alphabet: config.alphabet,
        seed: Some(Whole::nearest(config.seed)),
        minutes: config.minutes.and_then(|minutes| minutes.try_into().ok()),
        cell: Some(layer.cell),
        hidden: Some(Whole::nearest(layer.hidden)),
        projection: Some(Whole::nearest(layer.projection.unwrap_or(0))),
        layers: Some(Whole::nearest(network.layers.len())),
        embedding: Some(Whole::nearest(network.embedding)),
        memory: Some(Bytes::nearest(
            config.memory.map_or(0, |memory| memory.bytes),
        )),
        ..Settings::default()
    };
    if config.from.is_some() {
        settings = Settings {
            cell: None,
            hidden: None,
            projection: None,
            layers: None,
            embedding: None,
            ..settings
        };
    }
    for phase in &config.phases {
        if phase.source == Source::Pretrain {
            settings.pretrain_epochs = Positive::try_from(phase.epochs).ok();
        } else {
            describe(phase, &mut settings);
        }
    }
    settings
}

/// What stands for a phase on the corpus.
pub(super) fn describe(phase: &Phase, settings: &mut Settings) {
    // The shortest number that is this one.
    let short = |x: f32| x.to_string().parse::<f64>().unwrap_or(0.0);
    let share = |x: f32| BelowOne::try_from(short(x)).ok();
    let optimizer = phase.optimizer;
    settings.epochs = Positive::try_from(phase.epochs).ok();
    settings.batch_size = Some(Whole::nearest(phase.feed.batch_size()));
    settings.sequence_length = Some(Whole::nearest(phase.feed.sequence_length()));
    if let Feed::Streams { jitter, .. } = phase.feed {
        settings.jitter = Some(jitter);
    }
    settings.learning_rate = Positive::try_from(phase.learning_rate).ok();
    settings.embedding_rate = Positive::try_from(phase.embedding_rate).ok();
    settings.schedule = Some(phase.schedule.decay);
    settings.warm_up = Some(Whole::nearest(phase.schedule.warm_up));
    settings.min_lr = Share::try_from(phase.schedule.min_lr).ok();
    settings.optimizer = Some(optimizer.method);
    (settings.beta1, settings.beta2) = (share(optimizer.beta1), share(optimizer.beta2));
    settings.epsilon = Positive::try_from(short(optimizer.epsilon)).ok();
    settings.weight_decay = share(optimizer.weight_decay);
    settings.grad_clip = NotNegative::try_from(phase.grad_clip.unwrap_or(0.0)).ok();
    settings.token_dropout = share(phase.token_dropout);
    settings.drop_connect = share(phase.drop_connect);
    settings.ema = BelowOne::try_from(phase.ema.unwrap_or(0.0)).ok();
    settings.patience = Some(Whole::nearest(phase.patience.unwrap_or(0)));
    settings.validate_every = phase.validate_every.map(Whole::nearest);
}

//! What a person asks for: flags as typed become a run as meant.

use super::flags::{Args, ScheduleKind};
use crate::engine::schedule::Schedule;
use crate::files::error::{Error, Result};
use crate::network::config::{CellKind, LayerConfig, NetworkConfig};
use crate::text::corpus::Corpus;
use crate::training::recipe::{Phase, RecipeName, Source, window};
use crate::training::run_config::{RunConfig, TextFile};
use crate::training::texts::Texts;
use clap::ValueEnum;
use std::path::PathBuf;

/// A layer with every flag applied.
pub(crate) fn layer_over(args: &Args, default: LayerConfig) -> LayerConfig {
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
pub(crate) fn folder_name(layer: LayerConfig) -> String {
    let hidden = layer.hidden;
    match (layer.cell, layer.projection) {
        (CellKind::Lstm, None) => hidden.to_string(),
        (cell, None) => format!("{}-{hidden}", cell.name()),
        (cell, Some(width)) => format!("{}-{hidden}-{width}", cell.name()),
    }
}

/// Turns flags as typed into a run as meant, and reads its texts.
pub(crate) fn configure(
    args: &Args,
    recipe: RecipeName,
    layer: LayerConfig,
) -> Result<(RunConfig, Texts)> {
    let positive = |name: &str, value: Option<f64>| match value {
        Some(v) if !(v > 0.0 && v < 1e9) => Err(Error::bad_input(format!(
            "found --{name} {v}, expected a number above 0 and below 1e9"
        ))),
        _ => Ok(()),
    };
    positive("epochs", args.epochs)?;
    positive("pretrain-epochs", args.pretrain_epochs)?;
    positive("learning-rate", args.learning_rate)?;
    positive("embedding-rate", args.embedding_rate)?;
    // None at all, which may stand against those of a file.
    let minutes = args.minutes.filter(|&minutes| minutes != 0.0);
    positive("minutes", minutes)?;
    whole("batch", args.batch.unwrap_or(1), 4096)?;
    for (name, path) in [
        ("corpus", Some(&args.corpus)),
        ("pretrain", args.pretrain.as_ref()),
    ] {
        // The run's config holds it as text.
        if let Some(path) = path.filter(|path| path.to_str().is_none()) {
            return Err(Error::bad_input(format!(
                "found --{name} {}, expected a name in UTF-8",
                path.display()
            )));
        }
    }
    let only = |flag: String| {
        Err(Error::bad_input(format!(
            "found {flag} with --recipe {}, expected it with best, small or micro only",
            recipe.name()
        )))
    };
    match (recipe.pre_trains(), &args.pretrain, args.pretrain_epochs) {
        (true, None, _) => {
            return Err(Error::bad_input(format!(
                "found no --pretrain FILE, expected one with --recipe {}",
                recipe.name()
            )));
        }
        (false, Some(path), _) => return only(format!("--pretrain {}", path.display())),
        (false, _, Some(epochs)) => return only(format!("--pretrain-epochs {epochs}")),
        _ => {}
    }
    let mut phases = recipe.phases();
    for phase in &mut phases {
        phase.embedding_rate = args.embedding_rate.unwrap_or(phase.embedding_rate);
        if phase.source == Source::Pretrain {
            phase.passes = args.pretrain_epochs.unwrap_or(phase.passes);
        } else {
            apply(args, phase)?;
        }
    }
    let corpus = Corpus::read(&args.corpus, args.alphabet)?;
    let mut network = NetworkConfig::stack(&corpus.alphabet, args.embedding, layer, args.layers);
    network.window = window(&phases);
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
        minutes,
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

/// The threads to compute with.
pub(crate) fn threads(args: &Args) -> Result<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(cores);
    whole("threads", threads, 256)?;
    Ok(threads)
}

/// Gives a phase on the corpus what the flags say.
fn apply(args: &Args, phase: &mut Phase) -> Result<()> {
    phase.passes = args.epochs.unwrap_or(phase.passes);
    phase.learning_rate = args.learning_rate.unwrap_or(phase.learning_rate);
    let rows = phase.feed.rows_mut();
    *rows = args.batch.unwrap_or(*rows);
    phase.schedule = schedule(args, phase.schedule)?;
    if let Some(norm) = args.clip {
        within("clip", norm, norm >= 0.0, "0 or above")?;
        phase.clip = (norm > 0.0).then_some(norm);
    }
    for (name, share, of) in [
        (
            "weight-decay",
            args.weight_decay,
            &mut phase.adam.weight_decay,
        ),
        (
            "token-dropout",
            args.token_dropout,
            &mut phase.token_dropout,
        ),
        ("drop-connect", args.drop_connect, &mut phase.drop_connect),
    ] {
        if let Some(share) = share {
            within(name, share.into(), (0.0..1.0).contains(&share), BELOW_ONE)?;
            *of = share;
        }
    }
    if let Some(decay) = args.ema {
        within("ema", decay, (0.0..1.0).contains(&decay), BELOW_ONE)?;
        phase.ema = (decay > 0.0).then_some(decay);
    }
    if let Some(reports) = args.patience {
        phase.patience = (reports > 0).then_some(reports);
    }
    if let Some(steps) = args.report_every {
        within("report-every", steps as f64, steps > 0, "at least 1")?;
        phase.report_every = Some(steps);
    }
    Ok(())
}

/// For shares.
const BELOW_ONE: &str = "0 to below 1";

fn schedule(args: &Args, recipe: Schedule) -> Result<Schedule> {
    let (mut warm_up, mut floor) = (0, 0.0);
    let kind = match recipe {
        Schedule::Constant => ScheduleKind::Constant,
        Schedule::Cosine {
            warm_up: w,
            floor: f,
        } => {
            (warm_up, floor) = (w, f);
            ScheduleKind::Cosine
        }
    };
    if let Some(share) = args.floor {
        within("floor", share, (0.0..=1.0).contains(&share), "0 to 1")?;
    }
    match args.schedule.unwrap_or(kind) {
        ScheduleKind::Cosine => Ok(Schedule::Cosine {
            warm_up: args.warm_up.unwrap_or(warm_up),
            floor: args.floor.unwrap_or(floor),
        }),
        ScheduleKind::Constant if args.warm_up.is_some() || args.floor.is_some() => {
            Err(Error::bad_input(
                "found --warm-up or --floor with a constant learning rate, expected --schedule cosine",
            ))
        }
        ScheduleKind::Constant => Ok(Schedule::Constant),
    }
}

/// Refuses the value of a flag that is not within its bounds.
fn within(name: &str, found: f64, is_fine: bool, expected: &str) -> Result<()> {
    match is_fine && found.is_finite() {
        true => Ok(()),
        false => Err(Error::bad_input(format!(
            "found --{name} {found}, expected {expected}"
        ))),
    }
}

fn whole(name: &str, found: usize, limit: usize) -> Result<()> {
    let fine = (1..=limit).contains(&found);
    within(name, found as f64, fine, &format!("1 to {limit}"))
}

/// The flags that stand for a run, as a TOML file for `--config`.
pub(crate) fn as_toml(args: &Args, config: &RunConfig) -> String {
    let mut table = toml::Table::new();
    let mut put = |name: &str, value: toml::Value| table.insert(name.into(), value);
    let path = |path: &PathBuf| toml::Value::from(path.to_str().expect("it was checked"));
    let short = |x: f32| toml::Value::from(x.to_string().parse::<f64>().expect("a number"));
    let count = |n: u64| toml::Value::from(i64::try_from(n).unwrap_or(i64::MAX));
    let alphabet = config
        .alphabet
        .to_possible_value()
        .expect("no value is hidden");
    let alphabet = alphabet.get_name().to_owned();
    put("recipe", config.recipe.name().into());
    put("corpus", path(&args.corpus));
    put("alphabet", alphabet.into());
    // A TOML integer has a sign.
    put(
        "seed",
        match i64::try_from(config.seed) {
            Ok(seed) => seed.into(),
            Err(_) => config.seed.to_string().into(),
        },
    );
    let network = &config.network;
    let layer = network.layers[0];
    put("cell", layer.cell.name().into());
    put("hidden", count(layer.hidden as u64));
    put("projection", count(layer.projection.unwrap_or(0) as u64));
    put("layers", count(network.layers.len() as u64));
    put("embedding", count(network.embedding as u64));
    if let Some(minutes) = config.minutes {
        put("minutes", minutes.into());
    }
    if let Some(file) = &args.pretrain {
        put("pretrain", path(file));
    }
    for phase in &config.phases {
        if phase.source == Source::Pretrain {
            put("pretrain-epochs", phase.passes.into());
            continue;
        }
        put("epochs", phase.passes.into());
        put("batch", count(phase.feed.rows() as u64));
        put("learning-rate", phase.learning_rate.into());
        put("embedding-rate", phase.embedding_rate.into());
        match phase.schedule {
            Schedule::Constant => {
                put("schedule", "constant".into());
            }
            Schedule::Cosine { warm_up, floor } => {
                put("schedule", "cosine".into());
                put("warm-up", count(warm_up));
                put("floor", floor.into());
            }
        }
        put("clip", phase.clip.unwrap_or(0.0).into());
        put("weight-decay", short(phase.adam.weight_decay));
        put("token-dropout", short(phase.token_dropout));
        put("drop-connect", short(phase.drop_connect));
        put("ema", phase.ema.unwrap_or(0.0).into());
        put("patience", count(phase.patience.unwrap_or(0)));
        if let Some(steps) = phase.report_every {
            put("report-every", count(steps));
        }
    }
    format!("# The flags of this run: host-trainer train --config FILE --out NEW\n{table}")
}

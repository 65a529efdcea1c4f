//! `train --data`: from sequences of values to a network that tells classes or values.

use super::configure::{apply, describe};
use super::settings::Settings;
use crate::commands::numbers::{Positive, Whole};
use crate::files::error::{Error, Result};
use crate::files::output::is_one_of;
use crate::network::sensor::{Activation, Cell, DenseConfig, LayerConfig};
use crate::sequences::Sequences;
use crate::training::run_folder::{self, RunFolder};
use crate::training::sensor::{Run, SensorRunConfig, TaskKind, start};
use crate::training::trainer::Call;
use candle_core::Device;
use std::path::Path;

/// What decides none of the result.
pub(super) struct How<'a> {
    /// The folder of the run.
    pub(super) path: &'a Path,
    pub(super) resume: bool,
    pub(super) force: bool,
    pub(super) device: &'a Device,
}

/// Trains, from the start or from a checkpoint, and reports.
///
/// # Errors
/// The input cannot be used, the disk refuses, the loss is not finite, or the user stopped it.
pub(super) fn run(settings: &Settings, how: &How<'_>, call: Call) -> Result<()> {
    let (folder, mut config, mut checkpoint);
    let parts;
    if how.resume {
        let path = how.path;
        config = SensorRunConfig::read(path)?
            .ok_or_else(|| Error::bad_input(format!("{} holds no such run", path.display())))?;
        check_resumed(settings)?;
        (folder, checkpoint) = RunFolder::resume(path)?;
        if let (Some(epochs), [phase]) = (settings.epochs, &mut config.phases[..]) {
            let asked = f64::from(epochs);
            if asked < phase.epochs {
                return Err(Error::bad_input(format!(
                    "found --epochs {epochs} with --resume, expected at least the {} that the run has",
                    phase.epochs
                )));
            }
            phase.epochs = asked;
        }
        parts = config.parts()?;
    } else {
        RunFolder::check_new(how.path, how.force)?;
        config = configure(settings)?;
        let files: Vec<_> = run_folder::files(how.path).collect();
        if is_one_of(&config.data.path, files.iter().map(|file| &**file)) {
            return Err(Error::bad_input(format!(
                "found --out {}, which holds {}, which is read, expected another folder",
                how.path.display(),
                config.data.path.display()
            )));
        }
        parts = config.parts()?;
        checkpoint = start(&config, &parts)?;
        let flags = flags_of(&config)?;
        let written = (&config.to_text()[..], &flags[..]);
        folder = RunFolder::create(how.path, written, &config.columns(), &mut checkpoint)?;
    }
    let run = Run::new(&config, &parts, &folder, checkpoint, how.device, call)?;
    if how.resume && settings.epochs.is_some() {
        folder.lengthen(&config.to_text(), &flags_of(&config)?)?;
    }
    run.train()
}

/// Refuses, for a training on text, what belongs to `--data`.
pub(super) fn refuse(settings: &Settings) -> Result<()> {
    let found = [
        ("task", settings.task.is_some()),
        ("dense", settings.dense.is_some()),
    ];
    match found.into_iter().find(|(_, is_there)| *is_there) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::bad_input(format!(
            "found --{flag} without --data, expected it with a file of values"
        ))),
    }
}

/// A run goes on with the settings it was started with: only how long it is to be may be said again.
fn check_resumed(settings: &Settings) -> Result<()> {
    let table = settings.to_table()?;
    match table.keys().find(|key| *key != "epochs") {
        None => Ok(()),
        Some(key) => Err(Error::bad_input(format!(
            "found --{key} with --resume, expected none: a run goes on with the settings it was started with"
        ))),
    }
}

fn configure(settings: &Settings) -> Result<SensorRunConfig> {
    let text_alone = Settings {
        pretrain: settings.pretrain.clone(),
        from: settings.from.clone(),
        alphabet: settings.alphabet,
        minutes: settings.minutes,
        embedding: settings.embedding,
        memory: settings.memory,
        pretrain_epochs: settings.pretrain_epochs,
        sequence_length: settings.sequence_length,
        jitter: settings.jitter,
        embedding_rate: settings.embedding_rate,
        token_dropout: settings.token_dropout,
        ..Settings::default()
    };
    if let Some(key) = text_alone.to_table()?.keys().next() {
        return Err(Error::bad_input(format!(
            "found --{key} with --data, expected it for a text alone"
        )));
    }
    let Some(path) = &settings.data else {
        return Err(Error::bad_input(
            "found no --data, expected a file of values",
        ));
    };
    let task = settings.task.unwrap_or(TaskKind::Classify);
    let mut recipe = task.recipe(&Sequences::read(path)?);
    apply(settings, &mut recipe.phase);
    let own = recipe.layer;
    recipe.layer = LayerConfig {
        cell: settings.cell.map_or(own.cell, Cell::from),
        hidden: settings.hidden.map_or(own.hidden, Whole::size),
        projection: match settings.projection.map(Whole::size) {
            None => own.projection,
            Some(width) => Some(width).filter(|&width| width > 0),
        },
    };
    let dense = settings.dense.map(Whole::size).filter(|&width| width > 0);
    let dense = dense.map(|width| DenseConfig {
        width,
        activation: Activation::Relu,
    });
    let shape = (
        settings.layers.map_or(1, Whole::size),
        dense.into_iter().collect(),
    );
    let seed = settings.seed.map_or(1, Whole::count);
    SensorRunConfig::new(task, seed, path, recipe, shape)
}

/// The `config.toml` of a run.
fn flags_of(config: &SensorRunConfig) -> Result<String> {
    let network = &config.network;
    let layer = network.layers[0];
    let mut settings = Settings {
        data: Some(config.data.path.clone()),
        task: Some(config.task),
        seed: Some(Whole::nearest(config.seed)),
        cell: layer.cell.trained(),
        hidden: Some(Whole::nearest(layer.hidden)),
        projection: Some(Whole::nearest(layer.projection.unwrap_or(0))),
        layers: Some(Whole::nearest(network.layers.len())),
        dense: network
            .dense
            .first()
            .map(|dense| Whole::nearest(dense.width)),
        ..Settings::default()
    };
    if let [phase] = &config.phases[..] {
        describe(phase, &mut settings);
        settings.epochs = Positive::try_from(phase.epochs).ok();
    }
    settings.sequence_length = None;
    settings.embedding_rate = None;
    settings.token_dropout = None;
    Ok(format!(
        "# The settings of this run: host-trainer train --config FILE --out NEW\n{}",
        settings.to_table()?
    ))
}

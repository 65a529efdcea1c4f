//! `train`: from a text to a network.

mod configure;
mod sensor;
pub mod settings;

use crate::commands::numbers::{Count, NotNegative};
use crate::commands::threads;
use crate::engine::device::DeviceKind;
use crate::files::error::{Error, Result};
use crate::files::output::is_one_of;
use crate::training::interrupt::on_ctrl_c;
use crate::training::metrics::Columns;
use crate::training::run::{Run, start};
use crate::training::run_config::RunConfig;
use crate::training::run_folder::{self, RunFolder};
use crate::training::sensor::SensorRunConfig;
use crate::training::texts::Texts;
use crate::training::trainer::Call;
use configure::{configure, default_folder, layer_over, recipe_of, settings_of, tell_doubts};
use settings::Settings;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What decides none of the result.
const RUN: &str = "Run";

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Threads. Their number changes no bit of the result [default: one a core]
    #[arg(long, value_name = "N", help_heading = RUN)]
    threads: Option<Count<256>>,
    /// What computes a batch. A run may go on with another one, but then ends in other bits
    #[arg(long, value_enum, default_value_t, help_heading = RUN)]
    device: DeviceKind,
    /// Folder of the run [default: runs/RECIPE-HIDDEN; with another cell or a projection, such as
    /// runs/best-cifg-384-96; with --data, runs/ and the file's name]
    #[arg(long, value_name = "FOLDER", help_heading = RUN)]
    out: Option<PathBuf>,
    /// Seconds from one checkpoint to the next; 0 for one after each update
    #[arg(long, value_name = "S", default_value = "30", help_heading = RUN)]
    checkpoint_every: NotNegative,
    /// Settings as a TOML file, such as the config.toml of a run; what is typed goes before it
    #[arg(long, value_name = "FILE", help_heading = RUN)]
    config: Option<PathBuf>,
    /// Overwrite the run that is in the folder
    #[arg(long, conflicts_with = "resume", help_heading = RUN)]
    force: bool,
    /// Go on with the run in the folder, with the settings it was started with
    #[arg(long, conflicts_with = "config", help_heading = RUN)]
    resume: bool,
}

/// Trains, from the start or from a checkpoint, and reports.
///
/// # Errors
/// The input cannot be used, the disk refuses, the loss is not finite, or the user stopped it.
pub fn run(args: Args) -> Result<()> {
    let settings = match &args.config {
        None => args.settings,
        Some(path) => args.settings.over(Settings::read(path)?)?,
    };
    let path = args.out.unwrap_or_else(|| default_folder(&settings));
    let device = args.device.open()?;
    let call = Call {
        threads: threads(args.threads),
        checkpoint_every: Duration::from_secs_f64(args.checkpoint_every.into()),
        stop: on_ctrl_c()?,
    };
    let (folder, mut config, mut checkpoint, texts);
    let is_of_values = match args.resume {
        true => matches!(SensorRunConfig::read(&path), Ok(Some(_))),
        false => settings.data.is_some(),
    };
    if is_of_values {
        let how = sensor::How {
            path: &path,
            resume: args.resume,
            force: args.force,
            device: &device,
        };
        return sensor::run(&settings, &how, call);
    }
    sensor::refuse(&settings)?;
    if args.resume {
        check_resumed_flags(&settings)?;
        config = run_folder::read_config(&path)?;
        (folder, checkpoint) = RunFolder::resume(&path)?;
        check_resumed(&settings, &config, &path)?;
        texts = Texts::read(&config, &call.stop)?;
        if let Some(epochs) = settings.epochs {
            lengthen(&mut config, epochs.into())?;
        }
    } else {
        RunFolder::check_new(&path, args.force)?;
        (config, texts) = configure(&settings, &call.stop)?;
        refuse_texts_of_the_run(&path, &config)?;
        checkpoint = start(&config, &texts)?;
        let flags = flags_of(&config)?;
        let written = (&config.to_text()?[..], &flags[..]);
        folder = RunFolder::create(&path, written, &Columns::TEXT, &mut checkpoint)?;
        tell_doubts(&config, &texts);
    }
    let run = Run::new(&config, &texts, &folder, checkpoint, &device, call)?;
    if args.resume && settings.epochs.is_some() {
        folder.lengthen(&config.to_text()?, &flags_of(&config)?)?;
    }
    run.train()
}

/// The `config.toml` of a run.
fn flags_of(config: &RunConfig) -> Result<String> {
    Ok(format!(
        "# The settings of this run: host-trainer train --config FILE --out NEW\n{}",
        settings_of(config).to_table()?
    ))
}

/// Makes the training on the corpus so many epochs long.
fn lengthen(config: &mut RunConfig, epochs: f64) -> Result<()> {
    let found = |expected: String| {
        Err(Error::bad_input(format!(
            "found --epochs {epochs} with --resume, expected {expected}"
        )))
    };
    if let Some(minutes) = config.minutes {
        return found(format!("none: the run counts time, {minutes} minutes"));
    }
    let Some(last) = config.phases.last_mut() else {
        return Ok(());
    };
    if epochs < last.epochs {
        return found(format!("at least the {} that the run has", last.epochs));
    }
    last.epochs = epochs;
    Ok(())
}

/// Refuses to train on a text that a new run in the folder would take the place of.
fn refuse_texts_of_the_run(folder: &Path, config: &RunConfig) -> Result<()> {
    let files: Vec<PathBuf> = run_folder::files(folder).collect();
    for text in [Some(&config.corpus), config.pretrain.as_ref()] {
        if let Some(text) = text.filter(|text| is_one_of(&text.path, files.iter().map(|f| &**f))) {
            return Err(Error::bad_input(format!(
                "found --out {}, which holds {}, which is read, expected another folder",
                folder.display(),
                text.path.display()
            )));
        }
    }
    Ok(())
}

/// Refuses settings that a run that goes on has already: only those that name its folder may be said again,
/// and how long it is to be.
fn check_resumed_flags(settings: &Settings) -> Result<()> {
    let named = Settings {
        recipe: settings.recipe,
        cell: settings.cell,
        hidden: settings.hidden,
        projection: settings.projection,
        epochs: settings.epochs,
        ..Settings::default()
    };
    let named = named.to_table()?;
    let all = settings.to_table()?;
    match all.keys().find(|key| !named.contains_key(*key)) {
        None => Ok(()),
        Some(key) => Err(Error::bad_input(format!(
            "found --{key} with --resume, expected none: a run goes on with the settings it was started \
             with"
        ))),
    }
}

/// Refuses settings that say another network than that of the run to go on with.
fn check_resumed(settings: &Settings, config: &RunConfig, path: &Path) -> Result<()> {
    let found = config.network.layers[0];
    let asked = layer_over(settings, found);
    let asked_recipe = settings
        .recipe
        .map_or(config.recipe, |_| recipe_of(settings));
    if (asked_recipe, asked) == (config.recipe, found) {
        return Ok(());
    }
    Err(Error::bad_input(format!(
        "{}: found a run of {} with {found}, expected {} with {asked} as the flags say",
        path.display(),
        config.recipe.name,
        asked_recipe.name
    )))
}

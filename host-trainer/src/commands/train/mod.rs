//! `train`: from a text to a network.

pub mod config_file;
mod flags;
mod settings;

use crate::files::error::{Error, Result};
use crate::training::interrupt::on_ctrl_c;
use crate::training::recipe::RecipeName;
use crate::training::run_config::RunConfig;
use crate::training::run_folder::RunFolder;
use crate::training::texts::Texts;
use crate::training::trainer::{Call, Trainer, start};
use settings::{as_toml, configure, folder_name, layer_over, threads};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use flags::Args;

/// Trains, from the start or from a checkpoint, and reports.
///
/// # Errors
/// The input cannot be used, the disk refuses, the loss is not finite, or the user stopped it.
pub fn run(args: &Args) -> Result<()> {
    let recipe = args
        .recipe
        .as_deref()
        .map(str::parse::<RecipeName>)
        .transpose()?;
    let recipe: RecipeName = recipe.unwrap_or(RecipeName::Sonnets);
    let layer = layer_over(args, recipe.default_layer());
    let default = || PathBuf::from(format!("runs/{}-{}", recipe.name(), folder_name(layer)));
    let path = args.out.clone().unwrap_or_else(default);
    let call = call(args)?;
    let (folder, config, mut checkpoint, texts);
    if args.resume {
        (folder, config, checkpoint) = RunFolder::resume(&path)?;
        check_resumed(args, &config, &path)?;
        texts = Texts::read(&config)?;
    } else {
        RunFolder::check_new(&path, args.force)?;
        (config, texts) = configure(args, recipe, layer)?;
        checkpoint = start(&config, &texts)?;
        let flags = as_toml(args, &config);
        folder = RunFolder::create(&path, &config, &flags, &mut checkpoint)?;
    }
    Trainer::new(&config, &texts, &folder, checkpoint, call)?.train()
}

/// Refuses flags that say another network than that of the run to go on with.
fn check_resumed(args: &Args, config: &RunConfig, path: &Path) -> Result<()> {
    let (found, recipe) = (config.network.layers[0], config.recipe.name());
    let asked = layer_over(args, found);
    let asked_recipe = args.recipe.as_deref().unwrap_or(recipe);
    if (asked_recipe, asked) == (recipe, found) {
        return Ok(());
    }
    Err(Error::bad_input(format!(
        "{}: found a run of {recipe} with {found}, expected {asked_recipe} with {asked} as the flags \
         say",
        path.display()
    )))
}

/// What belongs to this call, and decides none of the result.
fn call(args: &Args) -> Result<Call> {
    let seconds = args.checkpoint_every;
    let checkpoint_every = Duration::try_from_secs_f64(seconds).map_err(|_| {
        Error::bad_input(format!(
            "found --checkpoint-every {seconds}, expected 0 seconds or more"
        ))
    })?;
    Ok(Call {
        threads: threads(args)?,
        device: args.device.open()?,
        checkpoint_every,
        nan_at: args.nan_at,
        stop: on_ctrl_c()?,
    })
}

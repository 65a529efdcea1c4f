//! A TOML file that stands for flags: each key is a flag of `train` without its dashes.

use super::flags::{Args, ScheduleKind};
use crate::commands::refusal::one_line;
use crate::files::error::{Error, Result};
use crate::training::recipe::RecipeName;
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::path::Path;
use std::sync::LazyLock;
use toml::de::{DeTable, DeValue};

/// Flags that a file cannot hold: they are about one call, not about what is trained.
const NOT_IN_A_FILE: [&str; 4] = ["config", "force", "help", "resume"];

/// `train` on its own.
#[derive(Debug, Parser)]
#[command(name = "train")]
struct Train {
    #[command(flatten)]
    args: Args,
}

/// As [`flags`], but for those that what was typed leaves no place for: a constant rate has no warm-up
/// and no floor, and a recipe without pre-training has no text for it.
///
/// # Errors
/// As [`flags`].
pub fn flags_under(typed: &Args, path: &Path) -> Result<Vec<OsString>> {
    let mut flags = flags(path)?;
    let mut drop = |key: &str| {
        let start = format!("--{key}=");
        flags.retain(|flag| !flag.to_string_lossy().starts_with(&start));
    };
    if typed.schedule == Some(ScheduleKind::Constant) {
        ["warm-up", "floor"].into_iter().for_each(&mut drop);
    }
    let recipe = typed.recipe.as_deref().map(str::parse::<RecipeName>);
    if let Some(Ok(recipe)) = recipe
        && !recipe.pre_trains()
    {
        ["pretrain", "pretrain-epochs"].into_iter().for_each(drop);
    }
    Ok(flags)
}

/// The flags that the file holds, each as `--key=value`.
///
/// # Errors
/// It cannot be read, is no TOML, or a key or value is none of `train`; the line is named.
pub fn flags(path: &Path) -> Result<Vec<OsString>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::reading(path, &e))?;
    flags_of(path, &text)
}

/// As [`flags`], from the text of a file; `path` only names it in errors.
///
/// # Errors
/// As [`flags`].
pub fn flags_of(path: &Path, text: &str) -> Result<Vec<OsString>> {
    let bad = |at: usize, message: String| {
        let line = text[..at].matches('\n').count() + 1;
        Error::bad_input(format!("{} line {line}: {message}", path.display()))
    };
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        bad(
            at,
            format!("{}, expected TOML", e.message().replace('\n', " ")),
        )
    })?;
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(names);
    let names = &*NAMES;
    let mut flags = Vec::new();
    // In the order of the file, so that the first mistake is the one that is told.
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let (at, key) = (key.span().start, key.get_ref());
        if !names.iter().any(|name| name == key) {
            let expected = names.join(", ");
            return Err(bad(
                at,
                format!("found key \"{key}\", expected one of {expected}"),
            ));
        }
        let value = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let found = value.get_ref().type_str();
                let message = format!("found {found} for {key}, expected a text or a number");
                return Err(bad(at, message));
            }
        };
        let flag = format!("--{key}={value}");
        Train::try_parse_from(["train", &flag]).map_err(|e| bad(at, one_line(&e)))?;
        flags.push(flag.into());
    }
    Ok(flags)
}

/// The keys that a file may have.
fn names() -> Vec<String> {
    let command = Train::command();
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let names = shown.filter_map(|arg| arg.get_long().map(str::to_owned));
    let mut names: Vec<String> = names
        .filter(|name| !NOT_IN_A_FILE.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

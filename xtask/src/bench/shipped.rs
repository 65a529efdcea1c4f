//! How well each model in `models` writes, and what it costs on one core.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lstm_core::Format;

use super::{
    count::{Count, ModelFile, SYMBOLS},
    machine::Machine,
};
use crate::{
    shell::root,
    table::{Table, grouped},
};

/// A model in `models` that knows the symbols of the benchmark, so that its bits compare.
pub(super) struct Shipped {
    pub(super) name: String,
    /// Bits a character on the test part of the sonnets.
    pub(super) bits: f64,
    /// Whether it has a memory beside the network.
    pub(super) has_memory: bool,
    pub(super) count: Count,
}

impl Shipped {
    /// Every such model, or only those with a memory, counted on this machine.
    pub(super) fn all(
        machine: &'static Machine,
        program: &Path,
        with_memory_only: bool,
    ) -> Result<Vec<Self>> {
        let folder = root().join("models");
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<PathBuf>>>()?;
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "lstm")
        });
        paths.sort();
        let mut models = Vec::new();
        for path in paths {
            let text = path.with_extension("txt");
            let text = fs::read_to_string(&text).with_context(|| text.display().to_string())?;
            let Some(facts) = Facts::read(&text) else {
                continue;
            };
            if with_memory_only && !facts.has_memory {
                continue;
            }
            models.push(Shipped {
                name: path.file_stem().unwrap_or_default().display().to_string(),
                bits: facts.bits,
                has_memory: facts.has_memory,
                count: Count::new(machine, program, &ModelFile::read(&path)?)?,
            });
        }
        Ok(models)
    }

    /// Its name without the format.
    pub(super) fn network(&self) -> &str {
        self.name.strip_suffix("-int4").unwrap_or(&self.name)
    }

    pub(super) fn is_int4(&self) -> bool {
        self.count.format == Format::Int4
    }

    /// Estimated cycles of a character, on average.
    pub(super) fn cycles(&self) -> Option<f64> {
        self.count.cycles.map(|cycles| cycles.likely as f64)
    }
}

/// What the text beside a model says of it.
#[derive(Debug, PartialEq)]
struct Facts {
    bits: f64,
    has_memory: bool,
}

impl Facts {
    /// `None` for a model with other symbols, or without bits of a test part.
    fn read(text: &str) -> Option<Self> {
        let symbols = SYMBOLS.len().to_string();
        let lines = || {
            text.lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>())
        };
        let knows_symbols =
            lines().any(|words| words.starts_with(&["alphabet", &symbols, "symbols,"]));
        let bits = lines().find_map(|words| match words[..] {
            ["test", _, bits, _] => bits.parse().ok(),
            _ => None,
        })?;
        knows_symbols.then_some(Facts {
            bits,
            has_memory: lines().any(|words| words.first() == Some(&"memory")),
        })
    }
}

/// The models as text.
pub(super) fn table(models: &[Shipped]) -> String {
    let mut table = Table::new(&["model", "format", "bits", "instructions", "cycles"]);
    for model in models {
        table.push(vec![
            model.name.clone(),
            model.count.format.to_string(),
            format!("{:.4}", model.bits),
            grouped(model.count.mean.round() as u64),
            model
                .cycles()
                .map_or("-".to_owned(), |cycles| grouped(cycles as u64)),
        ]);
    }
    table.render()
}

/// The models with a memory on each machine, as text.
pub(super) fn memory_table(models: &[Shipped]) -> String {
    let mut table = Table::new(&["model", "core", "format", "instructions", "cycles"]);
    for model in models.iter().filter(|model| model.has_memory) {
        table.push(vec![
            model.name.clone(),
            model.count.machine.core.to_owned(),
            model.count.format.to_string(),
            grouped(model.count.mean.round() as u64),
            model
                .cycles()
                .map_or("-".to_owned(), |cycles| grouped(cycles as u64)),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_test_part() {
        let text = "alphabet       27 symbols, capitals folded: \" a\"\n\
                    part         characters  bits/char perplexity\n\
                    validation         4782     1.8937     3.7160\n\
                    test               4783     1.8890     3.7038\n";
        let facts = |bits, has_memory| Some(Facts { bits, has_memory });
        assert_eq!(Facts::read(text), facts(1.889, false));
        let with_memory = format!("{text}memory         300 KB\n");
        assert_eq!(Facts::read(&with_memory), facts(1.889, true));
        assert_eq!(Facts::read(&text.replace("27", "62")), None);
        assert_eq!(Facts::read(&text.replace("test", "train")), None);
    }
}

//! What `cargo xtask bench` reports: docs/bench.txt, and the figures in the README.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use lstm_core::Format;
use object::{Object, ObjectSection, SectionKind};

use super::{
    count::{Count, FORMATS, NETWORKS, SYMBOLS, TEMPERATURE, random_models, table},
    machine::Machine,
};
use crate::{
    shell::{root, step},
    table::{Table, differences, grouped},
};

/// A figure may differ from the one written down by this share.
const TOLERANCE: f64 = 0.02;
/// The lines in the README that the figures stand between.
const README_START: &str = "<!-- bench -->\n";
const README_END: &str = "<!-- end of bench -->\n";

/// Every figure, measured.
pub struct Report {
    counts: Vec<Count>,
    engines: Vec<(&'static Machine, Sections)>,
}

/// Counts every network in every format on these machines.
///
/// # Errors
///
/// A program that does not build or run; a machine that writes other text than the host.
pub fn measure(machines: &'static [Machine]) -> Result<Report> {
    let files = random_models()?;
    let (mut counts, mut engines) = (Vec::new(), Vec::new());
    for machine in machines {
        let programs = step(&format!("building for {}", machine.name), || {
            machine.build(&["bench", "engine", "no-engine"], &[])
        })?;
        step(&format!("counting on {}", machine.name), || {
            for file in &files {
                counts.push(Count::new(machine, &programs.join("bench"), file)?);
            }
            Ok(())
        })?;
        let engine = Sections::of(&programs.join("engine"))?;
        let nothing = Sections::of(&programs.join("no-engine"))?;
        engines.push((machine, engine.without(nothing)));
    }
    Ok(Report { counts, engines })
}

impl Report {
    /// Writes the figures to docs/bench.txt and to the README.
    ///
    /// # Errors
    ///
    /// A file that is not written, or a README without a place for the figures.
    pub fn bless(&self) -> Result<()> {
        let (snapshot, readme) = (snapshot(), readme());
        fs::write(&snapshot, self.text()).with_context(|| snapshot.display().to_string())?;
        let text = read(&readme)?;
        let (before, _, after) = split(&text)?;
        let text = [before, &self.markdown(), after].concat();
        fs::write(&readme, text).with_context(|| readme.display().to_string())?;
        println!(
            "==> {} and {} are renewed",
            snapshot.display(),
            readme.display()
        );
        Ok(())
    }

    /// Compares the figures with those in docs/bench.txt and in the README.
    ///
    /// # Errors
    ///
    /// Every line that differs by more than the tolerance.
    pub fn check(&self) -> Result<()> {
        let (snapshot, readme) = (snapshot(), readme());
        let (snapshot_text, readme_text) = (read(&snapshot)?, read(&readme)?);
        let (_, figures, _) = split(&readme_text)?;
        for (path, expected, found) in [
            (&snapshot, &*snapshot_text, self.text()),
            (&readme, figures, self.markdown()),
        ] {
            let differences = differences(expected, &found, TOLERANCE);
            ensure!(
                differences.is_empty(),
                "{} differs by more than {} %; `cargo xtask bench --bless` renews it:\n{}",
                path.display(),
                100.0 * TOLERANCE,
                differences.join("\n")
            );
            println!("==> as in {}", path.display());
        }
        Ok(())
    }

    /// What docs/bench.txt holds.
    pub fn text(&self) -> String {
        let mut sizes = Table::new(&["machine", "core", "code", "constants", "sum", "variables"]);
        for (machine, engine) in &self.engines {
            sizes.push(vec![
                machine.name.into(),
                machine.core.into(),
                grouped(engine.text),
                grouped(engine.constants),
                grouped(engine.text + engine.constants),
                grouped(engine.variables),
            ]);
        }
        let networks = NETWORKS.map(|n| format!("{}: {}.\n", n.name, n.description));
        format!(
            "Instructions of one character under QEMU: a step, the dense layer and a sample at\n\
             temperature {TEMPERATURE}. `cargo xtask bench` compares this file, `--bless` renews it.\n\
             {} symbols.\n{}\
             CMSIS-NN: its int8 LSTM and dense layer, without a sample.\n\
             RAM: state, scratch and logits. Stack: the deepest of reading the file and a character.\n\n{}\n\
             Bytes of the engine in flash: file reader, steps of all formats, sampler, tables.\n\n{}",
            SYMBOLS.len(),
            networks.concat(),
            table(&self.counts),
            sizes.render()
        )
    }

    /// What stands in the README.
    fn markdown(&self) -> String {
        let names = NETWORKS.map(|network| network.name);
        let mut text = String::new();

        let mut head = vec!["core (QEMU machine)", "format"];
        head.extend(names);
        head.extend(["CMSIS-NN, A and B", "times fewer"]);
        markdown_row(&mut text, &head);
        markdown_row(&mut text, &vec!["---"; head.len()]);
        for (machine, _) in &self.engines {
            for format in FORMATS {
                let counts = || self.counts_of(machine, format);
                let mut row = vec![
                    format!("{} ({})", machine.core, machine.name),
                    format.to_string(),
                ];
                row.extend(counts().map(|count| grouped(count.mean.round() as u64)));
                let cmsis_nn: Vec<_> = counts().filter_map(|c| c.cmsis_nn).map(grouped).collect();
                let ratios = counts().filter_map(Count::ratio);
                let ratios: Vec<_> = ratios.map(|ratio| format!("{ratio:.2}")).collect();
                row.extend([cmsis_nn.join(" and "), ratios.join(" and ")]);
                markdown_row(&mut text, &row);
            }
        }

        text += "\n";
        let networks = NETWORKS.map(|n| format!("{} is {}", n.name, n.description));
        text += &format!("{}; {} symbols.\n\n", networks.join(", "), SYMBOLS.len());

        let mut head = vec!["bytes".to_owned(), "engine in flash".to_owned()];
        head.extend(names.map(|name| format!("RAM of {name}, int8")));
        head.push("stack".to_owned());
        markdown_row(&mut text, &head);
        markdown_row(&mut text, &vec!["---"; head.len()]);
        for (machine, engine) in &self.engines {
            let counts = || self.counts_of(machine, Format::Int8);
            let mut row = vec![
                machine.core.to_owned(),
                grouped(engine.text + engine.constants),
            ];
            row.extend(counts().map(|count| grouped(count.workspace)));
            row.push(grouped(
                counts().map(|count| count.stack).max().unwrap_or(0),
            ));
            markdown_row(&mut text, &row);
        }
        text
    }

    /// In the order of [`NETWORKS`].
    fn counts_of(&self, machine: &Machine, format: Format) -> impl Iterator<Item = &Count> {
        let is_meant =
            move |count: &&Count| count.machine.name == machine.name && count.format == format;
        self.counts.iter().filter(is_meant)
    }
}

fn markdown_row(text: &mut String, cells: &[impl AsRef<str>]) {
    for cell in cells {
        *text += &format!("| {} ", cell.as_ref());
    }
    *text += "|\n";
}

fn snapshot() -> PathBuf {
    root().join("docs/bench.txt")
}

fn readme() -> PathBuf {
    root().join("README.md")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// The README up to the figures, the figures, and the rest.
fn split(readme: &str) -> Result<(&str, &str, &str)> {
    let place = || {
        let start = readme.find(README_START)? + README_START.len();
        let end = start + readme.get(start..)?.find(README_END)?;
        Some((&readme[..start], &readme[start..end], &readme[end..]))
    };
    place().with_context(|| format!("README.md has no {README_START} or no {README_END}"))
}

/// Bytes in the sections of a program.
#[derive(Clone, Copy, Debug, Default)]
struct Sections {
    text: u64,
    constants: u64,
    variables: u64,
}

impl Sections {
    fn of(program: &Path) -> Result<Self> {
        let elf = fs::read(program).with_context(|| program.display().to_string())?;
        let elf = object::File::parse(&*elf).with_context(|| program.display().to_string())?;
        let mut sections = Sections::default();
        for section in elf.sections() {
            let sum = match section.kind() {
                SectionKind::Text => &mut sections.text,
                SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => &mut sections.constants,
                SectionKind::Data | SectionKind::UninitializedData => &mut sections.variables,
                _ => continue,
            };
            *sum += section.size();
        }
        Ok(sections)
    }

    fn without(self, other: Self) -> Self {
        Sections {
            text: self.text.saturating_sub(other.text),
            constants: self.constants.saturating_sub(other.constants),
            variables: self.variables.saturating_sub(other.variables),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_stand_between_their_lines() {
        let readme = "a\n<!-- bench -->\n1\n<!-- end of bench -->\nb\n";
        let (before, figures, after) = split(readme).unwrap();
        assert_eq!(before, "a\n<!-- bench -->\n");
        assert_eq!(figures, "1\n");
        assert_eq!(after, "<!-- end of bench -->\nb\n");
        assert!(split("<!-- end of bench -->\n<!-- bench -->\n").is_err());
    }
}

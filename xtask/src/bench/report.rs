//! What `cargo xtask bench` reports: docs/bench.txt, docs/bench.svg, the tables of docs/FIGURES.md, and a
//! short one in the README.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use lstm_core::Format;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use super::{
    count::{Count, FORMATS, NETWORKS, SYMBOLS, TEMPERATURE, models, table},
    layers::{self, LayerCount},
    machine::Machine,
    picture::{Point, Series, scatter},
    shipped::{self, Shipped},
};
use crate::{
    shell::{root, step},
    table::{Table, differences, grouped},
};

/// A figure may differ from the one written down by this share.
const TOLERANCE: f64 = 0.02;
/// The lines that the figures stand between, in a page.
const START: &str = "<!-- bench -->\n";
const END: &str = "<!-- end of bench -->\n";

/// Features of the engine whose sizes are reported. int4 has int8 in it.
const ENGINES: [&[&str]; 4] = [&["int8"], &["int4"], &["f32"], &["f32", "int4"]];
/// The most bytes that an engine with the integer formats may take on Cortex-M, to the byte.
const MOST_BYTES: u64 = 14_400;
/// The index of the integer formats, and that of all formats.
const INTEGERS: usize = 1;
const ALL: usize = 3;

/// A figure of a network.
struct Figure {
    /// On average.
    mean: fn(&Count) -> Option<f64>,
    /// Of the longest character of any model.
    longest: fn(&Count) -> Option<f64>,
    cmsis_nn: fn(&Count) -> Option<u64>,
}

const INSTRUCTIONS: Figure = Figure {
    mean: |count| Some(count.mean),
    longest: |count| Some(count.longest as f64),
    cmsis_nn: |count| count.cmsis_nn.map(|theirs| theirs.instructions),
};

const CYCLES: Figure = Figure {
    mean: |count| count.cycles.map(|cycles| cycles.likely as f64),
    longest: |count| count.longest_cycles.map(|cycles| cycles as f64),
    cmsis_nn: |count| count.cmsis_nn?.cycles,
};

/// The shipped models of the networks that CMSIS-NN was counted for, in their order.
const PEERS: [&str; 2] = ["sonnets-64", "sonnets-256"];

/// Every figure, measured.
pub struct Report {
    counts: Vec<Count>,
    layers: Vec<LayerCount>,
    engines: Vec<(&'static Machine, [Sections; ENGINES.len()])>,
    /// On the first machine.
    shipped: Vec<Shipped>,
    /// Those with a memory, on every machine.
    memories: Vec<Shipped>,
}

/// Counts every network in every format on these machines.
///
/// # Errors
///
/// A program that does not build or run; a machine that writes other text than the host.
pub fn measure(machines: &'static [Machine]) -> Result<Report> {
    let files = models()?;
    let (mut counts, mut layers, mut engines) = (Vec::new(), Vec::new(), Vec::new());
    let (mut shipped, mut memories) = (Vec::new(), Vec::new());
    for machine in machines {
        let programs = step(&format!("building for {}", machine.name), || {
            machine.build(&["bench"], &[])
        })?;
        step(&format!("counting on {}", machine.name), || {
            for file in &files {
                counts.push(Count::new(machine, &programs.join("bench"), file)?);
            }
            layers.extend(LayerCount::all(machine)?);
            if shipped.is_empty() {
                shipped = Shipped::all(machine, &programs.join("bench"), false)?;
            }
            memories.extend(Shipped::all(machine, &programs.join("bench"), true)?);
            Ok(())
        })?;
        let mut sizes = [Sections::default(); ENGINES.len()];
        let what = format!("measuring the engine for {}", machine.name);
        step(&what, || {
            for (size, formats) in sizes.iter_mut().zip(ENGINES) {
                let [engine, nothing] = machine.build_engine(formats)?;
                *size = Sections::of(&engine)?.without(Sections::of(&nothing)?);
            }
            Ok(())
        })?;
        engines.push((machine, sizes));
    }
    for (machine, engines) in &engines {
        let found = engines[INTEGERS].sum();
        ensure!(
            found <= MOST_BYTES || !machine.target.starts_with("thumb"),
            "the engine with the integer formats takes {found} bytes on {}, expected at most {MOST_BYTES}",
            machine.core
        );
    }
    Ok(Report {
        counts,
        layers,
        engines,
        shipped,
        memories,
    })
}

impl Report {
    /// Writes the figures to docs/bench.txt, docs/bench.svg and the pages.
    ///
    /// # Errors
    ///
    /// A file that is not written, or a page without a place for the figures.
    pub fn bless(&self) -> Result<()> {
        let mut files = vec![(snapshot(), self.text()), (picture(), self.picture())];
        for (path, figures) in self.pages() {
            let page = read(&path)?;
            let (before, _, after) = split(&page).with_context(|| path.display().to_string())?;
            files.push((path, [before, &figures, after].concat()));
        }
        for (path, text) in files {
            fs::write(&path, text).with_context(|| path.display().to_string())?;
            println!("==> {} is renewed", path.display());
        }
        Ok(())
    }

    /// Compares the figures with those in docs/bench.txt, docs/bench.svg and the pages.
    ///
    /// # Errors
    ///
    /// Every line that differs by more than the tolerance.
    pub fn check(&self) -> Result<()> {
        // In the picture, numbers stand between quotes and tags.
        let words = |svg: &str| svg.replace(['"', '<', '>'], " ");
        let mut files = vec![
            (snapshot(), read(&snapshot())?, self.text()),
            (picture(), words(&read(&picture())?), words(&self.picture())),
        ];
        for (path, found) in self.pages() {
            let page = read(&path)?;
            let (_, expected, _) = split(&page).with_context(|| path.display().to_string())?;
            files.push((path, expected.to_owned(), found));
        }
        for (path, expected, found) in files {
            let differences = differences(&expected, &found, TOLERANCE);
            ensure!(
                differences.is_empty(),
                "{} differs by more than {} %; `cargo xtask bless` renews it:\n{}",
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
        let mut sizes = Table::new(&[
            "machine",
            "core",
            "formats",
            "code",
            "constants",
            "sum",
            "runtime",
            "variables",
        ]);
        for (machine, engines) in &self.engines {
            for (engine, formats) in engines.iter().zip(ENGINES) {
                sizes.push(vec![
                    machine.name.into(),
                    machine.core.into(),
                    formats.join(" ").replace("int4", "int8 int4"),
                    grouped(engine.text),
                    grouped(engine.constants),
                    grouped(engine.sum()),
                    grouped(engine.runtime),
                    grouped(engine.variables),
                ]);
            }
        }
        let networks = NETWORKS.map(|n| format!("{}: {}.\n", n.name, n.description));
        format!(
            "Instructions of one character under QEMU: a step, the dense layer and a sample at\n\
             temperature {TEMPERATURE}. Cycles: estimated at zero wait states, as docs/CYCLES.md tells; least\n\
             and most are what its tables leave open. `cargo xtask bench` compares this file, to {} %; `cargo xtask bless` renews it.\n\
             {} symbols.\n{}\
             int8 and f32 take as long whatever the weights are: these are random.\n\
             int4 skips columns that are zero or in the dead zone: its mean, minimum and maximum are\n\
             those of a shipped model over its own text; \"no zeros\" is the longest step of any model.\n\
             CMSIS-NN: its int8 LSTM and dense layer, without a sample; counted once, not by this command.\n\
             RAM: state, scratch and logits. Stack: the deepest of reading the file and a character.\n\n{}\n\
             A step of a recurrent layer over the values of sensors, of random weights; \"LSTM 32 of 6\" has 32 units\n\
             over 6 channels. CMSIS-NN: its int8 LSTM, counted once, not by this command; it has no GRU.\n\n{}\n\
             Bytes of the engine in flash, built for these formats: file reader, steps, sampler, tables.\n\
             runtime: of the code, the compiler's own (memcpy, divisions, floats without an FPU).\n\n{}\n\
             The shipped models with these symbols on {}: bits a character on the test part of the\n\
             sonnets, as their texts in models/ say, and what a character takes on average.\n\n{}\n\
             Those with a memory, on every core.\n\n{}",
            100.0 * TOLERANCE,
            SYMBOLS.len(),
            networks.concat(),
            table(&self.counts),
            layers::table(&self.layers),
            sizes.render(),
            self.engines
                .first()
                .map_or("no core", |(machine, _)| machine.core),
            shipped::table(&self.shipped),
            shipped::memory_table(&self.memories)
        )
    }

    /// A table of a figure of every network, beside that of CMSIS-NN.
    fn figures(&self, text: &mut String, title: &str, figure: &Figure) {
        let mut head = vec![title, "format"];
        head.extend(NETWORKS.map(|network| network.name));
        head.extend(["CMSIS-NN, A and B", "times fewer"]);
        markdown_row(text, &head);
        markdown_row(text, &vec!["---"; head.len()]);
        for (machine, _) in &self.engines {
            for format in FORMATS {
                let counts = || self.counts_of(machine, format);
                let mut row = |name: String, ours: fn(&Count) -> Option<f64>| {
                    let figures: Vec<_> = counts().filter_map(ours).collect();
                    if figures.is_empty() {
                        return;
                    }
                    let mut row = vec![format!("{} ({})", machine.core, machine.name), name];
                    row.extend(figures.iter().map(|&n| grouped(n.round() as u64)));
                    let cmsis_nn: Vec<_> = counts().filter_map(figure.cmsis_nn).collect();
                    let ratios = cmsis_nn.iter().zip(&figures);
                    let ratios: Vec<_> = ratios
                        .map(|(&theirs, ours)| format!("{:.2}", theirs as f64 / ours))
                        .collect();
                    let cmsis_nn: Vec<_> = cmsis_nn.into_iter().map(grouped).collect();
                    row.extend([cmsis_nn.join(" and "), ratios.join(" and ")]);
                    markdown_row(text, &row);
                };
                row(format.to_string(), figure.mean);
                if format == Format::Int4 {
                    row(format!("{format}, no zeros"), figure.longest);
                }
            }
        }
    }

    /// The pages, and the figures that stand in each.
    fn pages(&self) -> [(PathBuf, String); 2] {
        [
            (root().join("docs/FIGURES.md"), self.markdown()),
            (root().join("README.md"), self.summary()),
        ]
    }

    /// What stands in the README: the second network, beside that of CMSIS-NN.
    fn summary(&self) -> String {
        let mut text = String::new();
        let head = [
            "core",
            "int8",
            "int4",
            "int4, the longest step",
            "CMSIS-NN, int8",
            "engine in flash",
            "RAM, int8",
            "stack",
        ];
        markdown_row(&mut text, &head);
        markdown_row(&mut text, &["---"; 8]);
        for (machine, engines) in &self.engines {
            let count = |format| self.counts_of(machine, format).nth(1);
            let (Some(int8), Some(int4)) = (count(Format::Int8), count(Format::Int4)) else {
                continue;
            };
            let (figure, unit) = match (CYCLES.mean)(int8) {
                Some(_) => (&CYCLES, ""),
                None => (&INSTRUCTIONS, ", in instructions"),
            };
            let ours = [
                (figure.mean)(int8),
                (figure.mean)(int4),
                (figure.longest)(int4),
            ];
            let mut row = vec![format!("{}{unit}", machine.core)];
            row.extend(ours.map(|ours| ours.map_or("".into(), |n| grouped(n.round() as u64))));
            row.push((figure.cmsis_nn)(int8).map_or("".into(), grouped));
            row.push(grouped(engines[INTEGERS].sum()));
            row.push(grouped(int8.workspace));
            row.push(grouped(int8.stack.max(int4.stack)));
            markdown_row(&mut text, &row);
        }
        text
    }

    /// What stands in docs/FIGURES.md.
    fn markdown(&self) -> String {
        let names = NETWORKS.map(|network| network.name);
        let mut text = String::new();

        self.figures(&mut text, "instructions", &INSTRUCTIONS);
        text += "\n";
        self.figures(&mut text, "cycles, estimated", &CYCLES);

        text += "\n";
        markdown_row(&mut text, &layers::MARKDOWN_HEAD);
        markdown_row(&mut text, &["---"; layers::MARKDOWN_HEAD.len()]);
        for row in layers::markdown_rows(&self.layers) {
            markdown_row(&mut text, &row);
        }

        text += "\n";
        let networks = NETWORKS.map(|n| format!("{} is {}", n.name, n.description));
        text += &format!("{}; {} symbols.", networks.join(", "), SYMBOLS.len());
        text += "\nint8 and f32 take as long whatever the weights are. int4 skips columns that are zero or in \
                 the dead zone:\nits first row is the mean of a shipped model over its own text, *no zeros* \
                 the longest step of any model.\n\n";

        let mut head = ["bytes", "engine in flash, integers", "with f32"]
            .map(str::to_owned)
            .to_vec();
        head.extend(names.map(|name| format!("RAM of {name}, int8")));
        head.push("stack, integers".to_owned());
        markdown_row(&mut text, &head);
        markdown_row(&mut text, &vec!["---"; head.len()]);
        for (machine, engines) in &self.engines {
            let counts = || self.counts_of(machine, Format::Int8);
            let integers = counts().chain(self.counts_of(machine, Format::Int4));
            let mut row = vec![
                machine.core.to_owned(),
                grouped(engines[INTEGERS].sum()),
                grouped(engines[ALL].sum()),
            ];
            row.extend(counts().map(|count| grouped(count.workspace)));
            row.push(grouped(
                integers.map(|count| count.stack).max().unwrap_or(0),
            ));
            markdown_row(&mut text, &row);
        }
        text
    }

    /// What docs/bench.svg shows.
    fn picture(&self) -> String {
        let Some(&(machine, _)) = self.engines.first() else {
            return String::new();
        };
        let ours = |is_meant: fn(&Shipped) -> bool| {
            let models = self.shipped.iter().filter(move |model| is_meant(model));
            let point = |model: &Shipped| {
                Some(Point {
                    name: model.network().to_owned(),
                    x: model.cycles()?,
                    y: model.bits,
                })
            };
            models.filter_map(point).collect()
        };
        // The same network and weights would write as well.
        let theirs = PEERS
            .iter()
            .zip(&machine.cmsis_nn)
            .filter_map(|(name, theirs)| {
                let model = self.shipped.iter().find(|model| model.name == *name)?;
                Some(Point {
                    name: (*name).to_owned(),
                    x: theirs.cycles? as f64,
                    y: model.bits,
                })
            });
        let series = |name: &str, points, is_left| Series {
            name: name.to_owned(),
            points,
            is_left,
        };
        let mut all = vec![
            series("CMSIS-NN, int8", theirs.collect(), false),
            series(
                "this engine, int8",
                ours(|m| !m.is_int4() && !m.has_memory),
                false,
            ),
            series(
                "this engine, int4",
                ours(|m| m.is_int4() && !m.has_memory),
                true,
            ),
            series("with a memory", ours(|m| m.has_memory), true),
        ];
        all.retain(|series| !series.points.is_empty());
        scatter(
            "How well the shipped models write, and how long a character takes",
            [
                &format!("cycles of a character on a {}, estimated", machine.core),
                "bits a character on unseen sonnets: less is better",
            ],
            &all,
        )
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

fn picture() -> PathBuf {
    root().join("docs/bench.svg")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// The page up to the figures, the figures, and the rest.
fn split(page: &str) -> Result<(&str, &str, &str)> {
    let place = || {
        let start = page.find(START)? + START.len();
        let end = start + page.get(start..)?.find(END)?;
        Some((&page[..start], &page[start..end], &page[end..]))
    };
    place().with_context(|| format!("found no {START:?} with {END:?} behind it"))
}

/// Bytes in the sections of a program.
#[derive(Clone, Copy, Debug, Default)]
struct Sections {
    text: u64,
    /// Of the text, what the compiler brought.
    runtime: u64,
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
        let symbols = elf.symbols().filter(|s| s.kind() == SymbolKind::Text);
        let runtime = symbols.filter(|s| s.name().is_ok_and(is_runtime));
        sections.runtime = runtime.map(|symbol| symbol.size()).sum();
        Ok(sections)
    }

    fn sum(self) -> u64 {
        self.text + self.constants
    }

    fn without(self, other: Self) -> Self {
        Sections {
            text: self.text.saturating_sub(other.text),
            runtime: self.runtime.saturating_sub(other.runtime),
            constants: self.constants.saturating_sub(other.constants),
            variables: self.variables.saturating_sub(other.variables),
        }
    }
}

/// Whether a function is one that the compiler calls by itself.
fn is_runtime(symbol: &str) -> bool {
    let is_arithmetic = symbol.starts_with("__") && symbol.ends_with(['2', '3']);
    symbol.contains("compiler_builtins")
        || symbol.starts_with("__aeabi_")
        || is_arithmetic
        || ["memcpy", "memmove", "memset", "memcmp", "bcmp"].contains(&symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_compiler_are_known() {
        for symbol in ["memcpy", "__aeabi_memclr4", "__divsf3", "__clzsi2"] {
            assert!(is_runtime(symbol), "{symbol}");
        }
        for symbol in [
            "main",
            "__pre_init",
            "_ZN9lstm_core4cell4step17hb0c64e59eeb07dfaE",
        ] {
            assert!(!is_runtime(symbol), "{symbol}");
        }
    }

    #[test]
    fn the_figures_stand_between_their_lines() {
        let page = "a\n<!-- bench -->\n1\n<!-- end of bench -->\nb\n";
        let (before, figures, after) = split(page).unwrap();
        assert_eq!(before, "a\n<!-- bench -->\n");
        assert_eq!(figures, "1\n");
        assert_eq!(after, "<!-- end of bench -->\nb\n");
        assert!(split("<!-- end of bench -->\n<!-- bench -->\n").is_err());
    }
}

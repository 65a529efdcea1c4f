//! `cargo xtask sizes`: the memory that the firmware of each board takes, read from its ELF file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, Section, SectionKind};

use crate::{
    boards::{BOARDS, Board, on_a_hal},
    firmware,
    shell::root,
    table::{Table, grouped},
};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Write the figures to docs/sizes.txt, instead of comparing them
    #[arg(long)]
    bless: bool,
    /// Also the boards with a HAL of the chip's maker, which take minutes to build
    #[arg(long)]
    all: bool,
}

/// The share by which a figure may grow.
const TOLERANCE: f64 = 0.02;

/// What the ELF file of a firmware says, in bytes.
#[derive(Debug)]
pub struct Sizes {
    /// In flash: code, constants, and initial values of variables.
    pub flash: u64,
    /// Variables with an initial value, which are copied from flash.
    pub data: u64,
    /// Variables that start as zeros.
    pub bss: u64,
    /// RAM that is left for the stack.
    pub stack_room: u64,
    symbols: BTreeMap<String, (u64, u64)>,
}

/// The sections of the firmware's memory, without those for a debugger.
pub fn sections<'a>(elf: &'a object::File<'a>) -> impl Iterator<Item = Section<'a, 'a>> {
    elf.sections().filter(|section| {
        let kind = section.kind();
        section.size() > 0 && (is_constant(kind) || is_variable(kind))
    })
}

fn is_constant(kind: SectionKind) -> bool {
    use SectionKind::{ReadOnlyData, ReadOnlyString, Text};
    matches!(kind, Text | ReadOnlyData | ReadOnlyString)
}

fn is_variable(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::Data | SectionKind::UninitializedData)
}

impl Sizes {
    /// Reads an ELF file.
    pub fn of(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        let bytes = fs::read(path).with_context(name)?;
        let elf = object::File::parse(&*bytes).with_context(name)?;
        let sum = |is_counted: fn(SectionKind) -> bool| {
            // riscv-rt makes a section of what is left for the stack.
            let sections = sections(&elf).filter(|s| s.name() != Ok(".stack"));
            let counted = sections.filter(|s| is_counted(s.kind()));
            counted.map(|s| s.size()).sum()
        };
        let mut symbols = BTreeMap::new();
        for symbol in elf.symbols() {
            symbols.insert(symbol.name()?.to_owned(), (symbol.address(), symbol.size()));
        }
        let mut sizes = Sizes {
            flash: sum(|kind| is_constant(kind) || kind == SectionKind::Data),
            data: sum(|kind| kind == SectionKind::Data),
            bss: sum(|kind| kind == SectionKind::UninitializedData),
            stack_room: 0,
            symbols,
        };
        // Start-up code of other makers has other names.
        if let (Ok(start), Ok(end)) = (sizes.symbol("_stack_start"), sizes.symbol("__ebss")) {
            sizes.stack_room = start.0.saturating_sub(end.0);
        }
        Ok(sizes)
    }

    /// The names of all symbols.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.symbols.keys().map(|name| &**name)
    }

    /// The value and the size of the first symbol with this in its name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn symbol(&self, part: &str) -> Result<(u64, u64)> {
        let mut symbols = self.symbols.iter();
        let found = symbols.find(|(name, _)| name.contains(part));
        found
            .map(|(_, &symbol)| symbol)
            .with_context(|| format!("found no symbol {part}"))
    }

    /// Bytes of the workspace.
    pub fn workspace(&self) -> Result<u64> {
        Ok(self.symbol("WORKSPACE")?.1)
    }
}

/// The figures of these boards; `elf` gives the firmware of one.
pub fn measure(
    boards: impl Iterator<Item = &'static Board>,
    elf: impl Fn(&Board) -> Result<PathBuf>,
) -> Result<String> {
    let mut table = Table::new(&[
        "board",
        "core",
        "flash",
        "variables",
        "workspace",
        "stack-room",
        "stack-bound",
    ]);
    for board in boards {
        let elf = elf(board)?;
        let sizes = Sizes::of(&elf)?;
        let mut row = vec![board.name.to_owned(), board.core.to_owned()];
        let variables = sizes.data + sizes.bss;
        row.extend([sizes.flash, variables, sizes.workspace()?].map(grouped));
        row.extend(match board.on_board_support {
            true => {
                let bound = stack_depth::bound(&elf).with_context(|| board.name)?;
                [sizes.stack_room, bound.bytes].map(grouped)
            }
            false => ["-".to_owned(), "-".to_owned()],
        });
        table.push(row);
    }
    Ok(table.render())
}

const SNAPSHOT: &str = "docs/sizes.txt";
const HEAD: &str = "\
Bytes that the firmware of each board takes, without a model. `cargo xtask sizes` compares this
file: a figure may be up to 2 % larger; `--bless` renews it.
variables: all of them. workspace: of the variables, the model's and the console's. stack-room: the
RAM left for the stack. stack-bound: the most stack that can be in use, by the machine code; -: not
bounded.

";

/// Compares the figures with docs/sizes.txt.
///
/// # Errors
///
/// The figures that have grown.
pub fn check(found: &str) -> Result<()> {
    let expected = fs::read_to_string(root().join(SNAPSHOT)).context(SNAPSHOT)?;
    let grown = grown(&expected, found);
    if !grown.is_empty() {
        bail!(
            "{SNAPSHOT} says less; `cargo xtask sizes --bless` renews it\n{}",
            grown.join("\n")
        );
    }
    Ok(())
}

/// The lines of `found` with a figure larger than in the line of the same board.
fn grown(expected: &str, found: &str) -> Vec<String> {
    let figure = |word: &str| word.replace(',', "").parse::<f64>().ok();
    let mut grown = Vec::new();
    for line in found.lines().skip(1) {
        let board = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let meant = expected.lines().find(|other| board(other) == board(line));
        let meant = meant.unwrap_or_default();
        let within = |(found, meant): (&str, &str)| match (figure(found), figure(meant)) {
            (Some(found), Some(meant)) => found <= meant * (1.0 + TOLERANCE),
            _ => found == meant,
        };
        let (words, others) = (line.split_whitespace(), meant.split_whitespace());
        if words.clone().count() != others.clone().count() || !words.zip(others).all(within) {
            grown.push(format!("found    {line}\nexpected {meant}"));
        }
    }
    grown
}

/// `cargo xtask sizes`.
pub fn run(options: &Options) -> Result<()> {
    let boards = BOARDS
        .iter()
        .filter(|board| options.all || board.on_board_support);
    let mut found = measure(boards, firmware::build)?;
    print!("{found}");
    if !options.bless {
        return check(&found);
    }
    if !options.all {
        let old = fs::read_to_string(root().join(SNAPSHOT)).context(SNAPSHOT)?;
        let is_kept = |line: &&str| {
            on_a_hal().any(|board| line.split_whitespace().next() == Some(board.name))
        };
        for line in old.lines().filter(is_kept) {
            found += line;
            found.push('\n');
        }
    }
    fs::write(root().join(SNAPSHOT), format!("{HEAD}{found}")).context(SNAPSHOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_may_shrink_but_not_grow() {
        let expected = "text\nboard flash\na 1,000\nb 2,000\n";
        assert_eq!(grown(expected, "board flash\nb 1,000\na 1,020\n"), [""; 0]);
        assert_eq!(
            grown(expected, "board flash\na 1,021\n"),
            ["found    a 1,021\nexpected a 1,000"]
        );
        assert_eq!(grown(expected, "board flash\nc 1\n").len(), 1);
    }
}

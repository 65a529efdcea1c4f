//! The tables of `docs/BOARDS.md` say what the folders of the boards and the measured figures say.

use std::fs;

use board_list::{Board, Core};
use xtask::{boards, shell::root, table::grouped};

const PAGE: &str = "docs/BOARDS.md";

/// A table in Markdown.
struct Table {
    head: &'static str,
    rows: Vec<String>,
}

impl Table {
    /// The boards that `row` has something to say of.
    fn new(head: &'static str, row: impl Fn(&Board) -> Option<String>) -> Self {
        let rows = boards::all().iter().filter_map(row).collect();
        Table { head, rows }
    }

    /// The page with this table in the place of the one that has its head.
    fn put_into(&self, page: &str) -> String {
        assert!(page.lines().any(|line| line == self.head), "{}", self.head);
        let mut lines: Vec<&str> = Vec::new();
        let mut is_replaced = false;
        for line in page.lines() {
            if line == self.head {
                is_replaced = true;
                lines.push(line);
            } else if is_replaced && line.starts_with("| -") {
                lines.push(line);
                lines.extend(self.rows.iter().map(|row| &**row));
            } else if !is_replaced || !line.starts_with('|') {
                is_replaced = false;
                lines.push(line);
            }
        }
        lines.join("\n") + "\n"
    }
}

/// What the boards are.
fn boards_table() -> Table {
    let head = "| board | chip | core, clock | flash, RAM | serial port | tested |";
    Table::new(head, |board| {
        let used = board.memory.ram.size;
        let ram = match used == board.ram {
            true => board.ram.to_string(),
            false => format!("{} ({used} used)", board.ram),
        };
        Some(format!(
            "| `{}` ({}) | {} | {}, {} MHz | {}, {ram} | {} | {} |",
            board.name,
            board.title,
            board.chip,
            board.core,
            f64::from(board.clock) / 1e6,
            board.flash.size,
            board.serial,
            board
                .emulator
                .as_ref()
                .map_or("built only".to_owned(), |emulator| {
                    format!("QEMU `{}`", emulator.machine)
                }),
        ))
    })
}

/// How the flash of each is written.
fn flashing_table() -> Table {
    Table::new("| board | how |", |board| {
        let flashing = board.flashing.as_ref()?;
        Some(format!("| `{}` | {} |", board.name, flashing.how.trim()))
    })
}

/// What fits, and how fast it may be.
fn fitting_table() -> Table {
    let head = "| board | room for a model: flash, copy in RAM | firmware: flash, variables | \
                instructions a character, cifg-96 | characters a second, cifg-96 | the same for \
                cifg-384, in its faster format |";
    Table::new(head, |board| {
        board.flashing.as_ref()?;
        let copy = board.memory.model_copy;
        let [flash, variables] = firmware_bytes(&board.name);
        let variables = variables - copy.map_or(0.0, |copy| copy.0.into());
        let [flash, variables] = [flash, variables].map(|bytes| (bytes / 1024.0).round());
        let cifg_96 = instructions(board.core, "int8", "D");
        let formats = [("cifg-384.lstm", "int8"), ("cifg-384-int4.lstm", "int4")];
        let fitting = formats
            .iter()
            .filter(|(file, _)| bytes_of(file) <= board.memory.model.size.0.into());
        let rates = fitting.map(|(file, format)| {
            let instructions = instructions(board.core, format, "C");
            (rate(board, instructions, bytes_of(file)), format)
        });
        let fastest = rates.max_by(|a, b| a.0.total_cmp(&b.0));
        let cifg_384 = fastest.map_or("too large".into(), |(rate, format)| {
            format!("{} ({format})", grouped(rate as u64))
        });
        Some(format!(
            "| `{}` | {}, {} | {flash} KB, {variables} KB | {} | {} | {cifg_384} |",
            board.name,
            board.memory.model.size,
            copy.map_or("-".to_owned(), |copy| copy.to_string()),
            grouped(cifg_96 as u64),
            grouped(rate(board, cifg_96, bytes_of("cifg-96.lstm")) as u64),
        ))
    })
}

/// Characters a second: an instruction a cycle, and the whole model from flash, unless it runs from RAM
/// or the flash is as fast as the core.
fn rate(board: &Board, instructions: f64, bytes: u64) -> f64 {
    let computing = instructions / f64::from(board.clock);
    let is_copied = board
        .memory
        .model_copy
        .is_some_and(|copy| bytes <= copy.0.into());
    let reading = match board.flash.bytes_per_second {
        Some(rate) if !is_copied => bytes as f64 / f64::from(rate),
        _ => 0.0,
    };
    two_digits(1.0 / (computing + reading))
}

/// Bytes of a shipped model.
fn bytes_of(model: &str) -> u64 {
    fs::metadata(root().join("models").join(model))
        .unwrap()
        .len()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The words of the line that has these from this column on.
fn line(file: &str, column: usize, words: &[&str]) -> Vec<String> {
    let text = read(file);
    let mut lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|line| line.get(column..column + words.len()) == Some(words));
    let line = line.unwrap_or_else(|| panic!("{file} has no line of {words:?}"));
    line.into_iter().map(str::to_owned).collect()
}

fn number(word: &str) -> f64 {
    word.replace(',', "")
        .parse()
        .unwrap_or_else(|_| panic!("{word} is no number"))
}

/// Bytes of flash and of variables, in `docs/sizes.txt`.
fn firmware_bytes(board: &str) -> [f64; 2] {
    let line = line("docs/sizes.txt", 0, &[board]);
    [number(&line[2]), number(&line[3])]
}

/// The mean of a network's instructions a character, in `docs/bench.txt`.
fn instructions(core: Core, format: &str, network: &str) -> f64 {
    let words = [core.counted_as().name(), format, network];
    number(&line("docs/bench.txt", 1, &words)[4])
}

fn two_digits(number: f64) -> f64 {
    let unit = 10f64.powf(number.log10().floor() - 1.0);
    (number / unit).round() * unit
}

/// Compares the page with what its tables should be; if that is asked for, it is written anew.
pub(crate) fn compare(is_blessed: bool) {
    let page = read(PAGE);
    let tables = [boards_table(), fitting_table(), flashing_table()];
    let expected = tables
        .iter()
        .fold(page.clone(), |page, table| table.put_into(&page));
    if is_blessed {
        fs::write(root().join(PAGE), &expected).unwrap();
        return;
    }
    let differs = |(found, expected): &(&str, &str)| found != expected;
    let first = page.lines().zip(expected.lines()).find(differs);
    assert!(
        page == expected,
        "{PAGE}: `BLESS=1 cargo test --release -p cross-tests --test boards` writes its tables anew; \
         the first line that differs, and what was expected: {first:#?}"
    );
}

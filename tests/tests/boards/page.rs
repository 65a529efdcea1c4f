//! The tables of `docs/BOARDS.md` say what the folders of the boards and the measured figures say.

use std::{fs, path::Path};

use board_list::Board;
use host_trainer::hardware::{
    boards::{BOARDS, ModelBytes},
    cost::Shape,
};
use lstm_core::Model;
use xtask::{aligned::AlignedBytes, boards, models, shell::root, table::grouped};

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
            match (&board.emulator, &board.tested_in) {
                (Some(emulator), _) => format!("QEMU `{}`", emulator.machine),
                (None, Some(program)) => program.clone(),
                (None, None) => "built only".to_owned(),
            },
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
    let head = "| board | room for a model: flash, copy in RAM | firmware: flash, variables | its model \
                where none is named | characters a second | the same for cifg-96 |";
    Table::new(head, |board| {
        board.flashing.as_ref()?;
        let copy = board.memory.model_copy;
        let [flash, variables] = firmware_bytes(&board.name);
        let variables = variables - copy.map_or(0.0, |copy| copy.0.into());
        let [flash, variables] = [flash, variables].map(|bytes| (bytes / 1024.0).round());
        let default = models::default(board);
        Some(format!(
            "| `{}` | {}, {} | {flash} KB, {variables} KB | `{}` | {} | {} |",
            board.name,
            board.memory.model.size,
            copy.map_or("-".to_owned(), |copy| copy.to_string()),
            default.file_stem().unwrap().display(),
            rate(board, &default),
            rate(board, &root().join("models/cifg-96.lstm")),
        ))
    })
}

/// Characters a second, as `host-trainer budget` estimates them.
fn rate(board: &Board, model: &Path) -> String {
    let file = AlignedBytes::read(model).unwrap();
    let model = Model::from_bytes(file.bytes()).unwrap();
    let known = BOARDS.iter().find(|known| known.name == board.name);
    let known = known.expect("a board of budget");
    let outcome = known.try_model(&Shape::of(&model), ModelBytes::of(&model), known.clock);
    match outcome.misfit {
        None => {
            let rate = grouped(two_digits(outcome.characters_per_second) as u64);
            match model.num_channels() {
                0 => rate,
                _ => format!("{rate} steps"),
            }
        }
        Some(misfit) => format!("none: {misfit}"),
    }
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

//! What is said of the boards in `budget` and in `docs/BOARDS.md` is what they are.

use std::fs;

use host_trainer::hardware::boards::{self, Board};
use xtask::{firmware, shell::root, table::grouped};

/// One in the second digit of a number.
fn unit(number: f64) -> f64 {
    10f64.powf(number.log10().floor() - 1.0)
}

fn budget(name: &str) -> &'static Board {
    let found = boards::BOARDS.iter().find(|b| b.name == name);
    found.unwrap_or_else(|| panic!("no {name} in the budget"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_board_of_the_firmware_has_its_room_in_the_budget() {
    for board in xtask::boards::BOARDS {
        let room = board.model_room as usize;
        assert_eq!(budget(board.name).model_room, room, "{}", board.name);
    }
}

#[test]
fn the_budget_has_the_ram_of_each_memory_x() {
    let mut compared = 0;
    for board in xtask::boards::BOARDS {
        let path = firmware::folder(board).join("memory.x");
        // That of the ESP32-C3 comes with its HAL.
        let Ok(memory) = fs::read_to_string(path) else {
            continue;
        };
        let ram = |line: &&str| line.trim_start().starts_with("RAM ");
        let line = memory.lines().find(ram).unwrap();
        let length = line.split("LENGTH = ").nth(1).unwrap();
        let (number, unit) = length.split_at(length.len() - 1);
        let unit = if unit == "M" { 1 << 20 } else { 1 << 10 };
        let expected: usize = number.parse::<usize>().unwrap() * unit;
        assert_eq!(budget(board.name).ram, expected, "{}", board.name);
        compared += 1;
    }
    assert!(compared > 10);
}

/// The cells of the rows of a table of `docs/BOARDS.md` that is headed so.
fn table(head: &str) -> Vec<Vec<String>> {
    let text = read("docs/BOARDS.md");
    let lines = text.lines().skip_while(|line| !line.starts_with(head));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<_>> = rows.map(cells).collect();
    assert!(rows.len() >= 7, "{head}");
    rows
}

/// The names between backquotes in a cell.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Each number in a cell; K or M behind it does not count.
fn numbers(cell: &str) -> Vec<f64> {
    let cell = cell.replace(',', "");
    let words = cell.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_table_of_boards_has_clock_and_ram() {
    for row in table("| board | chip") {
        for name in names(&row[1]) {
            let board = budget(&name);
            // In the parentheses is what the firmware uses of it.
            let Some((_, ram)) = row[4].split_once(", ") else {
                assert_eq!(name, "riscv-virt", "flash and RAM");
                continue;
            };
            let ram =
                *numbers(ram).last().unwrap() * if ram.contains(" MB") { 1024.0 } else { 1.0 };
            assert_eq!(board.ram as f64, 1024.0 * ram, "{name}");
            if let Some((_, clock)) = row[3].split_once(", ").filter(|(_, c)| c.contains("MHz")) {
                assert_eq!(board.clock, 1e6 * numbers(clock)[0], "{name}");
            }
        }
    }
}

/// The mean of a network's instructions in `docs/bench.txt`.
fn instructions(core: &str, format: &str, network: &str) -> f64 {
    let bench = read("docs/bench.txt");
    let mut lines = bench
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.get(1..4) == Some(&[core, format, network]));
    numbers(line.unwrap()[4])[0]
}

/// What a row should say.
fn expected(board: &Board) -> String {
    let sizes = read("docs/sizes.txt");
    let line = sizes
        .lines()
        .find(|line| line.split_whitespace().next() == Some(board.name));
    let bytes: Vec<_> = line.unwrap().split_whitespace().skip(2).collect();
    let kilobytes = |bytes: &str| (numbers(bytes)[0] / 1024.0).round();
    // To two digits.
    let rate = |instructions: f64| {
        let rate = board.clock / instructions;
        (rate / unit(rate)).round() * unit(rate)
    };
    let lean_96 = instructions(board.core, "int8", "D");
    let lean_384 = ["lean-384.lstm", "lean-384-int4.lstm"]
        .iter()
        .zip(["int8", "int4"]);
    let lean_384 = lean_384.filter(|(file, _)| {
        let model = fs::metadata(root().join("models").join(file)).unwrap();
        model.len() <= board.model_room as u64
    });
    let rates = lean_384.map(|(_, format)| (rate(instructions(board.core, format, "C")), format));
    let fastest = rates.max_by(|a, b| a.0.total_cmp(&b.0));
    let room = match board.model_room >> 10 {
        room @ 1024.. => format!("{} MB", room as f64 / 1024.0),
        room => format!("{room} KB"),
    };
    format!(
        "| `{}` | {room} | {} KB, {} KB | {} | {} | {} |",
        board.name,
        kilobytes(bytes[0]),
        kilobytes(bytes[1]),
        grouped(lean_96 as u64),
        grouped(rate(lean_96) as u64),
        fastest.map_or("too large".into(), |(rate, format)| format!(
            "{} ({format})",
            grouped(rate as u64)
        )),
    )
}

#[test]
fn the_table_of_what_fits_has_the_figures_of_the_snapshots() {
    let mut wrong = Vec::new();
    for row in table("| board | room") {
        let board = budget(&names(&row[1])[0]);
        let expected = expected(board);
        if row.join(" | ").trim() != expected {
            wrong.push(expected);
        }
    }
    assert!(
        wrong.is_empty(),
        "expected these rows:\n{}",
        wrong.join("\n")
    );
}

//! From the text of a `board.toml` to boards.

use toml::{Table, Value};

use crate::{
    board::{Board, Memory},
    error::{Error, Result},
};

/// The boards of `boards/FOLDER/board.toml`: one, or those of its tables `[[board]]`, for which all
/// that stands above the first holds too.
///
/// # Errors
///
/// A line that names the file, and what is wrong with it.
pub fn read(folder: &str, text: &str) -> Result<Vec<Board>> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::new(format!("firmware-demo/boards/{folder}/board.toml: {error}"))
    };
    let mut common: Table = text.parse().map_err(|e| wrong(&located(&e, text)))?;
    common.entry("name").or_insert_with(|| folder.into());
    let tables = match common.remove("board") {
        None => vec![Table::new()],
        Some(boards) => boards.try_into().map_err(|e| wrong(&one_line(&e)))?,
    };
    let mut boards = Vec::new();
    for table in tables {
        let mut all = common.clone();
        merge(&mut all, table);
        let mut board: Board = all.try_into().map_err(|e| wrong(&one_line(&e)))?;
        board.folder = folder.to_owned();
        check(&board).map_err(|e| wrong(&e))?;
        boards.push(board);
    }
    Ok(boards)
}

/// Adds a table to another, and lets its values replace those of the other.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The message, after the number of its line.
fn located(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.unwrap_or_default().matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

/// The message, with the key that it is about.
fn one_line(error: &toml::de::Error) -> String {
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What serde cannot see in one value alone.
fn check(board: &Board) -> Result<()> {
    let Memory {
        code,
        model,
        ram,
        boot2,
        ..
    } = &board.memory;
    let name = &board.name;
    let wrong = |found: String| Err(Error::new(format!("{name}: found {found}")));
    if board.clock == 0 {
        return wrong("clock 0, expected hertz".into());
    }
    for (what, region) in [("code", code), ("model", model), ("ram", ram)] {
        let range = region.range();
        if range.is_empty() || range.end > 1 << 32 {
            let (start, end) = (range.start, range.end);
            return wrong(format!(
                "{what} from {start:#x} to {end:#x}, expected bytes of 32-bit addresses"
            ));
        }
    }
    for (what, a, b) in [
        ("model", model, code),
        ("ram", ram, code),
        ("ram", ram, model),
    ] {
        if a.overlaps(b) {
            return wrong(format!(
                "{what} at {:#x} over other memory, expected it apart",
                a.start
            ));
        }
    }
    let mapped = board.memory.model_mapped_at;
    for address in [Some(model.start), mapped].into_iter().flatten() {
        if address % 16 != 0 {
            return wrong(format!(
                "the model at {address:#x}, expected a multiple of 16"
            ));
        }
    }
    if boot2.is_some_and(|boot2| boot2 >= code.size) {
        return wrong("a boot2 that leaves no code".into());
    }
    if u64::from(code.size.0) + u64::from(model.size.0) > board.flash.size.0.into() {
        return wrong(format!(
            "code and model beyond the {} of the flash",
            board.flash.size
        ));
    }
    if ram.size > board.ram {
        return wrong(format!(
            "{} of RAM in use, expected the {} of the chip at most",
            ram.size, board.ram
        ));
    }
    if let Some(drive) = board
        .flashing
        .as_ref()
        .and_then(|flashing| flashing.drive.as_ref())
        && (drive.labels.is_empty() || drive.file.is_some() == drive.contains.is_empty())
    {
        return wrong("a drive without labels, or a file without contains, expected both".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Core;

    const BOARD: &str = r#"
title = "Small"
chip = "S1"
core = "Cortex-M0"
target = "thumbv6m-none-eabi"
clock = 16_000_000
runtime = "registers"
features = ["int4", "int8"]
serial = "USB"
flash = { size = "64K" }
ram = "8K"

[memory]
code = { start = 0x0000_0000, size = "40K" }
model = { start = 0x0000_a000, size = "24K" }
ram = { start = 0x2000_0000, size = "8K" }

[image]
format = "hex"

[emulator]
program = "qemu"
machine = "small"
"#;

    /// The line that refuses a board whose file has this instead of that.
    fn refusal(instead: &str, of: &str) -> String {
        assert!(BOARD.contains(of), "{of}");
        let error = read("small", &BOARD.replace(of, instead)).unwrap_err();
        let line = error.to_string();
        let about = line.strip_prefix("firmware-demo/boards/small/board.toml: ");
        about.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    #[test]
    fn a_board_has_the_name_of_its_folder() {
        let boards = read("small", BOARD).unwrap();
        assert_eq!(boards.len(), 1);
        assert_eq!([&*boards[0].name, &*boards[0].folder], ["small", "small"]);
        assert!(boards[0].is_bare_metal());
    }

    #[test]
    fn several_boards_share_what_stands_above_them() {
        let tables = "[[board]]\nname = \"a\"\n\n[[board]]\nname = \"b\"\ncore = \"Cortex-M3\"\n\
                      emulator = { machine = \"large\", options = [\"-x\"] }\n";
        let boards = read("both", &format!("{BOARD}{tables}")).unwrap();
        let [a, b] = &boards[..] else {
            panic!("{boards:?}")
        };
        assert_eq!([&*a.name, &*b.name], ["a", "b"]);
        assert_eq!([a.core, b.core], [Core::CortexM0, Core::CortexM3]);
        let emulators = [a, b].map(|board| board.emulator.clone().unwrap());
        assert_eq!(emulators.clone().map(|e| e.program), ["qemu", "qemu"]);
        assert_eq!(emulators.map(|e| e.machine), ["small", "large"]);
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        for (of, instead, expected) in [
            ("title = \"Small\"", "title = Small", "line 2: "),
            ("clock = 16", "clok = 16", "unknown field `clok`"),
            ("chip = \"S1\"\n", "", "missing field `chip`"),
            (
                "Cortex-M0",
                "Cortex-M9",
                "unknown variant `Cortex-M9`, expected one of ",
            ),
            (
                "clock = 16_000_000",
                "clock = \"fast\"",
                "invalid type: string \"fast\", expected u32",
            ),
            (
                "clock = 16_000_000",
                "clock = 0",
                "small: found clock 0, expected hertz",
            ),
            (
                "\"64K\"",
                "\"64\"",
                "small: found code and model beyond the 64 bytes of the flash",
            ),
            (
                "\"64K\"",
                "\"64kB\"",
                "found \"64kB\", expected bytes such as",
            ),
            (
                "0x0000_a000",
                "0x0000_9000",
                "small: found model at 0x9000 over other memory",
            ),
            (
                "0x0000_a000",
                "0x0000_a008",
                "small: found the model at 0xa008, expected a multiple of 16",
            ),
            (
                "0x2000_0000",
                "0xffff_ffff",
                "small: found ram from 0xffffffff to 0x100001fff",
            ),
            (
                "ram = \"8K\"",
                "ram = \"4K\"",
                "small: found 8 KB of RAM in use, expected the 4 KB",
            ),
            (
                "\"hex\"",
                "\"uf2\"",
                "found no family, expected one for uf2 in `image`",
            ),
            (
                "\"hex\"",
                "\"elf\"",
                "found format \"elf\", expected hex, bin or uf2 in `image`",
            ),
            (
                "machine = \"small\"",
                "machin = \"small\"",
                "unknown field `machin`",
            ),
            (
                "format = \"hex\"\n",
                "format = \"hex\"\n[flashing]\nhow = \"\"\nprepare = \"\"\nusb = \"2e8a\"\n",
                "found \"2e8a\", expected a USB device such as \"2e8a:000a\"",
            ),
            (
                "format = \"hex\"\n",
                "format = \"hex\"\n[flashing]\nhow = \"\"\nprepare = \"\"\ndrive = { labels = [] }\n",
                "small: found a drive without labels, ",
            ),
        ] {
            let line = refusal(instead, of);
            assert!(line.contains(expected), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
            println!("{line}");
        }
    }
}

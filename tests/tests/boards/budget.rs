//! The table of `host-trainer budget`, which is in the crate because the crate is published without the
//! firmware, says what the folders of the boards say.

use std::{fmt::Write, fs};

use flash_image::Format;
use host_trainer::hardware::boards::{BOARDS, Board, Flash};
use xtask::{boards, shell::root};

const TABLE: &str = "host-trainer/src/hardware/board_table.rs";
const HEAD: &str = "\
//! What `firmware-demo/boards/*/board.toml` say of the boards, a Cortex-M0+ as an M0, an M7 and an M33 as an
//! M4. The test `boards` compares this file, and `BLESS=1` writes it anew.

use super::boards::{Board, Flash};
use flash_image::Format::{Bin, Hex, Uf2};

/// Every board, as the folders of the firmware tell.
pub static BOARDS: &[Board] = &[
";

/// What the folders say.
fn boards() -> Vec<Board> {
    let board = |board: &'static boards::Board| Board {
        name: &board.name,
        core: board.core.counted_as().name(),
        clock: board.clock.into(),
        features: Vec::leak(board.features.iter().map(|feature| &**feature).collect()),
        model_room: board.memory.model.size.0 as usize,
        ram: board.memory.ram.size.0 as usize,
        flash_rate: board.flash.bytes_per_second.map(f64::from),
        copy_room: board.memory.model_copy.map_or(0, |copy| copy.0 as usize),
        flash: board.flashing.as_ref().map(|flashing| Flash {
            format: board.image.format,
            start: board.memory.code.start,
            model: board.memory.model.start,
            has_firmware: board.image.firmware,
            how: &flashing.how,
            drive_without_firmware: flashing.drive_without_firmware.as_deref(),
        }),
    };
    boards::all().iter().map(board).collect()
}

/// How a flash is written, in the table.
fn source_of(flash: &Flash) -> String {
    let format = match flash.format {
        Format::Uf2 { family } => format!("Uf2 {{ family: {family:#x} }}"),
        other => format!("{other:?}"),
    };
    format!(
        "Some(Flash {{\n            format: {format},\n            start: {:#x},\n            model: {:#x},\n            has_firmware: {},\n            how: {:?},\n            drive_without_firmware: {:?},\n        }})",
        flash.start, flash.model, flash.has_firmware, flash.how, flash.drive_without_firmware
    )
}

/// The source of the table, as rustfmt writes it.
fn source(boards: &[Board]) -> String {
    let mut source = HEAD.to_owned();
    for board in boards {
        // A String takes everything.
        let _ = writeln!(
            source,
            "    Board {{\n        name: {:?},\n        core: {:?},\n        clock: {:?},\n        features: &{:?},\n        model_room: {},\n        ram: {},\n        flash_rate: {:?},\n        copy_room: {},\n        flash: {},\n    }},",
            board.name,
            board.core,
            board.clock,
            board.features,
            board.model_room,
            board.ram,
            board.flash_rate,
            board.copy_room,
            board.flash.as_ref().map_or("None".into(), source_of)
        );
    }
    source + "];\n"
}

/// Compares the table with the folders, or writes it anew.
pub(crate) fn compare(is_blessed: bool) {
    let found = boards();
    match is_blessed {
        true => fs::write(root().join(TABLE), source(&found)).unwrap(),
        false => assert_eq!(BOARDS, found, "{TABLE}; BLESS=1 writes it anew"),
    }
}

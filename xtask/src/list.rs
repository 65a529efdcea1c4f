//! `cargo xtask boards`: the boards, which of the shipped models fit their flash, and which are attached.

use anyhow::Result;

use crate::{
    boards::{self, Board},
    console::Port,
    flash::{Attached, Way},
    models::{self, Model},
    table::{Table, grouped},
};

/// Which boards are listed.
#[derive(clap::Args)]
pub struct Options {
    /// Tell of this board alone, and name every model that fits
    #[arg(value_parser = Board::parse)]
    board: Option<&'static Board>,
}

/// `cargo xtask boards`.
///
/// # Errors
///
/// The models cannot be read.
pub fn run(options: &Options) -> Result<()> {
    let mut models = models::shipped()?;
    models.sort_by_key(|model| model.bytes);
    let attached = Attached::look();
    if let Some(board) = options.board {
        print!("{}", table(std::slice::from_ref(board), &models, &attached));
        println!("\nmodels that fit, and their bytes:");
        print!("{}", fitting(board, &models));
        return Ok(());
    }
    print!("{}", table(boards::all(), &models, &attached));
    println!(
        "\nroom: bytes of flash for a model. fits: how many of the {} models in models/ are no \
         larger and run in its firmware; `cargo xtask boards BOARD` names them. default: the model that `flash` and `run` take.\n\
         `cargo xtask flash BOARD` writes a board that is attached and opens its console; `image BOARD --model \
         FILE` writes a file for its flash; `qemu BOARD` runs it under QEMU.",
        models.len()
    );
    Ok(())
}

fn table(boards: &[Board], models: &[Model], attached: &Attached) -> String {
    let mut table = Table::new(&[
        "board",
        "chip",
        "core",
        "room",
        "fits",
        "default",
        "flashed by",
        "QEMU",
        "attached",
    ]);
    for board in boards {
        let default = models::default(board);
        let emulator = board.emulator.as_ref();
        table.push(vec![
            board.name.clone(),
            board.chip.clone(),
            board.core.to_string(),
            grouped(board.memory.model.size.0.into()),
            models
                .iter()
                .filter(|model| models::runs(board, model))
                .count()
                .to_string(),
            default
                .file_stem()
                .unwrap_or_default()
                .display()
                .to_string(),
            flashed_by(board),
            emulator
                .map_or("-", |emulator| &emulator.machine)
                .to_owned(),
            seen(board, attached),
        ]);
    }
    table.render()
}

fn fitting(board: &Board, models: &[Model]) -> String {
    let mut table = Table::new(&["model", "bytes"]);
    for model in models.iter().filter(|model| models::runs(board, model)) {
        table.push(vec![model.name.clone(), grouped(model.bytes)]);
    }
    table.render()
}

/// The ways of writing its flash.
fn flashed_by(board: &Board) -> String {
    let Some(flashing) = &board.flashing else {
        return "-".into();
    };
    let drive = flashing
        .drive
        .as_ref()
        .and_then(|drive| drive.labels.first());
    let drive = drive.map(|label| format!("drive {label}"));
    let probe = flashing
        .probe_rs_chip
        .as_ref()
        .map(|_| "probe-rs".to_owned());
    let espflash = flashing
        .espflash_chip
        .as_ref()
        .map(|_| "espflash".to_owned());
    let ways: Vec<_> = [drive, probe, espflash].into_iter().flatten().collect();
    ways.join(", ")
}

/// Where the board is seen: its drive, else a serial port with its numbers on USB.
fn seen(board: &Board, attached: &Attached) -> String {
    if let Ok(Way::Drive(folder)) = Way::to(board, attached) {
        return folder.display().to_string();
    }
    let flashing = board
        .flashing
        .as_ref()
        .filter(|flashing| flashing.usb.is_some());
    let ports = flashing.map(|flashing| Port::of(flashing, &attached.ports));
    let port = ports.and_then(|ports| ports.first().map(|port| port.name.clone()));
    port.unwrap_or_else(|| "-".into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use board_list::Bytes;
    use lstm_core::export::Feature;
    use tempfile::TempDir;

    use super::*;
    use crate::flash::Drive;

    #[test]
    fn a_model_fits_where_its_bytes_do_and_the_firmware_runs_it() {
        let mut board = boards::default_board().clone();
        board.memory.model.size = Bytes(1000);
        board.features.retain(|feature| feature != "gru");
        let model = |name: &str, bytes, feature| Model {
            name: name.to_owned(),
            bytes,
            features: vec![feature],
        };
        let models = [
            model("a", 900, Feature::Int8),
            model("b", 1000, Feature::Int8),
            model("c", 1001, Feature::Int8),
            model("d", 900, Feature::Gru),
        ];
        assert_eq!(
            fitting(&board, &models),
            "model  bytes\na        900\nb      1,000\n"
        );
        let table = table(&[board], &models, &Attached::default());
        assert!(table.contains("  1,000     2  "), "{table}");
    }

    #[test]
    fn a_board_that_is_attached_is_seen() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("INFO_UF2.TXT"), "Board-ID: RPI-RP2\n").unwrap();
        let port = |name: &str, usb| Port {
            name: name.to_owned(),
            usb,
        };
        let attached = Attached {
            drives: vec![Drive {
                name: "RPI-RP2".into(),
                folder: folder.path().to_owned(),
            }],
            ports: vec![
                port("COM3", (0x303a, 0x1001)),
                port("COM4", (0x0403, 0x6001)),
            ],
            ..Attached::default()
        };
        let seen = |name: &str| seen(Board::parse(name).unwrap(), &attached);
        assert_eq!(seen("pico"), folder.path().display().to_string());
        assert_eq!(seen("esp32c3"), "COM3");
        // An adapter may be of any board.
        assert_eq!(
            [seen("bluepill"), seen("pico2"), seen("mps2-an386")],
            ["-"; 3]
        );
    }

    #[test]
    fn every_board_has_a_shipped_model_that_fits() {
        let models = models::shipped().unwrap();
        for board in boards::all() {
            let fits = models.iter().any(|model| models::runs(board, model));
            assert!(fits, "{}", board.name);
        }
    }
}

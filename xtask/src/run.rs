//! `cargo xtask run`: on the board, if one is attached, else under QEMU.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{
    boards::Board,
    firmware, image, models, qemu,
    shell::{attach, step, target, works},
};

/// What is run.
#[derive(clap::Args)]
pub struct Options {
    /// The name of the board; `cargo xtask boards` shows them
    #[arg(value_parser = Board::parse)]
    board: &'static Board,
    /// The model for its flash [default: the best in models/ that fits]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Run this firmware instead of building it
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
    #[command(flatten)]
    text: qemu::TextOptions,
}

/// How a firmware comes to run.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// probe-rs writes an image through the debug probe.
    Probe {
        chip: String,
    },
    /// Espressif's tool writes firmware and model over USB.
    Espflash,
    Qemu,
}

impl Way {
    /// The way for a board, where these are at hand.
    ///
    /// # Errors
    ///
    /// There is none.
    fn of(board: &Board, has_probe: bool, has_espflash: bool) -> Result<Self> {
        let flashing = board.flashing.as_ref();
        let chip = flashing.and_then(|flashing| flashing.probe_rs_chip.clone());
        let is_espressif = board.runtime == board_list::Runtime::EspHal;
        match chip {
            Some(chip) if has_probe => Ok(Way::Probe { chip }),
            _ if is_espressif && has_espflash => Ok(Way::Espflash),
            _ if board.emulator.is_some() => Ok(Way::Qemu),
            _ if is_espressif => bail!(
                "found no espflash, expected it for {}: `cargo install espflash`",
                board.name
            ),
            _ => bail!(
                "found no debug probe for {name}, and QEMU has no machine for it; `cargo xtask image \
                 {name} --model FILE` writes a file to copy onto it",
                name = board.name
            ),
        }
    }
}

impl Options {
    /// The model that goes with the firmware.
    ///
    /// # Errors
    ///
    /// It does not fit.
    pub fn model(&self) -> Result<PathBuf> {
        let default = || models::default(self.board);
        let model = self.model.clone().unwrap_or_else(default);
        models::check(self.board, &model)?;
        Ok(model)
    }

    /// Runs the firmware with this model.
    ///
    /// # Errors
    ///
    /// There is no way to, or it fails.
    pub fn run(&self, model: &Path) -> Result<()> {
        let board = self.board;
        let way = Way::of(board, has_probe(), works("espflash", &["--version"]))?;
        let elf = match &self.elf {
            Some(elf) => elf.clone(),
            None => firmware::build(board)?,
        };
        match way {
            Way::Qemu => return qemu::show(board, &elf, model, &self.text),
            Way::Probe { chip } => step(&format!("writing {}, by its probe", board.name), || {
                probe(board, &chip, &elf, model)
            })?,
            Way::Espflash => step(&format!("writing {}", board.name), || {
                espflash(board, &elf, model)
            })?,
        }
        println!(
            "It runs with {}. Open its serial port at 115200 baud; Enter shows what runs (docs/BOARDS.md)",
            model.display()
        );
        Ok(())
    }
}

/// Writes firmware and model, and starts the board anew.
fn probe(board: &Board, chip: &str, elf: &Path, model: &Path) -> Result<()> {
    let image = image::build(board, Some(elf), model)?;
    let path = target()
        .join("images")
        .join(format!("{}-run.hex", board.name));
    image::write(&path, &image.encode(board_list::ImageFormat::Hex)?)?;
    let mut download = Command::new("probe-rs");
    download.args(["download", "--chip", chip, "--binary-format", "hex"]);
    attach(download.arg(&path))?;
    attach(Command::new("probe-rs").args(["reset", "--chip", chip]))
}

fn espflash(board: &Board, elf: &Path, model: &Path) -> Result<()> {
    let partitions = firmware::folder(board).join("partitions.csv");
    let place = format!("{:#x}", board.memory.model.start);
    let mut write = Command::new("espflash");
    write.args(["write-bin", &place]).arg(model);
    attach(&mut write)?;
    let mut flash = Command::new("espflash");
    flash.args(["flash", "--chip", "esp32c3", "--partition-table"]);
    attach(flash.arg(partitions).arg(elf))
}

/// Whether a debug probe is attached, and probe-rs is there to use it.
fn has_probe() -> bool {
    let list = Command::new("probe-rs").arg("list").output();
    list.is_ok_and(|output| is_probe_in(&String::from_utf8_lossy(&output.stdout)))
}

/// Whether there is a probe in what `probe-rs list` says: it numbers them.
fn is_probe_in(list: &str) -> bool {
    list.lines()
        .any(|line| line.trim_start().starts_with("[0]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_that_is_attached_is_preferred_to_qemu() {
        let way = |name: &str, has_probe, has_espflash| {
            let way = Way::of(Board::parse(name).unwrap(), has_probe, has_espflash);
            way.map_err(|error| error.to_string())
        };
        let probe = |chip: &str| Ok(Way::Probe { chip: chip.into() });
        assert_eq!(way("microbit", true, true), probe("nRF51822_xxAA"));
        assert_eq!(way("microbit", false, true), Ok(Way::Qemu));
        assert_eq!(way("pico", true, false), probe("RP2040"));
        assert_eq!(way("mps2-an386", true, true), Ok(Way::Qemu));
        assert_eq!(way("esp32c3", true, true), Ok(Way::Espflash));
        let error = way("pico", false, true).unwrap_err();
        assert!(
            error.starts_with("found no debug probe for pico, "),
            "{error}"
        );
        let error = way("esp32c3", true, false).unwrap_err();
        assert!(error.starts_with("found no espflash, "), "{error}");
    }

    #[test]
    fn a_probe_is_seen_in_the_list_of_probe_rs() {
        let list =
            "The following debug probes were found:\n[0]: BBC micro:bit CMSIS-DAP -- 0d28:0204";
        assert!(is_probe_in(list));
        assert!(!is_probe_in("No debug probes were found."));
    }

    /// So that `cargo run` in its folder runs it.
    #[test]
    fn the_runner_of_every_board_is_this_command() {
        for board in crate::boards::all() {
            let path = firmware::folder(board).join(".cargo/config.toml");
            let config = std::fs::read_to_string(&path).unwrap();
            let runner = format!("\nrunner = [\"../run\", \"{}\"]\n", board.name);
            let is_default = crate::boards::default_board().folder == board.folder;
            assert!(is_default || config.contains(&runner), "{}", path.display());
        }
        let script = std::fs::read_to_string(firmware::workspace().join("boards/run")).unwrap();
        assert!(script.contains("exec cargo xtask run \"$board\" --elf \"$elf\""));
    }
}

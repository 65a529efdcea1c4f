//! `cargo xtask run`: on the board, if one is attached, else under QEMU.

use std::path::Path;

use anyhow::Result;

use crate::{
    boards::Board,
    flash::{self, Attached, Program, Way},
    qemu,
};

/// What is run.
#[derive(clap::Args)]
pub struct Options {
    /// What is run.
    #[command(flatten)]
    pub program: Program,
    #[command(flatten)]
    text: qemu::TextOptions,
}

impl Options {
    /// Runs the firmware with this model.
    ///
    /// # Errors
    ///
    /// There is no way to, or it fails.
    pub fn run(&self, model: &Path) -> Result<()> {
        let board = self.program.board;
        let attached = Attached::look();
        let way = match way_or_qemu(board, &attached)? {
            Ok(way) => Some(way),
            Err(why) => {
                println!("==> {why}; so QEMU runs it");
                None
            }
        };
        let elf = self.program.elf()?;
        let Some(way) = way else {
            return qemu::show(board, &elf, model, &self.text);
        };
        flash::write(board, &way, None, &elf, model)?;
        flash::open_console(board, &way, None, &attached)
    }
}

/// The way to the board if it is attached; else the reason for QEMU, where it has a machine for it.
///
/// # Errors
///
/// There is neither.
fn way_or_qemu(board: &Board, attached: &Attached) -> Result<Result<Way, String>> {
    if board.flashing.is_none() {
        return Ok(Err(format!("{} is emulated only", board.name)));
    }
    match Way::to(board, attached) {
        Err(error) if board.emulator.is_some() => Ok(Err(error.to_string())),
        way => way.map(Ok),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware;

    #[test]
    fn a_board_that_is_attached_is_preferred_to_qemu() {
        let with_probes = |probes| Attached {
            probes: Some(probes),
            ..Attached::default()
        };
        let way = |name: &str, probes| {
            let way = way_or_qemu(Board::parse(name).unwrap(), &with_probes(probes));
            way.map_err(|error| error.to_string())
        };
        let chip = "nRF51822_xxAA".into();
        assert_eq!(way("microbit", 1), Ok(Ok(Way::Probe { chip })));
        let why = way("microbit", 0).unwrap().unwrap_err();
        assert!(
            why.starts_with("found no drive MICROBIT and no debug probe, "),
            "{why}"
        );
        assert_eq!(
            way("mps2-an386", 1),
            Ok(Err("mps2-an386 is emulated only".into()))
        );
        let error = way("pico", 0).unwrap_err();
        assert!(
            error.starts_with("found no drive RPI-RP2 and no debug probe, "),
            "{error}"
        );
    }

    /// So that `cargo run` in its folder runs it, on every system: no shell, and this computer's target
    /// instead of the board's.
    #[test]
    fn the_runner_of_every_board_is_this_command() {
        let root = "../../../Cargo.toml";
        for board in crate::boards::all() {
            let path = firmware::folder(board).join(".cargo/config.toml");
            let config = std::fs::read_to_string(&path).unwrap();
            let config: toml::Table = config.parse().unwrap();
            let targets = config["target"].as_table().unwrap();
            // A name with a dot is a `cfg` there.
            let of_target = targets.get(&*board.target);
            let of_target = of_target.unwrap_or_else(|| targets.values().next().unwrap());
            let words: Vec<&str> = of_target["runner"]
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_str().unwrap())
                .collect();
            let [runner @ .., "run", name, "--elf"] = &words[..] else {
                panic!("{}: {words:?}", path.display());
            };
            let cargo = ["cargo", "run", "--quiet", "--manifest-path", root];
            let xtask = ["--target", "host-tuple", "--package", "xtask", "--"];
            assert_eq!(runner, [cargo, xtask].concat(), "{}", path.display());
            let runs = crate::boards::Board::parse(name).unwrap();
            assert_eq!(
                (&runs.folder, &runs.target),
                (&board.folder, &board.target),
                "{}",
                path.display()
            );
            assert!(firmware::folder(board).join(root).exists());
            // They would hold for this computer too.
            let build = config["build"].as_table().unwrap();
            assert!(!build.contains_key("rustflags"), "{}", path.display());
        }
    }
}

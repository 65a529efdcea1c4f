//! The tools that write a board's flash: probe-rs and espflash.

use std::{path::Path, process::Command};

use anyhow::Result;
use flash_image::Format;

use crate::{
    boards::Board,
    firmware, image,
    shell::{attach, target},
};

/// Writes firmware and model through a debug probe, and starts the board anew.
pub(super) fn probe(board: &Board, chip: &str, elf: &Path, model: &Path) -> Result<()> {
    let image = image::build(board, Some(elf), model)?;
    let path = target()
        .join("images")
        .join(format!("{}-run.hex", board.name));
    image::write(&path, &image.encode(Format::Hex))?;
    let mut download = Command::new("probe-rs");
    download.args(["download", "--chip", chip, "--binary-format", "hex"]);
    attach(download.arg(&path))?;
    attach(Command::new("probe-rs").args(["reset", "--chip", chip]))
}

/// Writes firmware and model over the USB of a chip of Espressif, or over this port.
pub(super) fn espflash(
    board: &Board,
    chip: &str,
    port: Option<&str>,
    elf: &Path,
    model: &Path,
) -> Result<()> {
    let partitions = firmware::folder(board).join("partitions.csv");
    let place = format!("{:#x}", board.memory.model.start);
    let command = |name| {
        let mut command = Command::new("espflash");
        command.arg(name);
        if let Some(port) = port {
            command.args(["--port", port]);
        }
        command
    };
    attach(command("write-bin").arg(&place).arg(model))?;
    let mut flash = command("flash");
    flash.args(["--chip", chip, "--partition-table"]);
    attach(flash.arg(partitions).arg(elf))
}

/// How many debug probes are attached; `None` if there is no probe-rs to ask.
pub(super) fn count_probes() -> Option<usize> {
    let output = Command::new("probe-rs").arg("list").output().ok()?;
    Some(probes_in(&String::from_utf8_lossy(&output.stdout)))
}

/// How many probes there are in what `probe-rs list` says: it numbers them.
fn probes_in(list: &str) -> usize {
    let is_probe = |line: &&str| line.trim_start().starts_with('[');
    list.lines().filter(is_probe).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_seen_in_the_list_of_probe_rs() {
        let list =
            "The following debug probes were found:\n[0]: BBC micro:bit CMSIS-DAP -- 0d28:0204";
        assert_eq!(probes_in(list), 1);
        assert_eq!(probes_in(&format!("{list}\n[1]: J-Link -- 1366:1051\n")), 2);
        assert_eq!(probes_in("No debug probes were found."), 0);
    }
}

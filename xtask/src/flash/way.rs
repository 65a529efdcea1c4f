//! By which way a board is written, given what is attached.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use board_list::Flashing;

use super::{
    drive::{self, Drive},
    tools,
};
use crate::{boards::Board, console::Port, shell::works};

/// What is attached to this computer, and which tools it has.
#[derive(Clone, Debug, Default)]
pub struct Attached {
    /// Its drives.
    pub drives: Vec<Drive>,
    /// Its serial ports on USB.
    pub ports: Vec<Port>,
    /// Its debug probes; `None` without probe-rs to ask.
    pub probes: Option<usize>,
    /// Whether espflash is there.
    pub has_espflash: bool,
}

impl Attached {
    /// What is there now.
    pub fn look() -> Self {
        Attached {
            drives: Drive::all(),
            ports: Port::all(),
            probes: tools::count_probes(),
            has_espflash: works("espflash", &["--version"]),
        }
    }
}

/// How firmware and model come into a board's flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The image is copied to this drive.
    Drive(PathBuf),
    /// probe-rs writes it through the debug probe.
    Probe {
        /// What probe-rs calls the chip.
        chip: String,
    },
    /// Espressif's tool writes it over USB.
    Espflash {
        /// What espflash calls the chip.
        chip: String,
    },
}

impl Way {
    /// The way to a board: its drive if there is one, for which no tool is needed, else a tool.
    ///
    /// # Errors
    ///
    /// The board is not there, or it is there twice; a tool is missing.
    pub fn to(board: &Board, attached: &Attached) -> Result<Self> {
        let Some(flashing) = &board.flashing else {
            bail!(
                "found no hardware of {name}, which is emulated only: `cargo xtask qemu {name}` runs it",
                name = board.name
            );
        };
        if let Some(folder) = drive::find(board, &attached.drives)? {
            return Ok(Way::Drive(folder));
        }
        let is_seen = !Port::of(flashing, &attached.ports).is_empty();
        match (&flashing.probe_rs_chip, attached.probes) {
            (Some(chip), Some(1)) => return Ok(Way::Probe { chip: chip.clone() }),
            (Some(_), Some(2..)) => {
                bail!(
                    "found several debug probes, expected that of {}; unplug the others",
                    board.title
                )
            }
            _ => {}
        }
        match (&flashing.espflash_chip, attached.has_espflash) {
            (Some(_), false) => bail!(
                "found no espflash, expected it for {}: `cargo install espflash --locked` installs it",
                board.name
            ),
            (Some(chip), true) if is_seen => Ok(Way::Espflash { chip: chip.clone() }),
            _ => bail!("{}", nothing(board, flashing, attached, is_seen)),
        }
    }
}

/// The line that says what was looked for, and what to do.
fn nothing(board: &Board, flashing: &Flashing, attached: &Attached, is_seen: bool) -> String {
    let mut looked_for = Vec::new();
    if let Some(drive) = &flashing.drive {
        looked_for.push(format!("drive {}", drive.labels.join(" or ")));
    }
    if flashing.probe_rs_chip.is_some() {
        looked_for.push(match attached.probes {
            Some(_) => "debug probe".into(),
            None => "probe-rs for a debug probe (`cargo install probe-rs-tools --locked`)".into(),
        });
    }
    if let (Some(_), Some(usb)) = (&flashing.espflash_chip, flashing.usb) {
        looked_for.push(format!("serial port of the USB device {usb}"));
    }
    // Otherwise the system has the drive, and shows no files of it.
    let labels = flashing.drive.iter().flat_map(|drive| &drive.labels);
    let devices = labels.map(|label| Path::new("/dev/disk/by-label").join(label));
    let unmounted = devices.into_iter().find(|device| device.exists());
    let what_to_do = match unmounted {
        Some(device) => format!(
            "its drive is there, but not mounted: `udisksctl mount --block-device {}`",
            device.display()
        ),
        None => flashing.prepare.clone(),
    };
    let running = match is_seen {
        true => " (its serial port is there, so it runs a program)",
        false => "",
    };
    format!(
        "found no {}, expected {}{running}: {what_to_do}",
        looked_for.join(" and no "),
        board.title
    )
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::flash::drive::tests::stand_in;

    fn way(name: &str, attached: &Attached) -> Result<Way, String> {
        let way = Way::to(Board::parse(name).unwrap(), attached);
        way.map_err(|error| error.to_string())
    }

    fn port(name: &str, usb: (u16, u16)) -> Port {
        Port {
            name: name.into(),
            usb,
        }
    }

    #[test]
    fn a_drive_is_preferred_to_a_probe() {
        let within = TempDir::new().unwrap();
        let drive = stand_in(&within, "NODE_F446RE", &[]);
        let mut attached = Attached {
            drives: vec![drive.clone()],
            probes: Some(1),
            ..Attached::default()
        };
        let probe = |chip: &str| Ok(Way::Probe { chip: chip.into() });
        assert_eq!(
            way("nucleo-f446re", &attached),
            Ok(Way::Drive(drive.folder))
        );
        assert_eq!(way("bluepill", &attached), probe("STM32F103C8"));
        attached.drives.clear();
        assert_eq!(way("nucleo-f446re", &attached), probe("STM32F446RE"));
        attached.probes = Some(2);
        let error = way("bluepill", &attached).unwrap_err();
        assert!(
            error.starts_with("found several debug probes, expected "),
            "{error}"
        );
    }

    #[test]
    fn what_was_looked_for_and_what_to_do_is_told_in_a_line() {
        let nothing = Attached::default();
        for (board, expected) in [
            (
                "pico",
                "found no drive RPI-RP2 and no probe-rs for a debug probe (`cargo install \
                 probe-rs-tools --locked`), expected Raspberry Pi Pico: hold BOOTSEL while connecting USB",
            ),
            (
                "mps2-an386",
                "found no hardware of mps2-an386, which is emulated only: `cargo xtask qemu \
                 mps2-an386` runs it",
            ),
            (
                "esp32c3",
                "found no espflash, expected it for esp32c3: `cargo install espflash --locked` installs it",
            ),
        ] {
            assert_eq!(way(board, &nothing), Err(expected.into()));
        }
        let running = Attached {
            ports: vec![port("/dev/ttyACM0", (0x2e8a, 0x0009))],
            probes: Some(0),
            ..nothing
        };
        assert_eq!(
            way("pico2", &running).unwrap_err(),
            "found no drive RP2350 and no debug probe, expected Raspberry Pi Pico 2 (its serial port is \
             there, so it runs a program): hold BOOTSEL while connecting USB"
        );
    }

    #[test]
    fn espflash_is_for_a_port_of_the_chip_itself() {
        let mut attached = Attached {
            has_espflash: true,
            probes: Some(1),
            ..Attached::default()
        };
        let error = way("esp32c3", &attached).unwrap_err();
        assert!(
            error.starts_with(
                "found no serial port of the USB device 303a:1001, expected ESP32-C3: "
            ),
            "{error}"
        );
        attached.ports = vec![port("COM3", (0x303a, 0x1001))];
        let chip = "esp32c3".into();
        assert_eq!(way("esp32c3", &attached), Ok(Way::Espflash { chip }));
    }

    #[test]
    fn every_board_of_hardware_can_be_written_and_says_what_to_do() {
        for board in crate::boards::all() {
            let Some(flashing) = &board.flashing else {
                assert!(board.emulator.is_some(), "{}", board.name);
                continue;
            };
            assert!(!flashing.prepare.is_empty(), "{}", board.name);
            let tools = [&flashing.probe_rs_chip, &flashing.espflash_chip];
            assert!(tools.iter().any(|tool| tool.is_some()), "{}", board.name);
        }
    }
}

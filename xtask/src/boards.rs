//! The boards. A board is a folder in `firmware-demo/boards` and an entry here; boards that differ
//! only in their core share a folder.

use anyhow::{Context, Result};

use crate::image::Format;

/// A board.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its core, for people.
    pub core: &'static str,
    /// Its folder, package and binary.
    pub package: &'static str,
    /// The target triple of its core.
    pub target: &'static str,
    /// Where the model region lies, as in the board's memory.x.
    pub model_address: u32,
    /// Bytes in the model region.
    pub model_room: u32,
    /// What its flash is written from.
    pub image: Format,
    /// Whether that holds the firmware too. Otherwise a tool of the chip's maker writes it.
    pub image_has_firmware: bool,
    /// What else the board's drive does when it is given an image without the firmware.
    pub drive_without_firmware: Option<&'static str>,
    /// Whether it is built on `board-support`, without a HAL of the chip's maker: then it cannot
    /// panic, and its stack has a bound.
    pub on_board_support: bool,
    /// The QEMU machine that stands for it, if there is one.
    pub emulator: Option<Emulator>,
}

/// A machine of QEMU.
#[derive(Clone, Copy, Debug)]
pub struct Emulator {
    /// The QEMU program.
    pub program: &'static str,
    /// QEMU's name of the machine.
    pub machine: &'static str,
    /// What else QEMU needs to be told.
    pub options: &'static [&'static str],
}

const fn arm(machine: &'static str, options: &'static [&'static str]) -> Option<Emulator> {
    Some(Emulator {
        program: "qemu-system-arm",
        machine,
        options,
    })
}

/// Of the interface chip of a micro:bit.
const ERASES_ALL: &str = "erases the whole flash first, and the firmware with it";

/// Every board.
pub const BOARDS: &[Board] = &[
    Board {
        name: "mps2-an386",
        core: "Cortex-M4F",
        package: "mps2",
        target: "thumbv7em-none-eabihf",
        model_address: 0x0010_0000,
        model_room: 3 << 20,
        image: Format::Hex,
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: true,
        emulator: arm("mps2-an386", &[]),
    },
    Board {
        name: "mps2-an385",
        core: "Cortex-M3",
        package: "mps2",
        target: "thumbv7m-none-eabi",
        model_address: 0x0010_0000,
        model_room: 3 << 20,
        image: Format::Hex,
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: true,
        emulator: arm("mps2-an385", &[]),
    },
    Board {
        name: "mps2-an500",
        core: "Cortex-M7",
        package: "mps2",
        target: "thumbv7em-none-eabihf",
        model_address: 0x0010_0000,
        model_room: 3 << 20,
        image: Format::Hex,
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: true,
        emulator: arm("mps2-an500", &[]),
    },
    Board {
        name: "lm3s6965evb",
        core: "Cortex-M3",
        package: "lm3s6965evb",
        target: "thumbv7m-none-eabi",
        model_address: 0x0001_0000,
        model_room: 192 << 10,
        image: Format::Bin,
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: true,
        emulator: arm("lm3s6965evb", &[]),
    },
    Board {
        name: "microbit",
        core: "Cortex-M0",
        package: "microbit",
        target: "thumbv6m-none-eabi",
        model_address: 0x0001_0000,
        model_room: 192 << 10,
        image: Format::Hex,
        image_has_firmware: true,
        drive_without_firmware: Some(ERASES_ALL),
        on_board_support: true,
        emulator: arm("microbit", &[]),
    },
    Board {
        name: "nucleo-f446re",
        core: "Cortex-M4F",
        package: "nucleo-f446re",
        target: "thumbv7em-none-eabihf",
        model_address: 0x0802_0000,
        model_room: 384 << 10,
        image: Format::Bin,
        image_has_firmware: true,
        drive_without_firmware: Some("writes from the start of flash, over the firmware"),
        on_board_support: true,
        // USART2 is its second serial port.
        emulator: arm("netduinoplus2", &["-serial", "null"]),
    },
    Board {
        name: "bluepill",
        core: "Cortex-M3",
        package: "bluepill",
        target: "thumbv7m-none-eabi",
        model_address: 0x0800_a000,
        model_room: 24 << 10,
        image: Format::Hex,
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: true,
        emulator: arm("stm32vldiscovery", &[]),
    },
    Board {
        name: "riscv-virt",
        core: "RV32IMAC",
        package: "riscv-virt",
        target: "riscv32imac-unknown-none-elf",
        model_address: 0x8010_0000,
        model_room: 3 << 20,
        image: Format::Bin,
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: true,
        emulator: Some(Emulator {
            program: "qemu-system-riscv32",
            machine: "virt",
            options: &["-bios", "none"],
        }),
    },
    Board {
        name: "microbit-v2",
        core: "Cortex-M4F",
        package: "microbit-v2",
        target: "thumbv7em-none-eabihf",
        model_address: 0x0002_0000,
        model_room: 384 << 10,
        image: Format::Hex,
        image_has_firmware: true,
        drive_without_firmware: Some(ERASES_ALL),
        on_board_support: true,
        emulator: None,
    },
    Board {
        name: "pico",
        core: "Cortex-M0+",
        package: "pico",
        target: "thumbv6m-none-eabi",
        model_address: 0x1008_0000,
        model_room: 1536 << 10,
        image: Format::Uf2 {
            family: 0xe48b_ff56,
        },
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: false,
        emulator: None,
    },
    Board {
        name: "pico2",
        core: "Cortex-M33",
        package: "pico2",
        target: "thumbv8m.main-none-eabihf",
        model_address: 0x1008_0000,
        model_room: 3584 << 10,
        image: Format::Uf2 {
            family: 0xe48b_ff59,
        },
        image_has_firmware: true,
        drive_without_firmware: None,
        on_board_support: false,
        emulator: None,
    },
    Board {
        name: "esp32c3",
        core: "RV32IMC",
        package: "esp32c3",
        target: "riscv32imc-unknown-none-elf",
        // In flash: partitions.csv instead of memory.x.
        model_address: 0x0020_0000,
        model_room: 2 << 20,
        image: Format::Bin,
        image_has_firmware: false,
        drive_without_firmware: None,
        on_board_support: false,
        emulator: None,
    },
];

impl Board {
    /// The board of the demo and of the first tests.
    pub const DEFAULT: &Board = &BOARDS[0];

    /// The board of this name.
    ///
    /// # Errors
    ///
    /// A line with the names there are.
    pub fn parse(name: &str) -> Result<&'static Board, String> {
        Self::parse_of(BOARDS.iter(), name)
    }

    /// The board of this name, which QEMU emulates.
    ///
    /// # Errors
    ///
    /// A line with the names there are.
    pub fn parse_emulated(name: &str) -> Result<&'static Board, String> {
        Self::parse_of(emulated(), name)
    }

    /// The machine of QEMU that stands for it.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn emulator(&self) -> Result<&Emulator> {
        let emulator = self.emulator.as_ref();
        emulator.with_context(|| format!("QEMU has no machine for {}", self.name))
    }

    fn parse_of(
        mut boards: impl Iterator<Item = &'static Board> + Clone,
        name: &str,
    ) -> Result<&'static Board, String> {
        let names: Vec<_> = boards.clone().map(|b| b.name).collect();
        boards
            .find(|b| b.name == name)
            .ok_or_else(|| format!("found {name:?}, expected one of: {}", names.join(", ")))
    }
}

/// The boards that QEMU emulates.
pub fn emulated() -> impl Iterator<Item = &'static Board> + Clone {
    BOARDS.iter().filter(|board| board.emulator.is_some())
}

/// The boards that are built on `board-support`, in the workspace of the firmware.
pub fn on_board_support() -> impl Iterator<Item = &'static Board> + Clone {
    BOARDS.iter().filter(|board| board.on_board_support)
}

/// The others, which have many dependencies and take minutes to build.
pub fn on_a_hal() -> impl Iterator<Item = &'static Board> + Clone {
    BOARDS.iter().filter(|board| !board.on_board_support)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware;

    /// `MODEL (r) : ORIGIN = 0x00100000, LENGTH = 3M` in a memory.x.
    fn model_region(memory_x: &str) -> (u32, u32) {
        let line = memory_x
            .lines()
            .find(|l| l.trim_start().starts_with("MODEL"))
            .expect("memory.x has a MODEL region");
        let value = |key: &str| {
            let (_, rest) = line.split_once(key).expect("ORIGIN and LENGTH");
            let word = rest.trim_start_matches([' ', '=']);
            let word = word.split([',', ' ']).next().unwrap_or_default();
            match (word.strip_prefix("0x"), word.strip_suffix(['K', 'M'])) {
                (Some(hex), _) => u32::from_str_radix(hex, 16).expect("hexadecimal"),
                (None, Some(n)) => {
                    n.parse::<u32>().expect("decimal") << if word.ends_with('K') { 10 } else { 20 }
                }
                (None, None) => word.parse().expect("decimal"),
            }
        };
        (value("ORIGIN"), value("LENGTH"))
    }

    #[test]
    fn the_table_agrees_with_each_memory_x() {
        for board in BOARDS {
            if board.name == "esp32c3" {
                let path = firmware::folder(board).join("partitions.csv");
                let table = std::fs::read_to_string(path).unwrap();
                let (address, room) = (board.model_address, board.model_room);
                let line = format!("model,    data, 0x40,    {address:#x}, {room:#x}");
                assert!(table.contains(&line), "{line}");
                continue;
            }
            let path = firmware::folder(board).join("memory.x");
            let memory_x = std::fs::read_to_string(&path).expect("every board has a memory.x");
            assert_eq!(
                model_region(&memory_x),
                (board.model_address, board.model_room),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn the_table_agrees_with_each_manifest() {
        for board in BOARDS {
            let path = firmware::folder(board).join("Cargo.toml");
            let manifest = std::fs::read_to_string(&path).unwrap();
            let found = manifest.contains("\nboard-support");
            assert_eq!(found, board.on_board_support, "{}", path.display());
        }
    }

    #[test]
    fn an_unknown_board_is_named_with_those_there_are() {
        let error = Board::parse("mps2").unwrap_err();
        assert!(error.starts_with("found \"mps2\", expected one of: mps2-an386"));
    }
}

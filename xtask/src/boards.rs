//! The boards that QEMU emulates. A board is a folder in `firmware-demo/boards` and an entry here;
//! boards that differ only in their core share a folder.

/// A board and the QEMU machine that stands for it.
#[derive(Debug)]
pub struct Board {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its core, for people.
    pub core: &'static str,
    /// Its folder, package and binary.
    pub package: &'static str,
    /// The QEMU program.
    pub qemu: &'static str,
    /// QEMU's name of the machine.
    pub machine: &'static str,
    /// What else QEMU needs to be told.
    pub options: &'static [&'static str],
    /// The target triple of its core.
    pub target: &'static str,
    /// Where the model region lies, as in the board's memory.x.
    pub model_address: u64,
    /// Bytes in the model region.
    pub model_room: u64,
}

/// Every board.
pub const BOARDS: &[Board] = &[
    Board {
        name: "mps2-an386",
        core: "Cortex-M4F",
        package: "mps2",
        qemu: "qemu-system-arm",
        machine: "mps2-an386",
        options: &[],
        target: "thumbv7em-none-eabihf",
        model_address: 0x0010_0000,
        model_room: 3 << 20,
    },
    Board {
        name: "mps2-an385",
        core: "Cortex-M3",
        package: "mps2",
        qemu: "qemu-system-arm",
        machine: "mps2-an385",
        options: &[],
        target: "thumbv7m-none-eabi",
        model_address: 0x0010_0000,
        model_room: 3 << 20,
    },
    Board {
        name: "lm3s6965evb",
        core: "Cortex-M3",
        package: "lm3s6965evb",
        qemu: "qemu-system-arm",
        machine: "lm3s6965evb",
        options: &[],
        target: "thumbv7m-none-eabi",
        model_address: 0x0001_0000,
        model_room: 192 << 10,
    },
    Board {
        name: "microbit",
        core: "Cortex-M0",
        package: "microbit",
        qemu: "qemu-system-arm",
        machine: "microbit",
        options: &[],
        target: "thumbv6m-none-eabi",
        model_address: 0x0001_0000,
        model_room: 192 << 10,
    },
    Board {
        name: "riscv-virt",
        core: "RV32IMAC",
        package: "riscv-virt",
        qemu: "qemu-system-riscv32",
        machine: "virt",
        options: &["-bios", "none"],
        target: "riscv32imac-unknown-none-elf",
        model_address: 0x8010_0000,
        model_room: 3 << 20,
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
        BOARDS.iter().find(|b| b.name == name).ok_or_else(|| {
            let names: Vec<_> = BOARDS.iter().map(|b| b.name).collect();
            format!("found {name:?}, expected one of: {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware;

    /// `MODEL (r) : ORIGIN = 0x00100000, LENGTH = 3M` in a memory.x.
    fn model_region(memory_x: &str) -> (u64, u64) {
        let line = memory_x
            .lines()
            .find(|l| l.trim_start().starts_with("MODEL"))
            .expect("memory.x has a MODEL region");
        let value = |key: &str| {
            let (_, rest) = line.split_once(key).expect("ORIGIN and LENGTH");
            let word = rest.trim_start_matches([' ', '=']);
            let word = word.split([',', ' ']).next().unwrap_or_default();
            match (word.strip_prefix("0x"), word.strip_suffix(['K', 'M'])) {
                (Some(hex), _) => u64::from_str_radix(hex, 16).expect("hexadecimal"),
                (None, Some(n)) => {
                    n.parse::<u64>().expect("decimal") << if word.ends_with('K') { 10 } else { 20 }
                }
                (None, None) => word.parse().expect("decimal"),
            }
        };
        (value("ORIGIN"), value("LENGTH"))
    }

    #[test]
    fn the_table_agrees_with_each_memory_x() {
        for board in BOARDS {
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
    fn an_unknown_board_is_named_with_those_there_are() {
        let error = Board::parse("mps2").unwrap_err();
        assert!(error.starts_with("found \"mps2\", expected one of: mps2-an386"));
    }
}

//! What `firmware-demo/boards/*/board.toml` say of the boards, a Cortex-M0+ as an M0, an M7 and an M33 as an
//! M4. The test `boards` compares this file, and `BLESS=1` writes it anew.

use super::boards::Board;

/// Every board, as the folders of the firmware tell.
pub static BOARDS: &[Board] = &[
    Board {
        name: "bluepill",
        core: "Cortex-M3",
        clock: 64000000.0,
        model_room: 24576,
        ram: 8192,
    },
    Board {
        name: "esp32c3",
        core: "RV32IMAC",
        clock: 160000000.0,
        model_room: 2097152,
        ram: 320512,
    },
    Board {
        name: "feather-rp2040",
        core: "Cortex-M0",
        clock: 125000000.0,
        model_room: 7864320,
        ram: 270336,
    },
    Board {
        name: "lm3s6965evb",
        core: "Cortex-M3",
        clock: 12500000.0,
        model_room: 196608,
        ram: 65536,
    },
    Board {
        name: "microbit",
        core: "Cortex-M0",
        clock: 16000000.0,
        model_room: 196608,
        ram: 16384,
    },
    Board {
        name: "microbit-v2",
        core: "Cortex-M4F",
        clock: 64000000.0,
        model_room: 393216,
        ram: 131072,
    },
    Board {
        name: "mps2-an385",
        core: "Cortex-M3",
        clock: 25000000.0,
        model_room: 3145728,
        ram: 4194304,
    },
    Board {
        name: "mps2-an386",
        core: "Cortex-M4F",
        clock: 25000000.0,
        model_room: 3145728,
        ram: 4194304,
    },
    Board {
        name: "mps2-an500",
        core: "Cortex-M4F",
        clock: 25000000.0,
        model_room: 3145728,
        ram: 4194304,
    },
    Board {
        name: "nrf52840-dk",
        core: "Cortex-M4F",
        clock: 64000000.0,
        model_room: 917504,
        ram: 262144,
    },
    Board {
        name: "nucleo-f446re",
        core: "Cortex-M4F",
        clock: 168000000.0,
        model_room: 393216,
        ram: 131072,
    },
    Board {
        name: "pico",
        core: "Cortex-M0",
        clock: 125000000.0,
        model_room: 1572864,
        ram: 270336,
    },
    Board {
        name: "pico2",
        core: "Cortex-M4F",
        clock: 150000000.0,
        model_room: 3670016,
        ram: 524288,
    },
    Board {
        name: "riscv-virt",
        core: "RV32IMAC",
        clock: 10000000.0,
        model_room: 3145728,
        ram: 4194304,
    },
];

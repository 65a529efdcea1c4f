//! Boards that a model may fit.

pub use crate::hardware::board_table::BOARDS;
use crate::hardware::cost::{Core, Shape};
use crate::hardware::figures::CORES;
use flash_image::Format;
use lstm_core::Model;
use lstm_core::export::Feature;

/// Bytes of RAM that the firmware keeps for its stack, as its linker script asserts.
const STACK: usize = 4 << 10;
/// Bytes of RAM of the firmware's own variables: what was received and not yet read, and the line that
/// is being typed.
const VARIABLES: usize = 3 << 9;

/// A board, or a machine of QEMU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Board {
    /// Its name.
    pub name: &'static str,
    /// The core of `docs/bench.txt` whose kernels run on it.
    pub core: &'static str,
    /// Hertz, as the firmware sets it.
    pub clock: f64,
    /// The features of lstm-core that its firmware has.
    pub features: &'static [&'static str],
    /// Bytes of flash for the model, beside the firmware.
    pub model_room: usize,
    /// Bytes of RAM that the firmware has.
    pub ram: usize,
    /// Bytes a second that the flash lets through, where the core waits for it.
    pub flash_rate: Option<f64>,
    /// Bytes of RAM into which a model is copied at start, or its network alone.
    pub copy_room: usize,
    /// How its flash is written; `None` for a machine that is emulated only.
    pub flash: Option<Flash>,
}

/// How the flash of a board is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flash {
    /// The format of the file.
    pub format: Format,
    /// The address of the flash's first byte for the firmware, where a file of plain bytes begins.
    pub start: u32,
    /// The address of the model.
    pub model: u32,
    /// Whether the file holds the firmware too. Otherwise a tool of the chip's maker writes the firmware.
    pub has_firmware: bool,
    /// For people, in Markdown; the file is FILE with the end of its format.
    pub how: &'static str,
    /// What the board's drive does besides with a file that has a model alone.
    pub drive_without_firmware: Option<&'static str>,
}

/// What a model takes of a board's flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelBytes {
    /// Of its file.
    pub file: usize,
    /// Of those, what each step reads: all but names and a memory.
    pub network: usize,
}

impl ModelBytes {
    /// Those of a model.
    pub fn of(model: &Model<'_>) -> Self {
        Self {
            file: model.file_bytes(),
            network: model.network_bytes(),
        }
    }
}

/// How a model does on a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Characters a second: an estimate by cycles, or by instructions where the cycles are not known,
    /// and by the time that the core waits for the flash. Nobody has measured it.
    pub characters_per_second: f64,
    /// What the firmware lacks to run it, or does not fit; `None` where it runs.
    pub misfit: Option<String>,
}

impl Board {
    /// The costs of its core.
    ///
    /// # Panics
    /// It was not counted on; each board's was.
    pub fn costs(&self) -> &'static Core {
        let core = CORES.iter().find(|core| core.name == self.core);
        core.expect("a core that was counted on")
    }

    /// A model of this shape and these bytes, at `clock` hertz.
    pub fn try_model(&self, shape: &Shape, bytes: ModelBytes, clock: f64) -> Outcome {
        let core = self.costs();
        let ram = core.ram(shape) + shape.window_bytes() + STACK + VARIABLES;
        let over = |what: &str, needed: usize, room: usize| {
            needed
                .checked_sub(room + 1)
                .map(|n| format!("{what} lacks {} bytes", n + 1))
        };
        let mut needed = shape.features().map(Feature::name);
        let lacking = needed.find(|feature| !self.features.contains(feature));
        let lacking = lacking.map(|feature| format!("its firmware lacks {feature}"));
        let cycles = core
            .cycles(shape)
            .unwrap_or_else(|| core.instructions(shape));
        let waiting = match self.flash_rate {
            Some(rate) if bytes.network > self.copy_room => shape.bytes_read() / rate,
            _ => 0.0,
        };
        Outcome {
            characters_per_second: 1.0 / (cycles / clock + waiting),
            misfit: lacking
                .or_else(|| over("flash", bytes.file, self.model_room))
                .or_else(|| over("RAM", ram, self.ram)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lstm_core::{Format, LayerShape};

    /// A file that is all network.
    fn of(file: usize) -> ModelBytes {
        ModelBytes {
            file,
            network: file,
        }
    }

    #[test]
    fn each_board_has_a_counted_core() {
        for board in BOARDS.iter() {
            assert_eq!(board.costs().name, board.core);
        }
    }

    #[test]
    fn a_board_waits_for_its_flash_unless_the_model_is_in_ram() {
        let shape = Shape::text(Format::Int8, vec![LayerShape::lstm(64)], 27);
        let board = Board {
            core: "Cortex-M0",
            clock: 1e6,
            model_room: 1 << 20,
            ram: 1 << 20,
            flash_rate: Some(1e6),
            copy_room: 100,
            ..BOARDS[0]
        };
        let seconds = |network| {
            let bytes = ModelBytes {
                file: 1000,
                network,
            };
            1.0 / board.try_model(&shape, bytes, 1e6).characters_per_second
        };
        // 256 rows and 28 of the dense layer, of 64 columns: a byte a microsecond.
        let waiting = seconds(101) - seconds(100);
        assert!((waiting - 284.0 * 64e-6).abs() < 1e-9, "{waiting}");
        let cycles = board.costs().cycles(&shape).unwrap();
        assert!(cycles > board.costs().instructions(&shape));
        assert!((seconds(100) - cycles * 1e-6).abs() < 1e-9);
    }

    #[test]
    fn what_a_firmware_lacks_is_told() {
        let misfit = |name, shape: &Shape| {
            let board = BOARDS.iter().find(|board| board.name == name);
            board.unwrap().try_model(shape, of(1000), 1e6).misfit
        };
        let lacks = |feature| Some(format!("its firmware lacks {feature}"));
        let lstm = vec![LayerShape::lstm(16)];
        let text = Shape::text(Format::Int8, lstm.clone(), 27);
        assert_eq!(misfit("bluepill", &text), None);
        let single = Shape::text(Format::F32, lstm, 27);
        assert_eq!(misfit("bluepill", &single), lacks("f32"));
        let values = Shape {
            channels: 6,
            ..text.clone()
        };
        assert_eq!(misfit("microbit", &values), lacks("sensor"));
        assert_eq!(misfit("microbit-sensors", &values), None);
        let memory = Shape {
            has_memory: true,
            ..text
        };
        assert_eq!(misfit("microbit-sensors", &memory), lacks("ngram"));
        assert_eq!(misfit("microbit", &memory), None);
    }

    #[test]
    fn what_does_not_fit_is_told_to_the_byte() {
        let shape = Shape::text(Format::Int8, vec![LayerShape::lstm(256)], 27);
        let micro = BOARDS.iter().find(|board| board.name == "microbit");
        let micro = micro.unwrap();
        let misfit = |flash| micro.try_model(&shape, of(flash), 16e6).misfit;
        let room = micro.model_room;
        assert_eq!(misfit(room), None);
        assert_eq!(misfit(room + 7), Some("flash lacks 7 bytes".into()));
        let tight = Board {
            ram: micro.costs().ram(&shape) + STACK + VARIABLES - 1,
            ..*micro
        };
        let found = tight.try_model(&shape, of(1), 16e6).misfit;
        assert_eq!(found, Some("RAM lacks 1 bytes".into()));
    }
}

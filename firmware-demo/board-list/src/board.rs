use std::fmt;

use flash_image::Format as ImageFormat;
use serde::Deserialize;

use crate::{
    error::Error,
    units::{Bytes, Region},
};

/// What a `board.toml` says of a board.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Board {
    /// Its name on the command line: that of its folder, unless the file has several boards.
    pub name: String,
    /// Its folder in `firmware-demo/boards`, which is also its package and its binary.
    #[serde(skip)]
    pub folder: String,
    /// What its maker calls it.
    pub title: String,
    /// Its microcontroller.
    pub chip: String,
    /// The core that runs the firmware.
    pub core: Core,
    /// The target triple of the core.
    pub target: String,
    /// Hertz of the core, as the firmware sets it.
    pub clock: u32,
    /// What the firmware is built on.
    pub runtime: Runtime,
    /// The features of lstm-core that the firmware has, each of which brings a kind of models.
    pub features: Vec<String>,
    /// The shipped model that it shows where none is named, of `models/`; none for the best poet that it runs.
    pub model: Option<String>,
    /// Where its serial port comes out, for people.
    pub serial: String,
    /// The flash.
    pub flash: Flash,
    /// The RAM of the chip.
    pub ram: Bytes,
    /// What the firmware uses of them.
    pub memory: Memory,
    /// The file from which its flash is written.
    pub image: Image,
    /// The QEMU machine that stands for it, if there is one.
    pub emulator: Option<Emulator>,
    /// What else runs its image in the tests.
    pub tested_in: Option<String>,
    /// How its flash is written; nothing for a board that is emulated only.
    pub flashing: Option<Flashing>,
}

/// A core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "names of products")]
pub enum Core {
    #[serde(rename = "Cortex-M0")]
    CortexM0,
    #[serde(rename = "Cortex-M0+")]
    CortexM0Plus,
    #[serde(rename = "Cortex-M3")]
    CortexM3,
    #[serde(rename = "Cortex-M4F")]
    CortexM4F,
    #[serde(rename = "Cortex-M7")]
    CortexM7,
    #[serde(rename = "Cortex-M33")]
    CortexM33,
    #[serde(rename = "RV32IMC")]
    Rv32imc,
    #[serde(rename = "RV32IMAC")]
    Rv32imac,
}

impl Core {
    /// The core on which `docs/bench.txt` counts the kernels that run on this one.
    pub fn counted_as(self) -> Core {
        match self {
            Core::CortexM0 | Core::CortexM0Plus => Core::CortexM0,
            Core::CortexM3 => Core::CortexM3,
            Core::CortexM4F | Core::CortexM7 | Core::CortexM33 => Core::CortexM4F,
            Core::Rv32imc | Core::Rv32imac => Core::Rv32imac,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Core::CortexM0 => "Cortex-M0",
            Core::CortexM0Plus => "Cortex-M0+",
            Core::CortexM3 => "Cortex-M3",
            Core::CortexM4F => "Cortex-M4F",
            Core::CortexM7 => "Cortex-M7",
            Core::CortexM33 => "Cortex-M33",
            Core::Rv32imc => "RV32IMC",
            Core::Rv32imac => "RV32IMAC",
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the firmware of a board is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// `support-uart`: the registers of the chip, without a HAL. It cannot panic, and its stack has a
    /// bound.
    Registers,
    /// A HAL of the Embassy project.
    Embassy,
    /// Espressif's HAL, which brings its own memory map.
    EspHal,
}

/// The flash of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flash {
    /// All of it.
    pub size: Bytes,
    /// Bytes a second that the core reads from it, if it is a chip of its own and slower than the
    /// core.
    pub bytes_per_second: Option<u32>,
}

/// The memory map of a firmware.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Memory {
    /// Flash for the code.
    pub code: Region,
    /// Flash for the model, which is loaded without touching the code.
    pub model: Region,
    /// RAM for variables and stack.
    pub ram: Region,
    /// Where the core reads the model, if not at the address at which it is flashed.
    pub model_mapped_at: Option<u32>,
    /// RAM into which a model that fits is copied at start, where the flash is slower than RAM.
    pub model_copy: Option<Bytes>,
    /// Bytes at the start of `code` for the second stage of the boot loader, which the chip wants apart.
    pub boot2: Option<Bytes>,
    /// A file in `boards/` with what else the linker must know.
    pub linker_script: Option<String>,
}

/// The file from which a board's flash is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ImageTable")]
pub struct Image {
    /// What kind of file.
    pub format: ImageFormat,
    /// Whether it holds the firmware too. Otherwise a tool of the chip's maker writes the firmware.
    pub firmware: bool,
}

/// An [`Image`] as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageTable {
    format: String,
    family: Option<u32>,
    #[serde(default = "yes")]
    firmware: bool,
}

fn yes() -> bool {
    true
}

impl TryFrom<ImageTable> for Image {
    type Error = Error;

    fn try_from(table: ImageTable) -> Result<Self, Error> {
        let format = match (&*table.format, table.family) {
            ("hex", None) => ImageFormat::Hex,
            ("bin", None) => ImageFormat::Bin,
            ("uf2", Some(family)) => ImageFormat::Uf2 { family },
            ("uf2", None) => return Err(Error::new("found no family, expected one for uf2")),
            ("hex" | "bin", Some(_)) => {
                return Err(Error::new("found a family, expected it for uf2 alone"));
            }
            (other, _) => {
                let line = format!("found format {other:?}, expected hex, bin or uf2");
                return Err(Error::new(line));
            }
        };
        let firmware = table.firmware;
        Ok(Image { format, firmware })
    }
}

/// A machine of QEMU.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Emulator {
    /// The QEMU program.
    pub program: String,
    /// QEMU's name of the machine.
    pub machine: String,
    /// What else QEMU needs to be told.
    #[serde(default)]
    pub options: Vec<String>,
}

/// How a board's flash is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flashing {
    /// For people, in Markdown.
    pub how: String,
    /// What a person does first, so that the computer sees the board; it follows a colon.
    pub prepare: String,
    /// The numbers of its serial port on USB.
    pub usb: Option<UsbId>,
    /// The drive as which it takes an image.
    pub drive: Option<Drive>,
    /// What else the board's drive does when it is given an image without the firmware.
    pub drive_without_firmware: Option<String>,
    /// What probe-rs calls the chip.
    pub probe_rs_chip: Option<String>,
    /// What espflash calls the chip.
    pub espflash_chip: Option<String>,
}

/// The drive as which a board takes an image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Drive {
    /// What it is called: one of these.
    pub labels: Vec<String>,
    /// A file on it that tells the board from others whose drive is called the same.
    pub file: Option<String>,
    /// What stands in that file: one of these.
    #[serde(default)]
    pub contains: Vec<String>,
}

/// The numbers of a USB device: in a file `"2e8a:000a"`, or `"1366:*"` for all products of a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UsbId {
    /// The vendor.
    pub vendor: u16,
    /// The vendor's product; without it, all of them.
    pub product: Option<u16>,
}

impl TryFrom<String> for UsbId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let hex = |digits: &str| u16::from_str_radix(digits, 16).ok();
        let read = |text: &str| {
            let (vendor, product) = text.split_once(':')?;
            let vendor = hex(vendor)?;
            match product {
                "*" => Some(UsbId {
                    vendor,
                    product: None,
                }),
                _ => hex(product).map(|product| UsbId {
                    vendor,
                    product: Some(product),
                }),
            }
        };
        read(&text).ok_or_else(|| {
            Error::new(format!(
                "found {text:?}, expected a USB device such as \"2e8a:000a\" or \"1366:*\""
            ))
        })
    }
}

/// As in a file.
impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.product {
            Some(product) => write!(f, "{:04x}:{product:04x}", self.vendor),
            None => write!(f, "{:04x}:*", self.vendor),
        }
    }
}

impl Board {
    /// Whether it is built on `support-uart`, without a HAL: then it cannot panic, and its stack has a
    /// bound.
    pub fn is_bare_metal(&self) -> bool {
        self.runtime == Runtime::Registers
    }
}

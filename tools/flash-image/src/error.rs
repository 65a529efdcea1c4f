use std::fmt;
use std::ops::Range;

use ihex::ReaderError;

/// Why there is no image. Every message is one line that says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is not a byte.
    Empty,
    /// Bytes go on after the last address of 32 bits.
    Address {
        /// Where they end.
        found: u64,
    },
    /// Two parts want the same addresses.
    Overlap {
        /// The part that begins at the lower address.
        below: Range<u64>,
        /// The other.
        above: Range<u64>,
    },
    /// A model is too large for its place.
    Room {
        /// Its bytes.
        found: usize,
        /// The most.
        expected: u32,
    },
    /// An image has no model where the board has one.
    NoModel {
        /// The address.
        address: u32,
    },
    /// An image has nothing but a model.
    NoFirmware,
    /// A line is none of Intel hex.
    HexLine {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: ReaderError,
    },
    /// The file is no text.
    HexText,
    /// The last line of a hex file, its end record, is missing, or something follows it.
    HexEnd,
    /// The length of a UF2 file is no multiple of a block's.
    Uf2Length {
        /// Bytes of the file.
        found: usize,
    },
    /// A block is none of UF2 with bytes for the flash, or not the next one.
    Uf2Block {
        /// Its number, from 0.
        block: usize,
    },
    /// A block is for another family of chips.
    Uf2Family {
        /// Of the block.
        found: u32,
        /// Of the chip.
        expected: u32,
    },
    /// Blocks are missing, or there are too many.
    Uf2Blocks {
        /// In the file.
        found: usize,
        /// That the blocks tell.
        expected: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Empty => {
                f.write_str("found nothing to write to flash, expected at least a byte")
            }
            Error::Address { found } => {
                write!(
                    f,
                    "found bytes up to {found:#x}, expected none from {:#x} on",
                    1u64 << 32
                )
            }
            Error::Overlap { below, above } => write!(
                f,
                "two parts of the image overlap: found one from {:#x} to {:#x} and one from {:#x} to {:#x}",
                below.start, below.end, above.start, above.end
            ),
            Error::Room { found, expected } => write!(
                f,
                "found a model of {found} bytes, expected at most {expected}, for which the board has flash"
            ),
            Error::NoModel { address } => write!(
                f,
                "found no model at {address:#x}, expected the image of a release for this board"
            ),
            Error::NoFirmware => f.write_str(
                "found an image with a model alone, expected one with the firmware of the board",
            ),
            Error::HexLine { line, reason } => {
                write!(f, "line {line} is none of Intel hex: {reason}")
            }
            Error::HexText => {
                f.write_str("found bytes that are no text, expected lines of Intel hex")
            }
            Error::HexEnd => {
                f.write_str("found another last line, expected :00000001FF, the end of Intel hex")
            }
            Error::Uf2Length { found } => {
                write!(
                    f,
                    "found {found} bytes, expected a multiple of 512, the bytes of a block of UF2"
                )
            }
            Error::Uf2Block { block } => {
                write!(
                    f,
                    "block {block} is not the block {block} of a UF2 file for flash"
                )
            }
            Error::Uf2Family { found, expected } => write!(
                f,
                "found UF2 for the chips of family {found:#010x}, expected {expected:#010x}"
            ),
            Error::Uf2Blocks { found, expected } => {
                write!(f, "found {found} blocks of UF2, expected {expected}")
            }
        }
    }
}

impl std::error::Error for Error {}

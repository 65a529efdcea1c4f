#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod hex;
mod place;
mod uf2;

use std::fmt;
use std::ops::Range;

pub use error::Error;
pub use place::Place;

/// The file formats of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Intel hex.
    Hex,
    /// The bytes alone, from the first address to the last. What lies between is 0xff, as in erased
    /// flash.
    Bin,
    /// Microsoft's UF2, for the chips of this family.
    Uf2 {
        /// As in Microsoft's list of families.
        family: u32,
    },
}

/// Shown as the end of such a file's name.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Format::Hex => "hex",
            Format::Bin => "bin",
            Format::Uf2 { .. } => "uf2",
        })
    }
}

/// Bytes for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where they go.
    pub address: u32,
    /// What goes there.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// From the first byte to the end.
    pub fn range(&self) -> Range<u64> {
        let start = u64::from(self.address);
        start..start + self.bytes.len() as u64
    }

    /// What of it lies in a range.
    fn part(&self, range: Range<u64>) -> Option<Segment> {
        let own = self.range();
        let (start, end) = (range.start.max(own.start), range.end.min(own.end));
        let index = |address: u64| usize::try_from(address - own.start).ok();
        let bytes = match start < end {
            true => self.bytes.get(index(start)?..index(end)?)?.to_vec(),
            false => return None,
        };
        let address = u32::try_from(start).ok()?;
        Some(Segment { address, bytes })
    }
}

/// What is written to flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image(Vec<Segment>);

impl Image {
    /// The segments by address; those that touch become one.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Address`] if one goes on after the last address of 32 bits, [`Error::Overlap`].
    pub fn new(mut segments: Vec<Segment>) -> Result<Self, Error> {
        segments.retain(|segment| !segment.bytes.is_empty());
        segments.sort_by_key(|segment| segment.address);
        let mut joined: Vec<Segment> = Vec::new();
        for segment in segments {
            let range = segment.range();
            if range.end > 1 << 32 {
                return Err(Error::Address { found: range.end });
            }
            match joined.last_mut() {
                Some(below) if below.range().end > range.start => {
                    return Err(Error::Overlap {
                        below: below.range(),
                        above: range,
                    });
                }
                Some(below) if below.range().end == range.start => {
                    below.bytes.extend(segment.bytes);
                }
                _ => joined.push(segment),
            }
        }
        match joined.is_empty() {
            true => Err(Error::Empty),
            false => Ok(Image(joined)),
        }
    }

    /// The segments, by address.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// From the first byte to the end of the last.
    pub fn range(&self) -> Range<u64> {
        let first = self.0.first().map_or(0, |segment| segment.range().start);
        let last = self.0.last().map_or(0, |segment| segment.range().end);
        first..last
    }

    /// The bytes from an address to the first that is missing.
    pub fn bytes_at(&self, address: u32) -> &[u8] {
        let address = u64::from(address);
        let mut segments = self.0.iter();
        let segment = segments.find(|segment| segment.range().contains(&address));
        let rest = segment.and_then(|segment| {
            let index = usize::try_from(address - segment.range().start).ok()?;
            segment.bytes.get(index..)
        });
        rest.unwrap_or_default()
    }

    /// The image with a segment in the place of all that lies in a range.
    ///
    /// # Errors
    ///
    /// As [`Image::new`]; the segment may overlap what lies after the range.
    pub fn replace(&self, range: Range<u64>, segment: Segment) -> Result<Self, Error> {
        let outside = [0..range.start, range.end..u64::MAX];
        let kept = self.0.iter().flat_map(|old| {
            let parts = outside.clone().into_iter();
            parts.filter_map(|outside| old.part(outside))
        });
        Self::new(kept.chain([segment]).collect())
    }

    /// The file of the image.
    pub fn encode(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Hex => hex::encode(&self.0),
            Format::Bin => self.bin(),
            Format::Uf2 { family } => uf2::encode(&self.0, family),
        }
    }

    /// The image of a file. Plain bytes go to `start` on; the other formats have addresses.
    ///
    /// # Errors
    ///
    /// The file is cut, damaged, or not in this format, or has blocks of UF2 for another family.
    pub fn decode(file: &[u8], format: Format, start: u32) -> Result<Self, Error> {
        match format {
            Format::Hex => Self::new(hex::decode(file)?),
            Format::Bin => Self::new(vec![Segment {
                address: start,
                bytes: file.to_vec(),
            }]),
            Format::Uf2 { family } => Self::new(uf2::decode(file, family)?),
        }
    }

    fn bin(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for segment in &self.0 {
            let offset = segment.range().start - self.range().start;
            bytes.resize(offset as usize, 0xff);
            bytes.extend(&segment.bytes);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UF2: Format = Format::Uf2 {
        family: 0xe48b_ff56,
    };

    fn segment(address: u32, len: usize) -> Segment {
        let bytes = (0..len).map(|i| (i * 7 + 1) as u8).collect();
        Segment { address, bytes }
    }

    fn image() -> Image {
        // Over a 64 KB bound, and on no multiple of anything.
        Image::new(vec![segment(0x2_0003, 300), segment(0x1_ff05, 100)]).unwrap()
    }

    #[test]
    fn bin_has_the_bytes_and_erased_flash_between() {
        let mut expected = vec![0xff; 0x2_0003 + 300 - 0x1_ff05];
        for segment in image().segments() {
            let start = segment.address as usize - 0x1_ff05;
            expected[start..start + segment.bytes.len()].copy_from_slice(&segment.bytes);
        }
        assert_eq!(image().encode(Format::Bin), expected);
        let decoded = Image::decode(&expected, Format::Bin, 0x1_ff05).unwrap();
        assert_eq!(decoded.segments()[0].bytes, expected);
    }

    #[test]
    fn every_format_is_read_back() {
        let image = image();
        let hex = Image::decode(&image.encode(Format::Hex), Format::Hex, 0).unwrap();
        assert_eq!(hex, image);
        // Whole sectors.
        let uf2 = Image::decode(&image.encode(UF2), UF2, 0).unwrap();
        assert_eq!(uf2.range(), 0x1_f000..0x2_1000);
        for segment in image.segments() {
            let found = &uf2.bytes_at(segment.address)[..segment.bytes.len()];
            assert_eq!(found, segment.bytes);
        }
        assert_eq!(uf2.encode(UF2), image.encode(UF2));
    }

    #[test]
    fn segments_that_touch_are_one_and_an_overlap_is_refused() {
        let error = Image::new(vec![segment(0, 17), segment(16, 1)]).unwrap_err();
        let expected = "two parts of the image overlap: found one from 0x0 to 0x11 and one from \
                        0x10 to 0x11";
        assert_eq!(error.to_string(), expected);
        let touching = Image::new(vec![segment(16, 1), segment(0, 16)]).unwrap();
        assert_eq!(touching.segments().len(), 1);
        assert_eq!(touching.bytes_at(16), [1]);
        assert_eq!(Image::new(vec![segment(7, 0)]).unwrap_err(), Error::Empty);
        let found = (1 << 32) + 1;
        let error = Image::new(vec![segment(u32::MAX, 2)]).unwrap_err();
        assert_eq!(error, Error::Address { found });
        Image::new(vec![segment(u32::MAX, 1)]).unwrap();
    }

    #[test]
    fn what_is_replaced_leaves_no_byte() {
        let whole = Image::new(vec![segment(100, 50)]).unwrap();
        let changed = whole.replace(110..140, segment(110, 5)).unwrap();
        let at = |address| whole.bytes_at(address);
        let expected = [
            Segment {
                address: 100,
                bytes: [&at(100)[..10], &segment(110, 5).bytes].concat(),
            },
            Segment {
                address: 140,
                bytes: at(140).to_vec(),
            },
        ];
        assert_eq!(changed.segments(), expected);
        assert_eq!(changed.bytes_at(115), []);
        // A longer one than the range would write over what lies after it.
        whole.replace(110..140, segment(110, 31)).unwrap_err();
        // All of it.
        let other = whole.replace(0..1 << 32, segment(7, 1)).unwrap();
        assert_eq!(other.segments(), [segment(7, 1)]);
    }

    /// One byte changed, a byte less: it is refused with one line, or it is another image.
    #[test]
    fn a_damaged_file_is_refused_or_another_image() {
        for format in [Format::Hex, UF2] {
            let file = image().encode(format);
            for cut in 1..file.len() {
                // A hex file ends with an end of line that may be missing.
                let error = Image::decode(&file[..cut], format, 0);
                assert!(error.is_err() || file.len() - cut <= 2, "{format} {cut}");
            }
            for (at, bit) in (0..file.len()).flat_map(|at| [(at, 0), (at, 4), (at, 7)]) {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                if let Err(error) = Image::decode(&damaged, format, 0) {
                    assert!(!error.to_string().contains('\n'), "{error}");
                }
            }
        }
    }
}

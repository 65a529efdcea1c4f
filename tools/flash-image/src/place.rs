use std::ops::Range;

use crate::{Error, Format, Image, Segment};

/// The first bytes of a `.lstm` file.
const MAGIC: &[u8] = b"LSTM";

/// Where a `.lstm` file lies in the flash of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The format of the board's images.
    pub format: Format,
    /// The address at which an image of plain bytes begins.
    pub start: u32,
    /// The address of the model.
    pub model: u32,
    /// Bytes of flash for it.
    pub room: u32,
}

impl Place {
    /// The image with a model alone.
    ///
    /// # Errors
    ///
    /// [`Error::Room`], [`Error::Empty`].
    pub fn alone(&self, model: &[u8]) -> Result<Image, Error> {
        Image::new(vec![self.segment(model)?])
    }

    /// The image of a file, with a model in the place of the one in it. All else, which is the firmware, stays.
    ///
    /// # Errors
    ///
    /// As [`Image::decode`]; [`Error::Room`]; [`Error::NoModel`] if there is none at this address, [`Error::NoFirmware`]
    /// if there is nothing below it.
    pub fn replace(&self, file: &[u8], model: &[u8]) -> Result<Image, Error> {
        let segment = self.segment(model)?;
        let image = Image::decode(file, self.format, self.start)?;
        let address = self.model;
        if !image.bytes_at(address).starts_with(MAGIC) {
            return Err(Error::NoModel { address });
        }
        let region = self.region();
        if image.range().start >= region.start {
            return Err(Error::NoFirmware);
        }
        image.replace(region, segment)
    }

    fn segment(&self, model: &[u8]) -> Result<Segment, Error> {
        let (found, expected) = (model.len(), self.room);
        match u32::try_from(found) {
            Ok(bytes) if bytes <= expected => Ok(Segment {
                address: self.model,
                bytes: model.to_vec(),
            }),
            _ => Err(Error::Room { found, expected }),
        }
    }

    fn region(&self) -> Range<u64> {
        let start = u64::from(self.model);
        start..start + u64::from(self.room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        format: Format::Hex,
        start: 0,
        model: 0x8000,
        room: 100,
    };

    fn file(bytes: usize) -> Vec<u8> {
        [MAGIC, &vec![7; bytes - MAGIC.len()]].concat()
    }

    fn release(model: &[u8]) -> Vec<u8> {
        let segment = |address, bytes: &[u8]| Segment {
            address,
            bytes: bytes.to_vec(),
        };
        let segments = vec![segment(3, &[1; 50]), segment(PLACE.model, model)];
        Image::new(segments).unwrap().encode(PLACE.format)
    }

    #[test]
    fn a_model_comes_in_the_place_of_another() {
        let image = PLACE.replace(&release(&file(100)), &file(20)).unwrap();
        assert_eq!(image.encode(PLACE.format), release(&file(20)));
        let alone = PLACE.alone(&file(20)).unwrap();
        assert_eq!(alone.range(), 0x8000..0x8014);
    }

    #[test]
    fn what_is_no_image_with_firmware_and_model_is_refused() {
        let refused = |image: &[u8], model: usize| {
            let error = PLACE.replace(image, &file(model)).unwrap_err();
            error.to_string()
        };
        let whole = release(&file(100));
        assert_eq!(
            refused(&whole, 101),
            "found a model of 101 bytes, expected at most 100, for which the board has flash"
        );
        assert_eq!(
            refused(&release(b"a poem"), 20),
            "found no model at 0x8000, expected the image of a release for this board"
        );
        let alone = PLACE.alone(&file(9)).unwrap().encode(PLACE.format);
        assert_eq!(
            refused(&alone, 20),
            "found an image with a model alone, expected one with the firmware of the board"
        );
    }
}

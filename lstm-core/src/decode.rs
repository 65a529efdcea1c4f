//! Decodes a payload: as much of [postcard](https://postcard.jamesmunns.com) as it takes, in half
//! the code. Tests compare it with the `postcard` crate, which encodes.
//!
//! An integer is refused unless it takes as few bytes as it can; so two different payloads never
//! mean the same.

use crate::alphabet::Chars;
use crate::format::{Cell, Format, LayerShape, Order, Payload};
use crate::{Error, MAX_LAYERS};

impl<'a> Payload<'a> {
    /// Decodes the payload at the start of `bytes`, and gives the bytes that follow it.
    ///
    /// # Errors
    ///
    /// [`Error::Payload`].
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let text = |bytes| core::str::from_utf8(bytes).map_err(|_| Error::Payload);
        let fields = Fields::read(bytes);
        let rest = fields.rest.ok_or(Error::Payload)?;
        let payload = Payload {
            name: text(fields.name)?,
            symbols: text(fields.symbols)?,
            fold_case: fields.fold_case,
            window: fields.window,
            format: fields.format,
            order: fields.order,
            layers: fields.layers.into_iter().take(fields.depth).collect(),
            padding: fields.padding,
            data: fields.data,
        };
        Ok((payload, rest))
    }
}

/// The fields of a [`Payload`], without the code of [`core::str::from_utf8`] and of `heapless`.
pub(crate) struct Fields<'a> {
    /// In UTF-8.
    pub(crate) name: &'a [u8],
    /// In UTF-8.
    pub(crate) symbols: &'a [u8],
    pub(crate) fold_case: bool,
    pub(crate) window: Option<u16>,
    pub(crate) format: Format,
    pub(crate) order: Order,
    pub(crate) depth: usize,
    /// As many as `depth`, then empty ones.
    pub(crate) layers: [LayerShape; MAX_LAYERS],
    pub(crate) padding: &'a [u8],
    pub(crate) data: &'a [u8],
    /// The bytes that follow; `None` if a field is no such field, and then the others mean nothing.
    pub(crate) rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// As [`Payload::decode`].
    #[inline]
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let mut reader = Reader {
            rest: bytes,
            is_sound: true,
        };
        let name = reader.text();
        let symbols = reader.text();
        let fold_case = reader.flag();
        let window = reader.optional_u16();
        let format = match reader.varint(2) {
            0 => Format::F32,
            1 => Format::Int8,
            _ => Format::Int4,
        };
        let order = match reader.flag() {
            false => Order::Rows4,
            true => Order::Columns16 {
                dead_zone: reader.byte(),
            },
        };
        let depth = reader.varint(MAX_LAYERS as u32) as usize;
        let layers = core::array::from_fn(|index| match index < depth {
            true => reader.layer(),
            false => LayerShape::lstm(0),
        });
        let (padding, data) = (reader.bytes(), reader.bytes());
        Fields {
            name,
            symbols,
            fold_case,
            window,
            format,
            order,
            depth,
            layers,
            padding,
            data,
            rest: reader.is_sound.then_some(reader.rest),
        }
    }
}

/// Reads one field after the other. From the first that is none on, what it gives means nothing.
struct Reader<'a> {
    rest: &'a [u8],
    /// Whether all fields so far were such.
    is_sound: bool,
}

impl<'a> Reader<'a> {
    fn layer(&mut self) -> LayerShape {
        LayerShape {
            cell: match self.flag() {
                false => Cell::Lstm,
                true => Cell::Lean,
            },
            hidden: self.u16(),
            projection: self.optional_u16(),
        }
    }

    #[inline(never)]
    fn text(&mut self) -> &'a [u8] {
        let text = self.bytes();
        let mut rest = Chars(text);
        while rest.next().is_some() {}
        self.is_sound &= rest.0.is_empty();
        text
    }

    #[inline(never)]
    fn bytes(&mut self) -> &'a [u8] {
        let length = self.varint(u32::MAX) as usize;
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                bytes
            }
            None => {
                self.is_sound = false;
                &[]
            }
        }
    }

    #[inline(never)]
    fn optional_u16(&mut self) -> Option<u16> {
        self.flag().then(|| self.u16())
    }

    fn u16(&mut self) -> u16 {
        self.varint(u16::MAX.into()) as u16
    }

    fn flag(&mut self) -> bool {
        self.varint(1) != 0
    }

    #[inline(never)]
    fn byte(&mut self) -> u8 {
        let (byte, rest) = match self.rest.split_first() {
            Some((&byte, rest)) => (byte, rest),
            None => {
                self.is_sound = false;
                (0, &[][..])
            }
        };
        self.rest = rest;
        byte
    }

    /// Seven bits a byte, the low ones first; the top bit says that another byte follows. Not above
    /// `most`.
    #[inline(never)]
    fn varint(&mut self, most: u32) -> u32 {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte();
            let bits = u32::from(byte & 0x7f);
            // The bits must fit, and only a lone byte may be 0.
            self.is_sound &= bits << shift >> shift == bits && (shift == 0 || byte != 0);
            value |= bits << shift;
            shift += 7;
            if byte < 0x80 || shift > 28 {
                self.is_sound &= byte < 0x80 && value <= most;
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn varint(bytes: &[u8], most: u32) -> Option<(u32, &[u8])> {
        let mut reader = Reader {
            rest: bytes,
            is_sound: true,
        };
        let value = reader.varint(most);
        reader.is_sound.then_some((value, reader.rest))
    }

    #[test]
    fn integers_are_those_of_postcard() {
        let powers = (0..32).map(|shift| 1u32 << shift);
        let near = powers.flat_map(|power| [power - 1, power, power + 1, power ^ 0x55]);
        for value in near.chain([u32::MAX - 1, u32::MAX]) {
            let mut bytes: Vec<u8> = postcard::to_stdvec(&value).unwrap();
            for end in 0..bytes.len() {
                assert_eq!(varint(&bytes[..end], value), None, "{value} cut off");
            }
            bytes.push(0x80);
            assert_eq!(varint(&bytes, value), Some((value, &[0x80][..])));
            if let Some(most) = value.checked_sub(1) {
                assert_eq!(varint(&bytes, most), None, "{value} is too much");
            }
        }
    }

    #[test]
    fn integers_that_are_too_long_or_too_large_are_refused() {
        let refused: [&[u8]; 7] = [
            // A zero too many.
            &[0x80, 0x00],
            &[0xff, 0x00],
            &[0xff, 0xff, 0xff, 0xff, 0x00],
            // 33 bits and more.
            &[0xff, 0xff, 0xff, 0xff, 0x10],
            &[0x80, 0x80, 0x80, 0x80, 0x7f],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            &[0xff; 12],
        ];
        for bytes in refused {
            assert_eq!(varint(bytes, u32::MAX), None, "{bytes:x?}");
        }
    }
}

//! Decodes a payload: as much of [postcard](https://postcard.jamesmunns.com) as it takes, in half
//! the code. Tests compare it with the `postcard` crate, which encodes.
//!
//! An integer is refused unless it takes as few bytes as it can; so two different payloads never
//! mean the same.

use crate::alphabet::Chars;
use crate::file::{Cell, Format, LayerShape, Order, Payload, PayloadOf};
use crate::{Error, MAX_LAYERS};

impl<'a> Payload<'a> {
    /// Decodes the payload at the start of `bytes`, and gives the bytes that follow it.
    ///
    /// # Errors
    ///
    /// [`Error::Payload`].
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let text = |bytes| core::str::from_utf8(bytes).map_err(|_| Error::Payload);
        let (payload, rest) = PayloadOf::read(bytes)?;
        let payload = Payload {
            name: text(payload.name)?,
            symbols: text(payload.symbols)?,
            fold_case: payload.fold_case,
            window: payload.window,
            format: payload.format,
            order: payload.order,
            layers: payload.layers,
            padding: payload.padding,
            data: payload.data,
        };
        Ok((payload, rest))
    }
}

impl<'a> PayloadOf<'a, &'a [u8]> {
    /// As [`Payload::decode`], without the code of [`core::str::from_utf8`]: texts are bytes, which
    /// are UTF-8.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let mut fields = Fields { rest: bytes };
        let payload = fields.payload().ok_or(Error::Payload)?;
        Ok((payload, fields.rest))
    }
}

/// The fields that are still to be read. Each method reads one; `None` if it is no such field.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn payload(&mut self) -> Option<PayloadOf<'a, &'a [u8]>> {
        Some(PayloadOf {
            name: self.text()?,
            symbols: self.text()?,
            fold_case: self.flag()?,
            window: self.optional_u16()?,
            format: match self.varint()? {
                0 => Format::F32,
                1 => Format::Int8,
                2 => Format::Int4,
                _ => return None,
            },
            order: match self.varint()? {
                0 => Order::Rows4,
                1 => Order::Columns16 {
                    dead_zone: self.byte()?,
                },
                _ => return None,
            },
            layers: self.layers()?,
            padding: self.bytes()?,
            data: self.bytes()?,
        })
    }

    fn layers(&mut self) -> Option<heapless::Vec<LayerShape, MAX_LAYERS>> {
        let mut layers = heapless::Vec::new();
        for _ in 0..self.varint()? {
            let layer = LayerShape {
                cell: match self.varint()? {
                    0 => Cell::Lstm,
                    1 => Cell::Lean,
                    _ => return None,
                },
                hidden: self.u16()?,
                projection: self.optional_u16()?,
            };
            layers.push(layer).ok()?;
        }
        Some(layers)
    }

    #[inline(never)]
    fn text(&mut self) -> Option<&'a [u8]> {
        let text = self.bytes()?;
        let mut rest = Chars(text);
        while rest.next().is_some() {}
        rest.0.is_empty().then_some(text)
    }

    #[inline(never)]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()? as usize;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    #[inline(never)]
    fn optional_u16(&mut self) -> Option<Option<u16>> {
        match self.flag()? {
            true => Some(Some(self.u16()?)),
            false => Some(None),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.varint()?.try_into().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.varint()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Seven bits a byte, the low ones first; the top bit says that another byte follows.
    #[inline(never)]
    fn varint(&mut self) -> Option<u32> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7f);
            // The bits must fit, and only a lone byte may be 0.
            if shift > 28 || (shift == 28 && bits > 0xf) || (shift > 0 && byte == 0) {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
        let mut fields = Fields { rest: bytes };
        let value = fields.varint()?;
        Some((value, fields.rest))
    }

    #[test]
    fn integers_are_those_of_postcard() {
        let powers = (0..32).map(|shift| 1u32 << shift);
        let near = powers.flat_map(|power| [power - 1, power, power + 1, power ^ 0x55]);
        for value in near.chain([u32::MAX - 1, u32::MAX]) {
            let mut bytes: Vec<u8> = postcard::to_stdvec(&value).unwrap();
            for end in 0..bytes.len() {
                assert_eq!(varint(&bytes[..end]), None, "{value} cut off");
            }
            bytes.push(0x80);
            assert_eq!(varint(&bytes), Some((value, &[0x80][..])));
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
            assert_eq!(varint(bytes), None, "{bytes:x?}");
        }
    }
}

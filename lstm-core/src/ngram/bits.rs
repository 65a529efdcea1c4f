//! Numbers of a few bits, one after the other, the lowest bits first.

/// Reads them from the words of a file.
pub(super) struct Bits<'m> {
    halves: core::slice::Iter<'m, u16>,
    /// Those read ahead, the next one lowest; zeros above.
    buffer: u32,
    /// 2 to their number.
    unit: u32,
}

impl<'m> Bits<'m> {
    /// From a byte on.
    #[inline(always)]
    pub(super) fn at(words: &'m [u32], byte: usize) -> Self {
        let halves: &[u16] = bytemuck::cast_slice(words);
        let mut bits = Bits {
            halves: halves.get(byte / 2..).unwrap_or_default().iter(),
            buffer: 0,
            unit: 1,
        };
        if byte % 2 == 1 {
            bits.next(8);
        }
        bits
    }

    /// The next `width` bits, at most 16; zeros behind the last.
    #[inline(always)]
    pub(super) fn next(&mut self, width: u32) -> u32 {
        let value = self.peek(width) & ((1 << width) - 1);
        self.skip(width);
        value
    }

    /// The next `width` bits at least, at most 16.
    #[inline(always)]
    pub(super) fn peek(&mut self, width: u32) -> u32 {
        if self.unit >> width == 0 {
            let half = self.halves.next().copied().map_or(0, u16::from_le);
            let ahead = u32::from(half).wrapping_mul(self.unit);
            self.buffer = self.buffer.wrapping_add(ahead);
            self.unit <<= 16;
        }
        self.buffer
    }

    /// Goes on behind as many bits as were looked at.
    #[inline(always)]
    pub(super) fn skip(&mut self, width: u32) {
        self.buffer >>= width;
        self.unit >>= width;
    }

    /// Those up to the end of the byte.
    pub(super) fn rest_of_byte(&mut self) -> u32 {
        self.next(self.unit.trailing_zeros() % 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn bits_are_read_from_any_byte_in_any_width() {
        let words = [0x8d1f_a203u32, 0x0400_ff17, 0xdead_beef].map(u32::to_le);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let bit = |n: usize| u32::from(bytes.get(n / 8).map_or(0, |byte| byte >> (n % 8) & 1));
        for start in 0..=bytes.len() {
            for width in 1..=16 {
                let mut bits = Bits::at(&words, start);
                let mut at = 8 * start;
                let numbers: Vec<u32> = (0..8).map(|_| bits.next(width)).collect();
                for number in numbers {
                    let expected = (0..width).map(|k| bit(at + k as usize) << k).sum();
                    assert_eq!(number, expected, "{start} {width}");
                    at += width as usize;
                }
                let left = (8 - at % 8) % 8;
                let expected = (0..left).map(|k| bit(at + k) << k).sum();
                assert_eq!(bits.rest_of_byte(), expected, "{start} {width}");
            }
        }
    }
}

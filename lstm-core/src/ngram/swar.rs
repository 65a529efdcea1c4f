//! Four numbers of 8 bits in a word, all at once.

/// The lowest bit of each byte.
const ONES: u32 = 0x0101_0101;
/// All but the sign of each byte.
const LOW: u32 = 0x7f * ONES;

/// Adds up three words with eight numbers of four bits, each stored plus 8, and shifts the sums to the left
/// by at most 2 bits.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    bits: u32,
    /// What takes the offsets off a shifted sum, plus 128.
    offset: u32,
}

impl Sums {
    #[inline(always)]
    pub(super) fn shifted(bits: u32) -> Self {
        Sums {
            bits,
            offset: (0x80 - (24 << bits)) * ONES,
        }
    }

    /// Of the low halves of the bytes, in two's complement.
    #[inline(always)]
    pub(super) fn of(self, a: u32, b: u32, c: u32) -> u32 {
        const HALF: u32 = 0x0f * ONES;
        // A sum is at most 45, shifted 180, and then at most 212: none leaves its byte.
        let sum = (a & HALF) + (b & HALF) + (c & HALF);
        ((sum << self.bits) + self.offset) ^ !LOW
    }
}

/// The sums of bytes in two's complement, from -127 to 127.
#[inline(always)]
pub(crate) fn symmetric_sum(x: u32, y: u32) -> u32 {
    #[cfg(lstm_kernel = "cortex_m4")]
    return crate::kernel::symmetric_sum(x, y);
    #[cfg(not(lstm_kernel = "cortex_m4"))]
    portable_symmetric_sum(x, y)
}

/// The definition of [`symmetric_sum`].
#[inline(always)]
#[cfg_attr(
    lstm_kernel = "cortex_m4",
    allow(dead_code, reason = "the kernel has its own")
)]
pub(crate) fn portable_symmetric_sum(x: u32, y: u32) -> u32 {
    symmetric(saturating_add(x, y))
}

/// The sums of bytes in two's complement, from -128 to 127.
#[inline(always)]
fn saturating_add(x: u32, y: u32) -> u32 {
    let sum = ((x & LOW) + (y & LOW)) ^ ((x ^ y) & !LOW);
    // Both have one sign, and the sum has the other.
    let overflow = !(x ^ y) & (x ^ sum) & !LOW;
    if overflow == 0 {
        return sum;
    }
    let bytes = (overflow << 1).wrapping_sub(overflow >> 7);
    let limit = LOW + (x >> 7 & ONES);
    sum & !bytes | limit & bytes
}

/// With -127 where a byte is -128.
#[inline(always)]
fn symmetric(x: u32) -> u32 {
    let least = x & !((x & LOW) + LOW) & !LOW;
    x | least >> 7
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word of bytes, one of which is looked at, between others.
    fn word(byte: u8, place: usize) -> u32 {
        let mut bytes = [0x80, 0x7f, 0xff, 0x01];
        bytes[place] = byte;
        u32::from_le_bytes(bytes)
    }

    #[test]
    fn bytes_are_added_as_the_library_adds_them() {
        let step = if cfg!(miri) { 51 } else { 1 };
        for x in (0..=255u8).step_by(step) {
            for y in (0..=255u8).step_by(step) {
                for place in 0..4 {
                    let words = [word(x, place), word(y, (place + 1) % 4)];
                    let [a, b] = words.map(|word| word.to_le_bytes().map(|byte| byte as i8));
                    let expected = [0, 1, 2, 3].map(|i| a[i].saturating_add(b[i]));
                    let sum = saturating_add(words[0], words[1]);
                    assert_eq!(sum.to_le_bytes().map(|byte| byte as i8), expected);
                    let sum = symmetric_sum(words[0], words[1]);
                    let found = sum.to_le_bytes().map(|byte| byte as i8);
                    assert_eq!(found, expected.map(|sum| sum.max(-127)));
                }
            }
        }
    }

    #[test]
    fn halves_of_bytes_are_summed_and_shifted() {
        let words = [0xf123_4567u32, 0xf89a_bcde, 0xf008_0f77];
        for words in [words, [0; 3], [u32::MAX; 3], [0xf0f0_0f0f; 3]] {
            let [a, b, c] = words;
            for bits in 0..=2 {
                let sums = Sums::shifted(bits);
                let low = sums.of(a, b, c).to_le_bytes();
                let high = sums.of(a >> 4, b >> 4, c >> 4).to_le_bytes();
                for i in 0..4 {
                    let half = |word: u32, shift: usize| (word >> shift & 0xf) as i32 - 8;
                    let sum =
                        |shift: usize| words.iter().map(|&word| half(word, shift)).sum::<i32>();
                    assert_eq!(i32::from(low[i] as i8), sum(8 * i) << bits);
                    assert_eq!(i32::from(high[i] as i8), sum(8 * i + 4) << bits);
                }
            }
        }
    }
}

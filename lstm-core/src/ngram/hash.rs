//! Contexts found by a perfect hash: every context of the map has a slot of its own.

use core::ops::Range;

use crate::format::round_up;

/// Contexts of a bucket, on the average.
const BUCKET: usize = 4;

/// The hash of one token more, an older one: `x` is that of the newer ones, or the salt.
#[inline(always)]
pub(super) fn extend(x: u32, token: u8) -> u32 {
    (x.rotate_left(5) ^ u32::from(token)).wrapping_mul(0x9e37_79b9)
}

/// The hash of a context, its tokens from the newest.
pub fn hash(salt: u32, tokens: &[u8]) -> u32 {
    tokens.iter().fold(salt, |x, &token| extend(x, token))
}

/// The buckets of a map of so many slots.
pub const fn buckets(slots: usize) -> usize {
    round_up(slots, BUCKET) / BUCKET
}

/// The bucket of a hash, below `buckets`, which is at most 65,536.
#[inline(always)]
pub fn bucket(x: u32, buckets: usize) -> usize {
    reduce(x, buckets)
}

/// The slot of a hash in a map of `slots`, at most 65,535, by the displacement of its bucket; and the
/// number whose low bits are its tag.
#[inline(always)]
pub fn place(x: u32, displacement: u16, slots: usize) -> (usize, u32) {
    let mut y = (x ^ u32::from(displacement)).wrapping_mul(0x85eb_ca6b);
    y ^= y >> 15;
    y = y.wrapping_mul(0xc2b2_ae35);
    (reduce(y, slots), y)
}

/// A number below `n` by the upper half of `h`.
#[inline(always)]
fn reduce(h: u32, n: usize) -> usize {
    (((h >> 16) * n as u32) >> 16) as usize
}

/// The map of the contexts of one length.
#[derive(Clone, Copy)]
pub(super) struct PerfectHash {
    slots: usize,
    /// Where its displacements start in the data, in words.
    start: usize,
}

impl PerfectHash {
    /// The map of so many slots whose displacements stand at `start`, in words of the data.
    #[inline(always)]
    pub(super) fn at(start: usize, slots: u16) -> Self {
        let slots = slots.into();
        PerfectHash { slots, start }
    }

    /// How many contexts there is room for.
    #[inline(always)]
    pub(super) fn slots(self) -> usize {
        self.slots
    }

    /// Where the displacements are, in words of the data.
    #[inline(always)]
    pub(super) fn displacements(self) -> Range<usize> {
        self.start..self.end()
    }

    /// Where they end.
    #[inline(always)]
    pub(super) fn end(self) -> usize {
        self.start + half_words(buckets(self.slots))
    }

    /// As [`place`].
    #[inline(always)]
    pub(super) fn place(self, data: &[u32], x: u32) -> Option<(usize, u32)> {
        let bucket = bucket(x, buckets(self.slots));
        let displacement = half(data, 2 * self.start + bucket)?;
        Some(place(x, displacement, self.slots))
    }
}

/// A number of 16 bits in the data, counted from its start.
#[inline(always)]
pub(super) fn half(data: &[u32], index: usize) -> Option<u16> {
    let halves: &[u16] = bytemuck::cast_slice(data);
    halves.get(index).copied().map(u16::from_le)
}

/// Words that hold so many numbers of 16 bits.
pub(super) const fn half_words(count: usize) -> usize {
    round_up(count, 2) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition again, in 64 bits.
    #[test]
    fn hashes_are_those_of_the_definition() {
        let cut = |x: u64| x & 0xffff_ffff;
        for salt in [0u32, 1, 0xdead_beef] {
            let mut expected = u64::from(salt);
            let tokens = [0, 255, 7, 26, 1, 1, 90, 3, 200, 0, 0, 5];
            for (n, &token) in tokens.iter().enumerate() {
                let turned = cut(expected << 5) | expected >> 27;
                expected = cut((turned ^ u64::from(token)) * 0x9e37_79b9);
                let x = hash(salt, &tokens[..=n]);
                assert_eq!(u64::from(x), expected);
                for (displacement, slots) in [(0, 1), (1, 5), (65_535, 65_535), (777, 1000)] {
                    let mut y = cut((expected ^ u64::from(displacement)) * 0x85eb_ca6b);
                    y ^= y >> 15;
                    y = cut(y * 0xc2b2_ae35);
                    let slot = ((y >> 16) * slots) >> 16;
                    let found = place(x, displacement, slots as usize);
                    assert_eq!(found, (slot as usize, y as u32));
                    assert!(slot < slots);
                    let buckets = buckets(slots as usize);
                    assert_eq!(buckets, (slots as usize).div_ceil(4));
                    assert_eq!(
                        bucket(x, buckets) as u64,
                        ((expected >> 16) * buckets as u64) >> 16
                    );
                }
            }
        }
    }

    #[test]
    fn a_map_finds_the_displacement_of_the_bucket() {
        let data = [7, 0x0403_0201u32.to_le(), 0x0005u32.to_le(), 9];
        let map = PerfectHash::at(1, 9);
        assert_eq!((map.slots(), map.displacements()), (9, 1..3));
        for x in [0, 0x5555_5555, 0x5555_5556, 0xffff_ffff] {
            let displacement = [0x0201, 0x0403, 0x0005][bucket(x, 3)];
            assert_eq!(map.place(&data, x), Some(place(x, displacement, 9)));
        }
    }
}

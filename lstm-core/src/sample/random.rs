//! xoshiro128++ (Blackman and Vigna 2019), seeded by SplitMix64 as its authors recommend.
//!
//! Written by hand, because the library for it takes 200 bytes more of a chip's flash, most of them
//! for a state of zeros, which no seed gives. Tests compare the two.

/// A generator; its state is never all zeros.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Random([u32; 4]);

impl Random {
    /// Seeded from 64 bits.
    #[inline(never)]
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        };
        let (low, high) = (next(), next());
        let words = [low, low >> 32, high, high >> 32];
        Random(words.map(|word| word as u32))
    }

    /// 32 random bits.
    pub(crate) fn next(&mut self) -> u32 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(7).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ b << 9, d.rotate_left(11)];
        result
    }

    /// The state, little-endian.
    pub(crate) fn to_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    /// From [`Random::to_bytes`]; `None` for zeros, which it would give for ever.
    pub(crate) fn from_bytes(bytes: &[u8; 16]) -> Option<Self> {
        let mut state = [0; 4];
        for (word, &bytes) in state.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(bytes);
        }
        (state != [0; 4]).then_some(Random(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::Xoshiro128PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    #[test]
    fn numbers_and_states_are_those_of_the_library() {
        let seeds = [0, 1, u64::MAX, 0x61c8_8646_80b5_83eb, 1 << 63];
        for seed in seeds.into_iter().chain(2..100) {
            let mut found = Random::new(seed);
            let mut expected = Xoshiro128PlusPlus::seed_from_u64(seed);
            for _ in 0..20 {
                assert_eq!(found.to_bytes(), expected.state(), "{seed}");
                assert_eq!(Random::from_bytes(&found.to_bytes()), Some(found.clone()));
                assert_eq!(found.next(), expected.next_u32(), "{seed}");
            }
        }
        assert_eq!(Random::from_bytes(&[0; 16]), None);
    }
}

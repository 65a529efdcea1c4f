//! Logits in, a token out. Integer arithmetic, so that a seed gives the same text on every chip.
#![deny(clippy::float_arithmetic)]

use crate::numbers::tables::EXP2;
use crate::{Error, Logits, MAX_SYMBOLS, Token};
use heapless::binary_heap::{BinaryHeap, Max};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Draws tokens: greedy, or at a temperature, from the best few if wanted.
///
/// The probability of a symbol is `2^(-u)`, normalized, with
/// `u = (max - logit) * log2(e) / temperature` in steps of 1/256 and below 16: 0.14 % off at most,
/// and 0 below `2^-16` of the best symbol's. The random numbers are xoshiro128++'s (Blackman and
/// Vigna 2019), seeded as its authors recommend.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    seed: u64,
    random: Xoshiro128PlusPlus,
    settings: Settings,
    /// `log2(e) / temperature` in Q12; 0 means greedy.
    scale: u32,
    /// Q16.
    top_p: u32,
}

/// How a [`Sampler`] chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// See [`Sampler::temperature`].
    pub temperature: f32,
    /// See [`Sampler::top_k`].
    pub top_k: usize,
    /// See [`Sampler::top_p`].
    pub top_p: f32,
}

impl Sampler {
    /// A sampler at temperature 1 over all symbols.
    pub fn new(seed: u64) -> Self {
        Sampler {
            seed,
            random: Xoshiro128PlusPlus::seed_from_u64(seed),
            settings: Settings {
                temperature: 1.0,
                top_k: MAX_SYMBOLS,
                top_p: 1.0,
            },
            scale: scale(1.0),
            top_p: 1 << 16,
        }
    }

    /// The same settings, with the random numbers of a seed from their start.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.random = Xoshiro128PlusPlus::seed_from_u64(seed);
        self
    }

    /// The seed that the random numbers came from.
    pub fn seed_used(&self) -> u64 {
        self.seed
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Below 1 the likely symbols become likelier; 0 is greedy: always the likeliest, the first of
    /// equals.
    ///
    /// # Errors
    ///
    /// [`Error::Temperature`] unless it is 0 or in 0.01..=100.
    pub fn temperature(mut self, temperature: f32) -> Result<Self, Error> {
        self.scale = if temperature == 0.0 {
            0
        } else if (0.01..=100.0).contains(&temperature) {
            scale(temperature)
        } else {
            return Err(Error::Temperature);
        };
        self.settings.temperature = temperature;
        Ok(self)
    }

    /// Draws from the `k` likeliest symbols only.
    ///
    /// # Errors
    ///
    /// [`Error::TopK`] unless it is in 1..=256.
    pub fn top_k(mut self, k: usize) -> Result<Self, Error> {
        if k == 0 || k > MAX_SYMBOLS {
            return Err(Error::TopK { found: k });
        }
        self.settings.top_k = k;
        Ok(self)
    }

    /// Draws from the smallest set of likeliest symbols that together hold at least `p` of the
    /// probability (of what top-k left).
    ///
    /// # Errors
    ///
    /// [`Error::TopP`] unless it is above 0 and at most 1.
    pub fn top_p(mut self, p: f32) -> Result<Self, Error> {
        if !(p > 0.0 && p <= 1.0) {
            return Err(Error::TopP);
        }
        self.settings.top_p = p;
        self.top_p = q16(p).max(1);
        Ok(self)
    }

    /// Everything that its next draws depend on, little-endian: seed u64, state of xoshiro128++
    /// 4 u32, temperature f32, top-k u16, top-p f32.
    pub(crate) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let Settings {
            temperature,
            top_k,
            top_p,
        } = self.settings;
        let mut bytes = [0; Self::BYTES];
        let fields = self.seed.to_le_bytes().into_iter();
        let fields = fields
            .chain(self.random.state())
            .chain(temperature.to_bits().to_le_bytes())
            .chain((top_k as u16).to_le_bytes())
            .chain(top_p.to_bits().to_le_bytes());
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = field;
        }
        bytes
    }

    /// From [`Sampler::to_bytes`]; `None` for values that no sampler has.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (seed, rest) = bytes.split_first_chunk()?;
        let (random, rest) = rest.split_first_chunk()?;
        let (temperature, rest) = rest.split_first_chunk()?;
        let (top_k, rest) = rest.split_first_chunk()?;
        let top_p = rest.first_chunk()?;
        // The generator would give zeros for ever.
        if random == &[0; 16] {
            return None;
        }
        let mut sampler = Sampler::new(u64::from_le_bytes(*seed))
            .temperature(f32::from_bits(u32::from_le_bytes(*temperature)))
            .and_then(|s| s.top_k(u16::from_le_bytes(*top_k).into()))
            .and_then(|s| s.top_p(f32::from_bits(u32::from_le_bytes(*top_p))))
            .ok()?;
        sampler.random = Xoshiro128PlusPlus::from_seed(*random);
        Some(sampler)
    }

    pub(crate) const BYTES: usize = 8 + 16 + 4 + 2 + 4;

    /// Draws a token.
    pub fn sample(&mut self, logits: Logits<'_>) -> Token {
        let logits = logits.into_q12();
        if self.scale == 0 {
            return argmax(logits);
        }
        let max = logits.iter().fold(i32::MIN, |max, &logit| max.max(logit));
        // Beyond this distance from the best, a weight is 0 anyway; so the product fits 32 bits.
        let limit = (16 << 24) / self.scale;
        let mut sum = 0;
        for logit in logits.iter_mut() {
            let distance = max.wrapping_sub(*logit) as u32;
            let weight = weight((distance.min(limit) * self.scale + 0x8000) >> 16);
            *logit = weight as i32;
            sum += weight;
        }
        if self.settings.top_k < logits.len() || self.top_p < 1 << 16 {
            sum = self.keep_likeliest(logits, sum);
        }
        let mut draw = ((u64::from(self.random.next_u32()) * u64::from(sum)) >> 32) as u32;
        let mut index = 0;
        for &weight in logits.iter() {
            let weight = weight as u32;
            if draw < weight {
                break;
            }
            draw -= weight;
            index += 1;
        }
        Token::new(index)
    }

    /// Sets to 0 the weights that top-k and top-p leave out; returns the sum of the others.
    #[inline(never)]
    fn keep_likeliest(&self, weights: &mut [i32], sum: u32) -> u32 {
        let kept = if self.settings.top_k < weights.len() {
            likeliest(weights, self.settings.top_k, u32::MAX).0
        } else {
            sum
        };
        let enough = (u64::from(kept) * u64::from(self.top_p)).div_ceil(1 << 16) as u32;
        let (total, threshold) = likeliest(weights, self.settings.top_k, enough);
        for (index, weight) in weights.iter_mut().enumerate() {
            if key(index, *weight) < threshold {
                *weight = 0;
            }
        }
        total
    }
}

/// A key sorts by weight (17 bits at most), the lower index first among equals.
fn key(index: usize, weight: i32) -> u32 {
    (weight as u32) << 8 | (255 - index as u32)
}

/// Takes the largest weights, at most `count` and no more than it takes to have `enough`: their sum,
/// and the key of the last.
#[inline(never)]
fn likeliest(weights: &[i32], count: usize, enough: u32) -> (u32, u32) {
    let mut heap: BinaryHeap<u32, Max, MAX_SYMBOLS> = BinaryHeap::new();
    for (index, &weight) in weights.iter().enumerate() {
        let _ = heap.push(key(index, weight)); // An alphabet has at most MAX_SYMBOLS symbols.
    }
    let (mut total, mut last) = (0, 0);
    for _ in 0..count {
        if total >= enough {
            break;
        }
        let Some(key) = heap.pop() else { break };
        last = key;
        total += key >> 8;
    }
    (total, last)
}

/// The first of the largest.
fn argmax(logits: &[i32]) -> Token {
    let mut best = (0, i32::MIN);
    for (index, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (index, logit);
        }
    }
    Token::new(best.0 as u8)
}

/// `2^(-u / 256)` as a fraction of 65,535; 0 from 16 on.
fn weight(u: u32) -> u32 {
    let fraction = u32::from(EXP2[(u & 0xff) as usize]);
    // `u` is at most 16 * 256, so no shift is too far.
    fraction.wrapping_shr(u >> 8)
}

#[allow(
    clippy::float_arithmetic,
    reason = "one division, rounded alike everywhere"
)]
fn scale(temperature: f32) -> u32 {
    (core::f32::consts::LOG2_E * 4096.0 / temperature) as u32
}

#[allow(
    clippy::float_arithmetic,
    reason = "a product with a power of two is exact"
)]
fn q16(p: f32) -> u32 {
    (p * 65536.0) as u32
}

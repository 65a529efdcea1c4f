//! Logits in, a token out. Integer arithmetic, so that a seed gives the same text on every chip.
#![deny(clippy::float_arithmetic)]

use core::fmt;

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::bytes::join;
use crate::format::MAX_SYMBOLS;
use crate::tables::EXP2;
use crate::{Logits, Token};

/// Draws tokens: greedy, or at a temperature, from the best few if wanted.
///
/// The probability of a symbol is `2^(-u)`, normalized, with
/// `u = (max - logit) * log2(e) / temperature` in steps of 1/256 and below 16: 0.14 % off at most for
/// a temperature that is 0.02 % higher at 1, and 1.7 % at 100, as its factor is a whole number; and 0
/// below `2^-16` of the best symbol's. The random numbers are xoshiro128++'s (Blackman and
/// Vigna 2019), seeded as its authors recommend.
///
/// ```
/// use lstm_core::Sampler;
///
/// let sampler = Sampler::new(42).with_temperature(0.8)?.with_top_k(5)?;
/// assert_eq!((sampler.seed(), sampler.settings().top_k), (42, 5));
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    seed: u64,
    random: Xoshiro128PlusPlus,
    settings: Settings,
    /// `log2(e) / temperature` in Q12; 0 means greedy.
    scale: u32,
    /// At this distance from the best logit, in Q12, a weight is 0 or nearly so; beyond, it counts as
    /// at it, so that products with `scale` fit 32 bits.
    limit: u32,
    /// Q16.
    top_p: u32,
}

/// How a [`Sampler`] chooses.
///
/// ```
/// use lstm_core::{Sampler, Settings};
///
/// let mut sampler = Sampler::new(1);
/// sampler.set(Settings { temperature: 0.5, ..sampler.settings() })?;
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Settings {
    /// See [`Sampler::with_temperature`].
    pub temperature: f32,
    /// See [`Sampler::with_top_k`].
    pub top_k: usize,
    /// See [`Sampler::with_top_p`].
    pub top_p: f32,
}

impl Sampler {
    /// A sampler at temperature 1 over all symbols.
    pub fn new(seed: u64) -> Self {
        let (scale, limit) = scale(1.0);
        Sampler {
            seed,
            random: Xoshiro128PlusPlus::seed_from_u64(seed),
            settings: Settings {
                temperature: 1.0,
                top_k: MAX_SYMBOLS,
                top_p: 1.0,
            },
            scale,
            limit,
            top_p: 1 << 16,
        }
    }

    /// The same settings, with the random numbers of a seed from their start.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.random = Xoshiro128PlusPlus::seed_from_u64(seed);
        self
    }

    /// The seed that the random numbers came from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Changes the settings, and leaves the random numbers as they are. On an error nothing changes.
    ///
    /// # Errors
    ///
    /// As for each of the settings.
    pub fn set(&mut self, settings: Settings) -> Result<(), SamplerError> {
        let sampler = self.clone().with_temperature(settings.temperature)?;
        *self = sampler
            .with_top_k(settings.top_k)?
            .with_top_p(settings.top_p)?;
        Ok(())
    }

    /// Below 1 the likely symbols become likelier; 0 is greedy: always the likeliest, the first of
    /// equals.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Temperature`] unless it is 0 or in 0.01..=100.
    pub fn with_temperature(mut self, temperature: f32) -> Result<Self, SamplerError> {
        (self.scale, self.limit) = if temperature == 0.0 {
            (0, 0)
        } else if (0.01..=100.0).contains(&temperature) {
            scale(temperature)
        } else {
            return Err(SamplerError::Temperature { found: temperature });
        };
        self.settings.temperature = temperature;
        Ok(self)
    }

    /// Draws from the `k` likeliest symbols only.
    ///
    /// # Errors
    ///
    /// [`SamplerError::TopK`] unless it is in 1..=256.
    pub fn with_top_k(mut self, k: usize) -> Result<Self, SamplerError> {
        if k == 0 || k > MAX_SYMBOLS {
            return Err(SamplerError::TopK { found: k });
        }
        self.settings.top_k = k;
        Ok(self)
    }

    /// Draws from the smallest set of likeliest symbols that together hold at least `p` of the
    /// probability (of what top-k left).
    ///
    /// # Errors
    ///
    /// [`SamplerError::TopP`] unless it is above 0 and at most 1.
    pub fn with_top_p(mut self, p: f32) -> Result<Self, SamplerError> {
        if !(p > 0.0 && p <= 1.0) {
            return Err(SamplerError::TopP { found: p });
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
        let fields: [&[u8]; 5] = [
            &self.seed.to_le_bytes(),
            &self.random.state(),
            &temperature.to_le_bytes(),
            &(top_k as u16).to_le_bytes(),
            &top_p.to_le_bytes(),
        ];
        join(&mut bytes, &fields);
        bytes
    }

    /// From [`Sampler::to_bytes`]; `None` for values that no sampler has.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (seed, rest) = bytes.split_first_chunk()?;
        let (&random, rest) = rest.split_first_chunk()?;
        let (temperature, rest) = rest.split_first_chunk()?;
        let (top_k, rest) = rest.split_first_chunk()?;
        let top_p = rest.first_chunk()?;
        let mut sampler = Sampler::new(u64::from_le_bytes(*seed));
        let settings = Settings {
            temperature: f32::from_le_bytes(*temperature),
            top_k: u16::from_le_bytes(*top_k).into(),
            top_p: f32::from_le_bytes(*top_p),
        };
        sampler.set(settings).ok()?;
        // It would give zeros for ever, and no seed leads there.
        if random == [0; 16] {
            return None;
        }
        sampler.random = Xoshiro128PlusPlus::from_seed(random);
        Some(sampler)
    }

    pub(crate) const BYTES: usize = 8 + 16 + 4 + 2 + 4;

    /// Draws a token.
    pub fn sample(&mut self, logits: Logits<'_>) -> Token {
        // Apart from `self`, which the draw borrows; it is put back below.
        let mut random = self.random.clone();
        let token = self.sample_with(logits, &mut random);
        self.random = random;
        token
    }

    /// Draws a token with the random numbers of another generator. Greedy draws take none.
    pub fn sample_with<R: Rng + ?Sized>(&self, logits: Logits<'_>, random: &mut R) -> Token {
        let logits = logits.into_q12();
        if self.scale == 0 {
            return argmax(logits);
        }
        let mut sum = self.weigh(logits);
        if self.settings.top_k < logits.len() || self.top_p < 1 << 16 {
            sum = self.keep_likeliest(logits, sum);
        }
        let mut draw = ((u64::from(random.next_u32()) * u64::from(sum)) >> 32) as u32;
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

    /// Replaces logits by weights; returns their sum.
    fn weigh(&self, logits: &mut [i32]) -> u32 {
        let max = max(logits);
        let mut sum = 0;
        for logit in logits {
            let distance = max.wrapping_sub(*logit) as u32;
            let weight = weight(distance, self.scale, self.limit);
            *logit = weight as i32;
            sum += weight;
        }
        sum
    }

    /// Sets to 0 the weights that top-k and top-p leave out; returns the sum of the others.
    fn keep_likeliest(&self, weights: &mut [i32], sum: u32) -> u32 {
        let top_k = self.settings.top_k;
        let mut kept = sum;
        if top_k < weights.len() {
            let least = threshold(weights, top_k, u32::MAX);
            kept = from(weights, least).1;
        }
        let enough = (u64::from(kept) * u64::from(self.top_p)).div_ceil(1 << 16) as u32;
        let least = threshold(weights, top_k, enough);
        for (index, weight) in weights.iter_mut().enumerate() {
            if key(index, *weight) < least {
                *weight = 0;
            }
        }
        from(weights, least).1
    }
}

/// The weight of a logit that is so far below the best, of 65,535 at most.
#[inline(always)]
fn weight(distance: u32, scale: u32, limit: u32) -> u32 {
    // In steps of 1/256 from bit 16 on; at most 16 * 256 of them.
    let u = distance.min(limit) * scale + 0x8000;
    let fraction = u32::from(EXP2[usize::from((u >> 16) as u8)]);
    fraction >> (u >> 24)
}

/// The weights of logits in Q12 at temperature 1, in proportion to their probabilities.
#[cfg(feature = "sensor")]
pub(crate) fn weights(
    logits: impl Iterator<Item = i32> + Clone,
) -> impl Iterator<Item = u32> + Clone {
    let max = logits.clone().max().unwrap_or(0);
    let (scale, limit) = scale(1.0);
    logits.map(move |logit| weight(max.wrapping_sub(logit) as u32, scale, limit))
}

/// A key sorts by weight (16 bits at most), the lower index first among equals.
fn key(index: usize, weight: i32) -> u32 {
    (weight as u32) << 8 | (255 - index as u32)
}

/// The largest key such that those from it on are `count` in number, or their weights are `enough`
/// in sum; 0 if all together are not.
fn threshold(weights: &[i32], count: usize, enough: u32) -> u32 {
    let mut least = 0;
    for bit in (0..24).rev() {
        let higher = least | 1 << bit;
        let (found, sum) = from(weights, higher);
        if found >= count || sum >= enough {
            least = higher;
        }
    }
    least
}

/// How many keys there are from `least` on, and the sum of their weights.
fn from(weights: &[i32], least: u32) -> (usize, u32) {
    let (mut count, mut sum) = (0, 0);
    for (index, &weight) in weights.iter().enumerate() {
        if key(index, weight) >= least {
            count += 1;
            sum += weight as u32;
        }
    }
    (count, sum)
}

/// The largest.
fn max(logits: &[i32]) -> i32 {
    let (pairs, rest) = logits.as_chunks();
    let last = rest.first().copied().unwrap_or(i32::MIN);
    pairs.iter().fold(last, |max, &[a, b]| max.max(a).max(b))
}

/// The first of the largest.
fn argmax(logits: &[i32]) -> Token {
    let max = max(logits);
    let index = logits.iter().position(|&logit| logit == max);
    Token::new(index.unwrap_or(0) as u8)
}

/// `log2(e) / temperature` in Q12, cut off; and the largest distance whose product with it is at
/// most `2^28`. `temperature` is in 0.01..=100.
#[allow(
    clippy::float_arithmetic,
    reason = "rounded alike on every chip, once, when the temperature is set"
)]
fn scale(temperature: f32) -> (u32, u32) {
    let scale = (core::f32::consts::LOG2_E * 4096.0 / temperature) as u32;
    (scale, (1 << 28) / scale.max(1))
}

/// A probability in Q16, cut off.
#[allow(
    clippy::float_arithmetic,
    reason = "exact on every chip: a power of 2 changes no digit"
)]
fn q16(p: f32) -> u32 {
    (p * 65536.0) as u32
}

/// Why a setting of a [`Sampler`] was refused.
///
/// ```
/// use lstm_core::{Sampler, SamplerError};
///
/// let refused = Sampler::new(1).with_temperature(-1.0).unwrap_err();
/// assert_eq!(refused, SamplerError::Temperature { found: -1.0 });
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SamplerError {
    /// A temperature is neither 0 nor in 0.01..=100.
    Temperature {
        /// The value found.
        found: f32,
    },
    /// A top-k lies outside 1..=256.
    TopK {
        /// The value found.
        found: usize,
    },
    /// A top-p is not in 0 (exclusive) to 1.
    TopP {
        /// The value found.
        found: f32,
    },
}

impl fmt::Display for SamplerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Formatting an f32 would take 15 kB of a chip's flash.
        match *self {
            SamplerError::Temperature { .. } => {
                f.write_str("the temperature is out of range, expected 0, or 0.01 to 100")
            }
            SamplerError::TopK { found } => write!(f, "top-k is {found}, expected 1 to 256"),
            SamplerError::TopP { .. } => {
                f.write_str("top-p is out of range, expected above 0, to 1")
            }
        }
    }
}

impl core::error::Error for SamplerError {}

//! Logits in, a token out. Integer arithmetic, so that a seed gives the same text on every chip.
#![deny(clippy::float_arithmetic)]

use super::random::Random;
use crate::generate::join;
use crate::tables::EXP2;
use crate::{Error, Logits, MAX_SYMBOLS, Token};

/// Draws tokens: greedy, or at a temperature, from the best few if wanted.
///
/// The probability of a symbol is `2^(-u)`, normalized, with
/// `u = (max - logit) * log2(e) / temperature` in steps of 1/256 and below 16: 0.14 % off at most,
/// and 0 below `2^-16` of the best symbol's. The random numbers are xoshiro128++'s (Blackman and
/// Vigna 2019), seeded as its authors recommend.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    seed: u64,
    random: Random,
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
        let (scale, limit) = scale(1.0);
        Sampler {
            seed,
            random: Random::new(seed),
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
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.random = Random::new(seed);
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

    /// Changes the settings, and leaves the random numbers as they are. On an error nothing changes.
    ///
    /// # Errors
    ///
    /// As for each of the settings.
    #[inline(never)]
    pub fn set(&mut self, settings: Settings) -> Result<(), Error> {
        let sampler = self.clone().temperature(settings.temperature)?;
        *self = sampler.top_k(settings.top_k)?.top_p(settings.top_p)?;
        Ok(())
    }

    /// Below 1 the likely symbols become likelier; 0 is greedy: always the likeliest, the first of
    /// equals.
    ///
    /// # Errors
    ///
    /// [`Error::Temperature`] unless it is 0 or in 0.01..=100.
    pub fn temperature(mut self, temperature: f32) -> Result<Self, Error> {
        (self.scale, self.limit) = if temperature.to_bits() << 1 == 0 {
            (0, 0)
        } else if is_between(temperature, 0.01, 100.0) {
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
        if !is_between(p, f32::from_bits(1), 1.0) {
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
        let fields: [&[u8]; 5] = [
            &self.seed.to_le_bytes(),
            &self.random.to_bytes(),
            &temperature.to_bits().to_le_bytes(),
            &(top_k as u16).to_le_bytes(),
            &top_p.to_bits().to_le_bytes(),
        ];
        join(&mut bytes, &fields);
        bytes
    }

    /// From [`Sampler::to_bytes`]; `None` for values that no sampler has.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (seed, rest) = bytes.split_first_chunk()?;
        let (random, rest) = rest.split_first_chunk()?;
        let (temperature, rest) = rest.split_first_chunk()?;
        let (top_k, rest) = rest.split_first_chunk()?;
        let top_p = rest.first_chunk()?;
        let mut sampler = Sampler::new(u64::from_le_bytes(*seed));
        let settings = Settings {
            temperature: f32::from_bits(u32::from_le_bytes(*temperature)),
            top_k: u16::from_le_bytes(*top_k).into(),
            top_p: f32::from_bits(u32::from_le_bytes(*top_p)),
        };
        sampler.set(settings).ok()?;
        sampler.random = Random::from_bytes(random)?;
        Some(sampler)
    }

    pub(crate) const BYTES: usize = 8 + 16 + 4 + 2 + 4;

    /// Draws a token.
    pub fn sample(&mut self, logits: Logits<'_>) -> Token {
        let logits = logits.into_q12();
        if self.scale == 0 {
            return argmax(logits);
        }
        let mut sum = self.weigh(logits);
        if self.settings.top_k < logits.len() || self.top_p < 1 << 16 {
            sum = self.keep_likeliest(logits, sum);
        }
        let mut draw = ((u64::from(self.random.next()) * u64::from(sum)) >> 32) as u32;
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
            // In steps of 1/256 from bit 16 on; at most 16 * 256 of them.
            let u = distance.min(self.limit) * self.scale + 0x8000;
            let fraction = u32::from(EXP2[usize::from((u >> 16) as u8)]);
            let weight = fraction >> (u >> 24);
            *logit = weight as i32;
            sum += weight;
        }
        sum
    }

    /// Sets to 0 the weights that top-k and top-p leave out; returns the sum of the others.
    #[inline(never)]
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

/// A key sorts by weight (17 bits at most), the lower index first among equals.
fn key(index: usize, weight: i32) -> u32 {
    (weight as u32) << 8 | (255 - index as u32)
}

/// The largest key such that those from it on are `count` in number, or their weights are `enough`
/// in sum; 0 if all together are not.
#[inline(never)]
fn threshold(weights: &[i32], count: usize, enough: u32) -> u32 {
    let mut least = 0;
    for bit in (0..25).rev() {
        let higher = least | 1 << bit;
        let (found, sum) = from(weights, higher);
        if found >= count || sum >= enough {
            least = higher;
        }
    }
    least
}

/// How many keys there are from `least` on, and the sum of their weights.
#[inline(never)]
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

// Cortex-M0 has neither floats nor divisions, and would take 1.3 KB of code for them. So settings are
// taken apart in integers.

/// `log2(e) / temperature` in Q12, as f32 rounds the quotient, then cut off; and the largest
/// distance whose product with it is at most `2^28`. `temperature` is in 0.01..=100.
#[inline(never)]
fn scale(temperature: f32) -> (u32, u32) {
    let (dividend, dividend_exponent) = parts(core::f32::consts::LOG2_E);
    let (divisor, divisor_exponent) = parts(temperature);
    let is_less = dividend < divisor;
    // From 2^24 to 2^25: a bit more than f32 has, to round by.
    let quotient = quotient(dividend << u32::from(is_less), divisor, 24);
    let exponent = dividend_exponent - divisor_exponent - i32::from(is_less);
    let scale = quotient.div_ceil(2) >> (23 - 12 - exponent);
    (scale, self::quotient(1, scale, 28))
}

/// A probability in Q16, cut off.
fn q16(p: f32) -> u32 {
    let (mantissa, exponent) = parts(p);
    mantissa.checked_shr((7 - exponent) as u32).unwrap_or(0)
}

/// A positive number as a mantissa of 24 bits times `2^(exponent - 23)`.
fn parts(x: f32) -> (u32, i32) {
    let bits = x.to_bits();
    (bits & 0x7f_ffff | 0x80_0000, (bits >> 23) as i32 - 127)
}

/// Whether a number lies between two positive ones, themselves included. Positive numbers have the
/// order of their bits.
fn is_between(x: f32, least: f32, most: f32) -> bool {
    (least.to_bits()..=most.to_bits()).contains(&x.to_bits())
}

/// `floor(2^shift * dividend / divisor)`, bit by bit; `dividend` is less than `2 * divisor`, which
/// fits 31 bits.
#[inline(never)]
fn quotient(mut dividend: u32, divisor: u32, shift: u32) -> u32 {
    let mut quotient = 0;
    for _ in 0..=shift {
        quotient <<= 1;
        if dividend >= divisor {
            dividend -= divisor;
            quotient += 1;
        }
        dividend <<= 1;
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 61st of the 111 million temperatures, and both ends.
    #[test]
    #[cfg_attr(miri, ignore = "millions of numbers")]
    #[allow(clippy::float_arithmetic, reason = "what the integers stand for")]
    fn settings_are_those_of_float_arithmetic() {
        let all = 0.01f32.to_bits()..=100f32.to_bits();
        let some = all.clone().step_by(61).chain([*all.end(), 1f32.to_bits()]);
        for temperature in some.map(f32::from_bits) {
            let expected = (core::f32::consts::LOG2_E * 4096.0 / temperature) as u32;
            assert_eq!(scale(temperature), (expected, (1 << 28) / expected));
        }
        for p in (1..=1f32.to_bits()).step_by(1009).map(f32::from_bits) {
            assert_eq!(q16(p), (p * 65536.0) as u32);
        }
        assert_eq!(q16(1.0), 1 << 16);
    }

    #[test]
    fn a_number_is_between_its_bounds() {
        for x in [0.01, 0.5, 100.0] {
            assert!(is_between(x, 0.01, 100.0));
        }
        for x in [
            f32::NAN,
            f32::INFINITY,
            100.00001,
            0.009999999,
            0.0,
            -0.0,
            -0.5,
        ] {
            assert!(!is_between(x, 0.01, 100.0), "{x}");
        }
    }
}

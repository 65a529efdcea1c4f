//! Seeded random numbers, and the initializers drawn from them.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The one source of chance: equal seeds give equal runs, and a checkpoint holds its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A generator for a purpose of its own (`stream`), so that its draws disturb no other.
    pub fn fork(seed: u64, stream: u64) -> Self {
        Self::new(seed ^ stream.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Uniform in `[0, 1)`, 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u64() >> 40) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Uniform in `0..n`.
    ///
    /// # Panics
    /// `n` is zero.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "nothing is below zero");
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Standard normal (Box-Muller).
    fn normal(&mut self) -> f64 {
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let (a, b) = (unit(self.0.next_u64()), unit(self.0.next_u64()));
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// Puts `items` in random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// Draws an index with the probabilities of softmax(`logits` / `temperature`).
    pub fn sample(&mut self, logits: &[f32], temperature: f32) -> u8 {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |z: f32| f64::from((z - max) / temperature).exp();
        let total: f64 = logits.iter().map(|&z| weight(z)).sum();
        let mut rest = f64::from(self.uniform()) * total;
        for (token, &z) in (0..=u8::MAX).zip(logits) {
            rest -= weight(z);
            if rest < 0.0 {
                return token;
            }
        }
        (logits.len() - 1) as u8
    }

    /// `count` numbers uniform in ±`limit`.
    pub fn uniform_vec(&mut self, count: usize, limit: f32) -> Vec<f32> {
        (0..count)
            .map(|_| (2.0 * self.uniform() - 1.0) * limit)
            .collect()
    }

    /// `count` factors, 1 on average: 0 with probability `share`, to 16 bits, else a number above 1.
    pub fn mask(&mut self, count: usize, share: f32) -> Vec<f32> {
        let threshold = (share * 65_536.0) as u16;
        // Of the share as it is drawn.
        let kept = 65_536.0 / (65_536.0 - f32::from(threshold));
        let mut mask = vec![0.0; count];
        for four in mask.chunks_mut(4) {
            let bits = self.0.next_u64().to_le_bytes();
            for (m, b) in four.iter_mut().zip(bits.as_chunks::<2>().0) {
                *m = if u16::from_le_bytes(*b) < threshold {
                    0.0
                } else {
                    kept
                };
            }
        }
        mask
    }

    /// A `[rows, columns]` matrix uniform in ±sqrt(6 / (rows + columns)).
    pub fn glorot_uniform(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        let limit = (6.0 / (rows + columns) as f32).sqrt();
        self.uniform_vec(rows * columns, limit)
    }

    /// A `[rows, columns]` matrix, `rows <= columns`, with orthonormal rows: a Gaussian one made
    /// orthogonal row by row (Gram-Schmidt, each row twice).
    pub fn orthogonal(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        assert!(
            rows <= columns,
            "more rows than columns cannot be orthonormal"
        );
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(rows);
        while basis.len() < rows {
            let mut row: Vec<f64> = (0..columns).map(|_| self.normal()).collect();
            for other in basis.iter().chain(&basis) {
                let dot = dot(&row, other);
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= dot * y);
            }
            let norm = dot(&row, &row).sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
            basis.push(row);
        }
        basis.iter().flatten().map(|&x| x as f32).collect()
    }
}

/// Inner product in eight partial sums, so that it vectorizes.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (x, y) in a.iter().zip(b) {
        for (s, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *s += x * y;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_repeat_and_the_state_survives_serialization() {
        let mut a = Random::new(7);
        a.uniform();
        let text = serde_json::to_string(&a).unwrap();
        let mut b: Random = serde_json::from_str(&text).unwrap();
        assert_eq!(a.uniform_vec(9, 1.0), b.uniform_vec(9, 1.0));
        assert_ne!(
            Random::new(7).below(1 << 30),
            Random::fork(7, 0).below(1 << 30)
        );
    }

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        let (rows, columns) = (16, 64);
        let w = Random::new(3).orthogonal(rows, columns);
        for i in 0..rows {
            for j in 0..rows {
                let row = |r: usize| w[r * columns..][..columns].iter().map(|&x| f64::from(x));
                let dot: f64 = row(i).zip(row(j)).map(|(x, y)| x * y).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((dot - expected).abs() < 1e-6, "{i} {j} {dot}");
            }
        }
    }

    #[test]
    fn a_mask_changes_no_mean_however_much_it_drops() {
        let count = 1 << 23;
        // The last is the number before 1, and rounds to it in 16 bits.
        for share in [0.3, 0.99999, 1.0f32.next_down()] {
            let mask = Random::new(6).mask(count, share);
            assert!(mask.iter().all(|m| m.is_finite()));
            let mean = mask.iter().map(|&m| f64::from(m)).sum::<f64>() / count as f64;
            assert!((mean - 1.0).abs() < 0.3, "{share}: {mean}");
        }
    }

    #[test]
    fn sampling_follows_the_probabilities() {
        let logits = [0.7f32.ln(), 0.2f32.ln(), 0.1f32.ln()];
        let mut random = Random::new(5);
        let mut counts = [0u32; 3];
        for _ in 0..20_000 {
            counts[usize::from(random.sample(&logits, 1.0))] += 1;
        }
        for (count, p) in counts.iter().zip([0.7, 0.2, 0.1]) {
            assert!(
                (f64::from(*count) / 20_000.0 - p).abs() < 0.015,
                "{counts:?}"
            );
        }
    }
}

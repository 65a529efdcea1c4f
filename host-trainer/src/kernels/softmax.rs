//! Softmax with cross-entropy, and with the divergence from a teacher, on rows of logits.

use crate::kernels::panels::LANES;
use crate::kernels::vectorize::exp;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows that one thread computes at a time.
const ROWS: usize = 128;

/// What some characters cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Cross-entropy with the text, nats a character.
    pub text: f64,
    /// Divergence from the teacher, nats a character; zero without one.
    pub teacher: f64,
}

/// A teacher: its logits `[N, V]`, and its share of the loss, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Teacher<'a> {
    /// `[N, V]`.
    pub logits: &'a [f32],
    /// The rest is the text's.
    pub share: f32,
}

/// The mean loss of rows of logits `[N, V]` with a target each; writes the gradient of the mean, of which a teacher
/// has its share, to `errors` `[N, V]`.
pub(crate) fn softmax_loss(
    arch: Arch,
    logits: &[f32],
    targets: &[u8],
    teacher: Option<Teacher<'_>>,
    errors: &mut [f32],
) -> Loss {
    let width = logits.len() / targets.len();
    let mut losses = vec![Loss::default(); targets.len()];
    let scale = 1.0 / targets.len() as f32;
    let parts = losses.par_chunks_mut(ROWS).zip(targets.par_chunks(ROWS));
    let parts = parts.zip(errors.par_chunks_mut(ROWS * width));
    parts
        .enumerate()
        .for_each(|(part, ((losses, targets), errors))| {
            let rows = part * ROWS * width..part * ROWS * width + errors.len();
            arch.dispatch(Rows {
                width,
                logits: &logits[rows.clone()],
                targets,
                teacher: teacher.map(|t| Teacher {
                    logits: &t.logits[rows],
                    ..t
                }),
                scale,
                errors,
                losses,
            });
        });
    let count = targets.len() as f64;
    let mut mean = Loss::default();
    for loss in losses {
        mean.text += loss.text;
        mean.teacher += loss.teacher;
    }
    mean.text /= count;
    mean.teacher /= count;
    mean
}

/// Some rows.
struct Rows<'a> {
    width: usize,
    logits: &'a [f32],
    targets: &'a [u8],
    teacher: Option<Teacher<'a>>,
    scale: f32,
    errors: &'a mut [f32],
    losses: &'a mut [Loss],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.width;
        let mut found = vec![0.0; width.next_multiple_of(LANES)];
        let mut wanted = found.clone();
        let rows = self.logits.chunks_exact(width).zip(self.targets);
        let out = self.errors.chunks_exact_mut(width).zip(self.losses);
        for (row, ((logits, &target), (errors, loss))) in rows.zip(out).enumerate() {
            let target = usize::from(target);
            let normalizer = softmax(simd, logits, &mut found);
            loss.text = normalizer - f64::from(logits[target]);
            for (error, p) in errors.iter_mut().zip(&found) {
                *error = p * self.scale;
            }
            let mut text = 1.0;
            if let Some(teacher) = self.teacher {
                let theirs = &teacher.logits[row * width..][..width];
                let mut divergence = normalizer - softmax(simd, theirs, &mut wanted);
                let logits = theirs.iter().zip(logits);
                for ((error, p), (theirs, ours)) in errors.iter_mut().zip(&wanted).zip(logits) {
                    divergence += f64::from(*p) * f64::from(theirs - ours);
                    *error -= teacher.share * p * self.scale;
                }
                loss.teacher = divergence;
                text -= teacher.share;
            }
            errors[target] -= text * self.scale;
        }
    }
}

/// Writes the softmax of a row, filled up to whole vectors with zeros; gives the logarithm of the sum of e to the
/// logits.
#[inline(always)]
fn softmax<S: Simd>(simd: S, logits: &[f32], out: &mut [f32]) -> f64 {
    let (row, beyond) = out.split_at_mut(logits.len());
    row.copy_from_slice(logits);
    beyond.fill(f32::NEG_INFINITY);
    let most = fold(out, f32::NEG_INFINITY, |a, b| if a < b { b } else { a });
    let (vectors, _) = S::as_mut_simd_f32s(out);
    for x in vectors {
        *x = exp(simd, simd.sub_f32s(*x, simd.splat_f32s(most)));
    }
    out[logits.len()..].fill(0.0);
    let total = fold(out, 0.0, |a, b| a + b);
    let factor = 1.0 / total;
    out.iter_mut().for_each(|p| *p *= factor);
    f64::from(total).ln() + f64::from(most)
}

/// Combines the numbers of whole vectors: lane by lane, then the lanes in halves. The order is the same on every
/// instruction set.
#[inline(always)]
fn fold(values: &[f32], start: f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    for strip in values.as_chunks::<LANES>().0 {
        for (lane, &x) in lanes.iter_mut().zip(strip) {
            *lane = combine(*lane, x);
        }
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = combine(lanes[i], lanes[i + half]);
        }
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;

    fn exact(row: &[f32]) -> Vec<f64> {
        let powers: Vec<f64> = row.iter().map(|&z| f64::from(z).exp()).collect();
        let total: f64 = powers.iter().sum();
        powers.iter().map(|p| p / total).collect()
    }

    #[test]
    fn loss_and_gradient_are_those_of_the_definition() {
        let mut random = Random::new(1);
        for (rows, width) in [(1, 2), (300, 27), (5, 16), (7, 200)] {
            let [logits, theirs] = [0, 1].map(|_| random.uniform_vec(rows * width, 4.0));
            let targets: Vec<u8> = (0..rows).map(|_| random.below(width) as u8).collect();
            for share in [None, Some(0.0), Some(0.7), Some(1.0)] {
                let teacher = share.map(|share| Teacher {
                    logits: &theirs,
                    share,
                });
                let mut errors = vec![f32::NAN; rows * width];
                let found = softmax_loss(Arch::new(), &logits, &targets, teacher, &mut errors);
                let share = f64::from(share.unwrap_or(0.0));
                let mut expected = Loss::default();
                for (row, &target) in targets.iter().enumerate() {
                    let at = row * width..(row + 1) * width;
                    let [ours, theirs] = [&logits, &theirs].map(|z| exact(&z[at.clone()]));
                    expected.text -= ours[usize::from(target)].ln() / rows as f64;
                    for (i, (p, t)) in ours.iter().zip(&theirs).enumerate() {
                        let text = f64::from(u8::from(i == usize::from(target)));
                        let wanted = share * t + (1.0 - share) * text;
                        let error = (p - wanted) / rows as f64;
                        assert!((f64::from(errors[at.start + i]) - error).abs() < 1e-6);
                        expected.teacher += t * (t / p).ln() / rows as f64;
                    }
                }
                assert!((found.text - expected.text).abs() < 1e-6);
                let teacher = if teacher.is_some() {
                    expected.teacher
                } else {
                    0.0
                };
                assert!((found.teacher - teacher).abs() < 1e-6);
            }
        }
    }
}

//! Gradient clipping.

use crate::engine::slices::with_slice;
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;

/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Scales the gradients of all variables down together so that their common norm is at most `limit`
/// (Pascanu et al. 2013); gives the norm that they had.
///
/// # Errors
/// The device fails.
pub fn clip_by_global_norm(gradients: &mut GradStore, vars: &[Var], limit: f64) -> Result<f64> {
    let mut sum = 0.0;
    for var in vars {
        if let Some(gradient) = gradients.get(var) {
            sum += squares(gradient)?;
        }
    }
    let norm = sum.sqrt();
    if norm > limit {
        for var in vars {
            if let Some(gradient) = gradients.remove(var) {
                gradients.insert(var, (gradient * (limit / norm))?);
            }
        }
    }
    Ok(norm)
}

/// The sum of all squares.
fn squares(tensor: &Tensor) -> Result<f64> {
    if !tensor.device().is_cpu() {
        let sum = tensor.sqr()?.sum_all()?.to_scalar::<f32>()?;
        return Ok(f64::from(sum));
    }
    with_slice(&tensor.contiguous()?, |values| {
        let chunks: Vec<f64> = values.par_chunks(CHUNK).map(squares_of).collect();
        chunks.iter().sum()
    })
}

/// Eight sums side by side, so that none waits for the one before.
fn squares_of(values: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let (eights, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, &x) in sums.iter_mut().zip(eight) {
            *sum += square(x);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| square(x)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::optimizer::testing::{gradients, values, var};

    #[test]
    fn clipping_keeps_the_direction() {
        let (a, b) = (var(&[0.0]), var(&[0.0, 0.0]));
        let vars = [a.clone(), b.clone()];
        let mut found = gradients(&[(&a, &[3.0]), (&b, &[0.0, 4.0])]);
        let norm = clip_by_global_norm(&mut found, &vars, 1.0).unwrap();
        assert!((norm - 5.0).abs() < 1e-12);
        let of = |found: &GradStore, var: &Var| values(found.get(var).unwrap());
        assert!((of(&found, &a)[0] - 0.6).abs() < 1e-6 && (of(&found, &b)[1] - 0.8).abs() < 1e-6);
        clip_by_global_norm(&mut found, &vars, 2.0).unwrap();
        assert!((of(&found, &a)[0] - 0.6).abs() < 1e-6);
        let many: Vec<f32> = (1..=19).map(|i| i as f32).collect();
        let c = var(&[0.0; 19]);
        let mut found = gradients(&[(&c, &many)]);
        let norm = clip_by_global_norm(&mut found, &[c], f64::INFINITY).unwrap();
        assert!((norm.powi(2) - f64::from(19 * 20 * 39 / 6)).abs() < 1e-9);
    }
}

//! A running average of variables (Polyak and Juditsky 1992).

use crate::engine::slices::{with_slice, with_slice_mut};
use crate::kernels::vectorize::vectorized;
use candle_core::{Result, Tensor, Var};

/// The share of the variables in their average after update `step` (from one): 1 less a decay that rises to `decay` over
/// the first updates, so that the start is soon forgotten.
pub fn share(decay: f64, step: u64) -> f32 {
    let rising = (1 + step) as f64 / (10 + step) as f64;
    (1.0 - decay.min(rising)) as f32
}

/// An average for each of some variables, on their device; none of no variables.
#[derive(Debug)]
pub struct Average(Vec<Tensor>);

impl Average {
    /// Averages to go on from, in the order of the variables.
    ///
    /// # Errors
    /// One has another length than its variable, or the device fails.
    pub fn new(vars: &[Var], values: &[Vec<f32>]) -> Result<Self> {
        let pairs = vars.iter().zip(values);
        let tensors =
            pairs.map(|(var, values)| Tensor::from_slice(values, var.shape(), var.device()));
        tensors.collect::<Result<_>>().map(Self)
    }

    /// `average += share (variable - average)`.
    ///
    /// # Errors
    /// The device fails.
    pub fn update(&mut self, vars: &[Var], share: f32) -> Result<()> {
        for (average, var) in self.0.iter_mut().zip(vars) {
            if var.device().is_cpu() {
                with_slice(var, |weights| {
                    with_slice_mut(average, |average| move_by(share, average, weights))
                })??;
            } else {
                let way = (var.as_tensor() - &*average)?;
                *average = (&*average + (way * f64::from(share))?)?;
            }
        }
        Ok(())
    }

    /// A copy, a vector for each variable.
    ///
    /// # Errors
    /// The device fails.
    pub fn values(&self) -> Result<Vec<Vec<f32>>> {
        let tensors = self.0.iter();
        tensors.map(|t| t.flatten_all()?.to_vec1()).collect()
    }
}

vectorized! {
    fn move_by<'a>(share: f32, average: &'a mut [f32], weights: &'a [f32]) {
        for (a, w) in average.iter_mut().zip(weights) {
            *a += share * (w - *a);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_start_is_soon_forgotten() {
        // At first 10 / 11 - 2 / 11: nine elevenths of the weights.
        assert!((share(0.99, 1) - 9.0 / 11.0).abs() < 1e-6);
        assert!((share(0.99, 100_000) - 0.01).abs() < 1e-6);
    }

    #[test]
    fn it_moves_by_its_share() {
        let vars = [Var::new(&[1f32, 2.0], &Device::Cpu).unwrap()];
        let mut average = Average::new(&vars, &[vec![0.0, 1.0]]).unwrap();
        average.update(&vars, 0.25).unwrap();
        assert_eq!(average.values().unwrap(), [[0.25, 1.25]]);
        average.update(&vars, 1.0).unwrap();
        assert_eq!(average.values().unwrap(), [[1.0, 2.0]]);
    }
}

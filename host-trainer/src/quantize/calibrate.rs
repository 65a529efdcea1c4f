//! What flows through a network while it writes its own text: the statistics by which 4-bit weights
//! are rounded, without any text at hand.

use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::random::Random;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::predictor::{NetworkPredictor, Predictor};
use crate::quantize::fixed_point::HIDDEN_UNIT;
use crate::quantize::layout::{GateColumns, gate_matrices};

/// Characters that the network writes.
pub(super) const CHARACTERS: usize = 8192;
/// Added to each variance, as a share of their mean: what the text did not show may still come.
const DAMPING: f64 = 0.01;

/// How the columns of a matrix vary together.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Mean of what counts of each column: nothing in the dead zone.
    pub counted_mean: Vec<f64>,
    /// `[columns, columns]`, upper triangular: `factorᵀ · factor` is the covariance of what counts.
    pub factor: Vec<f64>,
}

/// The columns of one layer's matrices.
#[derive(Clone, Debug)]
pub struct LayerColumns {
    /// Of each matrix of the gates: the layer below (none for the first layer), then the own output before the step.
    pub gates: Vec<Columns>,
    /// Of the projection, if there is one: the units.
    pub projection: Option<Columns>,
}

/// When a network that writes is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before a step.
    Before,
    /// After it.
    After,
}

/// Lets the network write [`CHARACTERS`] characters, always the same text, and shows it before and after
/// each step, with the token that it reads there.
pub(super) fn write(network: &Network, mut look: impl FnMut(Moment, u8, &NetworkPredictor<'_>)) {
    let random = &mut Random::new(1);
    let mut predictor = NetworkPredictor::new(network);
    let mut token = 0;
    for at in 0..CHARACTERS {
        let window = network.config.window;
        if window.is_some_and(|length| at.is_multiple_of(length)) {
            predictor.reset();
        }
        look(Moment::Before, token, &predictor);
        let next = random.sample(predictor.step(token), 1.0);
        look(Moment::After, token, &predictor);
        token = next;
    }
}

/// Lets the network write, always the same text, and tells how the columns of each layer varied, on a
/// device with this dead zone.
pub fn observe(network: &Network, dead_zone: u8) -> Vec<LayerColumns> {
    let layers = network.config.layers.len();
    let matrices = (0..layers).map(|i| gate_matrices(&network.config, i));
    let matrices: Vec<Vec<GateColumns>> = matrices.collect();
    let fresh = matrices
        .iter()
        .map(|matrices| vec![Vec::new(); matrices.len()]);
    let mut gates: Vec<Vec<Vec<f32>>> = fresh.collect();
    let mut units = vec![Vec::new(); layers];
    let mut before: Vec<Vec<f32>> = Vec::new();
    write(network, |moment, _, predictor| {
        if moment == Moment::Before {
            before = (0..layers).map(|i| predictor.output(i).to_vec()).collect();
            return;
        }
        for (i, before) in before.iter().enumerate() {
            for (columns, values) in matrices[i].iter().zip(&mut gates[i]) {
                if columns.below > 0 {
                    values.extend(predictor.output(i - 1));
                }
                if columns.own > 0 {
                    values.extend(predictor.recurrent_input(i).unwrap_or(before));
                }
            }
            units[i].extend(predictor.units(i));
        }
    });
    let config = &network.config;
    let zone = |layer: LayerConfig| match layer.projection {
        None => dead_zone,
        Some(_) => 0,
    };
    let columns = gates.into_iter().zip(units).enumerate();
    columns
        .map(|(i, (gates, units))| {
            let gates = gates.into_iter().zip(&matrices[i]);
            let gates = gates.map(|(values, columns)| {
                let below = i.checked_sub(1).map_or(0, |i| zone(config.layers[i]));
                let mut zones = vec![below; columns.below];
                zones.resize(columns.below + columns.own, zone(config.layers[i]));
                Columns::new(values, &zones)
            });
            let gates = gates.collect();
            let of_units = vec![dead_zone; config.layers[i].hidden];
            LayerColumns {
                gates,
                projection: (!units.is_empty()).then(|| Columns::new(units, &of_units)),
            }
        })
        .collect()
}

/// The mean of each column of `values`, `[steps, columns]`.
fn means(values: &[f32], columns: usize) -> Vec<f64> {
    let mut mean = vec![0.0; columns];
    for row in values.chunks_exact(columns) {
        let sums = mean.iter_mut().zip(row);
        sums.for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let steps = (values.len() / columns) as f64;
    mean.iter_mut().for_each(|sum| *sum /= steps);
    mean
}

impl Columns {
    /// From the values of all columns, `[steps, columns]`, and the columns' dead zones.
    pub(super) fn new(mut values: Vec<f32>, zones: &[u8]) -> Self {
        let columns = zones.len();
        if columns == 0 {
            return Self {
                mean: Vec::new(),
                counted_mean: Vec::new(),
                factor: Vec::new(),
            };
        }
        let mean = means(&values, columns);
        for row in values.chunks_exact_mut(columns) {
            for (x, &zone) in row.iter_mut().zip(zones) {
                // As the device, which rounds to units of 1/127 first.
                if (*x * HIDDEN_UNIT).abs().round() < f32::from(zone) {
                    *x = 0.0;
                }
            }
        }
        let counted_mean = means(&values, columns);
        for row in values.chunks_exact_mut(columns) {
            row.iter_mut()
                .zip(&counted_mean)
                .for_each(|(x, &mean)| *x -= mean as f32);
        }
        let steps = values.len() / columns;
        let values = Matrix::new(&values, steps, columns);
        let mut products = vec![0.0; columns * columns];
        gemm(values.transposed(), values, &mut products, false);
        let mut covariance: Vec<f64> = products
            .iter()
            .map(|&p| f64::from(p) / steps as f64)
            .collect();
        let diagonal = || (0..columns).map(|k| k * columns + k);
        let variance = diagonal().map(|at| covariance[at]).sum::<f64>() / columns as f64;
        for at in diagonal() {
            covariance[at] += DAMPING * variance + f64::MIN_POSITIVE;
        }
        let factor = cholesky(covariance, columns);
        Columns {
            mean,
            counted_mean,
            factor,
        }
    }
}

/// The upper triangular factor of a positive definite matrix `[n, n]`, row by row.
fn cholesky(mut matrix: Vec<f64>, n: usize) -> Vec<f64> {
    for k in 0..n {
        let (done, rest) = matrix.split_at_mut((k + 1) * n);
        let row = &mut done[k * n..];
        row[..k].fill(0.0);
        let root = row[k].max(f64::MIN_POSITIVE).sqrt();
        row[k..].iter_mut().for_each(|x| *x /= root);
        for (below, other) in rest.chunks_exact_mut(n).zip(k + 1..) {
            let factor = row[other];
            for (x, y) in below[other..].iter_mut().zip(&row[other..]) {
                *x -= factor * y;
            }
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::config::NetworkConfig;
    use crate::text::alphabet::Alphabet;

    #[test]
    fn the_factor_times_itself_is_the_covariance() {
        let values = Random::new(3).uniform_vec(CHARACTERS * 5, 1.0);
        let rows = || values.chunks_exact(5);
        let mean = |f: &dyn Fn(&[f32]) -> f32| {
            rows().map(|r| f64::from(f(r))).sum::<f64>() / CHARACTERS as f64
        };
        let columns = Columns::new(values.clone(), &[0; 5]);
        let trace: f64 = (0..5)
            .map(|a| mean(&|r| r[a] * r[a]) - mean(&|r| r[a]).powi(2))
            .sum();
        for a in 0..5 {
            assert!((columns.mean[a] - mean(&|r| r[a])).abs() < 1e-6);
            for b in 0..5 {
                let factor = |k: usize, c: usize| columns.factor[k * 5 + c];
                let product: f64 = (0..5).map(|k| factor(k, a) * factor(k, b)).sum();
                let covariance = mean(&|r| r[a] * r[b]) - mean(&|r| r[a]) * mean(&|r| r[b]);
                let damping = if a == b { DAMPING * trace / 5.0 } else { 0.0 };
                assert!((product - covariance - damping).abs() < 1e-5);
                assert!(b >= a || factor(a, b) == 0.0);
            }
        }
    }

    #[test]
    fn what_is_in_the_dead_zone_does_not_count() {
        let values = Random::new(4).uniform_vec(CHARACTERS * 3, 1.0);
        let columns = Columns::new(values.clone(), &[0, 64, 127]);
        let whole = Columns::new(values, &[0; 3]);
        let variance = |c: &Columns, k: usize| -> f64 {
            (0..3).map(|row| c.factor[row * 3 + k].powi(2)).sum()
        };
        assert_eq!(columns.mean, whole.mean);
        assert_eq!(columns.counted_mean[0], whole.mean[0]);
        // Of the variance of a uniform number the inner half holds an eighth.
        let ratio = variance(&columns, 1) / variance(&whole, 1);
        assert!((ratio - 7.0 / 8.0).abs() < 0.02, "{ratio}");
        assert!(variance(&columns, 2) < 0.1 * variance(&whole, 2));
        assert!(columns.factor.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn every_matrix_is_observed() {
        let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 12, 2);
        config.layers[0] = LayerConfig::cifg(10, 3);
        let network = Network::new(config, &mut Random::new(1)).unwrap();
        let observed = observe(&network, 8);
        let widths = |l: &LayerColumns| {
            let projection = l.projection.as_ref().map(|p| p.mean.len());
            (l.gates[0].mean.len(), projection)
        };
        let widths: Vec<_> = observed.iter().map(widths).collect();
        assert_eq!(widths, [(3, Some(10)), (3 + 12, None)]);
        for columns in observed.iter().flat_map(|l| &l.gates) {
            assert!(columns.factor.iter().all(|x| x.is_finite()));
        }
    }
}

//! What a network looks up of the last few characters, in integers.

use crate::files::error::{Error, Result};
use crate::network::config::NetworkConfig;
use crate::network::parameters::{Network, Ngrams};
use crate::ngram::{Memory, Recall, Recalled};
use crate::quantize::error_table::{Meter, TensorError};
use crate::quantize::fixed_point::{INT4_RANGE, INT8_LARGEST, output_unit};
use crate::text::batches::Batch;
use lstm_core::export::{MAX_SHIFT, ngram::values};
use safetensors::Dtype;
use std::path::Path;
use std::sync::Arc;

/// Tensors of a file.
const SHIFT: &str = "ngram.shift";
const COEFFICIENTS: &str = "ngram.coefficients";

/// One in Q12, the fixed point of the coefficients.
const ONE_Q12: f32 = 4096.0;

/// [`Ngrams`] in integers; the gate is a row of the dense layer.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNgrams {
    /// The contexts and the table.
    pub memory: Arc<Memory>,
    /// A number of the vectors counts `2^shift` steps of the hidden state.
    pub shift: u8,
    /// The vectors of 2, 3 and 4 characters, `[S + 1, R]`, -8 to 7; empty where a length has none.
    pub vectors: [Vec<i8>; 3],
    /// By the longest context, Q12; empty without a table.
    pub coefficients: Vec<i16>,
}

impl QuantizedNgrams {
    /// Rounds those of a network, if it has any.
    ///
    /// # Errors
    /// A coefficient is too large.
    pub(super) fn new(network: &Network, errors: &mut Vec<TensorError>) -> Result<Option<Self>> {
        let Some(ngrams) = &network.ngrams else {
            return Ok(None);
        };
        let unit = output_unit(network.config.layers[0]);
        let shift = best_shift(ngrams, unit);
        let step = f32::from(1u8 << shift) / unit;
        let mut vectors = [const { Vec::new() }; 3];
        for (index, (rounded, values)) in vectors.iter_mut().zip(&ngrams.vectors).enumerate() {
            if values.is_empty() {
                continue;
            }
            let mut meter = Meter::new(format!("ngram vectors {}", index + 2));
            for &value in values {
                let number = round(value, step);
                meter.add(value.into(), (f32::from(number) * step).into());
                rounded.push(number);
            }
            errors.push(meter.finish());
        }
        Ok(Some(Self {
            memory: ngrams.memory.clone(),
            shift,
            vectors,
            coefficients: coefficients(&ngrams.coefficients)?,
        }))
    }

    /// Adds its tensors to those of a file.
    pub(super) fn save(
        &self,
        config: &NetworkConfig,
        tensors: &mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    ) {
        for (name, shape) in config.vector_shapes() {
            let values = &self.vectors[shape.length - 2];
            let bytes = values.iter().map(|&x| x as u8).collect();
            tensors.push((name, Dtype::I8, shape.axes.to_vec(), bytes));
        }
        tensors.push((SHIFT.into(), Dtype::U8, vec![1], vec![self.shift]));
        let coefficients = self.coefficients.iter().flat_map(|c| c.to_le_bytes());
        let shape = vec![self.coefficients.len()];
        tensors.push((
            COEFFICIENTS.into(),
            Dtype::I16,
            shape,
            coefficients.collect(),
        ));
        for (name, bytes) in self.memory.tensors() {
            tensors.push((name.into(), Dtype::U8, vec![bytes.len()], bytes));
        }
    }

    /// Takes them back: `take` gives a tensor of a type and a shape, `bytes` one of bytes.
    ///
    /// # Errors
    /// They do not fit the config.
    pub(super) fn load(
        path: &Path,
        config: &NetworkConfig,
        take: impl Fn(&str, Dtype, &[usize]) -> Result<Vec<u8>>,
        bytes: impl Fn(&str) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let memory = Memory::from_tensors(path, config.ngrams, config.vocabulary(), bytes)?;
        let mut vectors = [const { Vec::new() }; 3];
        for (name, shape) in config.vector_shapes() {
            let values = take(&name, Dtype::I8, &shape.axes)?;
            vectors[shape.length - 2] = values.into_iter().map(|x| x as i8).collect();
        }
        let lengths = config.ngrams.table.map_or(0, |lengths| lengths + 1);
        let coefficients = take(COEFFICIENTS, Dtype::I16, &[lengths])?;
        let coefficients = coefficients.as_chunks::<2>().0.iter();
        let ngrams = Self {
            memory: Arc::new(memory),
            shift: take(SHIFT, Dtype::U8, &[1])?[0],
            vectors,
            coefficients: coefficients.map(|&c| i16::from_le_bytes(c)).collect(),
        };
        let fits = |x: &i8| INT4_RANGE.contains(x);
        if ngrams.shift > MAX_SHIFT || !ngrams.vectors.iter().flatten().all(fits) {
            return Err(Error::bad_input(format!(
                "{}: found vectors beyond 4 bits or a shift of {}, expected -8 to 7 and at most {MAX_SHIFT}",
                path.display(),
                ngrams.shift
            )));
        }
        Ok(ngrams)
    }

    /// The contexts of a text, read from its start.
    pub(crate) fn contexts<'t>(&'t self, text: &'t [u8], windows: bool) -> Contexts<'t> {
        Contexts {
            ngrams: self,
            recall: Recall {
                memory: self.memory.reader().expect("checked when it was read"),
                cross_fitted: None,
                text,
                num_symbols: 0,
            },
            windows,
            next: 0,
        }
    }

    /// The values of the coefficients.
    pub(crate) fn values(&self) -> Vec<f32> {
        let value = |&c: &i16| f32::from(c) / ONE_Q12;
        self.coefficients.iter().map(value).collect()
    }

    /// The sums of the vectors in steps of the hidden state, `[N, R]`, from their rows at N steps.
    pub(crate) fn context(&self, recalled: &[Vec<u32>; 3]) -> Vec<f32> {
        let steps = recalled.iter().map(Vec::len).max().unwrap_or(0);
        let mut context = Vec::new();
        let lengths = self.vectors.iter().zip(recalled);
        for ((values, rows), count) in lengths.zip(self.memory.config().vectors) {
            if values.is_empty() {
                continue;
            }
            let width = values.len() / count;
            context.resize(steps * width, 0.0);
            for (to, &row) in context.chunks_exact_mut(width).zip(rows) {
                let vector = &values[row as usize * width..][..width];
                for (to, &x) in to.iter_mut().zip(vector) {
                    *to += f32::from(i16::from(x) << self.shift);
                }
            }
        }
        context
    }
}

/// The contexts of a text, piece by piece.
pub(crate) struct Contexts<'t> {
    ngrams: &'t QuantizedNgrams,
    recall: Recall<'t>,
    windows: bool,
    next: usize,
}

impl Contexts<'_> {
    /// Those of so many characters that follow, `[T, R]`.
    pub(crate) fn next(&mut self, count: usize) -> Vec<f32> {
        let batch = Batch::at(self.recall.text, vec![self.next], count);
        self.next += count;
        self.ngrams
            .context(&self.recall.vectors(&batch, self.windows))
    }
}

/// What the device adds to a state stays within its 8 bits.
pub(crate) fn recurrent_input(h: f32, context: f32) -> f32 {
    let largest = f32::from(INT8_LARGEST);
    (h + context).clamp(-largest, largest)
}

/// What the device's table makes of the dense layer's outputs `[N, V + 1]`, of which the last is the gate: logits
/// `[N, V]`.
pub(crate) fn logits(coefficients: &[i16], outputs: &[f32], recalled: &Recalled) -> Vec<f32> {
    let symbols = outputs.len() / recalled.longest.len() - 1;
    let rows = outputs.chunks_exact(symbols + 1);
    let costs = recalled.costs.chunks_exact(symbols);
    let mut logits = Vec::with_capacity(recalled.costs.len());
    for ((row, costs), &longest) in rows.zip(costs).zip(&recalled.longest) {
        let (gate, row) = row.split_last().expect("a gate behind the symbols");
        let coefficient = coefficients[longest as usize];
        // The engine takes the gate's sum, Q18.
        let gate = ((gate * ONE_Q12) as i32).wrapping_mul(1 << 6);
        let factor = values::factor(values::coefficient(coefficient, gate));
        let each = row.iter().zip(costs).map(|(logit, &cost)| {
            values::logit((logit * ONE_Q12) as i32, cost, factor) as f32 / ONE_Q12
        });
        logits.extend(each);
    }
    logits
}

fn round(value: f32, step: f32) -> i8 {
    let (low, high) = (INT4_RANGE.start(), INT4_RANGE.end());
    (value / step)
        .round()
        .clamp(f32::from(*low), f32::from(*high)) as i8
}

/// The shift that moves the vectors least.
fn best_shift(ngrams: &Ngrams, unit: f32) -> u8 {
    let error = |shift: &u8| -> f64 {
        let step = f32::from(1u8 << shift) / unit;
        let moved = |&value: &f32| f64::from(value - f32::from(round(value, step)) * step).powi(2);
        ngrams.vectors.iter().flatten().map(moved).sum()
    };
    let shifts = (0..=MAX_SHIFT).map(|shift| (error(&shift), shift));
    shifts
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0, |(_, shift)| shift)
}

fn coefficients(values: &[f32]) -> Result<Vec<i16>> {
    let rounded = values.iter().map(|&value| {
        let fixed = (value * ONE_Q12).round();
        if fixed.abs() > f32::from(i16::MAX) || fixed.is_nan() {
            return Err(Error::bad_input(format!(
                "found a coefficient of {value} on the table's costs, expected one between -8 and 8 for integers"
            )));
        }
        Ok(fixed as i16)
    });
    rounded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::config::LayerConfig;
    use crate::ngram::example_memory;
    use crate::text::alphabet::Alphabet;

    #[test]
    fn the_vectors_take_the_shift_that_moves_them_least() {
        let random = &mut Random::new(3);
        let config = NetworkConfig::stack(&Alphabet::letters(), 4, LayerConfig::cifg(9, 5), 1);
        let network = Network::new(config, random).unwrap();
        let network = network.with_memory(Arc::new(example_memory([30, 0, 50], false)));
        // Steps of 1/16; -8 to 7 of a step with a shift.
        for (largest, shift) in [(0.4, 0), (0.9, 1), (1.9, 2), (3.8, 3), (7.5, 4)] {
            let mut network = network.clone();
            for values in network.ngrams.as_mut().unwrap().parameters_mut() {
                values.copy_from_slice(&random.uniform_vec(values.len(), largest));
            }
            let mut errors = Vec::new();
            let found = QuantizedNgrams::new(&network, &mut errors)
                .unwrap()
                .unwrap();
            assert_eq!(found.shift, shift, "{largest}");
            assert_eq!(errors.len(), 2);
            // A uniform number is off by a step over the root of 12.
            let step = f64::from(1u8 << shift) / 16.0;
            assert!(
                errors
                    .iter()
                    .all(|e| e.error_rms < 1.1 * step / 12f64.sqrt())
            );
        }
    }
}

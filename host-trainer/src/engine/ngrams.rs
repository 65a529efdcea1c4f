//! What a network looks up of the last few characters, as nodes of the graph.

use crate::files::error::Result;
use crate::network::config::NetworkConfig;
use crate::ngram::{NATS, Recalled};
use candle_core::{D, Result as CandleResult, Tensor};

/// The variables of [`Ngrams`](crate::network::parameters::Ngrams).
#[derive(Clone, Debug, Default)]
pub(super) struct NgramTensors {
    /// `[S + 1, R]` of each length that has vectors.
    vectors: [Option<Tensor>; 3],
    table: Option<TableTensors>,
}

/// How the table counts.
#[derive(Clone, Debug)]
struct TableTensors {
    /// `[L + 1]`.
    coefficients: Tensor,
    /// `[R, 1]`.
    gate_weight: Tensor,
    /// `[1]`.
    gate_bias: Tensor,
}

impl NgramTensors {
    /// Takes the variables in the order of [`NetworkConfig::shapes`].
    pub(super) fn new(config: &NetworkConfig, mut next: impl FnMut() -> Tensor) -> Self {
        Self {
            vectors: config.ngrams.vectors.map(|rows| (rows > 0).then(&mut next)),
            table: config.ngrams.table.map(|_| TableTensors {
                coefficients: next(),
                gate_weight: next(),
                gate_bias: next(),
            }),
        }
    }

    /// The sum of the vectors at every step, `[T B, R]`, if there are any. Frozen vectors are constants.
    ///
    /// # Errors
    /// A row is out of range, or the device fails.
    pub(super) fn context(
        &self,
        recalled: &Recalled,
        frozen: bool,
    ) -> CandleResult<Option<Tensor>> {
        let mut sum: Option<Tensor> = None;
        for (vectors, rows) in self.vectors.iter().zip(&recalled.vectors) {
            let Some(vectors) = vectors else {
                continue;
            };
            let rows = Tensor::new(&rows[..], vectors.device())?;
            let vectors = match frozen {
                true => &vectors.detach(),
                false => vectors,
            };
            let found = vectors.index_select(&rows, 0)?;
            sum = Some(match sum {
                None => found,
                Some(sum) => (sum + found)?,
            });
        }
        Ok(sum)
    }

    /// The dense layer `[R, V]` and `[V]` with the gate as one column more, if there is a table.
    ///
    /// # Errors
    /// The device fails.
    pub(super) fn with_gate(&self, weight: Tensor, bias: Tensor) -> CandleResult<(Tensor, Tensor)> {
        let Some(table) = &self.table else {
            return Ok((weight, bias));
        };
        Ok((
            Tensor::cat(&[&weight, &table.gate_weight], 1)?,
            Tensor::cat(&[&bias, &table.gate_bias], 0)?,
        ))
    }

    /// The logits `[N, V]` from the dense layer's outputs: less the table's costs, each times a coefficient and the gate.
    ///
    /// # Errors
    /// The shapes do not fit each other, or the device fails.
    pub(super) fn logits(&self, outputs: Tensor, recalled: &Recalled) -> Result<Tensor> {
        let Some(table) = &self.table else {
            return Ok(outputs);
        };
        Ok(less_costs(&outputs, &table.coefficients, recalled)?)
    }
}

/// Logits `[N, V]` from a dense layer's outputs `[N, V + 1]`, of which the last is the gate: less the costs of the table, each times a
/// coefficient, of `[L + 1]`, and the gate.
///
/// # Errors
/// The shapes do not fit each other, or the device fails.
pub(crate) fn less_costs(
    outputs: &Tensor,
    coefficients: &Tensor,
    recalled: &Recalled,
) -> CandleResult<Tensor> {
    let device = outputs.device();
    let (rows, symbols) = (outputs.dim(0)?, outputs.dim(D::Minus1)? - 1);
    let longest = Tensor::from_slice(&recalled.longest, rows, device)?;
    let costs = recalled.costs.iter().map(|&cost| NATS * f32::from(cost));
    let costs = Tensor::from_iter(costs, device)?.reshape((rows, symbols))?;
    let coefficients = coefficients.index_select(&longest, 0)?.unsqueeze(1)?;
    let factors = (coefficients + outputs.narrow(1, symbols, 1)?)?;
    outputs.narrow(1, 0, symbols)? - costs.broadcast_mul(&factors)?
}

/// What a network without a memory looks up.
pub(super) static NOTHING: Recalled = Recalled {
    vectors: [Vec::new(), Vec::new(), Vec::new()],
    costs: Vec::new(),
    longest: Vec::new(),
};

//! The recurrent layer and the output loss as candle operations with their own backward passes.
//!
//! candle keeps the graph; [`lstm()`] and [`dense_cross_entropy`] are two nodes of it. Candle's own
//! LSTM builds some thirty nodes a time step instead, which takes several times as long.

use crate::gemm::{Matrix, gemm};
use crate::lstm::{self, Input, Sizes, Tape, on_threads, row_ranges, sum};
use crate::network::LayerConfig;
use crate::vectorize::{exp, vectorized};
use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Storage, Tensor,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state of one layer for a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Output of the last step `[B, R]`; R is H without a projection.
    pub h: Vec<f32>,
    /// Cell `[B, H]`.
    pub c: Vec<f32>,
}

impl State {
    /// The state at the start of a text.
    pub fn zeros(batch: usize, layer: LayerConfig) -> Self {
        Self {
            h: vec![0.0; batch * layer.output()],
            c: vec![0.0; batch * layer.hidden],
        }
    }
}

/// Memory that is used again from step to step, so that a training step does not allocate it.
#[derive(Clone, Debug, Default)]
pub struct Tapes(Arc<Mutex<Vec<Tape>>>);

impl Tapes {
    fn take(&self) -> Tape {
        lock(&self.0).pop().unwrap_or_default()
    }

    fn give_back(&self, tape: Tape) {
        lock(&self.0).push(tape);
    }
}

/// The weights of a layer's recurrence as nodes of the graph.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'t> {
    /// The layer.
    pub layer: LayerConfig,
    /// `[R, 4H]`, or `[R, 3H]` in a lean layer.
    pub w_hh: &'t Tensor,
    /// `[H, R]`.
    pub projection: Option<&'t Tensor>,
}

/// Runs a recurrent layer over a sequence as one node of the graph.
///
/// `input` is either a folded table `[V, 4H]` with `tokens` `[T, B]`, or, without tokens,
/// pre-activations `[T, B, 4H]` (3H in a lean layer). `state` is read as a constant and becomes the
/// final state. Returns every step's output `[T, B, R]`.
///
/// # Errors
/// The shapes do not fit each other.
pub fn lstm(
    input: &Tensor,
    tokens: Option<Arc<[u8]>>,
    weights: Weights<'_>,
    state: &mut State,
    (steps, batch): (usize, usize),
    threads: usize,
    tapes: &Tapes,
) -> Result<Tensor> {
    let layer = weights.layer;
    let (hidden, output, columns) = (layer.hidden, layer.output(), layer.columns());
    let expected = if tokens.is_some() {
        vec![input.dim(0)?, columns]
    } else {
        vec![steps, batch, columns]
    };
    let token_count = tokens.as_ref().map_or(steps * batch, |t| t.len());
    let projection = weights.projection.map(Tensor::dims);
    if weights.w_hh.dims() != [output, columns]
        || projection
            != layer
                .projection
                .map(|_| [hidden, output])
                .as_ref()
                .map(|d| &d[..])
        || input.dims() != expected
        || token_count != steps * batch
        || (state.h.len(), state.c.len()) != (batch * output, batch * hidden)
        || steps == 0
        || batch == 0
    {
        candle_core::bail!(
            "{layer}: found input {:?}, w_hh {:?}, projection {projection:?}, {token_count} tokens, \
             state {} and {}; expected input {expected:?}, w_hh [R, columns], projection [H, R], \
             {steps} x {batch} tokens, state [B, R] and [B, H]",
            input.dims(),
            weights.w_hh.dims(),
            state.h.len(),
            state.c.len(),
        );
    }
    let op = LstmOp {
        sizes: Sizes {
            steps,
            batch,
            layer,
            threads,
        },
        tokens,
        h0: std::mem::take(&mut state.h),
        c0: std::mem::take(&mut state.c),
        tape: Arc::default(),
        tapes: tapes.clone(),
    };
    let kept = op.tape.clone();
    let (input, w_hh) = (input.contiguous()?, weights.w_hh.contiguous()?);
    let hs = match weights.projection {
        None => input.apply_op2(&w_hh, op)?,
        Some(projection) => input.apply_op3(&w_hh, &projection.contiguous()?, op)?,
    };
    state.h = with_slice(&hs, |hs| hs[hs.len() - batch * output..].to_vec())?;
    let kept = lock(&kept);
    let cells = &kept.as_ref().expect("the forward pass has run").cells;
    state.c = cells[cells.len() - batch * hidden..].to_vec();
    Ok(hs)
}

/// Dense layer, softmax and mean cross-entropy as one node: `hs` `[.., H]`, N rows in all, `weight`
/// `[H, V]`, `bias` `[V]`, one target a row. Returns the loss in nats, a scalar.
///
/// # Errors
/// The shapes do not fit each other, or a target is not below V.
pub fn dense_cross_entropy(
    hs: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: Arc<[u8]>,
    threads: usize,
) -> Result<Tensor> {
    let hidden = weight.dim(0)?;
    let rows = hs.elem_count() / hidden.max(1);
    let vocabulary = bias.dims1()?;
    let outside = targets.iter().any(|&t| usize::from(t) >= vocabulary);
    let fits = weight.dims() == [hidden, vocabulary] && hs.dims().last() == Some(&hidden);
    if !fits || targets.len() != rows || outside || rows == 0 {
        candle_core::bail!(
            "dense_cross_entropy: found hs {:?}, weight {:?}, bias {:?}, {} targets; expected \
             [.., H], [H, V], [V], N targets below V",
            hs.dims(),
            weight.dims(),
            bias.dims(),
            targets.len(),
        );
    }
    let op = DenseCrossEntropyOp {
        hidden,
        vocabulary,
        targets,
        threads,
        errors: Arc::default(),
    };
    hs.contiguous()?
        .apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)
}

struct LstmOp {
    sizes: Sizes,
    tokens: Option<Arc<[u8]>>,
    h0: Vec<f32>,
    c0: Vec<f32>,
    tape: Arc<Mutex<Option<Tape>>>,
    tapes: Tapes,
}

impl LstmOp {
    fn forward(&self, pre: &[f32], weights: lstm::Weights<'_>) -> Result<(CpuStorage, Shape)> {
        let Sizes {
            steps,
            batch,
            layer,
            ..
        } = self.sizes;
        let input = match &self.tokens {
            Some(tokens) => {
                let vocabulary = pre.len() / layer.columns();
                if let Some(token) = tokens.iter().find(|&&t| usize::from(t) >= vocabulary) {
                    candle_core::bail!("{layer}: found token {token}, expected below {vocabulary}");
                }
                Input::Table(pre, tokens)
            }
            None => Input::Dense(pre),
        };
        let mut tape = self.tapes.take();
        let mut hs = vec![0.0; steps * batch * layer.output()];
        let start = (&self.h0[..], &self.c0[..]);
        lstm::forward(self.sizes, input, weights, start, &mut tape, &mut hs);
        *lock(&self.tape) = Some(tape);
        let shape = Shape::from((steps, batch, layer.output()));
        Ok((CpuStorage::F32(hs), shape))
    }

    /// Gradients of the input, of `w_hh` and of the projection.
    fn backward(
        &self,
        input: &Tensor,
        (w_hh, projection): (&Tensor, Option<&Tensor>),
        hs: &Tensor,
        d_hs: &Tensor,
    ) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        let Some(mut tape) = lock(&self.tape).take() else {
            candle_core::bail!("lstm: the backward pass runs once after each forward pass");
        };
        let vocabulary = input.dim(0)?;
        let tokens = self.tokens.as_deref().map(|t| (t, vocabulary));
        let d_hs = d_hs.contiguous()?;
        let gradients = with_slices([w_hh, hs, &d_hs], |[w_hh, hs, d_hs]| {
            let mut backward = |projection: Option<&[f32]>| {
                let weights = lstm::Weights { w_hh, projection };
                lstm::backward(self.sizes, tokens, weights, &self.h0, &mut tape, hs, d_hs)
            };
            match projection {
                None => Ok(backward(None)),
                Some(projection) => with_slice(projection, |p| backward(Some(p))),
            }
        })??;
        let d_input = match tokens {
            Some(_) => Tensor::from_vec(gradients.table, input.shape(), &Device::Cpu)?,
            None => Tensor::from_slice(&tape.gates, input.shape(), &Device::Cpu)?,
        };
        self.tapes.give_back(tape);
        let d_w_hh = Tensor::from_vec(gradients.w_hh, w_hh.shape(), &Device::Cpu)?;
        let d_projection = match (projection, gradients.projection) {
            (Some(p), Some(d)) => Some(Tensor::from_vec(d, p.shape(), &Device::Cpu)?),
            _ => None,
        };
        Ok((d_input, d_w_hh, d_projection))
    }
}

/// Without a projection.
impl CustomOp2 for LstmOp {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        w_hh: &CpuStorage,
        w_hh_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weights = lstm::Weights {
            w_hh: slice(w_hh, w_hh_layout)?,
            projection: None,
        };
        self.forward(slice(input, input_layout)?, weights)
    }

    fn bwd(
        &self,
        input: &Tensor,
        w_hh: &Tensor,
        hs: &Tensor,
        d_hs: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (d_input, d_w_hh, _) = self.backward(input, (w_hh, None), hs, d_hs)?;
        Ok((Some(d_input), Some(d_w_hh)))
    }
}

/// With a projection.
impl CustomOp3 for LstmOp {
    fn name(&self) -> &'static str {
        "lstm-with-projection"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        w_hh: &CpuStorage,
        w_hh_layout: &Layout,
        projection: &CpuStorage,
        projection_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weights = lstm::Weights {
            w_hh: slice(w_hh, w_hh_layout)?,
            projection: Some(slice(projection, projection_layout)?),
        };
        self.forward(slice(input, input_layout)?, weights)
    }

    fn bwd(
        &self,
        input: &Tensor,
        w_hh: &Tensor,
        projection: &Tensor,
        hs: &Tensor,
        d_hs: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let weights = (w_hh, Some(projection));
        let (d_input, d_w_hh, d_projection) = self.backward(input, weights, hs, d_hs)?;
        Ok((Some(d_input), Some(d_w_hh), d_projection))
    }
}

struct DenseCrossEntropyOp {
    hidden: usize,
    vocabulary: usize,
    targets: Arc<[u8]>,
    threads: usize,
    /// Probabilities less one at the target, `[N, V]`: the gradient of the logits but for 1/N.
    errors: Arc<Mutex<Vec<f32>>>,
}

impl CustomOp3 for DenseCrossEntropyOp {
    fn name(&self) -> &'static str {
        "dense-cross-entropy"
    }

    fn cpu_fwd(
        &self,
        hs: &CpuStorage,
        hs_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (hidden, vocabulary) = (self.hidden, self.vocabulary);
        let hs = slice(hs, hs_layout)?;
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let rows = self.targets.len();
        let mut errors = vec![0.0; rows * vocabulary];
        let mut work = Vec::new();
        let mut rest = &mut errors[..];
        for rows in row_ranges(rows, self.threads) {
            let (part, after) = rest.split_at_mut(rows.len() * vocabulary);
            rest = after;
            work.push((rows, part));
        }
        let losses = on_threads(work, |(rows, logits)| {
            for row in logits.chunks_exact_mut(vocabulary) {
                row.copy_from_slice(bias);
            }
            let hs = &hs[rows.start * hidden..rows.end * hidden];
            let hs = Matrix::new(hs, rows.len(), hidden);
            gemm(hs, Matrix::new(weight, hidden, vocabulary), logits, true);
            let mut loss = 0.0;
            softmax_errors(vocabulary, logits, &self.targets[rows], &mut loss);
            loss
        });
        *lock(&self.errors) = errors;
        let loss = losses.iter().sum::<f64>() / rows as f64;
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        hs: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _loss: &Tensor,
        d_loss: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (hidden, vocabulary, rows) = (self.hidden, self.vocabulary, self.targets.len());
        let scale = d_loss.to_scalar::<f32>()? / rows as f32;
        let mut errors = std::mem::take(&mut *lock(&self.errors));
        errors.iter_mut().for_each(|e| *e *= scale);
        let mut d_hs = vec![0.0; rows * hidden];
        let mut work = Vec::new();
        let mut rest = &mut d_hs[..];
        for rows in row_ranges(rows, self.threads) {
            let (part, after) = rest.split_at_mut(rows.len() * hidden);
            rest = after;
            work.push((rows, part));
        }
        let parts = with_slice(weight, |weight| {
            with_slice(hs, |hs| {
                on_threads(work, |(rows, d_hs)| {
                    let errors = &errors[rows.start * vocabulary..rows.end * vocabulary];
                    let d_logits = Matrix::new(errors, rows.len(), vocabulary);
                    let weight = Matrix::new(weight, hidden, vocabulary);
                    gemm(d_logits, weight.transposed(), d_hs, false);
                    let hs = &hs[rows.start * hidden..rows.end * hidden];
                    let hs = Matrix::new(hs, rows.len(), hidden);
                    let mut d_weight = vec![0.0; hidden * vocabulary];
                    gemm(hs.transposed(), d_logits, &mut d_weight, false);
                    let mut d_bias = vec![0.0; vocabulary];
                    for row in errors.chunks_exact(vocabulary) {
                        d_bias.iter_mut().zip(row).for_each(|(sum, e)| *sum += e);
                    }
                    (d_weight, d_bias)
                })
            })
        })??;
        let (d_weight, d_bias): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok((
            Some(Tensor::from_vec(d_hs, hs.shape(), &Device::Cpu)?),
            Some(Tensor::from_vec(
                sum(d_weight),
                (hidden, vocabulary),
                &Device::Cpu,
            )?),
            Some(Tensor::from_vec(sum(d_bias), vocabulary, &Device::Cpu)?),
        ))
    }
}

vectorized! {
    /// Turns rows of logits into softmax less one at the target; adds each row's loss in nats.
    fn softmax_errors<'a>(vocabulary: usize, logits: &'a mut [f32], targets: &'a [u8], loss: &'a mut f64) {
        for (row, &target) in logits.chunks_exact_mut(vocabulary).zip(targets) {
            *loss += softmax_row(row, usize::from(target));
        }
    }
}

#[inline(always)]
fn softmax_row(row: &mut [f32], target: usize) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let at_target = row[target] - max;
    for z in row.iter_mut() {
        *z = exp(*z - max);
    }
    let total: f32 = row.iter().sum();
    for z in row.iter_mut() {
        *z /= total;
    }
    row[target] -= 1.0;
    f64::from(total).ln() - f64::from(at_target)
}

/// The numbers of a contiguous f32 storage.
fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("expected a contiguous tensor"),
    }
}

/// Lends the numbers of a contiguous f32 tensor on the CPU.
pub(crate) fn with_slice<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(slice(storage, layout)?)),
        _ => candle_core::bail!("expected a tensor on the CPU"),
    }
}

/// As [`with_slice`] for three tensors.
fn with_slices<R>(tensors: [&Tensor; 3], f: impl FnOnce([&[f32]; 3]) -> R) -> Result<R> {
    let [a, b, c] = tensors;
    with_slice(a, |a| with_slice(b, |b| with_slice(c, |c| f([a, b, c]))))??
}

/// Locks; what a panicking thread left is plain numbers and still fit for use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

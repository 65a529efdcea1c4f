//! The recurrent layer and the output loss as candle operations with their own backward passes.
//!
//! candle keeps the graph; [`lstm()`] and [`dense_cross_entropy`] are two nodes of it. Candle's own
//! LSTM builds some thirty nodes a time step instead, which takes several times as long.

use crate::kernels::dense::{DenseGradient, PackedDense};
use crate::kernels::kernel::{Product, ROW_BLOCK, Start};
use crate::kernels::lstm::{self, Input, Sizes, Tape};
use crate::kernels::panels::{Axis, Strip, read_rows, write_rows};
use crate::kernels::threads::{on_threads, row_ranges, share_out};
use crate::network::config::LayerConfig;
use crate::network::state::State;
use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Storage, Tensor,
};
use pulp::Arch;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// `[R, 4H]`, or `[R, 3H]` in a CIFG layer.
    pub w_hh: &'t Tensor,
    /// `[H, R]`.
    pub projection: Option<&'t Tensor>,
}

/// Runs a recurrent layer over a sequence as one node of the graph.
///
/// `input` is either a folded table `[V, 4H]` with `tokens` `[T, B]`, or, without tokens,
/// pre-activations `[T, B, 4H]` (3H in a CIFG layer). `state` is read as a constant and becomes the
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
        c: Arc::new(Mutex::new(std::mem::take(&mut state.c))),
        tape: Arc::default(),
        tapes: tapes.clone(),
    };
    let c = op.c.clone();
    let (input, w_hh) = (input.contiguous()?, weights.w_hh.contiguous()?);
    let hs = match weights.projection {
        None => input.apply_op2(&w_hh, op)?,
        Some(projection) => input.apply_op3(&w_hh, &projection.contiguous()?, op)?,
    };
    state.h = with_slice(&hs, |hs| hs[hs.len() - batch * output..].to_vec())?;
    state.c = std::mem::take(&mut *lock(&c));
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
        kept: Arc::default(),
    };
    hs.contiguous()?
        .apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)
}

struct LstmOp {
    sizes: Sizes,
    tokens: Option<Arc<[u8]>>,
    h0: Vec<f32>,
    /// The initial cells; the last ones after the forward pass.
    c: Arc<Mutex<Vec<f32>>>,
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
        let state = (&self.h0[..], &mut lock(&self.c)[..]);
        lstm::forward(self.sizes, input, weights, state, &mut tape, &mut hs);
        *lock(&self.tape) = Some(tape);
        let shape = Shape::from((steps, batch, layer.output()));
        Ok((CpuStorage::F32(hs), shape))
    }

    /// Gradients of the input, of `w_hh` and of the projection.
    fn backward(
        &self,
        input: &Tensor,
        (w_hh, projection): (&Tensor, Option<&Tensor>),
        d_hs: &Tensor,
    ) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        let Some(mut tape) = lock(&self.tape).take() else {
            candle_core::bail!("lstm: the backward pass runs once after each forward pass");
        };
        let gradients = with_slice(&d_hs.contiguous()?, |d_hs| {
            lstm::backward(self.sizes, &mut tape, d_hs)
        })?;
        self.tapes.give_back(tape);
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
        let d_projection = match (projection, gradients.projection) {
            (Some(p), Some(d)) => Some(tensor(d, p)?),
            _ => None,
        };
        let d_input = tensor(gradients.input, input)?;
        Ok((d_input, tensor(gradients.w_hh, w_hh)?, d_projection))
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
        _hs: &Tensor,
        d_hs: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (d_input, d_w_hh, _) = self.backward(input, (w_hh, None), d_hs)?;
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
        _hs: &Tensor,
        d_hs: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let weights = (w_hh, Some(projection));
        let (d_input, d_w_hh, d_projection) = self.backward(input, weights, d_hs)?;
        Ok((Some(d_input), Some(d_w_hh), d_projection))
    }
}

struct DenseCrossEntropyOp {
    hidden: usize,
    vocabulary: usize,
    targets: Arc<[u8]>,
    threads: usize,
    kept: Arc<Mutex<(PackedDense, Vec<DensePart>)>>,
}

/// The rows that one thread computes.
#[derive(Default)]
struct DensePart {
    rows: std::ops::Range<usize>,
    /// Their number, filled up to whole blocks.
    padded: usize,
    hs: Vec<Strip>,
    /// Gradient of the logits.
    errors: Vec<Strip>,
    losses: Vec<f64>,
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
        let hs = slice(hs, hs_layout)?;
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let (hidden, count) = (self.hidden, self.targets.len());
        let mut packed = PackedDense::default();
        packed.pack(weight, bias);
        let axis = Axis::plain(hidden);
        let blocks = row_ranges(count.div_ceil(ROW_BLOCK), self.threads);
        let parts = on_threads(blocks, |blocks| {
            let rows = blocks.start * ROW_BLOCK..count.min(blocks.end * ROW_BLOCK);
            let padded = rows.len().next_multiple_of(ROW_BLOCK);
            let mut part = DensePart {
                hs: vec![Strip::default(); axis.panels() * padded],
                errors: vec![Strip::default(); packed.symbols().panels() * padded],
                losses: vec![0.0; rows.len()],
                rows: rows.clone(),
                padded,
            };
            let hs = &hs[rows.start * hidden..rows.end * hidden];
            read_rows(hs, axis, &mut part.hs, padded);
            let targets = (&self.targets[rows], 1.0 / count as f32);
            let (errors, losses) = (&mut part.errors, &mut part.losses);
            packed.errors(Arch::new(), &part.hs, targets, errors, losses);
            part
        });
        let loss = parts.iter().flat_map(|p| &p.losses).sum::<f64>() / count as f64;
        *lock(&self.kept) = (packed, parts);
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        hs: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _loss: &Tensor,
        d_loss: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (hidden, vocabulary) = (self.hidden, self.vocabulary);
        let scale = d_loss.to_scalar::<f32>()?;
        let (packed, parts) = std::mem::take(&mut *lock(&self.kept));
        let arch = Arch::new();
        let mut d_hs = vec![0.0; self.targets.len() * hidden];
        let mut rest = &mut d_hs[..];
        let mut work = Vec::new();
        for part in &parts {
            let (d_hs, after) = rest.split_at_mut(part.rows.len() * hidden);
            rest = after;
            work.push((part, d_hs));
        }
        on_threads(work, |(part, d_hs)| {
            let axis = Axis::plain(hidden);
            let mut out = vec![Strip::default(); axis.panels() * part.padded];
            arch.dispatch(Product {
                rows: part.padded,
                start: Start::Zero,
                terms: &[(&part.errors, &packed.weight_t)],
                out: &mut out,
            });
            write_rows(&out, part.padded, axis, d_hs);
        });
        let mut gradient = DenseGradient::default();
        share_out(self.threads, gradient.pieces(&packed), |piece| {
            let slabs = parts.iter().map(|p| (&p.hs[..], &p.errors[..], p.padded));
            piece.compute(arch, slabs);
        });
        let mut d_weight = vec![0.0; hidden * vocabulary];
        let mut d_bias = vec![0.0; vocabulary];
        gradient.unpack(&mut d_weight, &mut d_bias);
        let tensor = |mut values: Vec<f32>, like: &Tensor| {
            values.iter_mut().for_each(|x| *x *= scale);
            Tensor::from_vec(values, like.shape(), &Device::Cpu)
        };
        Ok((
            Some(tensor(d_hs, hs)?),
            Some(tensor(d_weight, weight)?),
            Some(tensor(d_bias, bias)?),
        ))
    }
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

/// Locks; what a panicking thread left is plain numbers and still fit for use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

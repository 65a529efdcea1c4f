//! The loss as a node of a candle graph.

use crate::engine::many::lock;
use crate::engine::slices::slice;
use crate::kernels::softmax::{Loss, Teacher, softmax_loss};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Tensor, bail};
use pulp::Arch;
use std::sync::{Arc, Mutex};

/// The mean cross-entropy, in nats, of logits `[N, V]` with a target each: a node of the graph, and its value.
///
/// # Errors
/// The shapes do not fit each other, a target is not below V, or the device fails.
pub fn cross_entropy(logits: &Tensor, targets: &[u8]) -> Result<(Tensor, f64)> {
    check(logits, targets)?;
    if !logits.device().is_cpu() {
        let ids: Vec<u32> = targets.iter().map(|&t| u32::from(t)).collect();
        let ids = Tensor::new(ids, logits.device())?;
        let node = candle_nn::loss::cross_entropy(logits, &ids)?;
        let value = f64::from(node.to_scalar::<f32>()?);
        return Ok((node, value));
    }
    let op = LossOp::new(targets, 0.0);
    let kept = op.kept.clone();
    let node = logits.contiguous()?.apply_op1(op)?;
    let loss = lock(&kept).0;
    Ok((node, loss.text))
}

/// The mean loss of logits `[N, V]` on the processor, of which the divergence from a teacher has its `share`, given
/// the teacher's logits `[N, V]`, and cross-entropy the rest (Hinton et al. 2015): a node of the graph, and both
/// values.
///
/// # Errors
/// As [`cross_entropy`].
pub fn distillation(
    logits: &Tensor,
    targets: &[u8],
    (teacher, share): (&Tensor, f32),
) -> Result<(Tensor, Loss)> {
    check(logits, targets)?;
    if teacher.dims() != logits.dims() {
        let (found, expected) = (teacher.dims(), logits.dims());
        bail!("found a teacher's logits {found:?}, expected {expected:?}");
    }
    let op = LossOp::new(targets, share);
    let kept = op.kept.clone();
    let teacher = teacher.detach().contiguous()?;
    let node = logits.contiguous()?.apply_op2(&teacher, op)?;
    let loss = lock(&kept).0;
    Ok((node, loss))
}

fn check(logits: &Tensor, targets: &[u8]) -> Result<()> {
    let (rows, vocabulary) = logits.dims2()?;
    let inside = targets.iter().all(|&t| usize::from(t) < vocabulary);
    if targets.len() != rows || rows == 0 || !inside {
        bail!(
            "found logits {rows} x {vocabulary} and {} targets, expected one below {vocabulary} a row",
            targets.len()
        );
    }
    Ok(())
}

struct LossOp {
    targets: Vec<u8>,
    /// The teacher's share.
    share: f32,
    /// Both parts of the loss, and the gradient of the logits, once the operation has run.
    kept: Arc<Mutex<(Loss, Vec<f32>)>>,
}

impl LossOp {
    fn new(targets: &[u8], share: f32) -> Self {
        Self {
            targets: targets.to_vec(),
            share,
            kept: Arc::default(),
        }
    }

    fn forward(&self, logits: &[f32], teacher: Option<&[f32]>) -> (CpuStorage, Shape) {
        let share = self.share;
        let teacher = teacher.map(|logits| Teacher { logits, share });
        let mut errors = vec![0.0; logits.len()];
        let loss = softmax_loss(Arch::new(), logits, &self.targets, teacher, &mut errors);
        *lock(&self.kept) = (loss, errors);
        let share = f64::from(share);
        let value = share * loss.teacher + (1.0 - share) * loss.text;
        (CpuStorage::F32(vec![value as f32]), Shape::from(()))
    }

    fn backward(&self, logits: &Tensor, d_loss: &Tensor) -> Result<Tensor> {
        let mut errors = std::mem::take(&mut lock(&self.kept).1);
        if errors.is_empty() {
            bail!("loss: the way back is gone once");
        }
        let scale = d_loss.to_scalar::<f32>()?;
        if scale != 1.0 {
            errors.iter_mut().for_each(|x| *x *= scale);
        }
        Tensor::from_vec(errors, logits.shape(), &Device::Cpu)
    }
}

impl CustomOp1 for LossOp {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(slice(logits, layout)?, None))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, d_loss: &Tensor) -> Result<Option<Tensor>> {
        self.backward(logits, d_loss).map(Some)
    }
}

impl CustomOp2 for LossOp {
    fn name(&self) -> &'static str {
        "distillation"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        layout: &Layout,
        teacher: &CpuStorage,
        teacher_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let teacher = slice(teacher, teacher_layout)?;
        Ok(self.forward(slice(logits, layout)?, Some(teacher)))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        _teacher: &Tensor,
        _loss: &Tensor,
        d_loss: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(self.backward(logits, d_loss)?), None))
    }
}

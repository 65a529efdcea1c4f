//! Tensors in the processor's memory as slices, without a copy.

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor, bail};
use std::cell::Cell;

/// Lends the numbers of a contiguous f32 tensor.
///
/// # Errors
/// It is not such a tensor.
pub(crate) fn with_slice<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    with_slices(&[tensor], |slices| f(slices[0]))
}

/// Lends the numbers of contiguous f32 tensors.
///
/// # Errors
/// One is not such a tensor.
pub(crate) fn with_slices<R>(tensors: &[&Tensor], f: impl FnOnce(&[&[f32]]) -> R) -> Result<R> {
    let storages: Vec<_> = tensors.iter().map(|t| t.storage_and_layout()).collect();
    let mut slices = Vec::with_capacity(tensors.len());
    for (storage, layout) in &storages {
        match &**storage {
            Storage::Cpu(storage) => slices.push(slice(storage, layout)?),
            _ => bail!("found a tensor on another device, expected the processor's"),
        }
    }
    Ok(f(&slices))
}

/// The numbers of a contiguous f32 storage.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("found a tensor with gaps, expected a contiguous one"),
    }
}

/// Lends the numbers of a contiguous f32 tensor, to be changed in place: of a variable, or of a tensor that nothing
/// else holds.
///
/// # Errors
/// It is not such a tensor.
pub(crate) fn with_slice_mut<R>(tensor: &Tensor, f: impl FnOnce(&mut [f32]) -> R) -> Result<R> {
    let lend = Lend {
        f: Cell::new(Some(f)),
        result: Cell::new(None),
    };
    tensor.inplace_op1(&lend)?;
    Ok(lend.result.take().expect("candle ran the operation"))
}

/// An operation in place that is a closure.
struct Lend<F, R> {
    f: Cell<Option<F>>,
    result: Cell<Option<R>>,
}

impl<F: FnOnce(&mut [f32]) -> R, R> InplaceOp1 for Lend<F, R> {
    fn name(&self) -> &'static str {
        "lend"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            bail!("found another tensor, expected a contiguous one of f32");
        };
        let f = self.f.take().expect("an operation runs once");
        self.result.set(Some(f(&mut values[start..end])));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};

    #[test]
    fn a_variable_changes_in_place() {
        let var = Var::from_slice(&[1f32, 2.0, 3.0], 3, &Device::Cpu).unwrap();
        let view = var.narrow(0, 1, 2).unwrap();
        let sum = with_slice_mut(&var, |values| {
            values[2] = 5.0;
            values.iter().sum::<f32>()
        });
        assert_eq!(sum.unwrap(), 8.0);
        assert_eq!(with_slice(&view, <[f32]>::to_vec).unwrap(), [2.0, 5.0]);
    }

    #[test]
    fn what_is_no_slice_is_refused() {
        let matrix = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        assert!(with_slice(&matrix.t().unwrap(), |_| ()).is_err());
        assert!(with_slice_mut(&matrix.t().unwrap(), |_| ()).is_err());
        let doubles = Tensor::zeros(2, DType::F64, &Device::Cpu).unwrap();
        assert!(with_slice(&doubles, |_| ()).is_err());
        assert!(with_slice_mut(&doubles, |_| ()).is_err());
    }
}

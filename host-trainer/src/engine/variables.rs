//! The numbers of variables, copied out and back.

use candle_core::{Result, Tensor, Var};

/// A copy in plain memory, a vector for each variable.
///
/// # Errors
/// The device fails.
pub fn values(vars: &[Var]) -> Result<Vec<Vec<f32>>> {
    vars.iter().map(|v| v.flatten_all()?.to_vec1()).collect()
}

/// Takes such a copy back.
///
/// # Errors
/// It is of another shape, or the device fails.
pub fn set_values(vars: &[Var], values: &[Vec<f32>]) -> Result<()> {
    for (var, values) in vars.iter().zip(values) {
        var.set(&Tensor::from_slice(values, var.shape(), var.device())?)?;
    }
    Ok(())
}

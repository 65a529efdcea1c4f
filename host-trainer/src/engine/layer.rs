//! The weights of a layer on a device.

use crate::network::config::LayerConfig;
use candle_core::{Result, Tensor};

/// The weights of a layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) config: LayerConfig,
    /// `[in, G H]`.
    pub(super) w_ih: Tensor,
    /// `[R, G H]`.
    pub(super) w_hh: Tensor,
    /// `[G H]`.
    pub(super) bias: Tensor,
    /// `[G H]`, where the cell takes the products apart.
    pub(super) recurrent_bias: Option<Tensor>,
    /// `[H, R]`.
    pub(super) projection: Option<Tensor>,
}

impl Layer {
    /// The weights that the kernels take after those of the input.
    pub(super) fn recurrence(&self) -> impl Iterator<Item = &Tensor> {
        let optional = self.recurrent_bias.iter().chain(&self.projection);
        std::iter::once(&self.w_hh).chain(optional)
    }
}

/// The layers, with factors on the `w_hh` of each; there may be none.
///
/// # Errors
/// A mask has another length than its weights.
pub(super) fn masked(layers: &[Layer], masks: &[Vec<f32>]) -> Result<Vec<Layer>> {
    let mut masked = layers.to_vec();
    for (layer, mask) in masked.iter_mut().zip(masks) {
        let mask = Tensor::from_slice(mask, layer.w_hh.shape(), layer.w_hh.device())?;
        layer.w_hh = (&layer.w_hh * mask)?;
    }
    Ok(masked)
}

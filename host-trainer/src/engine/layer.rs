//! The weights of a layer on a device.

use crate::network::config::LayerConfig;
use candle_core::Tensor;

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

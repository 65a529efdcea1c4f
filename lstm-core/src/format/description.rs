use core::ops::Deref;

use serde::{Deserialize, Serialize};

#[cfg(feature = "export")]
use super::ModelError;
use super::{Format, LayerShape, MAX_LAYERS, Order};

/// What a file says of its model, and the weights. It borrows from the file.
///
/// The fields stand in the file in this order, encoded by postcard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description<'a> {
    /// A name for people.
    pub name: &'a str,
    /// The symbols of the alphabet, in the order of their tokens.
    pub symbols: &'a str,
    /// Whether ASCII capitals are read as small letters.
    pub fold_case: bool,
    /// The window that the network was trained on without state between windows; `None` for a
    /// network that carries its state.
    pub window: Option<u16>,
    /// The number format.
    pub format: Format,
    /// The order of the weights.
    pub order: Order,
    /// The layers, from the input up.
    pub layers: Layers,
    /// Zeros, so that `data` begins on a multiple of [`ARRAY_ALIGN`](super::ARRAY_ALIGN) from the
    /// start of the file.
    pub padding: &'a [u8],
    /// The arrays, one after the other, each padded with zeros to
    /// [`ARRAY_ALIGN`](super::ARRAY_ALIGN): for each layer its table (first layer only), its rows
    /// and its weights, and the rows and the weights of its projection if it has one; then the rows
    /// and the weights of the dense layer.
    pub data: &'a [u8],
}

/// The shapes of 0 to 4 layers, from the input up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers(heapless::Vec<LayerShape, MAX_LAYERS>);

impl Layers {
    /// These layers.
    ///
    /// # Errors
    ///
    /// [`ModelError::Layers`] if there are more than 4.
    #[cfg(feature = "export")]
    pub fn new(layers: &[LayerShape]) -> Result<Self, ModelError> {
        let found = layers.len();
        let layers = heapless::Vec::from_slice(layers).map_err(|_| ModelError::Layers { found });
        layers.map(Layers)
    }
}

impl Deref for Layers {
    type Target = [LayerShape];

    fn deref(&self) -> &[LayerShape] {
        &self.0
    }
}

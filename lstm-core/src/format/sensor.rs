use core::ops::Deref;

use serde::{Deserialize, Serialize};

#[cfg(feature = "export")]
use super::ModelError;
use super::{Format, Layers, MAX_DENSE_LAYERS, Order};

/// What a file of version 3 says of its model, and the weights: a network that may read values instead
/// of symbols, and may give classes or values instead of symbols. It borrows from the file.
///
/// The fields stand in the file in this order, encoded by postcard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorDescription<'a> {
    /// A name for people.
    pub name: &'a str,
    /// What a step reads.
    #[serde(borrow)]
    pub input: Input<'a>,
    /// The window that the network was trained on without state between windows; `None` for a
    /// network that carries its state.
    pub window: Option<u16>,
    /// Whether a window is run from its newest step to its oldest; only of a model with a window that reads
    /// values.
    pub backwards: bool,
    /// The number format.
    pub format: Format,
    /// The order of the weights.
    pub order: Order,
    /// The recurrent layers, from the input up.
    pub layers: Layers,
    /// The dense layers above them, each with its activation.
    pub dense: DenseLayers,
    /// What a step gives.
    #[serde(borrow)]
    pub head: OutputHead<'a>,
    /// Zeros, so that `data` begins on a multiple of [`ARRAY_ALIGN`](super::ARRAY_ALIGN) from the
    /// start of the file.
    pub padding: &'a [u8],
    /// The arrays, one after the other, each padded with zeros to
    /// [`ARRAY_ALIGN`](super::ARRAY_ALIGN). If values are read: f32 `mean` and f32 `scale` of the
    /// channels. For each recurrent layer its table (first layer, and only if symbols are read), its rows
    /// and its weights, and those of its projection if it has one. For each dense layer its rows and its
    /// weights. The rows and the weights of the head. If values are given: their f32 `offset` and f32
    /// `scale`.
    pub data: &'a [u8],
}

/// What a step of a model reads.
///
/// ```
/// use lstm_core::{Aligned, Input, Model};
///
/// # const FILE: &Aligned<[u8]> =
/// #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// let model = Model::from_bytes(&FILE.0)?;
/// let symbols = model.alphabet().symbols();
/// assert_eq!(model.input(), Input::Symbols { symbols, fold_case: true });
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input<'a> {
    /// A symbol, which the folded table of the first layer holds.
    Symbols {
        /// The symbols of the alphabet, in the order of their tokens.
        symbols: &'a str,
        /// Whether ASCII capitals are read as small letters.
        fold_case: bool,
    },
    /// A value of each channel.
    Values {
        /// The names of the channels, each on a line; a name may be empty.
        channels: &'a str,
        /// The number of channels, 1 to 256.
        count: u16,
    },
}

/// What a step of a model gives.
///
/// ```
/// use lstm_core::OutputHead;
///
/// let head = OutputHead::Classes { labels: "walking\nsitting" };
/// assert!(head.names().eq(["walking", "sitting"]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputHead<'a> {
    /// A logit for each symbol of the alphabet that is read.
    Symbols,
    /// A logit for each of some classes.
    Classes {
        /// The labels of the classes, each on a line, 2 to 256.
        labels: &'a str,
    },
    /// Values in the user's units.
    Values {
        /// The names of the values, each on a line, 1 to 256; a name may be empty.
        names: &'a str,
    },
}

/// Of the lines of names. Splitting at a character instead of by this leaves a path to a panic.
pub(crate) fn is_line_end(character: char) -> bool {
    character == '\n'
}

impl<'a> OutputHead<'a> {
    /// The names of the classes or of the values; none of symbols.
    pub fn names(self) -> impl Iterator<Item = &'a str> + Clone {
        let lines = match self {
            OutputHead::Symbols => None,
            OutputHead::Classes { labels: lines } | OutputHead::Values { names: lines } => {
                Some(lines)
            }
        };
        lines.into_iter().flat_map(|lines| lines.split(is_line_end))
    }
}

/// What a dense layer makes of its sums.
///
/// ```
/// assert_eq!(lstm_core::Activation::Relu.name(), "relu");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Activation {
    /// The sum itself.
    #[default]
    Linear,
    /// The sum, or 0 where it is negative.
    Relu,
    /// Its hyperbolic tangent.
    Tanh,
    /// Its logistic function.
    Sigmoid,
}

impl Activation {
    /// The name that people read.
    pub const fn name(self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
        }
    }

    /// The one that the file says by this number.
    pub(crate) const fn of_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(Activation::Linear),
            1 => Some(Activation::Relu),
            2 => Some(Activation::Tanh),
            3 => Some(Activation::Sigmoid),
            _ => None,
        }
    }
}

impl core::fmt::Display for Activation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The shape of a dense layer between the recurrent layers and the head.
///
/// ```
/// use lstm_core::{Activation, DenseShape};
///
/// let shape = DenseShape::new(16, Activation::Relu);
/// assert_eq!(shape.width, 16);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DenseShape {
    /// The number of its units, 1 to 512.
    pub width: u16,
    /// What it makes of their sums.
    pub activation: Activation,
}

impl DenseShape {
    /// A layer of so many units with this activation.
    pub const fn new(width: u16, activation: Activation) -> Self {
        DenseShape { width, activation }
    }
}

/// The shapes of 0 to 3 dense layers, from the recurrent layers up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenseLayers(heapless::Vec<DenseShape, MAX_DENSE_LAYERS>);

impl DenseLayers {
    /// These layers.
    ///
    /// # Errors
    ///
    /// [`ModelError::DenseLayers`] if there are more than 3.
    #[cfg(feature = "export")]
    pub fn new(layers: &[DenseShape]) -> Result<Self, ModelError> {
        let found = layers.len();
        let layers = heapless::Vec::from_slice(layers);
        layers
            .map(DenseLayers)
            .map_err(|_| ModelError::DenseLayers { found })
    }
}

impl Deref for DenseLayers {
    type Target = [DenseShape];

    fn deref(&self) -> &[DenseShape] {
        &self.0
    }
}

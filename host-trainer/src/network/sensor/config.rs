//! The shape of a network that reads values.

use crate::files::error::{Error, Result};
use crate::network::config::{CellKind, MAX_LAYERS, layer_name};
use lstm_core::{MAX_CHANNELS, MAX_DENSE_LAYERS, MAX_DENSE_WIDTH, MAX_HIDDEN, MAX_VALUES_WINDOW};
use serde::{Deserialize, Serialize};

/// A value of the input vector. The network reads `(x - mean) * scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// For people; may be empty.
    pub name: String,
    /// In the user's units.
    pub mean: f32,
    /// One over the deviation, in one over the user's units.
    pub scale: f32,
}

impl Channel {
    /// A channel that the network reads as it is.
    pub fn plain(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mean: 0.0,
            scale: 1.0,
        }
    }
}

/// The kind of recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Gates i, f, g, o.
    Lstm,
    /// Gates i, g, o: the coupled input and forget gate (Greff et al. 2015).
    Cifg,
    /// Gates r, z, n, the reset gate after the product, with two biases (Cho et al. 2014; Keras and PyTorch).
    Gru,
    /// Gates r, z, n, the reset gate before the product, with one bias (Keras's `reset_after=False`).
    GruResetBefore,
}

impl Cell {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Lstm, Self::Cifg, Self::Gru, Self::GruResetBefore];

    /// As the name of a layer's tensors has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Cifg => "cifg",
            Self::Gru => "gru",
            Self::GruResetBefore => "gru-reset-before",
        }
    }

    /// Gates of a unit.
    pub const fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Cifg | Self::Gru | Self::GruResetBefore => 3,
        }
    }

    /// The gate whose activation is tanh; all others have sigmoid.
    pub const fn tanh_gate(self) -> usize {
        match self {
            Self::Lstm | Self::Gru | Self::GruResetBefore => 2,
            Self::Cifg => 1,
        }
    }

    /// The cell that is trained here; `None` for one that is imported only.
    pub const fn trained(self) -> Option<CellKind> {
        match self {
            Self::Lstm => Some(CellKind::Lstm),
            Self::Cifg => Some(CellKind::Cifg),
            Self::Gru => Some(CellKind::Gru),
            Self::GruResetBefore => None,
        }
    }

    /// The cell in the device's engine.
    pub const fn device(self) -> lstm_core::CellKind {
        match self {
            Self::Lstm => lstm_core::CellKind::Lstm,
            Self::Cifg => lstm_core::CellKind::Cifg,
            Self::Gru => lstm_core::CellKind::Gru,
            Self::GruResetBefore => lstm_core::CellKind::GruResetBefore,
        }
    }

    /// The one that the device's engine has so.
    pub const fn of_device(kind: lstm_core::CellKind) -> Self {
        match kind {
            lstm_core::CellKind::Lstm => Self::Lstm,
            lstm_core::CellKind::Cifg => Self::Cifg,
            lstm_core::CellKind::Gru => Self::Gru,
            lstm_core::CellKind::GruResetBefore => Self::GruResetBefore,
        }
    }

    /// Whether the recurrent product has a bias of its own.
    pub const fn has_recurrent_bias(self) -> bool {
        match self {
            Self::Gru => true,
            Self::Lstm | Self::Cifg | Self::GruResetBefore => false,
        }
    }
}

impl From<CellKind> for Cell {
    fn from(cell: CellKind) -> Self {
        match cell {
            CellKind::Lstm => Self::Lstm,
            CellKind::Cifg => Self::Cifg,
            CellKind::Gru => Self::Gru,
        }
    }
}

/// One recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerConfig {
    /// The kind of cell.
    pub cell: Cell,
    /// Units, H.
    pub hidden: usize,
    /// Width of the recurrent projection, R; `None` where there is none.
    pub projection: Option<usize>,
}

impl LayerConfig {
    /// A layer without a projection.
    pub const fn new(cell: Cell, hidden: usize) -> Self {
        Self {
            cell,
            hidden,
            projection: None,
        }
    }

    /// Width of what the recurrence and the layer above see: R, or H without a projection.
    pub const fn output(self) -> usize {
        match self.projection {
            Some(width) => width,
            None => self.hidden,
        }
    }

    /// Columns of all gates together, G H.
    pub const fn columns(self) -> usize {
        self.cell.gates() * self.hidden
    }
}

/// For people.
impl std::fmt::Display for LayerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = layer_name(self.cell.device(), self.hidden, self.projection);
        f.write_str(&name)
    }
}

/// What a dense layer does with its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Nothing.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// -1 to 1.
    Tanh,
    /// 0 to 1.
    Sigmoid,
}

impl Activation {
    /// The activation in the device's engine.
    pub const fn device(self) -> lstm_core::Activation {
        match self {
            Self::Linear => lstm_core::Activation::Linear,
            Self::Relu => lstm_core::Activation::Relu,
            Self::Tanh => lstm_core::Activation::Tanh,
            Self::Sigmoid => lstm_core::Activation::Sigmoid,
        }
    }

    /// The one that the device's engine has so.
    pub const fn of_device(activation: lstm_core::Activation) -> Self {
        match activation {
            lstm_core::Activation::Linear => Self::Linear,
            lstm_core::Activation::Relu => Self::Relu,
            lstm_core::Activation::Tanh => Self::Tanh,
            lstm_core::Activation::Sigmoid => Self::Sigmoid,
        }
    }

    /// Of a sum.
    pub fn of(self, x: f32) -> f32 {
        match self {
            Self::Linear => x,
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }
}

/// A dense layer between the recurrent layers and the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseConfig {
    /// Outputs.
    pub width: usize,
    /// What becomes of them.
    pub activation: Activation,
}

/// A value that the network gives: `offset + scale * y`, in the user's units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputValue {
    /// For people; may be empty.
    pub name: String,
    /// In the user's units.
    pub offset: f32,
    /// The user's units of 1.
    pub scale: f32,
}

impl OutputValue {
    /// The value of a channel, of which the network gives the normalized one; a scale of 0 stays 0.
    pub fn of_channel(channel: &Channel) -> Self {
        Self {
            name: channel.name.clone(),
            offset: channel.mean,
            scale: match channel.scale {
                0.0 => 0.0,
                scale => 1.0 / scale,
            },
        }
    }

    /// A value that is given as the network has it.
    pub fn plain(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            offset: 0.0,
            scale: 1.0,
        }
    }
}

/// What the numbers of the last dense layer are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Logits of these classes.
    Classes(Vec<String>),
    /// Values.
    Values(Vec<OutputValue>),
}

impl Head {
    /// Outputs of the last dense layer.
    pub fn width(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// What the last dense layer gives, as people are told it: logits of classes, or values in the user's units.
    pub fn told(&self, outputs: &[f32]) -> Vec<f32> {
        match self {
            Self::Classes(_) => outputs.to_vec(),
            Self::Values(values) => {
                let outputs = outputs.iter().zip(values);
                outputs.map(|(y, v)| v.offset + v.scale * y).collect()
            }
        }
    }
}

/// The shape of a network that reads values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorConfig {
    /// What it reads each step; their number is C.
    pub channels: Vec<Channel>,
    /// The recurrent layers, the one next to the input first.
    pub layers: Vec<LayerConfig>,
    /// The dense layers between them and the head.
    pub dense: Vec<DenseConfig>,
    /// What it answers.
    pub head: Head,
    /// The steps that it is given each time, from a zero state; `None` if it carries its state, and answers each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Whether a window is read from its newest step to its oldest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backwards: bool,
}

impl SensorConfig {
    /// Makes the values those of the next step's first channels: their names and units, and normalized as they are.
    ///
    /// # Errors
    /// It gives classes, or more values than there are channels.
    pub fn tell_next(&mut self) -> Result<()> {
        let (found, most) = (self.head.width(), self.channels.len());
        match &mut self.head {
            Head::Values(values) if found <= most => {
                for (value, channel) in values.iter_mut().zip(&self.channels) {
                    *value = OutputValue::of_channel(channel);
                }
                Ok(())
            }
            Head::Values(_) => Err(Error::bad_input(format!(
                "found a network that gives {found} values, expected at most {most}, its channels, for --next"
            ))),
            Head::Classes(_) => Err(Error::bad_input(
                "found a network that gives classes, expected values for --next",
            )),
        }
    }

    /// Width of the input of recurrent layer `index`; after the last, that of the first dense layer.
    pub fn input_width(&self, index: usize) -> usize {
        match index {
            0 => self.channels.len(),
            _ => self.layers[index - 1].output(),
        }
    }

    /// The name that the tensors of layer `index` begin with, for example `gru.0`.
    pub fn layer_name(&self, index: usize) -> String {
        format!("{}.{index}", self.layers[index].cell.name())
    }

    /// Inputs and outputs of each dense layer, the head last.
    pub fn dense_shapes(&self) -> Vec<[usize; 2]> {
        let widths = self.dense.iter().map(|dense| dense.width);
        let mut input = self.input_width(self.layers.len());
        let shape = |output| [std::mem::replace(&mut input, output), output];
        widths.chain([self.head.width()]).map(shape).collect()
    }

    /// Name and shape of every tensor, in the order of [`SensorNetwork::parameters`](super::SensorNetwork::parameters).
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let (input, columns, output) = (self.input_width(i), layer.columns(), layer.output());
            let name = self.layer_name(i);
            shapes.push((format!("{name}.w_ih"), vec![input, columns]));
            shapes.push((format!("{name}.w_hh"), vec![output, columns]));
            shapes.push((format!("{name}.bias"), vec![columns]));
            if layer.cell.has_recurrent_bias() {
                shapes.push((format!("{name}.recurrent_bias"), vec![columns]));
            }
            if layer.projection.is_some() {
                shapes.push((format!("{name}.projection"), vec![layer.hidden, output]));
            }
        }
        for (i, [input, output]) in self.dense_shapes().into_iter().enumerate() {
            shapes.push((format!("dense.{i}.weight"), vec![input, output]));
            shapes.push((format!("dense.{i}.bias"), vec![output]));
        }
        shapes
    }

    /// Number of trained numbers.
    pub fn parameter_count(&self) -> usize {
        let count = |(_, shape): &(String, Vec<usize>)| shape.iter().product::<usize>();
        self.shapes().iter().map(count).sum()
    }

    /// Refuses what cannot be built.
    ///
    /// # Errors
    /// Sizes out of bounds, numbers that are not finite.
    pub fn check(&self) -> Result<()> {
        let within = |what: &str, found: usize, least: usize, most: usize| match (least..=most)
            .contains(&found)
        {
            true => Ok(()),
            false => Err(Error::bad_input(format!(
                "found {found} {what}, expected {least} to {most}"
            ))),
        };
        within("channels", self.channels.len(), 1, MAX_CHANNELS)?;
        within("recurrent layers", self.layers.len(), 1, MAX_LAYERS)?;
        for layer in &self.layers {
            within("hidden units", layer.hidden, 1, MAX_HIDDEN)?;
            within("outputs of a projection", layer.output(), 1, layer.hidden)?;
        }
        within("hidden dense layers", self.dense.len(), 0, MAX_DENSE_LAYERS)?;
        for dense in &self.dense {
            within("outputs of a dense layer", dense.width, 1, MAX_DENSE_WIDTH)?;
        }
        match &self.head {
            Head::Classes(labels) => within("classes", labels.len(), 2, MAX_CHANNELS)?,
            Head::Values(values) => within("values", values.len(), 1, MAX_CHANNELS)?,
        }
        match self.window {
            Some(window) => within("steps of a window", window, 1, MAX_VALUES_WINDOW)?,
            None if self.backwards => {
                return Err(Error::bad_input(
                    "found a network that reads backwards and carries its state, expected one with a window",
                ));
            }
            None => {}
        }
        let channels = self.channels.iter().map(|c| (&c.name, [c.mean, c.scale]));
        let values = match &self.head {
            Head::Classes(_) => &[][..],
            Head::Values(values) => values,
        };
        let values = values.iter().map(|v| (&v.name, [v.offset, v.scale]));
        for (name, numbers) in channels.chain(values) {
            if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
                return Err(Error::bad_input(format!(
                    "found {number} to normalize {name:?} with, expected a finite number"
                )));
            }
        }
        let labels = match &self.head {
            Head::Classes(labels) => &labels[..],
            Head::Values(_) => &[],
        };
        let names = self.channels.iter().map(|c| &c.name);
        let mut names = names.chain(self.value_names()).chain(labels);
        match names.find(|name| name.contains(char::is_control)) {
            Some(name) => Err(Error::bad_input(format!(
                "found the name {name:?}, expected one without control characters"
            ))),
            None => Ok(()),
        }
    }

    fn value_names(&self) -> impl Iterator<Item = &String> {
        let values = match &self.head {
            Head::Classes(_) => &[][..],
            Head::Values(values) => values,
        };
        values.iter().map(|value| &value.name)
    }
}

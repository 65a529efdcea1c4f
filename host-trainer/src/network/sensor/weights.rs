//! The weights, and their file. Every matrix is row-major, `[in, out]`; the G gates of a layer lie side by side in the order that
//! [`Cell`](super::Cell) gives.

use super::config::SensorConfig;
use crate::files::error::{Error, Result};
use crate::files::tensors::TensorFile;
use crate::kernels::random::Random;
use crate::network::parameters::Layer;
use std::path::Path;

/// The metadata key of a network file.
const KEY: &str = "sensor-network";

/// The weights of a dense layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// `[in, out]`.
    pub weight: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
}

/// A network that reads values: its shape and its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorNetwork {
    /// The shape.
    pub config: SensorConfig,
    /// The recurrent layers, the one next to the input first.
    pub layers: Vec<Layer>,
    /// The dense layers, the head last.
    pub dense: Vec<Dense>,
}

impl SensorNetwork {
    /// A fresh network with Keras's initializers, as [`Network::new`](crate::network::parameters::Network::new).
    ///
    /// # Errors
    /// As [`SensorConfig::check`]; a cell is imported only.
    pub fn new(config: SensorConfig, random: &mut Random) -> Result<Self> {
        config.check()?;
        let mut layers = Vec::new();
        for (index, layer) in config.layers.iter().enumerate() {
            let Some(cell) = layer.cell.trained() else {
                return Err(Error::bad_input(format!(
                    "found a layer of {layer}, which is imported only, expected LSTM, CIFG or GRU to train"
                )));
            };
            let (input, columns) = (config.input_width(index), layer.columns());
            let cell = cell.definition();
            let mut bias = vec![0.0; columns];
            cell.start_bias(&mut bias, layer.hidden);
            layers.push(Layer {
                w_ih: random.glorot_uniform(input, columns),
                w_hh: cell.start_recurrence(layer.output(), columns, random),
                bias,
                recurrent_bias: layer.cell.has_recurrent_bias().then(|| vec![0.0; columns]),
                projection: (layer.projection).map(|r| random.glorot_uniform(layer.hidden, r)),
            });
        }
        let dense = config
            .dense_shapes()
            .into_iter()
            .map(|[input, output]| Dense {
                weight: random.glorot_uniform(input, output),
                bias: vec![0.0; output],
            });
        let dense = dense.collect();
        Ok(Self {
            config,
            layers,
            dense,
        })
    }

    /// Every tensor's numbers, in the order of [`SensorConfig::shapes`].
    pub fn parameters(&self) -> Vec<&[f32]> {
        let mut all = Vec::new();
        for layer in &self.layers {
            all.extend([&layer.w_ih[..], &layer.w_hh, &layer.bias]);
            all.extend(layer.recurrent_bias.as_deref());
            all.extend(layer.projection.as_deref());
        }
        let dense = self.dense.iter();
        all.extend(dense.flat_map(|dense| [&dense.weight[..], &dense.bias]));
        all
    }

    /// Builds a network from the numbers of every tensor, in the order of [`SensorConfig::shapes`].
    ///
    /// # Panics
    /// There are fewer.
    pub fn from_parameters(config: SensorConfig, values: Vec<Vec<f32>>) -> Self {
        let mut values = values.into_iter();
        let mut next = || values.next().expect("one for each shape");
        let layers = config.layers.iter().map(|layer| Layer {
            w_ih: next(),
            w_hh: next(),
            bias: next(),
            recurrent_bias: layer.cell.has_recurrent_bias().then(&mut next),
            projection: layer.projection.map(|_| next()),
        });
        let layers = layers.collect();
        let dense = config.dense_shapes().into_iter().map(|_| Dense {
            weight: next(),
            bias: next(),
        });
        let dense = dense.collect();
        Self {
            config,
            layers,
            dense,
        }
    }

    /// Builds a network from tensors; `path` only names it in errors.
    ///
    /// # Errors
    /// A tensor is missing, of another shape, one too many, or not finite.
    pub fn from_tensors(path: &Path, config: SensorConfig, file: &mut TensorFile) -> Result<Self> {
        config
            .check()
            .map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))?;
        let mut tensors = Vec::new();
        for (name, shape) in config.shapes() {
            tensors.push(file.take_finite(path, &name, &shape)?);
        }
        Ok(Self::from_parameters(config, tensors))
    }

    /// Writes the network as a safetensors file, whole or not at all.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let metadata = serde_json::to_string(&self.config).expect("plain data");
        let mut file = TensorFile {
            metadata,
            ..Default::default()
        };
        for ((name, shape), values) in self.config.shapes().iter().zip(self.parameters()) {
            file.insert(name, shape, values);
        }
        file.write(path, KEY)
    }

    /// Reads a network that [`SensorNetwork::save`] wrote; `None` of a file of another kind.
    ///
    /// # Errors
    /// The file cannot be read, or its tensors do not fit its own config.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        if !TensorFile::is_of_kind(&bytes, KEY) {
            return Ok(None);
        }
        let mut file = TensorFile::from_bytes(path, &bytes, KEY)?;
        let config = serde_json::from_str(&file.metadata).map_err(|e| {
            Error::bad_input(format!(
                "{}: found a network description that does not parse ({e}), expected JSON",
                path.display()
            ))
        })?;
        let network = Self::from_tensors(path, config, &mut file)?;
        match file.left() {
            Some(name) => Err(Error::bad_input(format!(
                "{}: found tensor {name}, expected no more than the network's",
                path.display()
            ))),
            None => Ok(Some(network)),
        }
    }
}

//! The network in plain memory: embedding, one to four recurrent layers, dense layer.
//!
//! Every matrix is row-major, `[in, out]`: a row vector times the matrix. The G gates lie side by side in the order of
//! the layer's cell, whose equations stand in `network/cell`. With `x` the layer's input:
//!
//! ```text
//! input     = x · w_ih + bias                     [in]·[in,G H] + [G H]
//! recurrent = h · w_hh + recurrent_bias           [R]·[R,G H] + [G H]
//! m, c      = cell(input, recurrent, c)           [H], [H]
//! h         = m · projection                      [H]·[H,R]
//! logits    = h · dense_weight + dense_bias       [R]·[R,V] + [V]
//! ```
//!
//! Without a projection (Sak et al. 2014), `h = m` and `R = H`. A cell that adds both products has the first bias alone.

use crate::files::error::{Error, Result};
use crate::files::tensors::TensorFile;
use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::random::Random;
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::ngram::Memory;
use std::path::Path;
use std::sync::Arc;

/// The metadata key of a network file.
const KEY: &str = "network";

/// The weights of one recurrent layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Input weights `[in, G H]`, of G gates.
    pub w_ih: Vec<f32>,
    /// Recurrent weights `[R, G H]`.
    pub w_hh: Vec<f32>,
    /// One bias a gate and unit `[G H]`.
    pub bias: Vec<f32>,
    /// Another one of the recurrent product alone, where the cell takes the products apart.
    pub recurrent_bias: Option<Vec<f32>>,
    /// `[H, R]`.
    pub projection: Option<Vec<f32>>,
}

/// A network: its shape and its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The shape.
    pub config: NetworkConfig,
    /// `[V, E]`.
    pub embedding: Vec<f32>,
    /// The recurrent layers, the one next to the embedding first.
    pub layers: Vec<Layer>,
    /// `[R, V]`, with R of the last layer.
    pub dense_weight: Vec<f32>,
    /// `[V]`.
    pub dense_bias: Vec<f32>,
    /// What it looks up of the last few characters.
    pub ngrams: Option<Ngrams>,
}

/// What a network looks up of the last few characters: where, and what it learned of it.
///
/// With `h` of the first layer, the vectors `u` of the contexts and the costs `q` (nats) of the back-off table, whose
/// longest context has length `l`, and `h'` of the top layer:
///
/// ```text
/// the first layer's recurrent product reads h + u2 + u3 + u4
/// logits -= (coefficients[l] + h' · gate_weight + gate_bias) q
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ngrams {
    /// The contexts and the table.
    pub memory: Arc<Memory>,
    /// Vectors of the contexts of 2, 3 and 4 characters, `[S + 1, R]`, the last for all contexts that have none of their own; empty where
    /// a length has none.
    pub vectors: [Vec<f32>; 3],
    /// By the longest context found; empty without a table.
    pub coefficients: Vec<f32>,
    /// `[R]` of the top layer.
    pub gate_weight: Vec<f32>,
    /// `[1]`.
    pub gate_bias: Vec<f32>,
}

impl Ngrams {
    /// Vectors of zero, and a table that counts fully.
    fn new(config: &NetworkConfig, memory: Arc<Memory>) -> Self {
        let (width, output) = (
            config.layers[0].output(),
            config.input_width(config.layers.len()),
        );
        let vectors = config.ngrams.vectors.map(|rows| match rows {
            0 => Vec::new(),
            rows => vec![0.0; rows * width],
        });
        let table = config.ngrams.table;
        Self {
            memory,
            vectors,
            coefficients: table.map_or_else(Vec::new, |lengths| vec![1.0; lengths + 1]),
            gate_weight: table.map_or_else(Vec::new, |_| vec![0.0; output]),
            gate_bias: table.map_or_else(Vec::new, |_| vec![0.0]),
        }
    }

    /// Whether there is a table.
    pub(crate) fn has_table(&self) -> bool {
        !self.coefficients.is_empty()
    }

    /// Adds the vectors of these rows to `[R]` numbers.
    pub(crate) fn add_vectors(&self, rows: [usize; 3], to: &mut [f32]) {
        for (vectors, row) in self.vectors.iter().zip(rows) {
            let vector = vectors.chunks_exact(to.len()).nth(row).unwrap_or_default();
            for (to, x) in to.iter_mut().zip(vector) {
                *to += x;
            }
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &[f32]> {
        let table = [&self.coefficients, &self.gate_weight, &self.gate_bias];
        let all = self.vectors.iter().chain(table);
        all.filter(|values| !values.is_empty()).map(Vec::as_slice)
    }

    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let table = [
            &mut self.coefficients,
            &mut self.gate_weight,
            &mut self.gate_bias,
        ];
        let all = self.vectors.iter_mut().chain(table);
        all.filter(|values| !values.is_empty())
            .map(Vec::as_mut_slice)
    }
}

impl Network {
    /// A fresh network with Keras's initializers: embedding uniform in ±0.05, kernels and
    /// projections Glorot uniform, recurrent kernels orthogonal, biases zero but one for the forget
    /// gate. A CIFG layer has its recurrent kernel uniform with variance 1/R, and -1 for the biases
    /// of its input gate: both start by keeping what the cell holds.
    ///
    /// # Errors
    /// As [`NetworkConfig::check`].
    pub fn new(config: NetworkConfig, random: &mut Random) -> Result<Self> {
        config.check()?;
        let vocabulary = config.vocabulary();
        let embedding = random.uniform_vec(vocabulary * config.embedding, 0.05);
        let mut layers = Vec::new();
        for (i, layer) in config.layers.iter().enumerate() {
            let (input, hidden) = (config.input_width(i), layer.hidden);
            let (columns, output) = (layer.columns(), layer.output());
            let mut bias = vec![0.0; columns];
            let cell = layer.cell.definition();
            cell.start_bias(&mut bias, hidden);
            layers.push(Layer {
                w_ih: random.glorot_uniform(input, columns),
                w_hh: cell.start_recurrence(output, columns, random),
                bias,
                recurrent_bias: (layer.cell.takes_products_apart()).then(|| vec![0.0; columns]),
                projection: layer.projection.map(|r| random.glorot_uniform(hidden, r)),
            });
        }
        let output = config.input_width(config.layers.len());
        Ok(Self {
            embedding,
            layers,
            dense_weight: random.glorot_uniform(output, vocabulary),
            dense_bias: vec![0.0; vocabulary],
            config,
            ngrams: None,
        })
    }

    /// The same network with a memory, of which it has learned nothing.
    #[must_use]
    pub fn with_memory(mut self, memory: Arc<Memory>) -> Self {
        self.config.ngrams = memory.config();
        self.ngrams = Some(Ngrams::new(&self.config, memory));
        self
    }

    /// The memory.
    pub fn memory(&self) -> Option<&Arc<Memory>> {
        self.ngrams.as_ref().map(|ngrams| &ngrams.memory)
    }

    /// Every tensor's numbers, in the order of [`NetworkConfig::shapes`].
    pub fn parameters(&self) -> Vec<&[f32]> {
        let mut all: Vec<&[f32]> = vec![&self.embedding];
        for layer in &self.layers {
            all.extend([&layer.w_ih[..], &layer.w_hh, &layer.bias]);
            all.extend(layer.recurrent_bias.as_deref());
            all.extend(layer.projection.as_deref());
        }
        all.extend([&self.dense_weight[..], &self.dense_bias]);
        all.extend(self.ngrams.iter().flat_map(Ngrams::parameters));
        all
    }

    /// As [`Network::parameters`], to be changed.
    pub fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
        let mut all: Vec<&mut [f32]> = vec![&mut self.embedding];
        for layer in &mut self.layers {
            all.extend([&mut layer.w_ih[..], &mut layer.w_hh, &mut layer.bias]);
            all.extend(layer.recurrent_bias.as_deref_mut());
            all.extend(layer.projection.as_deref_mut());
        }
        all.extend([&mut self.dense_weight[..], &mut self.dense_bias]);
        all.extend(self.ngrams.iter_mut().flat_map(Ngrams::parameters_mut));
        all
    }

    /// Number of trained numbers.
    pub fn parameter_count(&self) -> usize {
        self.config.parameter_count()
    }

    /// The embedding folded into the first layer: `table[v] = embedding[v] · w_ih + bias`,
    /// `[V, G H]`.
    pub fn folded_table(&self) -> Vec<f32> {
        let (vocabulary, width) = (self.config.vocabulary(), self.config.embedding);
        let columns = self.config.layers[0].columns();
        let mut table = self.layers[0].bias.repeat(vocabulary);
        gemm(
            Matrix::new(&self.embedding, vocabulary, width),
            Matrix::new(&self.layers[0].w_ih, width, columns),
            &mut table,
            true,
        );
        table
    }

    /// Builds a network from tensors; `path` only names them in errors.
    ///
    /// # Errors
    /// A tensor is missing, of another shape, one too many, or not finite.
    pub fn from_tensors(path: &Path, config: NetworkConfig, file: &mut TensorFile) -> Result<Self> {
        config
            .check()
            .map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))?;
        let mut tensors = Vec::new();
        for (name, shape) in config.shapes() {
            tensors.push(file.take_finite(path, &name, &shape)?);
        }
        let memory = match config.ngrams.is_none() {
            true => None,
            false => Some(Arc::new(Memory::take(
                path,
                config.ngrams,
                config.vocabulary(),
                file,
            )?)),
        };
        Ok(Self::from_parameters(config, memory, tensors))
    }

    /// Builds a network from its memory and the numbers of every tensor, in the order of [`NetworkConfig::shapes`].
    ///
    /// # Panics
    /// There are fewer.
    pub(crate) fn from_parameters(
        config: NetworkConfig,
        memory: Option<Arc<Memory>>,
        values: Vec<Vec<f32>>,
    ) -> Self {
        let mut values = values.into_iter();
        let mut next = || values.next().expect("one for each shape");
        let embedding = next();
        let layer = |layer: &LayerConfig| Layer {
            w_ih: next(),
            w_hh: next(),
            bias: next(),
            recurrent_bias: layer.cell.takes_products_apart().then(&mut next),
            projection: layer.projection.map(|_| next()),
        };
        let layers = config.layers.iter().map(layer).collect();
        let (dense_weight, dense_bias) = (next(), next());
        let ngrams = memory.map(|memory| {
            let mut ngrams = Ngrams::new(&config, memory);
            for values in ngrams.parameters_mut() {
                values.copy_from_slice(&next());
            }
            ngrams
        });
        Self {
            config,
            embedding,
            layers,
            dense_weight,
            dense_bias,
            ngrams,
        }
    }

    /// Adds every tensor to `file`.
    pub fn to_tensors(&self, file: &mut TensorFile) {
        for ((name, shape), values) in self.config.shapes().iter().zip(self.parameters()) {
            file.insert(name, shape, values);
        }
        if let Some(memory) = self.memory() {
            memory.insert(file);
        }
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
        self.to_tensors(&mut file);
        file.write(path, KEY)
    }

    /// Reads a network that [`Network::save`] wrote.
    ///
    /// # Errors
    /// The file is missing, is not such a file, or its tensors do not fit its own config.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_file(path, TensorFile::read(path, KEY)?)
    }

    /// As [`Network::load`], from the bytes of a file; `path` only names it in errors.
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        Self::from_file(path, TensorFile::from_bytes(path, bytes, KEY)?)
    }

    fn from_file(path: &Path, mut file: TensorFile) -> Result<Self> {
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
            None => Ok(network),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::alphabet::Alphabet;

    fn network(hidden: usize, layers: usize) -> Network {
        let config = NetworkConfig::lstm(&Alphabet::letters(), 64, hidden, layers);
        Network::new(config, &mut Random::new(1)).unwrap()
    }

    fn cifg(hidden: usize, projection: usize, layers: usize) -> Network {
        let layer = LayerConfig::cifg(hidden, projection);
        let config = NetworkConfig::stack(&Alphabet::letters(), 64, layer, layers);
        Network::new(config, &mut Random::new(1)).unwrap()
    }

    #[test]
    fn the_two_networks_of_the_notebook_have_their_parameter_counts() {
        for (hidden, count) in [(64, 36_507), (256, 337_371)] {
            let network = network(hidden, 1);
            assert_eq!(network.parameter_count(), count);
            let held: usize = network.parameters().iter().map(|p| p.len()).sum();
            assert_eq!(held, count);
        }
    }

    #[test]
    fn the_lean_networks_have_their_parameter_counts() {
        for (hidden, projection, count) in
            [(384, 96, 226_683), (256, 64, 118_939), (96, 32, 33_627)]
        {
            let network = cifg(hidden, projection, 1);
            assert_eq!(network.parameter_count(), count);
            let held: usize = network.parameters().iter().map(|p| p.len()).sum();
            assert_eq!(held, count);
            assert_eq!(network.layers[0].bias.len(), 3 * hidden);
            assert_eq!(network.folded_table().len(), 27 * 3 * hidden);
        }
    }

    #[test]
    fn a_layer_starts_by_keeping() {
        let start = |network: Network| network.layers[0].bias.clone();
        let expected = [vec![0.0; 8], vec![1.0; 8], vec![0.0; 16]].concat();
        assert_eq!(start(network(8, 1)), expected);
        let expected = [vec![-1.0; 8], vec![0.0; 16]].concat();
        assert_eq!(start(cifg(8, 4, 1)), expected);
    }

    #[test]
    fn a_saved_network_loads_equal_and_the_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut mixed = cifg(12, 5, 3).config;
        mixed.layers[1] = LayerConfig::lstm(7);
        mixed.layers[2].projection = None;
        let mixed = Network::new(mixed, &mut Random::new(1)).unwrap();
        for network in [network(12, 3), cifg(12, 5, 2), mixed] {
            network.save(&a).unwrap();
            network.save(&b).unwrap();
            assert_eq!(Network::load(&a).unwrap(), network);
            assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn the_names_and_shapes_of_the_tensors() {
        let mut config = cifg(8, 3, 2).config;
        config.layers[1] = LayerConfig::lstm(5);
        let shapes = config.shapes();
        let expected: [(&str, &[usize]); 10] = [
            ("embedding.weight", &[27, 64]),
            ("cifg.0.w_ih", &[64, 24]),
            ("cifg.0.w_hh", &[3, 24]),
            ("cifg.0.bias", &[24]),
            ("cifg.0.projection", &[8, 3]),
            ("lstm.1.w_ih", &[3, 20]),
            ("lstm.1.w_hh", &[5, 20]),
            ("lstm.1.bias", &[20]),
            ("dense.weight", &[5, 27]),
            ("dense.bias", &[27]),
        ];
        assert_eq!(shapes.len(), expected.len());
        for ((name, shape), (expected_name, expected)) in shapes.iter().zip(expected) {
            assert_eq!((&name[..], &shape[..]), (expected_name, expected));
        }
    }

    #[test]
    fn a_damaged_file_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        network(8, 1).save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 7, 8, 100, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = Network::load(&path).unwrap_err();
            assert!(matches!(error, Error::BadInput(_)));
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn shapes_out_of_bounds_are_refused() {
        let random = &mut Random::new(1);
        for (embedding, hidden, layers) in [(0, 8, 1), (8, 0, 1), (8, 8, 0), (8, 8, 5)] {
            let config = NetworkConfig::lstm(&Alphabet::letters(), embedding, hidden, layers);
            assert!(Network::new(config, random).is_err());
        }
        for projection in [0, 9] {
            let layer = LayerConfig::cifg(8, projection);
            let config = NetworkConfig::stack(&Alphabet::letters(), 8, layer, 1);
            let error = Network::new(config, random).unwrap_err().to_string();
            assert!(error.contains("expected 1 to 8"), "{error}");
        }
    }
}

//! The network in plain memory: embedding, one to four recurrent layers, dense layer.
//!
//! Every matrix is row-major, `[in, out]`: a row vector times the matrix. The gates lie side by side
//! in the order i, f, g, o (as in Keras and PyTorch). With `x` the layer's input:
//!
//! ```text
//! [i f g o] = x · w_ih + h · w_hh + bias          [in]·[in,4H] + [R]·[R,4H] + [4H]
//! c = sigmoid(f) * c + sigmoid(i) * tanh(g)       [H]
//! m = sigmoid(o) * tanh(c)                        [H]
//! h = m · projection                              [H]·[H,R]
//! logits = h · dense_weight + dense_bias          [R]·[R,V] + [V]
//! ```
//!
//! Without a projection (Sak et al. 2014), `h = m` and `R = H`. The lean cell couples its gates,
//! `sigmoid(f) = 1 - sigmoid(i)` (Greff et al. 2015): it has three, i, g, o, side by side in `3H`
//! columns.

use crate::files::error::{Error, Result};
use crate::files::tensors::TensorFile;
use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::random::Random;
use crate::text::alphabet::{Alphabet, MAX_SYMBOLS};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// More layers than this are refused.
pub const MAX_LAYERS: usize = 4;
/// Width of the embedding unless flags say otherwise, as in the notebook.
pub const EMBEDDING: usize = 64;
/// The metadata key of a network file.
const KEY: &str = "network";

/// The kind of recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cell {
    /// Four gates, no peepholes: the LSTM of Keras and PyTorch.
    Lstm,
    /// Three gates: what the input gate lets in, the cell forgets (the coupled input-forget gate, CIFG, of
    /// Greff et al. 2015). Usually with a projection (LSTMP, Sak et al. 2014).
    Lean,
}

impl Cell {
    /// The gates in their order.
    pub const fn gates(self) -> &'static [&'static str] {
        match self {
            Self::Lstm => &["i", "f", "g", "o"],
            Self::Lean => &["i", "g", "o"],
        }
    }

    /// The name of a layer's tensors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Lean => "lean",
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
    /// An LSTM of `hidden` units without projection.
    pub const fn lstm(hidden: usize) -> Self {
        let (cell, projection) = (Cell::Lstm, None);
        Self {
            cell,
            hidden,
            projection,
        }
    }

    /// A lean layer of `hidden` units, projected to `projection`.
    pub const fn lean(hidden: usize, projection: usize) -> Self {
        let (cell, projection) = (Cell::Lean, Some(projection));
        Self {
            cell,
            hidden,
            projection,
        }
    }

    /// Width of what the recurrence, the layer above and the dense layer see: R, or H without a
    /// projection.
    pub const fn output(self) -> usize {
        match self.projection {
            Some(width) => width,
            None => self.hidden,
        }
    }

    /// Columns of all gates together: 4H or 3H.
    pub const fn columns(self) -> usize {
        self.cell.gates().len() * self.hidden
    }
}

/// As [`layer_name`].
impl std::fmt::Display for LayerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cell = match self.cell {
            Cell::Lstm => lstm_core::Cell::Lstm,
            Cell::Lean => lstm_core::Cell::Lean,
        };
        f.write_str(&layer_name(cell, self.hidden, self.projection))
    }
}

/// For people: `LSTM 256` or `lean 384 projected to 96`.
pub fn layer_name(cell: lstm_core::Cell, hidden: usize, projection: Option<usize>) -> String {
    let cell = match cell {
        lstm_core::Cell::Lstm => "LSTM",
        lstm_core::Cell::Lean => "lean",
        _ => "another",
    };
    match projection {
        None => format!("{cell} {hidden}"),
        Some(width) => format!("{cell} {hidden} projected to {width}"),
    }
}

/// The shape of a network, and the alphabet it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The symbols in the order of their tokens; their number is V.
    pub symbols: String,
    /// Whether ASCII capitals are looked up as small letters.
    pub fold_case: bool,
    /// Width of the embedding, E.
    pub embedding: usize,
    /// The recurrent layers, the one next to the embedding first.
    pub layers: Vec<LayerConfig>,
    /// The characters that the network was given each time in training, from a zero state; `None` if
    /// it learned to carry its state, or a file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
}

impl NetworkConfig {
    /// A stack of equal layers.
    pub fn stack(alphabet: &Alphabet, embedding: usize, layer: LayerConfig, layers: usize) -> Self {
        Self {
            symbols: alphabet.symbols.iter().collect(),
            fold_case: alphabet.fold_case,
            embedding,
            layers: vec![layer; layers],
            window: None,
        }
    }

    /// A stack of equal LSTM layers.
    pub fn lstm(alphabet: &Alphabet, embedding: usize, hidden: usize, layers: usize) -> Self {
        Self::stack(alphabet, embedding, LayerConfig::lstm(hidden), layers)
    }

    /// The alphabet that the network was trained with.
    pub fn alphabet(&self) -> Alphabet {
        Alphabet {
            symbols: self.symbols.chars().collect(),
            fold_case: self.fold_case,
        }
    }

    /// Number of symbols, V.
    pub fn vocabulary(&self) -> usize {
        self.symbols.chars().count()
    }

    /// Width of the input of layer `index`.
    pub fn input_width(&self, index: usize) -> usize {
        match index {
            0 => self.embedding,
            _ => self.layers[index - 1].output(),
        }
    }

    /// Refuses what cannot be built.
    ///
    /// # Errors
    /// Sizes of zero or out of bounds, a symbol twice, a projection wider than its layer.
    pub fn check(&self) -> Result<()> {
        let symbols: std::collections::HashSet<char> = self.symbols.chars().collect();
        let found = |what: String| Err(Error::bad_input(what));
        if symbols.len() != self.vocabulary() {
            return found("found a symbol twice in the alphabet, expected each once".into());
        }
        if !(2..=MAX_SYMBOLS).contains(&symbols.len()) {
            return found(format!(
                "found {} symbols, expected 2 to {MAX_SYMBOLS}",
                symbols.len()
            ));
        }
        if !(1..=MAX_LAYERS).contains(&self.layers.len()) {
            return found(format!(
                "found {} layers, expected 1 to {MAX_LAYERS}",
                self.layers.len()
            ));
        }
        let widths = self.layers.iter().map(|l| ("hidden", l.hidden));
        for (what, width) in std::iter::once(("embedding", self.embedding)).chain(widths) {
            if !(1..=4096).contains(&width) {
                return found(format!("found {what} size {width}, expected 1 to 4096"));
            }
        }
        if let Some(window) = self.window.filter(|window| !(1..=4096).contains(window)) {
            return found(format!(
                "found windows of {window} characters, expected 1 to 4096"
            ));
        }
        for layer in &self.layers {
            if !(1..=layer.hidden).contains(&layer.output()) {
                return found(format!(
                    "found a projection of {} units to {}, expected 1 to {}",
                    layer.hidden,
                    layer.output(),
                    layer.hidden
                ));
            }
        }
        Ok(())
    }

    /// The name that the tensors of layer `index` begin with, for example `lstm.0`.
    pub fn layer_name(&self, index: usize) -> String {
        format!("{}.{index}", self.layers[index].cell.name())
    }

    /// Name and shape of every tensor, in the order of [`Network::parameters`].
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let vocabulary = self.vocabulary();
        let mut shapes = vec![(
            "embedding.weight".to_owned(),
            vec![vocabulary, self.embedding],
        )];
        for (i, layer) in self.layers.iter().enumerate() {
            let (input, columns, output) = (self.input_width(i), layer.columns(), layer.output());
            let name = self.layer_name(i);
            shapes.push((format!("{name}.w_ih"), vec![input, columns]));
            shapes.push((format!("{name}.w_hh"), vec![output, columns]));
            shapes.push((format!("{name}.bias"), vec![columns]));
            if layer.projection.is_some() {
                shapes.push((format!("{name}.projection"), vec![layer.hidden, output]));
            }
        }
        let output = self.input_width(self.layers.len());
        shapes.push(("dense.weight".to_owned(), vec![output, vocabulary]));
        shapes.push(("dense.bias".to_owned(), vec![vocabulary]));
        shapes
    }

    /// Number of trained numbers.
    pub fn parameter_count(&self) -> usize {
        let count = |(_, shape): &(String, Vec<usize>)| shape.iter().product::<usize>();
        self.shapes().iter().map(count).sum()
    }
}

/// The weights of one recurrent layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Input weights `[in, 4H]`, or `[in, 3H]` in a lean layer.
    pub w_ih: Vec<f32>,
    /// Recurrent weights `[R, 4H]` or `[R, 3H]`.
    pub w_hh: Vec<f32>,
    /// One bias a gate and unit `[4H]` or `[3H]`.
    pub bias: Vec<f32>,
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
}

impl Network {
    /// A fresh network with Keras's initializers: embedding uniform in ±0.05, kernels and
    /// projections Glorot uniform, recurrent kernels orthogonal, biases zero but one for the forget
    /// gate. A lean layer has its recurrent kernel uniform with variance 1/R, and -1 for the biases
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
            match layer.cell {
                Cell::Lstm => bias[hidden..2 * hidden].fill(1.0),
                Cell::Lean => bias[..hidden].fill(-1.0),
            }
            layers.push(Layer {
                w_ih: random.glorot_uniform(input, columns),
                w_hh: match layer.cell {
                    Cell::Lstm => random.orthogonal(output, columns),
                    Cell::Lean => {
                        random.uniform_vec(output * columns, (3.0 / output as f32).sqrt())
                    }
                },
                bias,
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
        })
    }

    /// Every tensor's numbers, in the order of [`NetworkConfig::shapes`].
    pub fn parameters(&self) -> Vec<&[f32]> {
        let mut all: Vec<&[f32]> = vec![&self.embedding];
        for layer in &self.layers {
            all.extend([&layer.w_ih[..], &layer.w_hh, &layer.bias]);
            all.extend(layer.projection.as_deref());
        }
        all.extend([&self.dense_weight[..], &self.dense_bias]);
        all
    }

    /// As [`Network::parameters`], to be changed.
    pub fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
        let mut all: Vec<&mut [f32]> = vec![&mut self.embedding];
        for layer in &mut self.layers {
            all.extend([&mut layer.w_ih[..], &mut layer.w_hh, &mut layer.bias]);
            all.extend(layer.projection.as_deref_mut());
        }
        all.extend([&mut self.dense_weight[..], &mut self.dense_bias]);
        all
    }

    /// Number of trained numbers.
    pub fn parameter_count(&self) -> usize {
        self.config.parameter_count()
    }

    /// The embedding folded into the first layer: `table[v] = embedding[v] · w_ih + bias`,
    /// `[V, 4H]` or `[V, 3H]`.
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
        let mut tensors = tensors.into_iter();
        let mut next = || tensors.next().expect("one for each shape");
        let embedding = next();
        let layer = |layer: &LayerConfig| Layer {
            w_ih: next(),
            w_hh: next(),
            bias: next(),
            projection: layer.projection.map(|_| next()),
        };
        let layers = config.layers.iter().map(layer).collect();
        let (dense_weight, dense_bias) = (next(), next());
        Ok(Self {
            config,
            embedding,
            layers,
            dense_weight,
            dense_bias,
        })
    }

    /// Adds every tensor to `file`.
    pub fn to_tensors(&self, file: &mut TensorFile) {
        for ((name, shape), values) in self.config.shapes().iter().zip(self.parameters()) {
            file.insert(name, shape, values);
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
        match file.tensors.keys().next() {
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

    fn network(hidden: usize, layers: usize) -> Network {
        let config = NetworkConfig::lstm(&Alphabet::letters(), 64, hidden, layers);
        Network::new(config, &mut Random::new(1)).unwrap()
    }

    fn lean(hidden: usize, projection: usize, layers: usize) -> Network {
        let layer = LayerConfig::lean(hidden, projection);
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
            let network = lean(hidden, projection, 1);
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
        assert_eq!(start(lean(8, 4, 1)), expected);
    }

    #[test]
    fn a_saved_network_loads_equal_and_the_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut mixed = lean(12, 5, 3).config;
        mixed.layers[1] = LayerConfig::lstm(7);
        mixed.layers[2].projection = None;
        let mixed = Network::new(mixed, &mut Random::new(1)).unwrap();
        for network in [network(12, 3), lean(12, 5, 2), mixed] {
            network.save(&a).unwrap();
            network.save(&b).unwrap();
            assert_eq!(Network::load(&a).unwrap(), network);
            assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn the_names_and_shapes_of_the_tensors() {
        let mut config = lean(8, 3, 2).config;
        config.layers[1] = LayerConfig::lstm(5);
        let shapes = config.shapes();
        let expected: [(&str, &[usize]); 10] = [
            ("embedding.weight", &[27, 64]),
            ("lean.0.w_ih", &[64, 24]),
            ("lean.0.w_hh", &[3, 24]),
            ("lean.0.bias", &[24]),
            ("lean.0.projection", &[8, 3]),
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
            let layer = LayerConfig::lean(8, projection);
            let config = NetworkConfig::stack(&Alphabet::letters(), 8, layer, 1);
            let error = Network::new(config, random).unwrap_err().to_string();
            assert!(error.contains("expected 1 to 8"), "{error}");
        }
    }
}

//! The shape of a network.

use crate::files::error::{Error, Result};
use crate::ngram::NgramConfig;
use crate::text::alphabet::{Alphabet, MAX_SYMBOLS};
use crate::text::text_file::TrainingText;
use lstm_core::{MAX_HIDDEN, MAX_WINDOW};
use serde::{Deserialize, Serialize};

/// More layers than this are refused.
pub const MAX_LAYERS: usize = 4;
/// The widest embedding. The device never holds it: it is multiplied into the first layer.
pub const MAX_EMBEDDING: usize = 4096;
/// Width of the embedding unless flags say otherwise, as in the notebook.
pub const EMBEDDING: usize = 64;

/// The kind of recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// Four gates, no peepholes: the LSTM of Keras and PyTorch.
    Lstm,
    /// Three gates: what the input gate lets in, the cell forgets (the coupled input-forget gate, CIFG, of
    /// Greff et al. 2015). Usually with a projection (LSTMP, Sak et al. 2014).
    Cifg,
    /// Three gates, the reset gate after the product, two biases: the GRU of Keras and PyTorch (Cho et al. 2014).
    Gru,
}

impl CellKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Lstm, Self::Cifg, Self::Gru];
}

/// One recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerConfig {
    /// The kind of cell.
    pub cell: CellKind,
    /// Units, H.
    pub hidden: usize,
    /// Width of the recurrent projection, R; `None` where there is none.
    pub projection: Option<usize>,
}

impl LayerConfig {
    /// An LSTM of `hidden` units without projection.
    pub const fn lstm(hidden: usize) -> Self {
        let (cell, projection) = (CellKind::Lstm, None);
        Self {
            cell,
            hidden,
            projection,
        }
    }

    /// A CIFG layer of `hidden` units, projected to `projection`.
    pub const fn cifg(hidden: usize, projection: usize) -> Self {
        let (cell, projection) = (CellKind::Cifg, Some(projection));
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

    /// Columns of all gates together, G H.
    pub fn columns(self) -> usize {
        self.cell.gates().len() * self.hidden
    }
}

/// As [`layer_name`].
impl std::fmt::Display for LayerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&layer_name(
            self.cell.device(),
            self.hidden,
            self.projection,
        ))
    }
}

/// For people: `LSTM 256` or `CIFG 384 projected to 96`.
pub fn layer_name(cell: lstm_core::CellKind, hidden: usize, projection: Option<usize>) -> String {
    match projection {
        None => format!("{cell} {hidden}"),
        Some(width) => format!("{cell} {hidden} projected to {width}"),
    }
}

/// The shape of a network, the alphabet it speaks, and what it was trained on.
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
    /// The text that it was trained on, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<TrainingText>,
    /// What it looks up of the last few characters.
    #[serde(default, skip_serializing_if = "NgramConfig::is_none")]
    pub ngrams: NgramConfig,
}

/// The shape of the vectors of contexts of one length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VectorShape {
    /// Characters of a context, 2 to 4.
    pub(crate) length: usize,
    /// `[S + 1, R]`.
    pub(crate) axes: [usize; 2],
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
            corpus: None,
            ngrams: NgramConfig::NONE,
        }
    }

    /// A stack of equal LSTM layers.
    pub fn lstm(alphabet: &Alphabet, embedding: usize, hidden: usize, layers: usize) -> Self {
        Self::stack(alphabet, embedding, LayerConfig::lstm(hidden), layers)
    }

    /// Whether another network has the same layers, alphabet and window.
    pub fn is_alike(&self, other: &Self) -> bool {
        let own = Self {
            corpus: other.corpus.clone(),
            ..self.clone()
        };
        own == *other
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
        let hidden = self.layers.iter().map(|l| ("hidden", l.hidden, MAX_HIDDEN));
        let embedding = ("embedding", self.embedding, MAX_EMBEDDING);
        for (what, width, most) in std::iter::once(embedding).chain(hidden) {
            if !(1..=most).contains(&width) {
                return found(format!("found {what} size {width}, expected 1 to {most}"));
            }
        }
        let is_window = |window: &usize| (1..=MAX_WINDOW).contains(window);
        if let Some(window) = self.window.filter(|window| !is_window(window)) {
            return found(format!(
                "found windows of {window} characters, expected 1 to {MAX_WINDOW}"
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

    /// Name and shape of every tensor, in the order of [`Network::parameters`](crate::network::parameters::Network::parameters).
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
            if layer.cell.takes_products_apart() {
                shapes.push((format!("{name}.recurrent_bias"), vec![columns]));
            }
            if layer.projection.is_some() {
                shapes.push((format!("{name}.projection"), vec![layer.hidden, output]));
            }
        }
        let output = self.input_width(self.layers.len());
        shapes.push(("dense.weight".to_owned(), vec![output, vocabulary]));
        shapes.push(("dense.bias".to_owned(), vec![vocabulary]));
        let vectors = self.vector_shapes().into_iter();
        shapes.extend(vectors.map(|(name, shape)| (name, shape.axes.to_vec())));
        if let Some(lengths) = self.ngrams.table {
            shapes.push(("ngram.coefficients".to_owned(), vec![lengths + 1]));
            shapes.push(("ngram.gate.weight".to_owned(), vec![output, 1]));
            shapes.push(("ngram.gate.bias".to_owned(), vec![1]));
        }
        shapes
    }

    /// Name and shape of the vectors of each length that has any.
    pub(crate) fn vector_shapes(&self) -> Vec<(String, VectorShape)> {
        let width = self.layers[0].output();
        let lengths = self.ngrams.vectors.into_iter().zip(2..);
        let lengths = lengths.filter(|&(rows, _)| rows > 0);
        lengths
            .map(|(rows, length)| {
                let axes = [rows, width];
                (
                    format!("ngram.vectors.{length}"),
                    VectorShape { length, axes },
                )
            })
            .collect()
    }

    /// Columns of the dense layer: the symbols, and the gate of the back-off table if there is a table.
    pub fn dense_outputs(&self) -> usize {
        self.vocabulary() + usize::from(self.ngrams.table.is_some())
    }

    /// Number of trained numbers.
    pub fn parameter_count(&self) -> usize {
        let count = |(_, shape): &(String, Vec<usize>)| shape.iter().product::<usize>();
        self.shapes().iter().map(count).sum()
    }
}

//! Finds a network in the names and shapes of another framework's tensors.
//!
//! | | Keras | PyTorch |
//! | --- | --- | --- |
//! | a layer's tensors share | the path before `kernel`, `recurrent_kernel`, `bias`, `embeddings`, or before `vars/0`, `vars/1`, `vars/2` | the module before `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_hr_l0`, or before `weight`, `bias` |
//! | an LSTM | two matrices, perhaps a vector | by these names |
//! | the embedding | one matrix and no vector | the same |
//! | the dense layer | one matrix, perhaps a vector | the same |
//!
//! Arrays that are named `arr_0`, `arr_1`, ... are Keras's `get_weights()`, in order. Layers of one
//! kind follow each other as their names do, `lstm_10` behind `lstm_9`.

use crate::files::error::{Error, Result};
use crate::files::tensors::{NamedTensor, TensorFile, transpose};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::text::alphabet::Alphabet;
use std::collections::BTreeMap;
use std::path::Path;

type Tensors = BTreeMap<String, NamedTensor>;

/// A network, and where each of its tensors came from.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The network.
    pub network: Network,
    /// A line for each tensor of the network.
    pub map: Vec<String>,
}

/// Whether a tensor is no weight but an optimizer's or a random layer's state.
pub(super) fn is_bookkeeping(name: &str) -> bool {
    let optimizer = ["optimizer/", "optimizer_weights/"];
    optimizer.iter().any(|start| name.starts_with(start)) || name.contains("seed_generator")
}

/// Finds the network; `path` only names it in errors.
///
/// # Errors
/// The tensors are not exactly those of an embedding, one to four LSTMs and a dense layer, of
/// shapes that fit each other and the alphabet, or they hold a number that is not finite.
pub fn find(path: &Path, tensors: &Tensors, alphabet: &Alphabet) -> Result<Mapped> {
    let parts = Parts::sort(tensors).and_then(|parts| {
        let config = parts.config(tensors, alphabet)?;
        Ok((parts, config))
    });
    let (parts, config) =
        parts.map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))?;
    let mut file = TensorFile::default();
    let mut map = Vec::new();
    for ((name, shape), source) in config.shapes().into_iter().zip(parts.sources()) {
        let tensor = source.tensor(tensors, &shape);
        map.push(format!(
            "{:<26} {:<13} {}",
            name,
            format!("{shape:?}"),
            source
        ));
        file.tensors.insert(name, tensor);
    }
    let network = Network::from_tensors(path, config, &mut file)?;
    Ok(Mapped { network, map })
}

/// A tensor of the network in terms of the file's.
#[derive(Clone, Debug)]
enum Source {
    /// As it is.
    Same(String),
    /// Rows become columns.
    Transposed(String),
    /// The sum of all of them; zeros if there are none.
    Sum(Vec<String>),
}

impl Source {
    fn matrix(name: &str, layout: Layout) -> Self {
        match layout {
            Layout::InOut => Self::Same(name.into()),
            Layout::OutIn => Self::Transposed(name.into()),
        }
    }

    fn tensor(&self, tensors: &Tensors, shape: &[usize]) -> NamedTensor {
        let values = match self {
            Self::Same(name) => tensors[name].values.clone(),
            Self::Transposed(name) => transpose(&tensors[name].values, shape[1], shape[0]),
            Self::Sum(names) => {
                let mut sum = vec![0.0; shape.iter().product()];
                for name in names {
                    let values = &tensors[name].values;
                    sum.iter_mut().zip(values).for_each(|(s, x)| *s += x);
                }
                sum
            }
        };
        let shape = shape.to_vec();
        NamedTensor { shape, values }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Same(name) => write!(f, "{name}"),
            Self::Transposed(name) => write!(f, "{name}, transposed"),
            Self::Sum(names) if names.is_empty() => write!(f, "zeros: the file has no bias here"),
            Self::Sum(names) => write!(f, "{}", names.join(" + ")),
        }
    }
}

/// Which axis of a matrix is its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Keras.
    InOut,
    /// PyTorch.
    OutIn,
}

/// An LSTM's tensors.
#[derive(Clone, Debug)]
struct Lstm {
    layout: Layout,
    w_ih: String,
    w_hh: String,
    biases: Vec<String>,
    projection: Option<String>,
}

/// A matrix, and a vector if there is one: an embedding or a dense layer.
#[derive(Clone, Debug)]
struct Linear {
    layout: Layout,
    weight: String,
    bias: Option<String>,
}

/// The file's tensors by what they are for.
#[derive(Clone, Debug)]
struct Parts {
    embedding: Linear,
    layers: Vec<Lstm>,
    dense: Linear,
}

impl Parts {
    fn sort(tensors: &Tensors) -> Result<Self, String> {
        let mut groups: BTreeMap<Vec<Chunk>, Vec<(Part, String)>> = BTreeMap::new();
        for (name, tensor) in tensors {
            if name.ends_with("_reverse") || name.contains("backward") {
                return Err(format!(
                    "found tensor {name} of a layer that reads backwards, expected LSTMs that read \
                     forwards"
                ));
            }
            let (group, part) = split(name).ok_or_else(|| {
                format!(
                    "found tensor {name} {:?}, expected names of an embedding, LSTMs and a dense \
                     layer as in Keras or PyTorch",
                    tensor.shape
                )
            })?;
            groups
                .entry(chunks(&group))
                .or_default()
                .push((part, name.clone()));
        }
        let (mut layers, mut linears) = (Vec::new(), Vec::new());
        for mut parts in groups.into_values() {
            parts.sort();
            if parts
                .iter()
                .all(|(part, _)| matches!(part, Part::Listed(_)))
            {
                list(tensors, &parts, &mut layers, &mut linears)?;
            } else if parts.iter().any(|(part, _)| part.is_torch_lstm()) {
                layers.push(torch_lstm(tensors, parts)?);
            } else {
                keras_layer(tensors, &parts, &mut layers, &mut linears)?;
            }
        }
        let (embedding, dense) = tell_apart(linears)?;
        match layers.len() {
            0 => Err("found no LSTM's tensors, expected those of one to four".into()),
            _ => Ok(Self {
                embedding,
                layers,
                dense,
            }),
        }
    }

    /// The shape of the network, which every tensor must fit.
    fn config(&self, tensors: &Tensors, alphabet: &Alphabet) -> Result<NetworkConfig, String> {
        let shape = |name: &str| &tensors[name].shape[..];
        let &[vocabulary, embedding] = shape(&self.embedding.weight) else {
            unreachable!("a matrix, by tell_apart")
        };
        if vocabulary != alphabet.len() {
            return Err(format!(
                "the embedding {} has {vocabulary} symbols, expected the alphabet's {} (--symbols \
                 FILE gives another alphabet)",
                self.embedding.weight,
                alphabet.len()
            ));
        }
        let mut input = embedding;
        let mut layers = Vec::new();
        for lstm in &self.layers {
            let config = lstm.config(tensors)?;
            let (columns, output) = (config.columns(), config.output());
            expect(tensors, &lstm.w_ih, lstm.layout, [input, columns])?;
            expect(tensors, &lstm.w_hh, lstm.layout, [output, columns])?;
            for bias in &lstm.biases {
                expect_vector(tensors, bias, columns)?;
            }
            if let Some(projection) = &lstm.projection {
                expect(tensors, projection, lstm.layout, [config.hidden, output])?;
            }
            input = output;
            layers.push(config);
        }
        let dense = &self.dense;
        expect(tensors, &dense.weight, dense.layout, [input, vocabulary])?;
        if let Some(bias) = &dense.bias {
            expect_vector(tensors, bias, vocabulary)?;
        }
        let config = NetworkConfig {
            symbols: alphabet.symbols.iter().collect(),
            fold_case: alphabet.fold_case,
            embedding,
            layers,
            window: None,
        };
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    /// In the order of [`NetworkConfig::shapes`].
    fn sources(&self) -> Vec<Source> {
        let mut sources = vec![Source::Same(self.embedding.weight.clone())];
        for lstm in &self.layers {
            sources.push(Source::matrix(&lstm.w_ih, lstm.layout));
            sources.push(Source::matrix(&lstm.w_hh, lstm.layout));
            sources.push(Source::Sum(lstm.biases.clone()));
            let projection = lstm.projection.iter();
            sources.extend(projection.map(|name| Source::matrix(name, lstm.layout)));
        }
        sources.push(Source::matrix(&self.dense.weight, self.dense.layout));
        sources.push(Source::Sum(self.dense.bias.iter().cloned().collect()));
        sources
    }
}

impl Lstm {
    /// What the recurrent matrix says of the layer; refuses other kinds of cells.
    fn config(&self, tensors: &Tensors) -> Result<LayerConfig, String> {
        let shape = &tensors[&self.w_hh].shape;
        let (output, columns) = match (self.layout, &shape[..]) {
            (Layout::InOut, &[output, columns]) | (Layout::OutIn, &[columns, output]) => {
                (output, columns)
            }
            _ => return Err(format!("tensor {} has shape {shape:?}", self.w_hh)),
        };
        if self.projection.is_none() && output.checked_mul(4) != Some(columns) {
            let kind = match columns.checked_div(output) {
                Some(3) => ", three gates as in a GRU",
                Some(1) => ", no gates at all",
                _ => "",
            };
            return Err(format!(
                "tensor {} has shape {shape:?}{kind}, expected the four gates of an LSTM",
                self.w_hh
            ));
        }
        Ok(LayerConfig {
            projection: self.projection.as_ref().map(|_| output),
            ..LayerConfig::lstm(columns / 4)
        })
    }
}

/// Refuses a matrix of another shape; `shape` is `[in, out]`.
fn expect(
    tensors: &Tensors,
    name: &str,
    layout: Layout,
    [rows, columns]: [usize; 2],
) -> Result<(), String> {
    let expected = match layout {
        Layout::InOut => [rows, columns],
        Layout::OutIn => [columns, rows],
    };
    expect_shape(tensors, name, &expected)
}

fn expect_vector(tensors: &Tensors, name: &str, length: usize) -> Result<(), String> {
    expect_shape(tensors, name, &[length])
}

fn expect_shape(tensors: &Tensors, name: &str, expected: &[usize]) -> Result<(), String> {
    let found = &tensors[name].shape;
    match found == expected {
        true => Ok(()),
        false => Err(format!(
            "tensor {name} has shape {found:?}, expected {expected:?}"
        )),
    }
}

/// What a tensor is in its layer, in the order of the layer's own list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    // Keras, by name, or by place in the list that the name gives.
    Weight,
    RecurrentKernel,
    Var(usize),
    Listed(usize),
    Bias,
    // PyTorch's LSTM.
    WeightIh,
    WeightHh,
    BiasIh,
    BiasHh,
    WeightHr,
    /// PyTorch's Linear and Embedding.
    TorchWeight,
    TorchBias,
}

impl Part {
    fn is_torch_lstm(self) -> bool {
        (Self::WeightIh..=Self::WeightHr).contains(&self)
    }
}

/// The layer that a tensor belongs to, and what it is there.
fn split(name: &str) -> Option<(String, Part)> {
    if let Some(n) = name.strip_prefix("arr_") {
        return Some((String::new(), Part::Listed(n.parse().ok()?)));
    }
    if let Some((group, n)) = name.rsplit_once("vars/") {
        return Some((group.into(), Part::Var(n.parse().ok()?)));
    }
    if let Some((group, part)) = name.rsplit_once('/') {
        // Keras 2 adds ":0".
        let part = match part.trim_end_matches(":0") {
            "embeddings" | "kernel" => Part::Weight,
            "recurrent_kernel" => Part::RecurrentKernel,
            "bias" => Part::Bias,
            _ => return None,
        };
        return Some((group.into(), part));
    }
    let (module, part) = name.rsplit_once('.').unwrap_or(("", name));
    let lstm = [
        ("weight_ih", Part::WeightIh),
        ("weight_hh", Part::WeightHh),
        ("bias_ih", Part::BiasIh),
        ("bias_hh", Part::BiasHh),
        ("weight_hr", Part::WeightHr),
    ];
    for (start, found) in lstm {
        match part.strip_prefix(start) {
            // nn.LSTMCell.
            Some("") => return Some((module.into(), found)),
            Some(layer) => {
                let layer: usize = layer.strip_prefix("_l")?.parse().ok()?;
                return Some((format!("{module}.{layer}"), found));
            }
            None => {}
        }
    }
    match part {
        "weight" => Some((module.into(), Part::TorchWeight)),
        "bias" => Some((module.into(), Part::TorchBias)),
        _ => None,
    }
}

/// A name cut where digits begin and end, so that 10 comes after 9.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Chunk {
    Number(u64),
    Text(String),
}

fn chunks(name: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for run in name
        .as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
    {
        let text = String::from_utf8_lossy(run).into_owned();
        chunks.push(text.parse().map_or(Chunk::Text(text), Chunk::Number));
    }
    chunks
}

fn torch_lstm(tensors: &Tensors, parts: Vec<(Part, String)>) -> Result<Lstm, String> {
    let first = parts[0].1.clone();
    let mut named: BTreeMap<Part, String> = parts.into_iter().collect();
    let mut take = |part| named.remove(&part);
    let missing = |what: &str| format!("found {first} without its {what}, expected both");
    let lstm = Lstm {
        layout: Layout::OutIn,
        w_ih: take(Part::WeightIh).ok_or_else(|| missing("weight_ih"))?,
        w_hh: take(Part::WeightHh).ok_or_else(|| missing("weight_hh"))?,
        biases: [Part::BiasIh, Part::BiasHh]
            .into_iter()
            .filter_map(&mut take)
            .collect(),
        projection: take(Part::WeightHr),
    };
    match named.into_values().next() {
        Some(name) => Err(unexpected(tensors, &name)),
        None => Ok(lstm),
    }
}

/// A layer of one or two matrices and at most one vector.
fn keras_layer(
    tensors: &Tensors,
    parts: &[(Part, String)],
    layers: &mut Vec<Lstm>,
    linears: &mut Vec<Linear>,
) -> Result<(), String> {
    let layout = match parts[0].0 {
        Part::TorchWeight | Part::TorchBias => Layout::OutIn,
        _ => Layout::InOut,
    };
    let is_matrix = |name: &&String| tensors[*name].shape.len() == 2;
    let names = || parts.iter().map(|(_, name)| name);
    let matrices: Vec<&String> = names().filter(is_matrix).collect();
    let others: Vec<&String> = names().filter(|name| !is_matrix(name)).collect();
    match (&matrices[..], &others[..]) {
        ([weight], [] | [_]) => linears.push(Linear {
            layout,
            weight: weight.to_string(),
            bias: others.first().map(|name| name.to_string()),
        }),
        ([w_ih, w_hh], [] | [_]) => layers.push(Lstm {
            layout,
            w_ih: w_ih.to_string(),
            w_hh: w_hh.to_string(),
            biases: others.into_iter().cloned().collect(),
            projection: None,
        }),
        _ => return Err(unexpected(tensors, &parts[parts.len() - 1].1)),
    }
    Ok(())
}

/// Keras's `get_weights()`: the embedding, then two matrices and perhaps a vector a layer, then the
/// dense layer.
fn list(
    tensors: &Tensors,
    parts: &[(Part, String)],
    layers: &mut Vec<Lstm>,
    linears: &mut Vec<Linear>,
) -> Result<(), String> {
    let mut rest = parts;
    let is_vector = |part: &(Part, String)| tensors[&part.1].shape.len() == 1;
    let mut take = |matrices: usize| {
        let n = matrices + usize::from(rest.get(matrices).is_some_and(is_vector));
        let (layer, behind) = rest.split_at_checked(n)?;
        rest = behind;
        Some(layer)
    };
    let count = parts.iter().filter(|part| !is_vector(part)).count();
    let mut sizes = vec![1];
    sizes.resize(count / 2, 2);
    sizes.push(1);
    for matrices in sizes {
        let layer = take(matrices).ok_or_else(|| {
            format!(
                "found {} arrays, expected those of an embedding, LSTMs and a dense layer",
                parts.len()
            )
        })?;
        keras_layer(tensors, layer, layers, linears)?;
    }
    match rest.first() {
        Some((_, name)) => Err(unexpected(tensors, name)),
        None => Ok(()),
    }
}

/// Which of two is the embedding: the one without a bias, or the one that is called so.
fn tell_apart(linears: Vec<Linear>) -> Result<(Linear, Linear), String> {
    let names = || {
        linears
            .iter()
            .map(|l| &l.weight[..])
            .collect::<Vec<_>>()
            .join(", ")
    };
    let found = match linears.len() {
        0 => "nothing".to_owned(),
        _ => names(),
    };
    let [a, b] = <[Linear; 2]>::try_from(linears).map_err(|_| {
        format!("found {found} beside the LSTMs, expected one embedding and one dense layer")
    })?;
    let is_embedding = |l: &Linear| l.bias.is_none();
    let is_called_so = |l: &Linear| l.weight.to_lowercase().contains("emb");
    let (embedding, dense) = match (is_embedding(&a), is_embedding(&b)) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        (true, true) if is_called_so(&a) != is_called_so(&b) => {
            if is_called_so(&a) {
                (a, b)
            } else {
                (b, a)
            }
        }
        _ => {
            return Err(format!(
                "found {found} beside the LSTMs, expected one embedding (without a bias, or with \
                 \"emb\" in its name) and one dense layer"
            ));
        }
    };
    Ok((embedding, dense))
}

fn unexpected(tensors: &Tensors, name: &str) -> String {
    format!(
        "found tensor {name} {:?}, expected an embedding, LSTMs and a dense layer only",
        tensors[name].shape
    )
}

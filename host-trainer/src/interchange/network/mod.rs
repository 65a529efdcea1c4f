//! Finds a network in the names and shapes of another framework's tensors.

mod from_plan;
mod groups;
pub(super) mod layers;
mod order;
mod parts;

use super::contents::Contents;
use super::plan;
use super::told::Told;
use crate::files::error::{Error, Result};
use crate::files::tensors::{NamedTensor, TensorFile, transpose};
use crate::network::cell::Framework;
use crate::network::config::NetworkConfig;
use crate::network::parameters::Network;
use crate::text::alphabet::Alphabet;
use order::Chain;
use std::path::Path;

pub(super) use groups::Groups;
pub(super) use order::{permutations, places};
pub(super) use parts::{Layout, Linear, Recurrent, Tensors};

/// A network, and where each of its tensors came from.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The network.
    pub network: Network,
    /// A line for each tensor of the network.
    pub map: Vec<String>,
    /// What a person should know of the way it was found.
    pub notes: Vec<String>,
}

/// Finds the network; `path` only names it in errors.
///
/// # Errors
/// The tensors are not exactly those of an embedding (or of one-hot input), one to four recurrent layers and a
/// dense layer, of shapes that fit each other and the alphabet, or their order is not told, or they
/// hold a number that is not finite.
pub fn find(path: &Path, contents: &Contents, told: &Told, alphabet: &Alphabet) -> Result<Mapped> {
    let bad = |e| Error::bad_input(format!("{}: {e}", path.display()));
    if let Some(error) = &contents.not_text {
        return Err(bad(error.clone()));
    }
    if contents.tensors.is_empty()
        && let Some(plan) = &contents.plan
    {
        return from_plan::find(path, plan.as_ref().map_err(|e| bad(e.clone()))?, alphabet);
    }
    let (kept, mut notes) = keep(contents, told).map_err(bad)?;
    let tensors = kept.as_ref().unwrap_or(&contents.tensors);
    let chain = Groups::sort(tensors)
        .and_then(|groups| order::chain(groups, tensors, &contents.order, alphabet.len(), told))
        .map_err(bad)?;
    let config = chain.config(tensors, alphabet).map_err(bad)?;
    if chain.embedding.is_none() {
        notes.push(
            "there is no embedding: the input is one-hot, so the identity stands for it".into(),
        );
    }
    let mut file = TensorFile::default();
    let mut map = Vec::new();
    for ((name, shape), source) in config.shapes().into_iter().zip(chain.sources(&config)) {
        let tensor = source.tensor(tensors, &shape);
        map.push(plan::line(&name, &shape, &source));
        file.tensors.insert(name, tensor);
    }
    let network = Network::from_tensors(path, config, &mut file)?;
    Ok(Mapped {
        network,
        map,
        notes,
    })
}

/// The tensors without those that a person leaves out, with a note of each; `None` where all are kept.
///
/// # Errors
/// What a person leaves out is not there, or a layer computes something that the file does not tell.
pub(super) fn keep(
    contents: &Contents,
    told: &Told,
) -> Result<(Option<Tensors>, Vec<String>), String> {
    let Contents {
        tensors,
        weightless,
        ..
    } = contents;
    if let Some(layer) = weightless.iter().find(|layer| !told.ignore.contains(layer)) {
        return Err(format!(
            "found layer {layer}, which has no weights, so that the file does not tell what it computes, expected \
             recurrent and dense layers: save the model whole (model.save), or leave the layer out by --ignore {layer}"
        ));
    }
    if told.ignore.is_empty() {
        return Ok((None, Vec::new()));
    }
    let is_of = |name: &str, start: &str| {
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
    };
    for start in &told.ignore {
        let is_layer = weightless.contains(start);
        if !is_layer && !tensors.keys().any(|name| is_of(name, start)) {
            return Err(format!(
                "found no tensor {start} to ignore, expected the name of one, or of its module"
            ));
        }
    }
    let is_ignored = |name: &String| told.ignore.iter().any(|start| is_of(name, start));
    let notes = tensors.keys().filter(|name| is_ignored(name));
    let notes = notes.chain(weightless);
    let notes = notes.map(|name| format!("{name} is left out, as --ignore says"));
    let notes = notes.collect();
    let mut kept = tensors.clone();
    kept.retain(|name, _| !is_ignored(name));
    Ok((Some(kept), notes))
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
    /// A row of a matrix.
    Row(String, usize),
    /// Gates of so many units, in the order of Keras.
    Keras(Box<Self>, Framework, usize),
    /// One-hot input as an embedding.
    Identity,
}

impl Source {
    fn matrix(name: &str, layout: Layout) -> Self {
        match layout {
            Layout::InOut => Self::Same(name.into()),
            Layout::OutIn => Self::Transposed(name.into()),
        }
    }

    /// The same, where the gates' order is another in Keras.
    fn of_keras(self, framework: Framework, hidden: usize) -> Self {
        match framework.keras_gates.is_sorted() {
            true => self,
            false => Self::Keras(Box::new(self), framework, hidden),
        }
    }

    fn tensor(&self, tensors: &Tensors, shape: &[usize]) -> NamedTensor {
        let n = shape.iter().product();
        let values = match self {
            Self::Same(name) => tensors[name].values.clone(),
            Self::Transposed(name) => transpose(&tensors[name].values, shape[1], shape[0]),
            Self::Sum(names) => {
                let mut sum = vec![0.0; n];
                for name in names {
                    let values = &tensors[name].values;
                    sum.iter_mut().zip(values).for_each(|(s, x)| *s += x);
                }
                sum
            }
            Self::Row(name, row) => tensors[name].values[row * n..][..n].to_vec(),
            Self::Keras(source, framework, hidden) => {
                let keras = source.tensor(tensors, shape);
                framework.in_own_order(&keras.values, *hidden)
            }
            Self::Identity => {
                let one = |at: usize| f32::from(at.is_multiple_of(shape[1] + 1));
                (0..n).map(one).collect()
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
            Self::Row(name, row) => write!(f, "{name}, row {row}"),
            Self::Keras(source, ..) => write!(f, "{source}, gates in another order"),
            Self::Identity => write!(f, "the identity: one-hot input"),
        }
    }
}

impl Chain {
    /// The shape of the network, which every tensor must fit.
    fn config(&self, tensors: &Tensors, alphabet: &Alphabet) -> Result<NetworkConfig, String> {
        let symbols = alphabet.len();
        let fits = |what: &str, found: usize| match found == symbols {
            true => Ok(()),
            false => Err(format!(
                "{what} has {found} symbols, expected the alphabet's {symbols} (--symbols FILE gives \
                 another alphabet)"
            )),
        };
        let dense = &self.dense;
        let embedding = match &self.embedding {
            Some(Linear { weight, .. }) => {
                let shape = &tensors[weight].shape;
                fits(&format!("the embedding {weight}"), shape[0])?;
                shape[1]
            }
            None => {
                let [_, outputs] = dense.layout.in_out(&tensors[&dense.weight].shape);
                fits(&format!("the dense layer {}", dense.weight), outputs)?;
                let [inputs, _] = self.layers[0].widths(tensors);
                if inputs != symbols {
                    return Err(format!(
                        "found {} beside the recurrent layers, expected one embedding and one dense layer (or, \
                         for one-hot input, {symbols} inputs of the first of those, which has {inputs})",
                        dense.weight
                    ));
                }
                symbols
            }
        };
        let mut input = embedding;
        let mut layers = Vec::new();
        for layer in &self.layers {
            let config = layer.config(tensors)?;
            let (columns, output) = (config.columns(), config.output());
            let known = config.cell.framework();
            let (class, setting) = known.map_or(("", None), |f| (f.class, f.keras_setting));
            expect(tensors, &layer.w_ih, layer.layout, [input, columns])?;
            expect(tensors, &layer.w_hh, layer.layout, [output, columns])?;
            if let (Layout::OutIn, [bias]) = (layer.layout, &layer.biases[..]) {
                return Err(format!("found {bias} alone, expected both biases or none"));
            }
            for bias in &layer.biases {
                if let (Layout::InOut, Some(setting)) = (layer.layout, setting) {
                    if tensors[bias].shape == [columns] {
                        return Err(format!(
                            "tensor {bias} has shape [{columns}], one bias, as in a {class} without {setting}, \
                             expected [2, {columns}]"
                        ));
                    }
                    expect_shape(tensors, bias, &[2, columns])?;
                    continue;
                }
                if layer.layout == Layout::InOut && tensors[bias].shape == [2 * columns] {
                    return Err(format!(
                        "tensor {bias} has shape [{}], two biases as in a CuDNNLSTM, expected \
                         [{columns}]: load its weights into an LSTM and save that",
                        2 * columns
                    ));
                }
                expect_shape(tensors, bias, &[columns])?;
            }
            if let Some(projection) = &layer.projection {
                expect(tensors, projection, layer.layout, [config.hidden, output])?;
            }
            input = output;
            layers.push(config);
        }
        expect(tensors, &dense.weight, dense.layout, [input, symbols])?;
        if let Some(bias) = &dense.bias {
            expect_shape(tensors, bias, &[symbols])?;
        }
        let config = NetworkConfig {
            ngrams: crate::ngram::NgramConfig::NONE,
            symbols: alphabet.symbols.iter().collect(),
            fold_case: alphabet.fold_case,
            embedding,
            layers,
            window: None,
            corpus: None,
        };
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    /// In the order of [`NetworkConfig::shapes`] of `config`.
    fn sources(&self, config: &NetworkConfig) -> Vec<Source> {
        let mut sources = vec![match &self.embedding {
            Some(embedding) => Source::Same(embedding.weight.clone()),
            None => Source::Identity,
        }];
        for (layer, config) in self.layers.iter().zip(&config.layers) {
            let gates = |source: Source| match (layer.layout, config.cell.framework()) {
                (Layout::InOut, Some(framework)) => source.of_keras(framework, config.hidden),
                _ => source,
            };
            sources.push(gates(Source::matrix(&layer.w_ih, layer.layout)));
            sources.push(gates(Source::matrix(&layer.w_hh, layer.layout)));
            let biases = layer.biases.clone();
            match (config.cell.takes_products_apart(), &biases[..]) {
                (true, [both]) => {
                    sources.extend([0, 1].map(|row| gates(Source::Row(both.clone(), row))));
                }
                (true, [input, recurrent]) => {
                    sources.extend([input, recurrent].map(|name| Source::Same(name.clone())));
                }
                (true, _) => sources.extend([Source::Sum(Vec::new()), Source::Sum(Vec::new())]),
                (false, _) => sources.push(gates(Source::Sum(biases))),
            }
            let projection = layer.projection.iter();
            sources.extend(projection.map(|name| Source::matrix(name, layer.layout)));
        }
        sources.push(Source::matrix(&self.dense.weight, self.dense.layout));
        sources.push(Source::Sum(self.dense.bias.iter().cloned().collect()));
        sources
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

fn expect_shape(tensors: &Tensors, name: &str, expected: &[usize]) -> Result<(), String> {
    let found = &tensors[name].shape;
    match found == expected {
        true => Ok(()),
        false => Err(format!(
            "tensor {name} has shape {found:?}, expected {expected:?}"
        )),
    }
}

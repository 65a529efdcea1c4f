//! Which layer follows which.
//!
//! In this order: what a person says; what the file tells, by the order of its tensors or by an
//! attribute; numbers in the layers' names. Where none of them gives an order whose sizes fit each
//! other and only one other order does, it is that one. Otherwise the command asks.

use super::groups::Groups;
use super::parts::{Linear, Recurrent, Tensors};
use crate::interchange::names::{counted, numbered};
use crate::interchange::told::Told;
use crate::network::config::MAX_LAYERS;
use std::collections::BTreeMap;

/// The layers in their order.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// `None` where the network is given one symbol as 1 among zeros (one-hot).
    pub(super) embedding: Option<Linear>,
    pub(super) layers: Vec<Recurrent>,
    pub(super) dense: Linear,
}

impl Chain {
    /// Whether the sizes fit each other; `symbols` is that of the alphabet.
    fn fits(&self, tensors: &Tensors, symbols: usize) -> bool {
        let mut input = match &self.embedding {
            Some(embedding) => tensors[&embedding.weight].shape[1],
            None => symbols,
        };
        self.layers.iter().all(|layer| {
            let [rows, output] = layer.widths(tensors);
            std::mem::replace(&mut input, output) == rows
        }) && self.dense.layout.in_out(&tensors[&self.dense.weight].shape)[0] == input
    }

    /// Whether the other one has its embedding for the dense layer and the other way round, of the same numbers.
    fn is_same(&self, other: &Self, tensors: &Tensors) -> bool {
        let numbers = |linear: &Linear| {
            let tensor = &tensors[&linear.weight];
            (&tensor.shape, &tensor.values)
        };
        let embeddings = [&self.embedding, &other.embedding];
        embeddings
            .into_iter()
            .flatten()
            .all(|embedding| numbers(embedding) == numbers(&self.dense) && embedding.bias.is_none())
            && self.dense.bias.is_none()
            && other.dense.bias.is_none()
    }
}

/// The layers in their order; `order` is that of the file's tensors, or empty.
pub(super) fn chain(
    groups: Groups,
    tensors: &Tensors,
    order: &[String],
    symbols: usize,
    told: &Told,
) -> Result<Chain, String> {
    let is_list = groups.is_list;
    let places = places(&groups, order, told)?;
    let place = |name: &str| places.get(name).copied();
    let Groups {
        mut layers,
        linears,
        ..
    } = groups;
    layers.sort_by_key(|layer| numbered(&layer.name));

    // Which of the two is the embedding, by everything but sizes; the likelier one first.
    let first = layers.iter().filter_map(|l| place(&l.name)).min();
    let ends = ends(linears, is_list, |linear| {
        place(&linear.name)
            .zip(first)
            .map(|(place, first)| place < first)
    })?;

    // The order that is told.
    let key = |layer: &Recurrent| (place(&layer.name), numbered(&layer.name));
    let is_placed = !is_list && layers.iter().all(|layer| place(&layer.name).is_some());
    let names: Vec<_> = layers.iter().map(|layer| counted(&layer.name)).collect();
    let is_counted = names.iter().all(|(text, _)| *text == names[0].0);
    let is_told = is_list || is_placed || is_counted;
    match (is_placed, is_counted) {
        (true, _) => layers.sort_by_key(key),
        (false, true) => layers.sort_by_key(|layer| counted(&layer.name).1),
        _ => {}
    }

    let chains = |layers: &[Recurrent]| {
        let layers = layers.to_vec();
        ends.clone()
            .into_iter()
            .map(move |(embedding, dense)| Chain {
                embedding,
                layers: layers.clone(),
                dense,
            })
    };
    let fits = |chain: &Chain| chain.fits(tensors, symbols);
    let as_told: Vec<Chain> = chains(&layers).collect();
    let fitting: Vec<&Chain> = as_told.iter().filter(|chain| fits(chain)).collect();
    let names: Vec<&str> = layers.iter().map(|layer| &layer.name[..]).collect();
    match fitting[..] {
        [chain] if is_told => return Ok(chain.clone()),
        // Tied, and stored twice: both ways are the same network.
        [chain, other] if is_told && chain.is_same(other, tensors) => return Ok(chain.clone()),
        [first, _, ..] if is_told => {
            let names = [
                &first.dense.name,
                &first.embedding.as_ref().unwrap_or(&first.dense).name,
            ];
            return Err(format!(
                "found {} and {}, of which either may be the embedding, expected --order EMBEDDING,{},DENSE",
                names[0],
                names[1],
                layers
                    .iter()
                    .map(|l| &l.name[..])
                    .collect::<Vec<_>>()
                    .join(",")
            ));
        }
        _ => {}
    }
    // Another order, if only one fits.
    let is_asked = !told.order.is_empty();
    let mut others = Vec::new();
    if !is_asked && layers.len() <= MAX_LAYERS {
        for layers in permutations(&layers) {
            others.extend(chains(&layers).filter(fits));
        }
    }
    let [chain] = &others[..] else {
        return match others.len() {
            // What does not fit is told by the check of every tensor.
            0 => Ok(as_told[0].clone()),
            _ => Err(format!(
                "the order of the layers {} is not in the file, expected --order with these names from \
                 the input to the output, such as --order {}",
                names.join(", "),
                names.join(",")
            )),
        };
    };
    Ok(chain.clone())
}

/// The place of each layer by its name, as far as it is told.
pub(in crate::interchange) fn places(
    groups: &Groups,
    order: &[String],
    told: &Told,
) -> Result<BTreeMap<String, usize>, String> {
    let recurrent: Vec<&str> = groups.layers.iter().map(|l| &l.name[..]).collect();
    let linear: Vec<&str> = groups.linears.iter().map(|l| &l.name[..]).collect();
    let names = [&recurrent[..], &linear[..]].concat();
    if !told.order.is_empty() {
        for name in &told.order {
            if !names.contains(&&name[..]) || told.order.iter().filter(|n| *n == name).count() > 1 {
                return Err(format!(
                    "found {name} in --order, expected each of these once: {}",
                    names.join(", ")
                ));
            }
        }
        let lacks = |names: &[&str]| names.iter().any(|n| !told.order.iter().any(|t| t == n));
        if lacks(&recurrent) || (told.order.len() > recurrent.len() && lacks(&linear)) {
            return Err(format!(
                "found --order {}, expected all of {}",
                told.order.join(","),
                recurrent.join(",")
            ));
        }
        let places = told.order.iter().enumerate();
        return Ok(places.map(|(place, name)| (name.clone(), place)).collect());
    }
    // A file whose names are sorted was written by a program that sorts them.
    if order.is_sorted() {
        return Ok(BTreeMap::new());
    }
    let place = |tensor: &str| order.iter().position(|name| name == tensor);
    let layers = groups.layers.iter().map(|l| (&l.name, place(&l.w_hh)));
    let linears = groups.linears.iter().map(|l| (&l.name, place(&l.weight)));
    let places = layers.chain(linears);
    Ok(places
        .filter_map(|(name, place)| Some((name.clone(), place?)))
        .collect())
}

/// The embedding and the dense layer, in every way that their names, their biases and their places
/// leave open.
fn ends(
    linears: Vec<Linear>,
    is_list: bool,
    is_before: impl Fn(&Linear) -> Option<bool>,
) -> Result<Vec<(Option<Linear>, Linear)>, String> {
    let names: Vec<&str> = linears.iter().map(|l| &l.weight[..]).collect();
    let found = match names.len() {
        0 => "nothing".to_owned(),
        _ => names.join(", "),
    };
    let refuse = || {
        Err(format!(
            "found {found} beside the recurrent layers, expected one embedding and one dense layer (or one dense \
             layer alone, where the input is one-hot)"
        ))
    };
    let is_called_so = |l: &Linear| l.weight.to_lowercase().contains("emb");
    let cannot_be_embedding = |l: &Linear| l.bias.is_some() || l.is_embedding == Some(false);
    let cannot_be_dense = |l: &Linear| l.is_embedding == Some(true);
    match <[Linear; 2]>::try_from(linears) {
        Ok([first, last]) if is_list => Ok(vec![(Some(first), last)]),
        Ok([a, b]) => {
            let mut ways = vec![(a.clone(), b.clone()), (b, a)];
            ways.retain(|(e, d)| !cannot_be_embedding(e) && !cannot_be_dense(d));
            if ways.is_empty() {
                return refuse();
            }
            // What is likelier, where sizes do not tell.
            let is_likely = |(e, d): &(Linear, Linear)| {
                (is_called_so(e) && !is_called_so(d))
                    || (is_called_so(e) == is_called_so(d)
                        && is_before(e) == Some(true)
                        && is_before(d) == Some(false))
            };
            if let Some(likely) = ways.iter().position(is_likely) {
                ways.swap(0, likely);
                ways.truncate(1);
            }
            Ok(ways.into_iter().map(|(e, d)| (Some(e), d)).collect())
        }
        Err(linears) => match &linears[..] {
            [dense] if !is_called_so(dense) && !cannot_be_dense(dense) => {
                Ok(vec![(None, dense.clone())])
            }
            _ => refuse(),
        },
    }
}

/// Every order.
pub(in crate::interchange) fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = items.split_first() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in permutations(rest) {
        for at in 0..=order.len() {
            let mut order = order.clone();
            order.insert(at, first.clone());
            all.push(order);
        }
    }
    all
}

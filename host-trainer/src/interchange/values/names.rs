//! The layers of a network of values in the names and shapes of a file's tensors.

use crate::interchange::context::Context;
use crate::interchange::names::{Part, counted, numbered, split};
use crate::interchange::network::{
    Groups, Layout, Linear, Recurrent, Tensors, layers, permutations, places,
};
use crate::interchange::plan::{Dense, End, Input, Normalization, Numbers, Plan};
use crate::interchange::told::Told;
use crate::network::config::MAX_LAYERS;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// More dense layers than this are in no network.
const MAX_LINEARS: usize = 6;
/// What tells where layers stand.
const TOLD: &str = "an ONNX tells it, and a model of Keras that is saved whole";
/// The least deviation that Keras divides by.
const EPSILON: f32 = 1e-7;
/// What a module of PyTorch that computes `(x - mean) / std` calls its two buffers.
const BUFFERS: [[&str; 2]; 4] = [
    ["mean", "std"],
    ["mu", "sigma"],
    ["x_mean", "x_std"],
    ["input_mean", "input_std"],
];

/// What the names say of a network, before its layers have an order.
pub(super) struct Named {
    normalization: Option<Normalization>,
    groups: Groups,
}

impl Named {
    /// # Errors
    /// A tensor is of no layer that is known.
    pub(super) fn sort(tensors: &Tensors) -> Result<Self, String> {
        let normalization = match normalization(tensors)? {
            None => buffers(tensors)?,
            found => found,
        };
        let mut rest = Cow::Borrowed(tensors);
        for name in normalization.iter().flat_map(|(_, names)| names) {
            rest.to_mut().remove(name);
        }
        let groups = match list(&rest) {
            Some(groups) => groups?,
            None => Groups::sort(&rest)?,
        };
        Ok(Self {
            normalization: normalization.map(|(normalization, _)| normalization),
            groups,
        })
    }

    /// Whether one of the matrices is that of an embedding: it is called so, or has no bias, is as wide as the first
    /// recurrent layer's input, and has as many rows as the answer has numbers.
    pub(super) fn has_embedding(&self, tensors: &Tensors) -> bool {
        let Groups {
            layers,
            linears,
            is_list,
        } = &self.groups;
        if *is_list {
            // In order: what comes before the layers is an embedding.
            return linears
                .iter()
                .any(|linear| linear.is_embedding == Some(true));
        }
        let gives = |linear: &Linear, n: usize| {
            let mut others = linears.iter().filter(|other| other.name != linear.name);
            others.any(|other| other.layout.in_out(&tensors[&other.weight].shape)[1] == n)
        };
        linears.iter().any(|linear| {
            let is_called_so = linear.weight.to_lowercase().contains("emb");
            let fits = match tensors[&linear.weight].shape[..] {
                [symbols, width] => {
                    layers.iter().any(|layer| layer.widths(tensors)[0] == width)
                        && gives(linear, symbols)
                }
                _ => false,
            };
            linear.is_embedding == Some(true)
                || (linear.bias.is_none()
                    && linear.is_embedding.is_none()
                    && (is_called_so || fits))
        })
    }

    /// The layers in their order.
    ///
    /// # Errors
    /// They do not fit each other, or the file does not tell their order.
    pub(super) fn plan(
        self,
        tensors: &Tensors,
        order: &[String],
        told: &Told,
    ) -> Result<Plan, String> {
        let Self {
            normalization,
            groups,
        } = self;
        let mut notes = Vec::new();
        let (mut recurrent, mut linears) = (groups.layers.clone(), groups.linears.clone());
        if !groups.is_list {
            if recurrent.len() > MAX_LAYERS || linears.len() > MAX_LINEARS {
                return Err(format!(
                    "found {} recurrent and {} dense layers, expected at most {MAX_LAYERS} and {MAX_LINEARS}",
                    recurrent.len(),
                    linears.len()
                ));
            }
            let places = places(&groups, order, told)?;
            let orders = Orders {
                places: &places,
                is_asked: !told.order.is_empty(),
            };
            recurrent = orders.arrange(recurrent, None, &mut notes, |layer| {
                (&layer.name, layer.widths(tensors))
            })?;
            let width = recurrent.last().map(|layer| layer.widths(tensors)[1]);
            linears = orders.arrange(linears, width, &mut notes, |linear| {
                let shape = &tensors[&linear.weight].shape;
                (&linear.name, linear.layout.in_out(shape))
            })?;
            orders.refuse_dense_in_front(&recurrent, &linears, tensors)?;
            orders.refuse_what_fits_in_front(&recurrent, &linears, tensors)?;
        }
        let layers = recurrent.iter();
        let layers = layers.map(|layer| layers::recurrent(layer, tensors, None, &mut notes));
        let layers: Vec<_> = layers.collect::<Result<_, String>>()?;
        let dense = linears.iter();
        let dense = dense.map(|linear| layers::dense(linear, tensors, End::Untold));
        let mut dense: Vec<Dense> = dense.collect::<Result<_, _>>()?;
        if let ([], Some(last)) = (&dense[..], layers.last()) {
            dense.push(Dense::behind(last, End::Untold, &mut notes)?);
        }
        Ok(Plan {
            backwards: false,
            input: Input::Values(normalization),
            layers,
            dense,
            context: Context::Untold,
            notes,
        })
    }
}

/// How the order of layers is known.
struct Orders<'a> {
    places: &'a BTreeMap<String, usize>,
    /// Whether a person has told it.
    is_asked: bool,
}

impl Orders<'_> {
    /// The order that is told, if the sizes fit; otherwise another one, if it alone fits. `input` is the width of what
    /// the first reads; `of` gives a layer's name and widths.
    fn arrange<T: Clone>(
        &self,
        mut items: Vec<T>,
        input: Option<usize>,
        notes: &mut Vec<String>,
        of: impl Fn(&T) -> (&String, [usize; 2]),
    ) -> Result<Vec<T>, String> {
        let place = |item: &T| self.places.get(of(item).0).copied();
        let is_placed = items.iter().all(|item| place(item).is_some());
        let shared = |item: &T| counted(of(item).0).0;
        let is_counted = items
            .windows(2)
            .all(|pair| shared(&pair[0]) == shared(&pair[1]));
        items.sort_by_key(|item| numbered(of(item).0));
        match (is_placed, is_counted) {
            (true, _) => items.sort_by_key(|item| (place(item), numbered(of(item).0))),
            (false, true) => items.sort_by_key(|item| counted(of(item).0).1),
            _ => {}
        }
        let fits = |items: &[T]| {
            let mut width = input;
            items.iter().all(|item| {
                let [input, output] = of(item).1;
                width.replace(output).is_none_or(|width| width == input)
            })
        };
        if self.is_asked || ((is_placed || is_counted) && fits(&items)) {
            let is_open = || {
                permutations(&items)
                    .iter()
                    .filter(|items| fits(items))
                    .count()
                    > 1
            };
            if !self.is_asked && !is_counted && is_open() {
                let names: Vec<&str> = items.iter().map(|item| &of(item).0[..]).collect();
                notes.push(format!(
                    "the layers {} are taken in the order of the file (--order gives another)",
                    names.join(", ")
                ));
            }
            return Ok(items);
        }
        let mut others = permutations(&items);
        others.retain(|items| fits(items));
        match others.len() {
            1 => Ok(others.remove(0)),
            // What does not fit is told by the check of every layer.
            0 => Ok(items),
            _ => {
                let names: Vec<&str> = items.iter().map(|item| &of(item).0[..]).collect();
                Err(format!(
                    "the order of the layers {} is not in the file, expected --order with the names of all layers \
                     from the input to the output ({TOLD})",
                    names.join(", ")
                ))
            }
        }
    }
}

impl Orders<'_> {
    /// Refuses dense layers that do not fit behind the recurrent layers, where one fits before one of those.
    fn refuse_what_fits_in_front(
        &self,
        layers: &[Recurrent],
        linears: &[Linear],
        tensors: &Tensors,
    ) -> Result<(), String> {
        let widths = |linear: &Linear| linear.layout.in_out(&tensors[&linear.weight].shape);
        let mut width = layers.last().map(|layer| layer.widths(tensors)[1]);
        let fits_behind = linears.iter().all(|linear| {
            let [input, output] = widths(linear);
            width.replace(output).is_none_or(|width| width == input)
        });
        if fits_behind || self.is_asked {
            return Ok(());
        }
        let pairs = linears.iter().flat_map(|linear| {
            let firsts = layers.iter().filter(|layer| counted_from(&layer.name) == 0);
            firsts.map(move |layer| (linear, layer))
        });
        for (linear, layer) in pairs {
            if widths(linear)[1] == layer.widths(tensors)[0] {
                return Err(format!(
                    "found dense layer {}, which fits before layer {}, expected dense layers behind the recurrent \
                     layers alone ({TOLD})",
                    linear.name, layer.name
                ));
            }
        }
        Ok(())
    }

    /// Refuses a dense layer that is told to stand before a recurrent layer, or that may stand before the first where
    /// nothing tells: it would be run after the last.
    fn refuse_dense_in_front(
        &self,
        layers: &[Recurrent],
        linears: &[Linear],
        tensors: &Tensors,
    ) -> Result<(), String> {
        let (Some(last), false) = (layers.last(), linears.is_empty()) else {
            return Ok(());
        };
        let widths = |linear: &Linear| linear.layout.in_out(&tensors[&linear.weight].shape);
        let place = |name: &String| self.places.get(name).copied();
        // The layer that would read what a dense layer gives.
        let reader = |linear: &Linear| match place(&linear.name) {
            Some(at) => layers.iter().find(|layer| place(&layer.name) > Some(at)),
            // Before the first of each module: nothing stands between the layers of one.
            None => layers
                .iter()
                .filter(|layer| counted_from(&layer.name) == 0)
                .find(|layer| layer.widths(tensors)[0] == widths(linear)[1]),
        };
        let modules = linears.iter().map(|linear| numbered_module(&linear.name));
        let modules: Option<Vec<&str>> = modules.collect();
        // Numbers of one Sequential stand together, unless the recurrent layers are in it too.
        let are_together = modules.is_some_and(|modules| {
            let holds = |layer: &Recurrent| layer.name.starts_with(&format!("{}.", modules[0]));
            modules.iter().all(|module| *module == modules[0]) && !layers.iter().any(holds)
        });
        for (at, linear) in linears.iter().enumerate() {
            let Some(layer) = reader(linear) else {
                continue;
            };
            let is_told = place(&linear.name).is_some();
            // Where nothing tells, the first after the recurrent layers.
            if !is_told && at > 0 {
                continue;
            }
            let mut rest = linears[..at].iter().chain(&linears[at + 1..]).peekable();
            let mut width = last.widths(tensors)[1];
            let fits_without = rest.peek().is_some()
                && rest.all(|other| {
                    let [input, output] = widths(other);
                    std::mem::replace(&mut width, output) == input
                });
            let may_stand_there = widths(linear)[1] == layer.widths(tensors)[0] && fits_without;
            if self.is_asked && is_told {
                return Err(format!(
                    "found layer {} before layer {} in --order, expected recurrent layers, and then dense layers",
                    linear.name, layer.name
                ));
            }
            if !self.is_asked && may_stand_there && (is_told || !are_together) {
                let names = layers.iter().map(|layer| &layer.name[..]);
                let names = names.chain(linears.iter().map(|linear| &linear.name[..]));
                return Err(format!(
                    "found dense layer {}, which may stand before layer {}, expected dense layers behind the recurrent \
                     layers: --order {} if they do ({TOLD})",
                    linear.name,
                    layer.name,
                    names.collect::<Vec<_>>().join(",")
                ));
            }
        }
        Ok(())
    }
}

/// The place of a layer in its module.
fn counted_from(name: &str) -> usize {
    let number = name.rsplit_once('.').and_then(|(_, n)| n.parse().ok());
    number.unwrap_or(0)
}

/// The module of which a name is a numbered child, as in a Sequential.
fn numbered_module(name: &str) -> Option<&str> {
    let (module, child) = name.rsplit_once('.')?;
    child.parse::<usize>().is_ok().then_some(module)
}

/// The mean and the deviation that a module of PyTorch keeps as buffers, and the names of the two tensors.
fn buffers(tensors: &Tensors) -> Result<Option<(Normalization, [String; 2])>, String> {
    let mut found: Option<(Normalization, [String; 2])> = None;
    for (name, mean) in tensors {
        let (module, own) = name.rsplit_once('.').unwrap_or(("", name));
        let Some([_, second]) = BUFFERS.iter().find(|[first, _]| *first == own) else {
            continue;
        };
        let other = match module {
            "" => (*second).to_owned(),
            module => format!("{module}.{second}"),
        };
        let Some(std) = tensors.get(&other) else {
            continue;
        };
        if let Some((_, [before, _])) = &found {
            return Err(format!(
                "found {before} and {name} to normalize the input with, expected one of them (--ignore leaves one out)"
            ));
        }
        let normalization = Normalization {
            mean: Numbers::Given(mean.values.clone()),
            scale: Numbers::Given(std.values.iter().map(|std| 1.0 / std).collect()),
            from: format!("(x - {name}) / {other}"),
        };
        found = Some((normalization, [name.clone(), other]));
    }
    Ok(found)
}

/// The mean and the variance of Keras's Normalization, and the names of the two tensors.
fn normalization(tensors: &Tensors) -> Result<Option<(Normalization, [String; 2])>, String> {
    let mut groups: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    // The third array of the list counts, and is passed over; with any other layer it is one of numbers.
    let is_list = !tensors.contains_key("arr_2") && tensors.contains_key("arr_3");
    for (name, tensor) in tensors {
        let named = name.rsplit_once('/').and_then(|(group, part)| {
            let part = part.trim_end_matches(":0");
            let place = ["mean", "variance"].iter().position(|p| part == *p)?;
            Some((group.to_owned(), place))
        });
        let is_so_called = |group: &str| {
            let mut parts = group.split('/');
            parts.any(|part| part.starts_with("normalization"))
        };
        let place = named.or_else(|| match split(name)? {
            (group, Part::Var(at)) if at < 2 && is_so_called(&group) => Some((group, at)),
            (group, Part::Listed(at)) if at < 2 && is_list => Some((group, at)),
            _ => None,
        });
        if let (Some((group, place)), true) = (place, tensor.shape.len() <= 1) {
            groups.entry(group).or_default().push((place, name.clone()));
        }
    }
    groups.retain(|_, parts| parts.len() == 2);
    let mut found = groups.into_iter();
    let Some((group, mut parts)) = found.next() else {
        return Ok(None);
    };
    if let Some((other, _)) = found.next() {
        return Err(format!(
            "found the vectors of {group} and of {other}, expected one Normalization"
        ));
    }
    parts.sort();
    let names = [parts[0].1.clone(), parts[1].1.clone()];
    let [mean, variance] = names.each_ref().map(|name| &tensors[name].values);
    let scale = variance.iter().map(|v| 1.0 / v.sqrt().max(EPSILON));
    let normalization = Normalization {
        scale: Numbers::Given(scale.collect()),
        mean: Numbers::Given(mean.clone()),
        from: names.join(", "),
    };
    Ok(Some((normalization, names)))
}

/// Keras's `get_weights()`: two matrices and perhaps a bias a recurrent layer, then a matrix and perhaps a bias a dense
/// one. `None` where it is no such list.
fn list(tensors: &Tensors) -> Option<Result<Groups, String>> {
    let place = |name: &String| match split(name)? {
        (_, Part::Listed(at)) => Some((at, name.clone())),
        _ => None,
    };
    let mut names: Vec<(usize, String)> = tensors.keys().map(place).collect::<Option<_>>()?;
    names.sort();
    let names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
    Some(layers_of_list(tensors, &names))
}

fn layers_of_list(tensors: &Tensors, names: &[String]) -> Result<Groups, String> {
    let mut groups = Groups {
        is_list: true,
        ..Groups::default()
    };
    let matrix = |at: usize| match names.get(at).map(|name| &tensors[name].shape[..]) {
        Some(&[rows, columns]) => Some([rows, columns]),
        _ => None,
    };
    let is_recurrent = |at: usize| match (matrix(at), matrix(at + 1)) {
        (Some([_, columns]), Some([units, same])) => {
            let gates = |n: usize| units.checked_mul(n) == Some(columns);
            columns == same && (gates(3) || gates(4))
        }
        _ => false,
    };
    // A vector, or both biases of a GRU.
    let bias = |at: usize, columns: usize| {
        let name = names.get(at)?;
        let shape = &tensors[name].shape[..];
        (*shape == [columns] || *shape == [2, columns]).then(|| name.clone())
    };
    let mut at = 0;
    while at < names.len() {
        let Some([_, columns]) = matrix(at) else {
            return Err(format!(
                "found tensor {} {:?}, expected the matrix of a layer",
                names[at], tensors[&names[at]].shape
            ));
        };
        let name = format!("{}", groups.layers.len() + groups.linears.len());
        if is_recurrent(at) {
            let bias = bias(at + 2, columns);
            let used = 2 + usize::from(bias.is_some());
            let mut before = groups.linears.iter();
            if let Some(dense) = before.find(|linear| linear.is_embedding == Some(false)) {
                return Err(format!(
                    "found dense layer {} before the recurrent layer of {}, expected dense layers behind the recurrent \
                     layers",
                    dense.weight, names[at]
                ));
            }
            groups.layers.push(Recurrent {
                name,
                layout: Layout::InOut,
                w_ih: names[at].clone(),
                w_hh: names[at + 1].clone(),
                biases: bias.into_iter().collect(),
                projection: None,
            });
            at += used;
        } else {
            let bias = bias(at + 1, columns).filter(|name| tensors[name].shape.len() == 1);
            let used = 1 + usize::from(bias.is_some());
            groups.linears.push(Linear {
                name,
                layout: Layout::InOut,
                weight: names[at].clone(),
                is_embedding: Some(groups.layers.is_empty() && bias.is_none()),
                bias,
            });
            at += used;
        }
    }
    match groups.layers.len() {
        0 => Err("found no recurrent layer's tensors, expected those of one to four".into()),
        _ => Ok(groups),
    }
}

//! A file's tensors by the layer that they belong to.

use super::parts::{Layout, Linear, Recurrent, Tensors, unexpected};
use crate::interchange::names::{Part, split};
use std::collections::BTreeMap;

/// The layers of a file, in no order.
#[derive(Debug, Default)]
pub(in crate::interchange) struct Groups {
    pub(in crate::interchange) layers: Vec<Recurrent>,
    pub(in crate::interchange) linears: Vec<Linear>,
    /// Whether `linears` are the embedding, if there is one, and then the dense layer, and `layers`
    /// are in order: so in a list of Keras's weights.
    pub(in crate::interchange) is_list: bool,
}

impl Groups {
    /// The layers of a whole network, at least one of which is recurrent.
    pub(in crate::interchange) fn sort(tensors: &Tensors) -> Result<Self, String> {
        let found = Self::collect(tensors)?;
        match found.layers.len() {
            0 => Err("found no recurrent layer's tensors, expected those of one to four".into()),
            _ => Ok(found),
        }
    }

    /// Any layers.
    pub(in crate::interchange) fn collect(tensors: &Tensors) -> Result<Self, String> {
        let mut groups: BTreeMap<String, Vec<(Part, String)>> = BTreeMap::new();
        for (name, tensor) in tensors {
            if name.ends_with("_reverse") || name.contains("backward") {
                return Err(format!(
                    "found tensor {name} of a bidirectional layer, expected layers that read forwards alone: a chip \
                     has not the values that are still to come"
                ));
            }
            let (group, part) = split(name).ok_or_else(|| {
                format!("found tensor {name} {:?}{}", tensor.shape, what_it_is(name))
            })?;
            groups.entry(group).or_default().push((part, name.clone()));
        }
        let mut found = Self::default();
        for (group, mut parts) in groups {
            parts.sort();
            let is_listed = |(part, _): &(Part, String)| matches!(part, Part::Listed(_));
            if parts.iter().all(is_listed) && found.layers.is_empty() && found.linears.is_empty() {
                found.list(tensors, &parts)?;
            } else if found.is_list {
                return Err(unexpected(tensors, &parts[0].1));
            } else if parts.iter().any(|(part, _)| part.is_torch_recurrent()) {
                found.layers.push(torch_recurrent(tensors, group, parts)?);
            } else {
                found.by_shape(tensors, group, &parts)?;
            }
        }
        Ok(found)
    }

    /// A layer of one or two matrices and at most one vector.
    fn by_shape(
        &mut self,
        tensors: &Tensors,
        name: String,
        parts: &[(Part, String)],
    ) -> Result<(), String> {
        let layout = match parts[0].0 {
            Part::TorchWeight | Part::TorchBias => Layout::OutIn,
            _ => Layout::InOut,
        };
        // Keras has both biases of a layer in a matrix.
        let is_bias = |part: Part| matches!(part, Part::Bias | Part::Var(2));
        let is_weight = |(index, part): &(usize, &(Part, String))| {
            let (part, name) = part;
            let is_listed_bias = matches!(part, Part::Listed(_)) && *index == 2;
            tensors[name].shape.len() == 2 && !is_bias(*part) && !is_listed_bias
        };
        let of_kind = |are_weights: bool| -> Vec<&(Part, String)> {
            let parts = parts.iter().enumerate();
            let parts = parts.filter(|part| is_weight(part) == are_weights);
            parts.map(|(_, part)| part).collect()
        };
        let (weights, biases) = (of_kind(true), of_kind(false));
        match (&weights[..], &biases[..]) {
            ([(part, weight)], [] | [_]) => self.linears.push(Linear {
                name,
                layout,
                weight: weight.clone(),
                bias: biases.first().map(|(_, name)| name.clone()),
                is_embedding: match part {
                    Part::Embeddings => Some(true),
                    Part::Kernel => Some(false),
                    _ => None,
                },
            }),
            ([(_, w_ih), (_, w_hh)], [] | [_]) => self.layers.push(Recurrent {
                name,
                layout,
                w_ih: w_ih.clone(),
                w_hh: w_hh.clone(),
                biases: biases.into_iter().map(|(_, name)| name.clone()).collect(),
                projection: None,
            }),
            _ => return Err(unexpected(tensors, &parts[parts.len() - 1].1)),
        }
        Ok(())
    }

    /// Keras's `get_weights()`: perhaps an embedding, then two matrices and perhaps a bias a layer,
    /// then the dense layer. A matrix for each end makes the number even; without an embedding, as
    /// for one-hot input, it is odd.
    fn list(&mut self, tensors: &Tensors, parts: &[(Part, String)]) -> Result<(), String> {
        let shape = |index: usize| &tensors[&parts[index].1].shape[..];
        // A vector, or both biases of a layer in a matrix of two rows.
        let is_bias = |index: usize| match *shape(index) {
            [_] => true,
            [2, n] => {
                let before = [2, 1].map(|back| index.checked_sub(back).map(shape));
                before
                    .iter()
                    .all(|shape| matches!(shape, Some([_, columns]) if *columns == n))
            }
            _ => false,
        };
        let matrices = (0..parts.len()).filter(|&index| !is_bias(index)).count();
        let mut sizes = match matrices % 2 {
            0 => vec![1],
            _ => Vec::new(),
        };
        sizes.resize(sizes.len() + matrices.saturating_sub(1) / 2, 2);
        sizes.push(1);
        let mut rest = parts;
        for (index, matrices) in sizes.into_iter().enumerate() {
            let at = parts.len() - rest.len() + matrices;
            let n = matrices + usize::from(at < parts.len() && is_bias(at));
            let (layer, behind) = rest.split_at_checked(n).ok_or_else(|| {
                format!(
                    "found {} arrays, expected those of an embedding, recurrent layers and a dense layer",
                    parts.len()
                )
            })?;
            rest = behind;
            self.by_shape(tensors, format!("{index}"), layer)?;
        }
        self.is_list = true;
        match rest.first() {
            Some((_, name)) => Err(unexpected(tensors, name)),
            None => Ok(()),
        }
    }
}

fn torch_recurrent(
    tensors: &Tensors,
    name: String,
    parts: Vec<(Part, String)>,
) -> Result<Recurrent, String> {
    let first = parts[0].1.clone();
    let mut named: BTreeMap<Part, String> = parts.into_iter().collect();
    let mut take = |part| named.remove(&part);
    let missing = |what: &str| format!("found {first} without its {what}, expected both");
    let layer = Recurrent {
        name,
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
        None => Ok(layer),
    }
}

/// What a tensor is that is of no layer, and what to do.
fn what_it_is(name: &str) -> &'static str {
    let is_any = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if is_any(&["running_mean", "running_var"]) {
        " of a batch normalization, expected recurrent and dense layers alone: export the model to ONNX, or save a \
         model of Keras whole, which tell where it stands"
    } else if is_any(&["parametrizations."]) {
        " of a parametrization, expected plain weights: \
         torch.nn.utils.parametrize.remove_parametrizations(module, name) before the model is saved"
    } else if name.ends_with("_g") || name.ends_with("_v") {
        " as of a weight normalization, expected plain weights: torch.nn.utils.remove_weight_norm(module, name) before \
         the model is saved"
    } else if name.ends_with("_mask") || name.ends_with("_orig") {
        " as of a pruned layer, expected plain weights: torch.nn.utils.prune.remove(module, name) before the model is \
         saved"
    } else {
        ", expected names of an embedding, recurrent layers and a dense layer as in Keras or PyTorch (--ignore NAME \
         leaves out what the network does not use)"
    }
}

//! What nodes make of constants.

use super::array::{Array, Budget, Whole, Wholes, axis, clip};
use super::constant::{Constant, MAX_WHOLES};
use super::message::Node;
use crate::interchange::shape::count;
use std::rc::Rc;

/// What a node makes of constants: one for each of its outputs. What is not known here is unknown.
pub(super) fn evaluate(node: &Node, inputs: &[Constant], budget: &Budget) -> Vec<Constant> {
    let outputs = node.outputs.len();
    if node.op_type == "Split" {
        let parts = split(node, inputs, budget).filter(|parts| parts.len() == outputs);
        return parts.unwrap_or_else(|| vec![Constant::Unknown; outputs]);
    }
    let mut all = vec![Constant::Unknown; outputs];
    if let (Some(first), Some(value)) = (all.first_mut(), one(node, inputs, budget)) {
        *first = value;
    }
    all
}

fn one(node: &Node, inputs: &[Constant], budget: &Budget) -> Option<Constant> {
    let wholes = |index: usize| match inputs.get(index) {
        Some(Constant::Wholes(wholes)) => wholes.known(),
        _ => None,
    };
    // Numbers that older nodes have as an attribute, and newer ones as an input.
    let numbers = |name: &str, index: usize| match node.ints(name) {
        Some(ints) => Some(ints.to_vec()),
        None => wholes(index),
    };
    let pairs = |of: fn(f32, f32) -> f32| match inputs {
        [Constant::Floats(a), Constant::Floats(b)] => Some(Constant::array(a.pairs(b, budget, of))),
        _ => None,
    };
    let each = |of: fn(f32) -> f32| match inputs {
        [Constant::Floats(a)] => Some(Constant::array(a.each(budget, of))),
        _ => None,
    };
    match (&node.op_type[..], inputs) {
        ("Constant", _) => constant(node, budget),
        ("Identity" | "Cast" | "CastLike" | "Dropout", [value, ..]) => Some(value.clone()),
        ("ConstantOfShape", _) => {
            let is_zero = match node.attribute("value").and_then(|a| a.t.clone()) {
                None => true,
                Some(tensor) => Constant::read(tensor, "", budget).ok()?.is_zero(),
            };
            is_zero.then_some(Constant::Zeros)
        }
        ("Expand", [value, ..]) if value.is_zero() => Some(Constant::Zeros),
        (
            "Slice" | "Squeeze" | "Unsqueeze" | "Reshape" | "Transpose" | "Gather" | "Concat"
            | "Mul",
            _,
        ) if inputs.iter().any(|value| matches!(value, Constant::Zeros)) => Some(Constant::Zeros),
        ("Transpose", [Constant::Floats(a)]) => {
            let rank = a.shape.len();
            let order: Option<Vec<usize>> = match node.ints("perm") {
                Some(order) => order.iter().map(|&at| axis(at, rank)).collect(),
                None => Some((0..rank).rev().collect()),
            };
            Some(Constant::array(a.transpose(&order?, budget)))
        }
        ("Squeeze", [Constant::Floats(a), ..]) => {
            let rank = a.shape.len();
            let gone: Option<Vec<usize>> = match numbers("axes", 1) {
                Some(axes) => axes.iter().map(|&at| axis(at, rank)).collect(),
                None => Some((0..rank).filter(|&at| a.shape[at] == 1).collect()),
            };
            let gone = gone?;
            let kept = (0..rank).filter(|at| !gone.contains(at));
            Some(Constant::array(
                a.reshape(kept.map(|at| a.shape[at]).collect(), budget),
            ))
        }
        ("Unsqueeze", [Constant::Floats(a), ..]) => {
            let shape = unsqueezed(&a.shape, &numbers("axes", 1)?, 1)?;
            Some(Constant::array(a.reshape(shape, budget)))
        }
        ("Squeeze", [Constant::Wholes(a), ..]) => Some(Constant::Wholes(Wholes {
            is_list: a.values.len() != 1,
            values: a.values.clone(),
        })),
        ("Unsqueeze", [Constant::Wholes(a), ..]) => {
            (!a.is_list).then(|| Constant::Wholes(Wholes::list(a.values.clone())))
        }
        ("Reshape", [Constant::Wholes(a), ..]) => {
            let to = wholes(1)?;
            let is_list = to.len() == 1;
            let fits = matches!(to[..], [] | [-1]) || to == [a.values.len() as i64];
            fits.then(|| {
                Constant::Wholes(Wholes {
                    is_list,
                    values: a.values.clone(),
                })
            })
        }
        ("Reshape", [Constant::Floats(a), ..]) => {
            let to = wholes(1)?;
            let open = to.iter().filter(|&&n| n == -1).count();
            let mut shape = Vec::new();
            for (at, &n) in to.iter().enumerate() {
                shape.push(match n {
                    -1 => 1,
                    0 if node.int("allowzero", 0) == 0 => *a.shape.get(at)?,
                    n => usize::try_from(n).ok()?,
                });
            }
            if open == 1 {
                let rest = a.values.len().checked_div(count(&shape)?)?;
                let at = to.iter().position(|&n| n == -1)?;
                shape[at] = rest;
            }
            Some(Constant::array(a.reshape(shape, budget)))
        }
        ("Concat", _) => {
            let lists: Option<Vec<&Wholes>> = inputs
                .iter()
                .map(|value| match value {
                    Constant::Wholes(wholes) if wholes.is_list => Some(wholes),
                    _ => None,
                })
                .collect();
            if let Some(lists) = lists {
                let n: usize = lists.iter().map(|list| list.values.len()).sum();
                (n <= MAX_WHOLES).then_some(())?;
                let values = lists.iter().flat_map(|list| list.values.iter().copied());
                return Some(Constant::Wholes(Wholes::list(values.collect())));
            }
            let arrays: Option<Vec<&Array>> = inputs
                .iter()
                .map(|value| match value {
                    Constant::Floats(array) => Some(&**array),
                    _ => None,
                })
                .collect();
            let arrays = arrays?;
            let at = axis(node.int("axis", 0), arrays.first()?.shape.len())?;
            Some(Constant::array(Array::concat(&arrays, at, budget)))
        }
        ("Gather", [Constant::Wholes(a), Constant::Wholes(places)]) => {
            let places_known = places.known()?;
            let at = places_known
                .iter()
                .map(|&at| a.values.get(axis(at, a.values.len())?).copied());
            let values = at.collect::<Option<_>>()?;
            let is_list = places.is_list;
            Some(Constant::Wholes(Wholes { is_list, values }))
        }
        ("Gather", [Constant::Floats(a), Constant::Wholes(places)]) => {
            let at = axis(node.int("axis", 0), a.shape.len())?;
            let [place] = places.known()?[..] else {
                return None;
            };
            let place = axis(place, a.shape[at])?;
            let cut = a.slice(at, place..place + 1, budget)?;
            let mut shape = cut.shape.clone();
            if !places.is_list {
                shape.remove(at);
            }
            Some(Constant::array(cut.reshape(shape, budget)))
        }
        ("Slice", [Constant::Wholes(a), ..]) => {
            let cuts = Cuts::of(node, inputs)?;
            let [(0 | -1, start, end)] = cuts.0[..] else {
                return None;
            };
            let values = a.values[clip(start, end, a.values.len())].to_vec();
            Some(Constant::Wholes(Wholes::list(values)))
        }
        ("Slice", [Constant::Floats(a), ..]) => {
            let mut cut = (**a).clone();
            budget.take(&cut.shape)?;
            for (at, start, end) in Cuts::of(node, inputs)?.0 {
                let at = axis(at, cut.shape.len())?;
                cut = cut.slice(at, clip(start, end, cut.shape[at]), budget)?;
            }
            Some(Constant::array(Some(cut)))
        }
        ("Mul", [Constant::Wholes(a), Constant::Wholes(b)]) => {
            let (&[a], &[b]) = (&a.known()?[..], &b.known()?[..]) else {
                return None;
            };
            let is_list = inputs
                .iter()
                .any(|v| matches!(v, Constant::Wholes(w) if w.is_list));
            let values = vec![Whole::Known(a.checked_mul(b)?)];
            Some(Constant::Wholes(Wholes { is_list, values }))
        }
        ("ReduceProd", [Constant::Wholes(a), ..]) => {
            let value = match a.values[..] {
                [one] => one,
                _ => a
                    .known()
                    .and_then(|all| all.into_iter().try_fold(1i64, i64::checked_mul))
                    .map_or(Whole::Unknown, Whole::Known),
            };
            Some(Constant::Wholes(Wholes {
                is_list: node.int("keepdims", 1) != 0,
                values: vec![value],
            }))
        }
        ("Add", _) => pairs(|a, b| a + b),
        ("Sub", _) => pairs(|a, b| a - b),
        ("Mul", _) => pairs(|a, b| a * b),
        ("Div", _) => pairs(|a, b| a / b),
        ("Max", _) => pairs(f32::max),
        ("Sqrt", _) => each(f32::sqrt),
        ("Reciprocal", _) => each(f32::recip),
        ("Neg", _) => each(|x| -x),
        _ => None,
    }
}

/// The value of a node without inputs.
fn constant(node: &Node, budget: &Budget) -> Option<Constant> {
    let attribute = node.attributes.first()?;
    let wholes = |is_list: bool, values: &[i64]| {
        (values.len() <= MAX_WHOLES).then_some(())?;
        let values = values.iter().copied().map(Whole::Known).collect();
        Some(Constant::Wholes(Wholes { is_list, values }))
    };
    let floats = |shape: Vec<usize>, values: &[f32]| {
        budget.take(&shape)?;
        Some(Constant::Floats(Rc::new(Array {
            shape,
            values: values.to_vec(),
            from: node.outputs.first().cloned().unwrap_or_default(),
        })))
    };
    match &attribute.name[..] {
        "value" => {
            let name = node.outputs.first().cloned().unwrap_or_default();
            Constant::read(attribute.t.clone()?, &name, budget).ok()
        }
        "value_int" => wholes(false, &[attribute.i]),
        "value_ints" => wholes(true, &attribute.ints),
        "value_float" => floats(Vec::new(), &[attribute.f]),
        "value_floats" => floats(vec![attribute.floats.len()], &attribute.floats),
        _ => None,
    }
}

/// The parts of an array along an axis.
fn split(node: &Node, inputs: &[Constant], budget: &Budget) -> Option<Vec<Constant>> {
    let Some(Constant::Floats(array)) = inputs.first() else {
        return None;
    };
    let at = axis(node.int("axis", 0), array.shape.len())?;
    let lengths = split_lengths(node, inputs, array.shape[at])?;
    let mut parts = Vec::new();
    let mut start = 0usize;
    for length in lengths {
        let end = start.checked_add(length)?;
        parts.push(Constant::array(array.slice(at, start..end, budget)));
        start = end;
    }
    Some(parts)
}

/// How long the parts of an axis of so many numbers are.
pub(super) fn split_lengths(node: &Node, inputs: &[Constant], length: usize) -> Option<Vec<usize>> {
    let told = match (node.ints("split"), inputs.get(1)) {
        (Some(ints), _) => Some(ints.to_vec()),
        (None, Some(Constant::Wholes(wholes))) => Some(wholes.known()?),
        _ => None,
    };
    let parts = node.outputs.len();
    let lengths: Vec<usize> = match told {
        Some(told) => told
            .iter()
            .map(|&n| usize::try_from(n).ok())
            .collect::<Option<_>>()?,
        None if parts > 0 && length.is_multiple_of(parts) => vec![length / parts; parts],
        None => return None,
    };
    let sum = lengths
        .iter()
        .try_fold(0usize, |sum, &n| sum.checked_add(n))?;
    (sum == length && lengths.len() == parts).then_some(lengths)
}

/// A shape with axes of one number put in where `axes` says; `one` is such an axis.
pub(super) fn unsqueezed<T: Clone>(shape: &[T], axes: &[i64], one: T) -> Option<Vec<T>> {
    let rank = shape.len().checked_add(axes.len()).filter(|&n| n <= 16)?;
    let places: Option<Vec<usize>> = axes.iter().map(|&at| axis(at, rank)).collect();
    let places = places?;
    let mut old = shape.iter();
    let axis = |at: usize| match places.contains(&at) {
        true => Some(one.clone()),
        false => old.next().cloned(),
    };
    (0..rank).map(axis).collect()
}

/// What a Slice node keeps: axis, start and end each, with steps of one.
pub(super) struct Cuts(pub(super) Vec<(i64, i64, i64)>);

impl Cuts {
    /// `None` for what cannot be known, or skips or turns numbers around; see [`Cuts::is_backwards`].
    pub(super) fn of(node: &Node, inputs: &[Constant]) -> Option<Self> {
        let numbers = |name: &str, index: usize| match node.ints(name) {
            Some(ints) => Some(ints.to_vec()),
            None => match inputs.get(index) {
                Some(Constant::Wholes(wholes)) => wholes.known(),
                _ => None,
            },
        };
        let (starts, ends) = (numbers("starts", 1)?, numbers("ends", 2)?);
        let axes = numbers("axes", 3).unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = numbers("steps", 4).unwrap_or_else(|| vec![1; starts.len()]);
        let fits = ends.len() == starts.len() && axes.len() == starts.len();
        if !fits || steps.iter().any(|&step| step != 1) {
            return None;
        }
        let cuts = axes.into_iter().zip(starts).zip(ends);
        Some(Self(
            cuts.map(|((axis, start), end)| (axis, start, end))
                .collect(),
        ))
    }

    /// Whether a Slice node turns an axis around.
    pub(super) fn is_backwards(inputs: &[Constant]) -> bool {
        match inputs.get(4) {
            Some(Constant::Wholes(steps)) => steps
                .values
                .iter()
                .any(|step| matches!(step, Whole::Known(n) if *n < 0)),
            _ => false,
        }
    }
}

//! Nodes that change a shape, or take a part: passed through where no number moves from one axis to another.

use super::array::{Wholes, axis, clip};
use super::constant::Constant;
use super::data::{Axes, Axis};
use super::evaluate::{Cuts, unsqueezed};
use super::message::Node;
use super::value::{Answers, Data, Value};

/// An end of a Slice that is beyond every axis.
const FAR: i64 = i32::MAX as i64;

/// What a node makes of what the input has become, its first input; `None` for one that changes numbers.
pub(super) fn run(
    node: &Node,
    data: &Data,
    inputs: &[Option<Value>],
) -> Option<Result<Value, String>> {
    let axes = |axes: Option<Axes>| match axes {
        Some(axes) => Ok(Value::Data(Data {
            axes,
            ..data.clone()
        })),
        None => Err(moves_numbers(node, data)),
    };
    let constant = |index: usize| match inputs.get(index) {
        Some(Some(Value::Constant(constant))) => Some(constant),
        _ => None,
    };
    let wholes = |index: usize| match constant(index) {
        Some(Constant::Wholes(wholes)) => Some(wholes),
        _ => None,
    };
    let numbers = |name: &str, index: usize| match node.ints(name) {
        Some(ints) => Some(ints.to_vec()),
        None => wholes(index)?.known(),
    };
    let rank = data.axes.0.len();
    Some(match &node.op_type[..] {
        "Identity" | "Cast" | "CastLike" | "Dropout" => Ok(Value::Data(data.clone())),
        "Shape" => {
            let n = rank as i64;
            let shape = data.axes.shape();
            let range = clip(node.int("start", 0), node.int("end", n), rank);
            Ok(Value::Constant(Constant::Wholes(Wholes::list(
                shape.values[range].to_vec(),
            ))))
        }
        "Transpose" => {
            let order: Option<Vec<usize>> = match node.ints("perm") {
                Some(order) => order.iter().map(|&at| axis(at, rank)).collect(),
                None => Some((0..rank).rev().collect()),
            };
            axes(order.and_then(|order| data.axes.transposed(&order)))
        }
        "Squeeze" => {
            let is_one = |at: &usize| data.axes.0[*at] == Axis::One;
            let gone: Option<Vec<usize>> = match numbers("axes", 1) {
                Some(gone) => gone.iter().map(|&at| axis(at, rank)).collect(),
                None => Some((0..rank).filter(is_one).collect()),
            };
            let gone = gone.filter(|gone| gone.iter().all(is_one));
            axes(gone.map(|gone| {
                let kept = (0..rank).filter(|at| !gone.contains(at));
                Axes(kept.map(|at| data.axes.0[at]).collect())
            }))
        }
        "Unsqueeze" => {
            let added = numbers("axes", 1);
            let added = added.and_then(|at| unsqueezed(&data.axes.0, &at, Axis::One));
            axes(added.map(Axes))
        }
        "Reshape" => {
            let copies_zeros = node.int("allowzero", 0) == 0;
            axes(wholes(1).and_then(|shape| data.axes.reshaped(&shape.values, copies_zeros)))
        }
        "Flatten" => {
            let at = node.int("axis", 1);
            let at = axis(at, rank + 1).unwrap_or(0);
            let side = |axes: &[Axis]| {
                let mut longer = axes.iter().filter(|&&axis| axis != Axis::One);
                match (longer.next(), longer.next()) {
                    (None, _) => Some(Axis::One),
                    (Some(axis), None) => Some(*axis),
                    _ => None,
                }
            };
            let sides = [side(&data.axes.0[..at]), side(&data.axes.0[at..])];
            let sides: Option<Vec<Axis>> = sides.into_iter().collect();
            axes(sides.map(Axes))
        }
        "Slice" => slice(node, data.clone(), inputs),
        "Gather" => pick(node, data.clone(), constant(1)),
        _ => return None,
    })
}

/// Why a node is refused that moves numbers.
pub(super) fn moves_numbers(node: &Node, data: &Data) -> String {
    format!(
        "{} changes the shape {} so that numbers move, expected an order of series, steps and numbers that stays",
        node.label(),
        data.axes.told()
    )
}

fn slice(node: &Node, mut data: Data, inputs: &[Option<Value>]) -> Result<Value, String> {
    let inputs: Vec<Constant> = inputs
        .iter()
        .map(|value| match value {
            Some(Value::Constant(constant)) => constant.clone(),
            _ => Constant::Unknown,
        })
        .collect();
    if Cuts::is_backwards(&inputs) {
        return Err(backwards(node));
    }
    let rank = data.axes.0.len();
    let cuts = Cuts::of(node, &inputs);
    let cuts =
        cuts.ok_or_else(|| format!("{} has no known places, expected them", node.label()))?;
    for (at, start, end) in cuts.0 {
        let Some(at) = axis(at, rank) else {
            return Err(partly(node));
        };
        let is_whole = match data.axes.0[at].length() {
            Some(n) => clip(start, end, n) == (0..n),
            None => start == 0 && end >= FAR,
        };
        let length = data.axes.0[at].length();
        let is_last = match length {
            Some(n) => clip(start, end, n) == (n.saturating_sub(1)..n),
            None => start == -1 && end >= FAR,
        };
        if is_whole {
            continue;
        }
        match is_last && is_time(&data, at) {
            true => {
                data.axes.0[at] = Axis::One;
                data.answers = Answers::AtTheEnd(length);
            }
            false => return Err(partly(node)),
        }
    }
    Ok(Value::Data(data))
}

/// A part of an axis: the last step, or the one number of an axis of one.
fn pick(node: &Node, mut data: Data, place: Option<&Constant>) -> Result<Value, String> {
    let at = axis(node.int("axis", 0), data.axes.0.len());
    let (Some(at), Some(Constant::Wholes(place))) = (at, place) else {
        return Err(partly(node));
    };
    let [place_known] = place.known().unwrap_or_default()[..] else {
        return Err(partly(node));
    };
    let length = data.axes.0[at].length();
    let is_last =
        place_known == -1 || length.is_some_and(|n| axis(place_known, n) == n.checked_sub(1));
    match (data.axes.0[at], is_last) {
        (Axis::One, true) => {}
        (_, true) if is_time(&data, at) => data.answers = Answers::AtTheEnd(length),
        _ => return Err(partly(node)),
    }
    match place.is_list {
        true => data.axes.0[at] = Axis::One,
        false => {
            data.axes.0.remove(at);
        }
    }
    Ok(Value::Data(data))
}

fn is_time(data: &Data, at: usize) -> bool {
    let Some(Some(time)) = data.time else {
        return false;
    };
    matches!(data.axes.0[at], Axis::Input(place, _) if place == time)
}

/// The last outputs of several layers, after each other along an axis of one.
pub(super) fn outputs_of(node: &Node, first: &Data, rest: &[&Data]) -> Result<Value, String> {
    let at = axis(node.int("axis", 0), first.axes.0.len());
    let is_one = |data: &&Data| {
        let is_one = at.is_some_and(|at| data.axes.0.get(at) == Some(&Axis::One));
        is_one && matches!(data.answers, Answers::AtTheEnd(_))
    };
    let all: Vec<&Data> = std::iter::once(first).chain(rest.iter().copied()).collect();
    match all.iter().all(is_one) && at == Some(0) && all.len() == node.inputs.len() {
        true => Ok(Value::Outputs(all.into_iter().cloned().collect())),
        false => Err(format!(
            "{} joins what it reads, expected one way",
            node.label()
        )),
    }
}

/// The output of one of several layers.
pub(super) fn one_of(
    node: &Node,
    outputs: &[Data],
    inputs: &[Option<Value>],
) -> Result<Value, String> {
    let constants: Vec<Constant> = inputs
        .iter()
        .map(|value| match value {
            Some(Value::Constant(constant)) => constant.clone(),
            _ => Constant::Unknown,
        })
        .collect();
    let n = outputs.len();
    let (place, is_kept) = match (&node.op_type[..], constants.get(1)) {
        ("Gather", Some(Constant::Wholes(place))) if node.int("axis", 0) == 0 => {
            match place.known().unwrap_or_default()[..] {
                [at] => (axis(at, n), place.is_list),
                _ => (None, false),
            }
        }
        ("Slice", _) => match Cuts::of(node, &constants).map(|cuts| cuts.0).as_deref() {
            Some(&[(0, start, end)]) => {
                let range = clip(start, end, n);
                ((range.len() == 1).then_some(range.start), true)
            }
            _ => (None, false),
        },
        _ => (None, false),
    };
    let Some(place) = place else {
        return Err(format!(
            "{} reads the outputs of {n} layers together, expected those of one",
            node.label()
        ));
    };
    let mut data = outputs[place].clone();
    if !is_kept {
        data.axes.0.remove(0);
    }
    Ok(Value::Data(data))
}

fn partly(node: &Node) -> String {
    format!(
        "{} takes a part of what it reads, expected all of it or the last step of a layer",
        node.label()
    )
}

/// Why a node is refused that reads from the end.
pub(super) fn backwards(node: &Node) -> String {
    format!(
        "{} turns the steps around, expected them in the order in which a chip reads them",
        node.label()
    )
}

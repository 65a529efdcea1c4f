//! The node Loop, as exporters of TensorFlow write a recurrent layer: its body computes one step.
//!
//! [`body`](super::body) tells what each name in the body is; here the loop's own conditions are checked: it begins at
//! the first step, takes each in its order, and starts from zeros.

use super::array::{Budget, Whole};
use super::body::{Body, Carried, Found, Term, layer_of};
use super::constant::Constant;
use super::message::{Graph, Node};
use super::value::{Data, Value};
use crate::interchange::plan::Recurrent;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Inputs of a Loop, and of its body, before what it carries.
const BEFORE_CARRIED: usize = 2;

/// A Loop that is a recurrent layer.
pub(super) struct Repeated {
    pub(super) layer: Recurrent,
    /// What it reads, a step at a time.
    pub(super) series: Data,
    /// What its states are at first.
    pub(super) starts: Vec<Value>,
    /// What each output of the node is.
    pub(super) outputs: Vec<Output>,
}

/// What an output of a Loop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The layer's output at the last step.
    Last,
    /// That of each step.
    EachStep,
    /// Nothing that an answer follows from.
    Other,
}

/// Reads a Loop; `outside` are the names before it.
///
/// # Errors
/// It is no layer that is known.
pub(super) fn read(
    node: &Node,
    inputs: &[Option<Value>],
    outside: &BTreeMap<String, Value>,
    budget: &Budget,
) -> Result<Repeated, String> {
    let label = node.label();
    let refused = |what: &str| {
        format!(
            "{label} {what}, expected a loop that is an LSTM or a GRU as Keras exports it: save the Keras model as .keras \
             and import that"
        )
    };
    let graph = node.attribute("body").and_then(|a| a.g.as_ref());
    let graph = graph.ok_or_else(|| refused("has no body"))?;
    let carried = inputs.get(BEFORE_CARRIED..).unwrap_or_default();
    let outputs = graph.outputs.get(1..).unwrap_or_default();
    let fits =
        graph.inputs.len() == BEFORE_CARRIED + carried.len() && outputs.len() >= carried.len();
    if !fits {
        return Err(refused("does not carry what its body reads"));
    }
    let (mut kinds, mut starts) = (Vec::new(), Vec::new());
    for (index, value) in carried.iter().enumerate() {
        let name = &graph.inputs[BEFORE_CARRIED + index].name;
        let is_kept = is_same(graph, &outputs[index].name, name);
        kinds.push(match value {
            Some(Value::Constant(constant)) if is_kept => Carried::Constant(constant.clone()),
            Some(Value::Constant(Constant::Wholes(wholes))) => match wholes.values[..] {
                [Whole::Known(0)] => Carried::Count,
                _ => return Err(refused("does not begin at the first step")),
            },
            Some(start) => {
                starts.push(start.clone());
                Carried::State
            }
            None => return Err(refused("carries nothing where its body reads it")),
        });
    }
    let body = Body::read(graph, &kinds, outside, budget).map_err(|what| refused(&what))?;
    let mut states = Vec::new();
    for (at, (kind, next)) in kinds.iter().zip(body.outputs.iter().skip(1)).enumerate() {
        match kind {
            Carried::Count if !matches!(**next, Term::Next) => {
                return Err(refused("does not take each step in its order"));
            }
            Carried::State => states.push((at, next.clone())),
            _ => {}
        }
    }
    let Found { layer, output } =
        layer_of(&states, &label, budget).map_err(|what| refused(&what))?;
    let Some(series) = body.series else {
        return Err(refused(
            "does not read what the input has become, a step at a time",
        ));
    };
    let steps = series.axes.0.first().and_then(|axis| axis.length());
    let times = match inputs.first() {
        Some(Some(Value::Constant(Constant::Wholes(times)))) => times.known(),
        _ => None,
    };
    if let (Some(steps), Some(times)) = (steps, times)
        && times != [i64::try_from(steps).unwrap_or(i64::MAX)]
    {
        return Err(refused("does not take all steps"));
    }
    let own = body.outputs[1 + output].clone();
    let outputs = (0..node.outputs.len()).map(|at| match body.outputs.get(1 + at) {
        Some(_) if at == output => Output::Last,
        Some(term) if at >= kinds.len() && Rc::ptr_eq(term, &own) => Output::EachStep,
        _ => Output::Other,
    });
    Ok(Repeated {
        layer,
        series,
        starts,
        outputs: outputs.collect(),
    })
}

/// Whether a body gives an input of its own as it is.
fn is_same(graph: &Graph, output: &str, input: &str) -> bool {
    let mut name = output;
    for _ in 0..graph.nodes.len() + 1 {
        if name == input {
            return true;
        }
        let gives = |node: &&Node| {
            node.op_type == "Identity" && node.outputs.first().is_some_and(|o| o == name)
        };
        match graph
            .nodes
            .iter()
            .find(gives)
            .and_then(|node| node.input(0))
        {
            Some(before) => name = before,
            None => return false,
        }
    }
    false
}

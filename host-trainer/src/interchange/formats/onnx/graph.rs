//! A walk along a graph, from its input to its answer.
//!
//! Each value is a constant, or what the input has become so far: the steps that led there, and which axis is what.
//! Nodes that only change a shape are passed through where no number moves from one axis to another. A node that
//! cannot run here is told only if the answer follows from it.

use super::array::{Budget, Whole, Wholes, axis};
use super::chain::{Op, Sign, plan};
use super::constant::Constant;
use super::data::Axis;
use super::evaluate::evaluate;
use super::message::{Graph, Node, ValueInfo};
use super::moves;
use super::value::{Answers, Data, Value};
use crate::interchange::context::Context;
use crate::interchange::plan::{End, Plan};
use crate::network::sensor::Activation;
use std::collections::BTreeMap;

/// More nodes than this are in no network that runs here.
const MAX_NODES: usize = 20_000;
/// Steps from the input to the answer; more are in no network that runs here.
const MAX_STEPS: usize = 100;
const EXPECTED: &str =
    "an embedding or a normalization, LSTMs or GRUs, dense layers, and changes of shape alone";

/// A step, and the one before it.
struct Step {
    before: Option<usize>,
    op: Op,
    name: String,
}

/// A walk along a graph.
pub(super) struct Walk<'g> {
    pub(super) budget: &'g Budget,
    opset: i64,
    pub(super) values: BTreeMap<String, Value>,
    steps: Vec<Step>,
    /// Recurrent layers so far.
    pub(super) layers: usize,
    /// Whether a layer starts from a state that the graph is given.
    pub(super) is_given_state: bool,
}

/// The layers of a graph.
///
/// # Errors
/// Something on the way from the first input to the answer cannot run here, or the graph is damaged.
pub(super) fn layers(graph: Graph, opset: i64, budget: &Budget) -> Result<Plan, String> {
    if graph.nodes.len() > MAX_NODES {
        return Err(format!(
            "found {} nodes, expected at most {MAX_NODES}",
            graph.nodes.len()
        ));
    }
    let mut walk = Walk {
        budget,
        opset,
        values: BTreeMap::new(),
        steps: Vec::new(),
        layers: 0,
        is_given_state: false,
    };
    for tensor in graph.initializers {
        let name = tensor.name.clone();
        let value = Constant::read(tensor, &name, budget)?;
        walk.values.insert(name, Value::Constant(value));
    }
    let mut inputs = graph.inputs.iter();
    let mut is_first = true;
    for input in inputs.by_ref() {
        if walk.values.contains_key(&input.name) {
            continue;
        }
        let value = match std::mem::take(&mut is_first) {
            true => Value::Data(Data::of(input)?),
            false => Value::Given(input.name.clone()),
        };
        walk.values.insert(input.name.clone(), value);
    }
    for node in &graph.nodes {
        walk.node(node)?;
    }
    walk.answer(&graph.outputs)
}

impl Walk<'_> {
    fn node(&mut self, node: &Node) -> Result<(), String> {
        let mut inputs = Vec::new();
        for name in &node.inputs {
            inputs.push(match &name[..] {
                "" => None,
                name => Some(self.value(name, node)?.clone()),
            });
        }
        let values = match inputs.iter().flatten().find_map(|value| match value {
            Value::Refused(reason) => Some(reason.clone()),
            _ => None,
        }) {
            Some(reason) => vec![Value::Refused(reason); node.outputs.len()],
            None => match self.run(node, &inputs) {
                Ok(values) => values,
                Err(reason) => vec![Value::Refused(reason.into()); node.outputs.len()],
            },
        };
        for (name, value) in node.outputs.iter().zip(values) {
            if !name.is_empty() {
                self.values.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    /// What a name stands for.
    fn value(&self, name: &str, node: &Node) -> Result<&Value, String> {
        self.values.get(name).ok_or_else(|| {
            format!(
                "{} reads {name}, which nothing before it gives, expected a graph in order",
                node.label()
            )
        })
    }

    /// What a node makes of its inputs: a value for each output.
    fn run(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let is_usual = ["", "ai.onnx"].contains(&&node.domain[..]);
        if !is_usual {
            return Err(format!(
                "{} is of the operators {}, expected those of ONNX alone",
                node.label(),
                node.domain
            ));
        }
        match &node.op_type[..] {
            "LSTM" | "GRU" | "Loop" if self.layers == MAX_STEPS => {
                return Err(format!(
                    "found more than {MAX_STEPS} recurrent layers, expected fewer"
                ));
            }
            "LSTM" | "GRU" => return self.recurrent(node, inputs),
            "Loop" => return self.repeat(node, inputs),
            _ => {}
        }
        let constants: Option<Vec<Constant>> = inputs
            .iter()
            .map(|value| match value {
                Some(Value::Constant(constant)) => Some(constant.clone()),
                None => Some(Constant::Unknown),
                _ => None,
            })
            .collect();
        if let Some(constants) = constants {
            let values = match &node.op_type[..] {
                "Shape" => shape_of(&constants),
                _ => evaluate(node, &constants, self.budget),
            };
            return Ok(values.into_iter().map(Value::Constant).collect());
        }
        let value = match inputs {
            [Some(Value::Given(name)), ..] if is_of_shape(node) => Value::Given(name.clone()),
            [Some(Value::Outputs(outputs)), ..] => moves::one_of(node, outputs, inputs)?,
            _ => self.data(node, inputs)?,
        };
        let mut values = vec![Value::Constant(Constant::Unknown); node.outputs.len()];
        if let Some(first) = values.first_mut() {
            *first = value;
        }
        Ok(values)
    }

    /// A node that reads what the input has become.
    fn data(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Value, String> {
        let all = inputs.iter().flatten();
        let data: Vec<&Data> = all
            .filter_map(|value| match value {
                Value::Data(data) => Some(data),
                _ => None,
            })
            .collect();
        let data = match (&data[..], &node.op_type[..]) {
            ([], _) => return Ok(Value::Constant(Constant::Unknown)),
            ([first, rest @ ..], "Concat") => return moves::outputs_of(node, first, rest),
            ([data], _) => (*data).clone(),
            _ => {
                return Err(format!(
                    "{} joins two ways from the input, expected one way through {EXPECTED}",
                    node.label()
                ));
            }
        };
        let is_first = matches!(inputs.first(), Some(Some(Value::Data(_))));
        let constant = |index: usize| match inputs.get(index) {
            Some(Some(Value::Constant(constant))) => Some(constant),
            _ => None,
        };
        let rank = data.axes.0.len();
        if is_first && let Some(moved) = moves::run(node, &data, inputs) {
            return moved;
        }
        match &node.op_type[..] {
            "Gather" => match constant(0) {
                Some(Constant::Floats(table)) if data.step.is_none() && table.shape.len() == 2 => {
                    if node.int("axis", 0) != 0 {
                        return Err(moves::moves_numbers(node, &data));
                    }
                    let mut data = data;
                    data.axes.0.push(Axis::features(table.shape[1]));
                    Ok(self.step(data, Op::Embedding(table.clone()), node))
                }
                _ => Err(moves::moves_numbers(node, &data)),
            },
            "Add" => self.affine(node, data, inputs, Op::Shift, Sign::Forth),
            "Sub" if is_first => self.affine(node, data, inputs, Op::Shift, Sign::Back),
            "Mul" => self.affine(node, data, inputs, Op::Scale, Sign::Forth),
            "Div" if is_first => self.affine(node, data, inputs, Op::Scale, Sign::Back),
            "MatMul" if is_first => self.product(node, data, constant(1), false, 1.0),
            "Gemm" if is_first => self.gemm(node, data, inputs),
            "Relu" => Ok(self.step(data, Op::End(End::Of(Activation::Relu)), node)),
            "Tanh" => Ok(self.step(data, Op::End(End::Of(Activation::Tanh)), node)),
            "Sigmoid" => Ok(self.step(data, Op::End(End::Of(Activation::Sigmoid)), node)),
            "Softmax" | "LogSoftmax" => {
                let usual = if self.opset < 13 { 1 } else { -1 };
                match axis(node.int("axis", usual), rank) == rank.checked_sub(1) {
                    true => Ok(self.step(data, Op::End(End::Softmax), node)),
                    false => Err(format!(
                        "{} is over another axis than the last, expected the last",
                        node.label()
                    )),
                }
            }
            "Reverse" | "ReverseSequence" => Err(moves::backwards(node)),
            other => Err(format!(
                "found {}, expected {EXPECTED}{}",
                node.label(),
                match other.contains("Quantize") || other.contains("Integer") {
                    true => ": save the network as it was before it was quantized",
                    false => "",
                }
            )),
        }
    }

    /// The input becomes what a step makes of it.
    pub(super) fn step(&mut self, data: Data, op: Op, node: &Node) -> Value {
        self.steps.push(Step {
            before: data.step,
            op,
            name: node.label(),
        });
        Value::Data(Data {
            step: Some(self.steps.len() - 1),
            ..data
        })
    }

    /// The layers of the first output that is an answer.
    fn answer(self, outputs: &[ValueInfo]) -> Result<Plan, String> {
        let mut without_dense = None;
        for output in outputs {
            let data = match self.values.get(&output.name) {
                Some(Value::Data(data)) => data,
                Some(Value::Refused(reason)) => return Err(reason.to_string()),
                _ => continue,
            };
            let mut steps = Vec::new();
            let mut at = data.step;
            while let Some(index) = at {
                if steps.len() == MAX_STEPS {
                    return Err(format!(
                        "found more than {MAX_STEPS} nodes with numbers on the way to {}, expected fewer",
                        output.name
                    ));
                }
                let Step { before, op, name } = &self.steps[index];
                steps.push((op.clone(), name.clone()));
                at = *before;
            }
            steps.reverse();
            let is_dense = steps.iter().any(|(op, _)| matches!(op, Op::Product(_)));
            let is_recurrent = |(op, _): &(Op, String)| matches!(op, Op::Recurrent(_));
            if !is_dense && !steps.iter().any(is_recurrent) {
                continue;
            }
            let context = match (self.is_given_state, data.answers) {
                (true, _) | (false, Answers::EachStep) => Context::Carried,
                (false, Answers::AtTheEnd(Some(steps))) => Context::Window(steps),
                (false, Answers::AtTheEnd(None)) => Context::WindowOfUntoldLength,
            };
            let mut plan = plan(steps, context)?;
            if self.is_given_state {
                plan.notes.push(
                    "the state is an input of the graph: taken as zero at the start, and carried"
                        .into(),
                );
            }
            // An output of a dense layer is likelier the answer than a state.
            match is_dense {
                true => return Ok(plan),
                false => without_dense = without_dense.or(Some(plan)),
            }
        }
        without_dense.ok_or_else(|| {
            format!(
                "found no output that follows from the first input by way of a recurrent layer, expected {EXPECTED}"
            )
        })
    }
}

/// Nodes that give a part or another shape of the same.
fn is_of_shape(node: &Node) -> bool {
    let ops = [
        "Cast",
        "Gather",
        "Identity",
        "Reshape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ];
    ops.contains(&&node.op_type[..])
}

/// The shape of a constant.
fn shape_of(constants: &[Constant]) -> Vec<Constant> {
    let shape = match constants {
        [Constant::Floats(array)] => {
            let lengths = array.shape.iter();
            let lengths = lengths.map(|&n| i64::try_from(n).map_or(Whole::Unknown, Whole::Known));
            Constant::Wholes(Wholes::list(lengths.collect()))
        }
        _ => Constant::Unknown,
    };
    vec![shape]
}

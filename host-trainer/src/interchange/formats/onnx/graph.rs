//! A walk along a graph, from its input to its answer.
//!
//! Each value is a constant, or what the input has become so far: the steps that led there, and which axis is what.
//! Nodes that only change a shape are passed through where no number moves from one axis to another. A node that
//! cannot run here is told only if the answer follows from it.

use super::array::{Budget, Whole, Wholes, axis};
use super::chain::{Op, Sign};
use super::constant::Constant;
use super::evaluate::evaluate;
use super::message::{Graph, Node, ValueInfo};
use super::moves;
use super::value::{Data, Token, Value};
use crate::interchange::plan::{End, Plan};
use crate::network::sensor::Activation;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// More nodes than this are in no network that runs here.
const MAX_NODES: usize = 20_000;
/// Steps from the input to the answer; more are in no network that runs here.
pub(super) const MAX_STEPS: usize = 100;
pub(super) const EXPECTED: &str =
    "an embedding or a normalization, LSTMs or GRUs, dense layers, and changes of shape alone";

/// A step, and the one before it.
pub(super) struct Step {
    pub(super) before: Option<usize>,
    pub(super) op: Op,
    pub(super) name: String,
}

/// A walk along a graph.
pub(super) struct Walk<'g> {
    pub(super) budget: &'g Budget,
    opset: i64,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) steps: Vec<Step>,
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
    let mut constants = BTreeMap::new();
    for tensor in graph.initializers {
        let name = tensor.name.clone();
        let value = Constant::read(tensor, &name, budget)?;
        constants.insert(name, Value::Constant(value));
    }
    let given = graph.inputs.iter();
    let given: Vec<&ValueInfo> = given.filter(|i| !constants.contains_key(&i.name)).collect();
    // A state may be given before the series.
    let is_series = |input: &&&ValueInfo| !is_state(&input.name, &graph.nodes);
    let input = given.iter().find(is_series).or(given.first()).copied();
    let ways = input.map_or(vec![None], Data::features);
    let mut refused: Option<(usize, String)> = None;
    for &features in &ways {
        let mut walk = Walk {
            budget,
            opset,
            values: constants.clone(),
            steps: Vec::new(),
            layers: 0,
            is_given_state: false,
        };
        for other in &given {
            let value = match input {
                Some(input) if input.name == other.name => Value::Data(Data::of(input, features)?),
                _ => Value::Given(other.name.clone()),
            };
            walk.values.insert(other.name.clone(), value);
        }
        let plan = match graph.nodes.iter().try_for_each(|node| walk.node(node)) {
            Ok(()) => walk.answer(&graph.outputs),
            Err(e) => Err(e),
        };
        match plan {
            Ok(mut plan) => {
                if features == Some(1) && ways.len() > 1 && ways[0] == Some(2) {
                    plan.notes.push(
                        "the graph's input has its channels before its steps: here each step is given, with the \
                         values of all channels"
                            .into(),
                    );
                }
                return Ok(plan);
            }
            // What led further is told.
            Err(e)
                if refused
                    .as_ref()
                    .is_none_or(|(steps, _)| walk.steps.len() > *steps) =>
            {
                refused = Some((walk.steps.len(), e));
            }
            Err(_) => {}
        }
    }
    Err(refused.map_or(String::new(), |(_, e)| e))
}

/// Whether an input of the graph is what recurrent layers start from, and nothing else.
fn is_state(input: &str, nodes: &[Node]) -> bool {
    let mut names = BTreeSet::from([input]);
    let mut is_start = false;
    for node in nodes {
        let mut reads = (0..node.inputs.len()).filter(|&at| names.contains(&node.inputs[at][..]));
        let Some(first) = reads.next() else { continue };
        match &node.op_type[..] {
            "Shape" => {}
            "LSTM" | "GRU" if first >= 5 => is_start = true,
            _ if first == 0 && is_of_shape(node) => {
                names.extend(node.outputs.iter().map(|name| &name[..]));
            }
            _ => return false,
        }
    }
    is_start
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
        let state = inputs.iter().flatten().find_map(|value| match value {
            Value::State(layer) => Some(layer),
            _ => None,
        });
        let value = match inputs {
            [Some(Value::Given(name)), ..] if is_of_shape(node) => Value::Given(name.clone()),
            _ if state.is_some() => Value::State(state_of(node, inputs)?),
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
        if let Some(value) = self.tokens(node, inputs) {
            return value;
        }
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
        if node.op_type == "Cast" && !is_floating(node.int("to", FLOAT)) {
            return self.whole(node, data);
        }
        let constant = |index: usize| match inputs.get(index) {
            Some(Some(Value::Constant(constant))) => Some(constant),
            _ => None,
        };
        let rank = data.axes.0.len();
        if is_first && let Some(moved) = moves::run(node, &data, inputs) {
            return moved;
        }
        if data.token.is_some() {
            return Err(refused(node));
        }
        match &node.op_type[..] {
            "Add" => self.affine(node, data, inputs, Op::Shift, Sign::Forth),
            "Sub" if is_first => self.affine(node, data, inputs, Op::Shift, Sign::Back),
            "Sub" => match self.negative(node, data) {
                Value::Data(data) => self.affine(node, data, inputs, Op::Shift, Sign::Forth),
                other => Ok(other),
            },
            "Neg" => Ok(self.negative(node, data)),
            "BatchNormalization" if is_first => self.batch_normalization(node, data, inputs),
            "Mul" => self.affine(node, data, inputs, Op::Scale, Sign::Forth),
            "Div" if is_first => self.affine(node, data, inputs, Op::Scale, Sign::Back),
            "MatMul" if is_first => self.product(node, data, constant(1), false, 1.0),
            "Gemm" if is_first => self.gemm(node, data, inputs),
            "Relu" => Ok(self.step(data, Op::End(End::Of(Activation::Relu)), node)),
            "Tanh" => Ok(self.step(data, Op::End(End::Of(Activation::Tanh)), node)),
            "Sigmoid" => Ok(self.step(data, Op::End(End::Of(Activation::Sigmoid)), node)),
            "Softmax" | "LogSoftmax" => {
                let usual = if self.opset < 13 { 1 } else { -1 };
                let at = axis(node.int("axis", usual), rank);
                // Before opset 13, over all axes from this one on.
                let is_alone = self.opset >= 13 || at == rank.checked_sub(1);
                match is_alone && at.is_some() && at == data.axes.features() {
                    true => Ok(self.step(data, Op::End(End::Softmax), node)),
                    false => Err(format!(
                        "{} is over another axis than that of the numbers, expected that",
                        node.label()
                    )),
                }
            }
            "Reverse" | "ReverseSequence" => Err(moves::backwards(node)),
            _ => Err(refused(node)),
        }
    }

    /// Numbers become whole ones, which nothing but characters are.
    fn whole(&self, node: &Node, data: Data) -> Result<Value, String> {
        let is_one_hot = |step: usize| match &self.steps[step].op {
            Op::Embedding(table) => table.is_identity(),
            _ => false,
        };
        match data.step {
            None => {
                let token = data.token.or(Some(Token::Same));
                Ok(Value::Data(Data { token, ..data }))
            }
            Some(step) if is_one_hot(step) => Ok(Value::Data(data)),
            Some(_) => Err(format!(
                "{} makes whole numbers of what it reads, expected numbers that stay as they are",
                node.label()
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
}

/// The number of a type of ONNX: f32.
const FLOAT: i64 = 1;

/// Whether numbers of a type of ONNX have parts of whole numbers: float, float16, double, bfloat16.
fn is_floating(data_type: i64) -> bool {
    [FLOAT, 10, 11, 16].contains(&data_type)
}

/// Why a node is refused that is none of those that run here.
fn refused(node: &Node) -> String {
    let instead = match &node.op_type[..] {
        op if op.contains("Quantize") || op.contains("Integer") => {
            ": save the network as it was before it was quantized"
        }
        "Split" | "SplitToSequence" => {
            ": a layer that was unrolled has no name any more, export it without unroll=True"
        }
        _ => "",
    };
    format!("found {}, expected {EXPECTED}{instead}", node.label())
}

/// The layer whose cell state a node gives on; several layers' states stay together.
fn state_of(node: &Node, inputs: &[Option<Value>]) -> Result<Rc<str>, String> {
    let states: Vec<&Rc<str>> = inputs
        .iter()
        .flatten()
        .filter_map(|value| match value {
            Value::State(layer) => Some(layer),
            _ => None,
        })
        .collect();
    let is_kept = is_of_shape(node) || node.op_type == "Shape" || node.op_type == "Concat";
    match states[..] {
        [first, ..] if is_kept && (states.len() == inputs.len() || node.op_type != "Concat") => {
            Ok(first.clone())
        }
        [first, ..] => Err(format!(
            "{} reads the cell state of {first}, expected its output",
            node.label()
        )),
        [] => Err(refused(node)),
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

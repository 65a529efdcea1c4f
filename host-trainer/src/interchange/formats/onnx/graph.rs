//! A walk along a graph, from its input to its answer.
//!
//! Each value is a constant, or what the input has become so far: the steps that led there, and which axis is what.
//! Nodes that only change a shape are passed through where no number moves from one axis to another. A node that
//! cannot run here is told only if the answer follows from it.

use super::array::{Budget, Whole, Wholes, axis, clip};
use super::chain::{Op, Operand, Sign, plan};
use super::constant::{Constant, Cuts, evaluate, unsqueezed};
use super::data::{Axes, Axis};
use super::message::{Graph, Node, ValueInfo};
use super::recurrent;
use super::repeat::{self, Output, Repeated};
use super::value::{Answers, Data, Value};
use crate::interchange::context::Context;
use crate::interchange::plan::{End, Plan, Recurrent};
use crate::network::sensor::Activation;
use std::collections::BTreeMap;
use std::rc::Rc;

/// More nodes than this are in no network that runs here.
const MAX_NODES: usize = 20_000;
/// An end of a Slice that is beyond every axis.
const FAR: i64 = i32::MAX as i64;
const EXPECTED: &str =
    "an embedding or a normalization, LSTMs or GRUs, dense layers, and changes of shape alone";

/// A step, and the one before it.
struct Step {
    before: Option<usize>,
    op: Op,
    name: String,
}

/// A walk along a graph.
struct Walk<'g> {
    budget: &'g Budget,
    opset: i64,
    values: BTreeMap<String, Value>,
    steps: Vec<Step>,
    /// Whether a layer starts from a state that the graph is given.
    is_given_state: bool,
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
            [Some(Value::Outputs(outputs)), ..] => one_of(node, outputs, inputs)?,
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
        let (data, others) = match (&data[..], &node.op_type[..]) {
            ([], _) => return Ok(Value::Constant(Constant::Unknown)),
            ([first, rest @ ..], "Concat") => return outputs_of(node, first, rest),
            ([data], _) => ((*data).clone(), inputs),
            _ => {
                return Err(format!(
                    "{} joins two ways from the input, expected one way through {EXPECTED}",
                    node.label()
                ));
            }
        };
        let is_first = matches!(others.first(), Some(Some(Value::Data(_))));
        let axes = |axes: Option<Axes>| match axes {
            Some(axes) => Ok(Value::Data(Data {
                axes,
                ..data.clone()
            })),
            None => Err(format!(
                "{} changes the shape {:?} so that numbers move, expected an order of series, steps and numbers that \
                 stays",
                node.label(),
                data.axes.shape().values
            )),
        };
        let constant = |index: usize| match others.get(index) {
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
        match &node.op_type[..] {
            "Identity" | "Cast" | "CastLike" | "Dropout" if is_first => Ok(Value::Data(data)),
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
            "Reshape" if is_first => {
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
            "Slice" if is_first => self.slice(node, data, others),
            "Gather" if is_first => self.pick(node, data, constant(1)),
            "Gather" => match constant(0) {
                Some(Constant::Floats(table)) if data.step.is_none() && table.shape.len() == 2 => {
                    if node.int("axis", 0) != 0 {
                        return axes(None);
                    }
                    let mut data = data;
                    data.axes.0.push(Axis::features(table.shape[1]));
                    Ok(self.step(data, Op::Embedding(table.clone()), node))
                }
                _ => axes(None),
            },
            "Add" => self.affine(node, data, others, Op::Shift, Sign::Forth),
            "Sub" if is_first => self.affine(node, data, others, Op::Shift, Sign::Back),
            "Mul" => self.affine(node, data, others, Op::Scale, Sign::Forth),
            "Div" if is_first => self.affine(node, data, others, Op::Scale, Sign::Back),
            "MatMul" if is_first => self.product(node, data, constant(1), false, 1.0),
            "Gemm" if is_first => self.gemm(node, data, others),
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
            "Reverse" | "ReverseSequence" => Err(backwards(node)),
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

    fn step(&mut self, data: Data, op: Op, node: &Node) -> Value {
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

    fn slice(
        &self,
        node: &Node,
        mut data: Data,
        inputs: &[Option<Value>],
    ) -> Result<Value, String> {
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
            match is_last && self.is_time(&data, at) {
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
    fn pick(&self, node: &Node, mut data: Data, place: Option<&Constant>) -> Result<Value, String> {
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
            (_, true) if self.is_time(&data, at) => data.answers = Answers::AtTheEnd(length),
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

    fn is_time(&self, data: &Data, at: usize) -> bool {
        let Some(Some(time)) = data.time else {
            return false;
        };
        matches!(data.axes.0[at], Axis::Input(place, _) if place == time)
    }

    /// A constant, one of all or one of each feature, is added or multiplied.
    fn affine(
        &mut self,
        node: &Node,
        data: Data,
        inputs: &[Option<Value>],
        op: fn(Operand, Sign) -> Op,
        sign: Sign,
    ) -> Result<Value, String> {
        let other = inputs
            .iter()
            .flatten()
            .find(|value| !matches!(value, Value::Data(_)));
        let operand = match other {
            Some(Value::Given(name)) => Operand::Missing(name.clone()),
            Some(Value::Constant(Constant::Floats(array))) => {
                let last = array.shape.last().copied().unwrap_or(1);
                let fits = match data.axes.0.last() {
                    Some(Axis::Features(Some(n))) => last == *n,
                    Some(Axis::Features(None)) => true,
                    _ => false,
                };
                let one = array.values.len() == 1;
                let each = array.values.len() == last && array.vector().is_some() && last > 0;
                if !one && !(each && fits) {
                    return Err(format!(
                        "{} reads {} {:?}, expected one number of all or one of each",
                        node.label(),
                        array.from,
                        array.shape
                    ));
                }
                Operand::Numbers(array.clone())
            }
            _ => {
                return Err(format!(
                    "{} reads what is no constant of the file, expected numbers",
                    node.label()
                ));
            }
        };
        Ok(self.step(data, op(operand, sign), node))
    }

    fn gemm(&mut self, node: &Node, data: Data, inputs: &[Option<Value>]) -> Result<Value, String> {
        let constant = |index: usize| match inputs.get(index) {
            Some(Some(Value::Constant(constant))) => Some(constant),
            _ => None,
        };
        if node.int("transA", 0) != 0 {
            return Err(format!("{} has transA 1, expected 0", node.label()));
        }
        let is_turned = node.int("transB", 0) != 0;
        let alpha = node.float("alpha", 1.0);
        let product = self.product(node, data, constant(1), is_turned, alpha)?;
        let (Value::Data(data), Some(bias)) = (&product, inputs.get(2).and_then(Option::as_ref))
        else {
            return Ok(product);
        };
        let beta = node.float("beta", 1.0);
        let scaled = match bias {
            Value::Constant(Constant::Floats(array)) if beta != 1.0 => {
                let scaled = array.each(self.budget, |x| x * beta);
                let scaled = scaled.ok_or_else(|| format!("{} is too large", array.from))?;
                Value::Constant(Constant::Floats(Rc::new(scaled)))
            }
            other => other.clone(),
        };
        self.affine(node, data.clone(), &[Some(scaled)], Op::Shift, Sign::Forth)
    }

    /// A product with a constant matrix, perhaps of rows for columns.
    fn product(
        &mut self,
        node: &Node,
        mut data: Data,
        weight: Option<&Constant>,
        is_turned: bool,
        factor: f32,
    ) -> Result<Value, String> {
        let Some(Constant::Floats(weight)) = weight else {
            return Err(format!(
                "{} multiplies with what is no constant of the file, expected a matrix",
                node.label()
            ));
        };
        let matrix = weight.matrix(is_turned, self.budget).ok_or_else(|| {
            format!(
                "{} multiplies with {} {:?}, expected a matrix",
                node.label(),
                weight.from,
                weight.shape
            )
        })?;
        let matrix = match factor == 1.0 {
            true => Some(matrix),
            false => matrix.each(self.budget, |x| x * factor),
        };
        let matrix = matrix.ok_or_else(|| format!("{} is too large", weight.from))?;
        let [inputs, outputs] = [matrix.shape[0], matrix.shape[1]];
        let fits = match data.axes.0.last() {
            Some(Axis::Features(length)) => length.is_none_or(|n| n == inputs),
            Some(Axis::One) => inputs == 1,
            _ => false,
        };
        let Some(last) = data.axes.0.last_mut().filter(|_| fits) else {
            return Err(format!(
                "{} multiplies {:?} with {} {:?}, expected as many numbers as rows",
                node.label(),
                data.axes.shape().values,
                weight.from,
                [inputs, outputs]
            ));
        };
        *last = Axis::features(outputs);
        Ok(self.step(data, Op::Product(Rc::new(matrix)), node))
    }

    fn recurrent(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let input = |index: usize| inputs.get(index).and_then(Option::as_ref);
        let array = |index: usize, what: &str| match input(index) {
            Some(Value::Constant(Constant::Floats(array))) => Ok(array.clone()),
            _ => Err(format!(
                "{} has no constant {what}, expected it in the file",
                node.label()
            )),
        };
        let (w, r) = (array(1, "W")?, array(2, "R")?);
        let b = input(3).map(|_| array(3, "B")).transpose()?;
        if input(4).is_some() {
            return Err(format!(
                "{} reads sequence_lens, expected none: export the network without packed series",
                node.label()
            ));
        }
        let is_lstm = node.op_type == "LSTM";
        self.start(node, input(5))?;
        if is_lstm {
            self.start(node, input(6))?;
            let peepholes = input(7);
            let are_none = matches!(peepholes, None | Some(Value::Constant(Constant::Zeros)))
                || matches!(peepholes, Some(Value::Constant(c)) if c.is_zero());
            if !are_none {
                return Err(format!("{} has peepholes, expected none", node.label()));
            }
        }
        let layer = recurrent::layer(node, &w, &r, b.as_deref(), self.budget)?;
        let Some(Value::Data(data)) = input(0) else {
            return Err(format!(
                "{} does not read what the input has become, expected that",
                node.label()
            ));
        };
        let is_batch_first = node.int("layout", 0) != 0;
        let [sequence, last] = self.series(node, data.clone(), layer, is_batch_first)?;
        let mut values = vec![sequence, last, Value::Constant(Constant::Unknown)];
        values.truncate(node.outputs.len());
        Ok(values)
    }

    fn repeat(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let Repeated {
            layer,
            series,
            starts,
            outputs,
        } = repeat::read(node, inputs, &self.values, self.budget)?;
        for start in &starts {
            self.start(node, Some(start))?;
        }
        let [sequence, last] = self.series(node, series, layer, false)?;
        let values = outputs
            .into_iter()
            .map(|output| match (output, &sequence, &last) {
                (Output::EachStep, Value::Data(data), _) => Value::Data(data.without(1)),
                (Output::Last, _, Value::Data(data)) => Value::Data(data.without(0)),
                _ => Value::Constant(Constant::Unknown),
            });
        Ok(values.collect())
    }

    /// A layer reads `[steps, series, features]`, or the first two the other way round. Gives its outputs, with an axis
    /// of one direction: `[steps, 1, series, units]` and, at the last step, `[1, series, units]`; of the other
    /// layout `[series, steps, 1, units]` and `[series, 1, units]`.
    fn series(
        &mut self,
        node: &Node,
        data: Data,
        layer: Recurrent,
        is_batch_first: bool,
    ) -> Result<[Value; 2], String> {
        let &[first, second, features] = &data.axes.0[..] else {
            return Err(format!(
                "{} reads {:?}, expected series, steps and values",
                node.label(),
                data.axes.shape().values
            ));
        };
        let (steps, series) = match is_batch_first {
            false => (first, second),
            true => (second, first),
        };
        let place = |axis: Axis| match axis {
            Axis::Input(place, _) => Some(Some(place)),
            Axis::One => Some(None),
            Axis::Features(_) => None,
        };
        let inputs = layer.w_ih.shape[0];
        let fits = match features {
            Axis::Features(length) => length.is_none_or(|n| n == inputs),
            Axis::One => inputs == 1,
            Axis::Input(..) => false,
        };
        let (Some(time), Some(_), true) = (place(steps), place(series), fits) else {
            return Err(format!(
                "{} reads {:?}, expected steps of {inputs} values",
                node.label(),
                data.axes.shape().values
            ));
        };
        if data.time.is_some_and(|before| before != time) || data.answers != Answers::EachStep {
            return Err(format!(
                "{} reads along another axis than the layer below it, expected the steps of all",
                node.label()
            ));
        }
        let units = Axis::features(layer.output());
        let Value::Data(data) = self.step(data, Op::Recurrent(Rc::new(layer)), node) else {
            return Err("found no layer, expected one".into());
        };
        let (all, last) = match is_batch_first {
            false => (
                vec![steps, Axis::One, series, units],
                vec![Axis::One, series, units],
            ),
            true => (
                vec![series, steps, Axis::One, units],
                vec![series, Axis::One, units],
            ),
        };
        let time = Some(time);
        Ok([
            Value::Data(Data {
                axes: Axes(all),
                time,
                ..data.clone()
            }),
            Value::Data(Data {
                axes: Axes(last),
                time,
                answers: Answers::AtTheEnd(steps.length()),
                ..data
            }),
        ])
    }

    /// Refuses a state to start from that is not zero.
    fn start(&mut self, node: &Node, state: Option<&Value>) -> Result<(), String> {
        match state {
            None => Ok(()),
            Some(Value::Constant(constant)) if constant.is_zero() => Ok(()),
            Some(Value::Given(_)) => {
                self.is_given_state = true;
                Ok(())
            }
            _ => Err(format!(
                "{} starts from a state of its own, expected zeros",
                node.label()
            )),
        }
    }

    /// The layers of the first output that is an answer.
    fn answer(self, outputs: &[ValueInfo]) -> Result<Plan, String> {
        for output in outputs {
            let data = match self.values.get(&output.name) {
                Some(Value::Data(data)) => data,
                Some(Value::Refused(reason)) => return Err(reason.to_string()),
                _ => continue,
            };
            let mut steps = Vec::new();
            let mut at = data.step;
            while let Some(index) = at {
                let Step { before, op, name } = &self.steps[index];
                steps.push((op.clone(), name.clone()));
                at = *before;
            }
            steps.reverse();
            if !steps.iter().any(|(op, _)| matches!(op, Op::Product(_))) {
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
            return Ok(plan);
        }
        Err(format!(
            "found no output that follows from the first input by way of a dense layer, expected {EXPECTED}"
        ))
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

/// The last outputs of several layers, behind each other along an axis of one.
fn outputs_of(node: &Node, first: &Data, rest: &[&Data]) -> Result<Value, String> {
    let at = axis(node.int("axis", 0), first.axes.0.len());
    let is_one = |data: &&Data| {
        let is_one = at.is_some_and(|at| data.axes.0.get(at) == Some(&Axis::One));
        is_one && matches!(data.answers, Answers::AtTheEnd(_))
    };
    let all: Vec<&Data> = std::iter::once(first).chain(rest.iter().copied()).collect();
    match all.iter().all(is_one) && at == Some(0) && all.len() == node.inputs.len() {
        true => Ok(Value::Outputs(all.into_iter().cloned().collect())),
        false => Err(format!(
            "{} joins what it reads, expected one way through {EXPECTED}",
            node.label()
        )),
    }
}

/// The output of one of several layers.
fn one_of(node: &Node, outputs: &[Data], inputs: &[Option<Value>]) -> Result<Value, String> {
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

fn backwards(node: &Node) -> String {
    format!(
        "{} turns the steps around, expected them in the order in which a chip reads them",
        node.label()
    )
}

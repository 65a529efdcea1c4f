//! Nodes that run along the steps of a series: recurrent layers, and loops that are one.

use super::chain::Op;
use super::constant::Constant;
use super::data::{Axes, Axis};
use super::graph::Walk;
use super::message::Node;
use super::recurrent;
use super::repeat::{self, Output, Repeated};
use super::value::{Answers, Data, Value};
use crate::interchange::plan::Recurrent;
use std::rc::Rc;

impl Walk<'_> {
    /// The nodes LSTM and GRU.
    pub(super) fn recurrent(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
    ) -> Result<Vec<Value>, String> {
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
        let layer = recurrent::layer(node, &w, &r, b.as_deref(), self.budget)?;
        self.start(node, input(5), layer.hidden)?;
        if is_lstm {
            self.start(node, input(6), layer.hidden)?;
            let peepholes = input(7);
            let are_none = matches!(peepholes, None | Some(Value::Constant(Constant::Zeros)))
                || matches!(peepholes, Some(Value::Constant(c)) if c.is_zero());
            if !are_none {
                return Err(format!("{} has peepholes, expected none", node.label()));
            }
        }
        let Some(Value::Data(data)) = input(0) else {
            return Err(format!(
                "{} does not read what the input has become, expected that",
                node.label()
            ));
        };
        let is_batch_first = node.int("layout", 0) != 0;
        let [sequence, last] = self.series(node, data.clone(), layer, is_batch_first)?;
        let mut values = vec![sequence, last, Value::State(node.label().into())];
        values.truncate(node.outputs.len());
        Ok(values)
    }

    /// A loop that is a recurrent layer.
    pub(super) fn repeat(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
    ) -> Result<Vec<Value>, String> {
        let Repeated {
            layer,
            series,
            starts,
            outputs,
        } = repeat::read(node, inputs, &self.values, self.budget)
            .map_err(|e| self.refused_within(node).unwrap_or(e))?;
        for start in &starts {
            self.start(node, Some(start), layer.hidden)?;
        }
        let [sequence, last] = self.series(node, series, layer, false)?;
        let values = outputs
            .into_iter()
            .map(|output| match (output, &sequence, &last) {
                (Output::EachStep, Value::Data(data), _) => Value::Data(data.without(1)),
                (Output::Last, _, Value::Data(data)) => Value::Data(data.without(0)),
                _ => Value::State(node.label().into()),
            });
        Ok(values.collect())
    }

    /// Why something was refused that the body of a loop reads.
    fn refused_within(&self, node: &Node) -> Option<String> {
        let body = node.attribute("body")?.g.as_ref()?;
        let mut names = body.nodes.iter().flat_map(|inner| &inner.inputs);
        names.find_map(|name| match self.values.get(name) {
            Some(Value::Refused(reason)) => Some(reason.to_string()),
            _ => None,
        })
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
        self.layers += 1;
        let &[first, second, features] = &data.axes.0[..] else {
            return Err(format!(
                "{} reads {}, expected series, steps and values",
                node.label(),
                data.axes.told()
            ));
        };
        let (steps, series) = match is_batch_first {
            false => (first, second),
            true => (second, first),
        };
        let place = |axis: Axis| match axis {
            Axis::Input(place, _) => Some(Some(place)),
            Axis::One => Some(None),
            Axis::Features(_) | Axis::Both(_) => None,
        };
        let inputs = layer.w_ih.shape[0];
        let fits = match features {
            Axis::Features(length) => length.is_none_or(|n| n == inputs),
            Axis::One => inputs == 1,
            Axis::Input(..) | Axis::Both(_) => false,
        };
        let (Some(time), Some(_), true) = (place(steps), place(series), fits) else {
            return Err(format!(
                "{} reads {}, expected steps of {inputs} values",
                node.label(),
                data.axes.told()
            ));
        };
        if data.time.is_some_and(|before| before != time) || data.answers != Answers::EachStep {
            return Err(format!(
                "{} reads along another axis than the layer below it, expected the steps of all",
                node.label()
            ));
        }
        if data.token.is_some() {
            return Err(format!(
                "{} reads the numbers of characters, expected an embedding of them",
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

    /// Refuses a state to start from that is not zero, or not of so many units.
    fn start(&mut self, node: &Node, state: Option<&Value>, units: usize) -> Result<(), String> {
        match state {
            Some(Value::Constant(Constant::Floats(array)))
                if array.shape.last().is_some_and(|&n| n != units && n != 1) =>
            {
                Err(format!(
                    "{} starts from a state of shape {:?}, expected {units} units: PyTorch exports an LSTM with \
                     projections so, which is no such LSTM any more; import its state_dict",
                    node.label(),
                    array.shape
                ))
            }
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
}

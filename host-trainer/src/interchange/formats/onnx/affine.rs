//! Nodes that multiply what the input has become with constants, or add them: the parts of dense layers and of a normalization.

use super::chain::{Op, Operand, Sign};
use super::constant::Constant;
use super::data::Axis;
use super::graph::Walk;
use super::message::Node;
use super::value::{Data, Value};
use std::rc::Rc;

impl Walk<'_> {
    /// A constant, one of all or one of each feature, is added or multiplied.
    pub(super) fn affine(
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
                if !(one || each && fits) {
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

    /// A product and a constant.
    pub(super) fn gemm(
        &mut self,
        node: &Node,
        data: Data,
        inputs: &[Option<Value>],
    ) -> Result<Value, String> {
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
    pub(super) fn product(
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
                "{} multiplies {} with {} {:?}, expected as many numbers as rows",
                node.label(),
                data.axes.told(),
                weight.from,
                [inputs, outputs]
            ));
        };
        *last = Axis::features(outputs);
        Ok(self.step(data, Op::Product(Rc::new(matrix)), node))
    }
}

//! Nodes that multiply what the input has become with constants, or add them: the parts of dense layers and of a normalization.

use super::array::Array;
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
        mut data: Data,
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
                let more = array.shape.len().saturating_sub(data.axes.0.len());
                data.axes.0.splice(0..0, vec![Axis::One; more]);
                if !(array.values.len() == 1 || is_of_features(array, &data)) {
                    return Err(format!(
                        "{} reads {} {:?}, expected one number of all or one of each",
                        node.label(),
                        array.from,
                        array.shape
                    ));
                }
                Operand::Numbers(array.clone())
            }
            Some(Value::Constant(Constant::Wholes(_))) => {
                return Err(format!(
                    "{} computes with whole numbers, expected those of characters as they are",
                    node.label()
                ));
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

    /// The same numbers with the other sign.
    pub(super) fn negative(&mut self, node: &Node, data: Data) -> Value {
        let minus = Array {
            shape: Vec::new(),
            values: vec![-1.0],
            from: node.label(),
        };
        let operand = Operand::Numbers(Rc::new(minus));
        self.step(data, Op::Scale(operand, Sign::Forth), node)
    }

    /// Numbers that are scaled and shifted by what was learned of them.
    pub(super) fn batch_normalization(
        &mut self,
        node: &Node,
        data: Data,
        inputs: &[Option<Value>],
    ) -> Result<Value, String> {
        let vector = |index: usize| match inputs.get(index) {
            Some(Some(Value::Constant(Constant::Floats(array)))) => Some(array.clone()),
            _ => None,
        };
        let vectors = [1, 2, 3, 4].map(vector);
        let [Some(scale), Some(shift), Some(mean), Some(variance)] = vectors else {
            return Err(format!(
                "{} reads what is no constant of the file, expected numbers",
                node.label()
            ));
        };
        let n = scale.values.len();
        // The second axis is normalized.
        let fits = match data.axes.0.get(1) {
            Some(Axis::Features(length)) => length.is_none_or(|length| length == n),
            Some(Axis::One) => n == 1 && data.axes.features() == Some(1),
            _ => false,
        };
        let vectors = [&shift, &mean, &variance];
        let fits = fits && n > 0 && vectors.iter().all(|vector| vector.values.len() == n);
        if !fits || node.int("training_mode", 0) != 0 {
            return Err(format!(
                "{} normalizes {} with {} numbers, expected one of each of its second axis, learned",
                node.label(),
                data.axes.told(),
                n
            ));
        }
        let epsilon = f64::from(node.float("epsilon", 1e-5));
        let deviations = variance
            .values
            .iter()
            .map(|&v| (f64::from(v) + epsilon).sqrt());
        let factors = deviations
            .zip(&scale.values)
            .map(|(d, &s)| (f64::from(s) / d) as f32);
        let factors: Vec<f32> = factors.collect();
        let shifts = (0..n).map(|at| shift.values[at] - mean.values[at] * factors[at]);
        let operand = |from: &Array, values: Vec<f32>| {
            Operand::Numbers(Rc::new(Array {
                shape: vec![n],
                values,
                from: from.from.clone(),
            }))
        };
        let shifts = operand(&shift, shifts.collect());
        let scaled = self.step(data, Op::Scale(operand(&scale, factors), Sign::Forth), node);
        match scaled {
            Value::Data(data) => Ok(self.step(data, Op::Shift(shifts, Sign::Forth), node)),
            other => Ok(other),
        }
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
        // A matrix behind axes of one number adds them.
        let more = weight.shape.len().saturating_sub(data.axes.0.len());
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
        data.axes.0.splice(0..0, vec![Axis::One; more]);
        Ok(self.step(data, Op::Product(Rc::new(matrix)), node))
    }
}

/// Whether an array has one number of each of the numbers of a step.
fn is_of_features(array: &Array, data: &Data) -> bool {
    let behind = array.shape.len().checked_sub(1);
    // Axes are counted from the last.
    let at = data.axes.features().map(|at| data.axes.0.len() - 1 - at);
    let (Some(last), Some(at)) = (behind, at) else {
        return false;
    };
    let Some(at) = last.checked_sub(at) else {
        return false;
    };
    let length = array.shape[at];
    let is_alone = array.values.len() == length && length > 1;
    let features = data.axes.features().map(|at| data.axes.0[at]);
    match features {
        Some(Axis::Features(n)) => is_alone && n.is_none_or(|n| n == length),
        _ => false,
    }
}

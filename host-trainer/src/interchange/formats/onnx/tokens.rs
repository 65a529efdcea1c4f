//! Characters as a graph reads them: places in an embedding, or the 1 among zeros of each.
//!
//! Keras lets a place count from the embedding's end. A character does not, so that what its graph does with a negative
//! place is never done.

use super::array::Array;
use super::chain::Op;
use super::constant::Constant;
use super::data::Axis;
use super::graph::Walk;
use super::message::Node;
use super::moves;
use super::value::{Data, Token, Value};
use lstm_core::MAX_HIDDEN;
use std::rc::Rc;

impl Walk<'_> {
    /// What a node makes of the numbers of characters; `None` for a node that does nothing of the kind.
    pub(super) fn tokens(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
    ) -> Option<Result<Value, String>> {
        let input = |index: usize| inputs.get(index).and_then(Option::as_ref);
        let read = |index: usize| match input(index) {
            Some(Value::Data(data)) if data.step.is_none() => Some(data),
            _ => None,
        };
        let constant = |index: usize| match input(index) {
            Some(Value::Constant(constant)) => Some(constant),
            _ => None,
        };
        let token = |index: usize| read(index).map(|data| data.token.unwrap_or(Token::Same));
        let with = |data: &Data, token: Token| {
            let token = Some(token);
            Some(Ok(Value::Data(Data {
                token,
                ..data.clone()
            })))
        };
        let one = |index: usize| with(read(index)?, token(index)?);
        match &node.op_type[..] {
            "Gather" => {
                let (Some(Constant::Floats(table)), Some(data)) = (constant(0), read(1)) else {
                    return None;
                };
                let is_table = table.shape.len() == 2 && node.int("axis", 0) == 0;
                let fits = is_table && token(1) == Some(Token::Same);
                Some(match fits {
                    true => Ok(self.look_up(node, data.clone(), table.clone())),
                    false => Err(moves::moves_numbers(node, data)),
                })
            }
            "OneHot" => Some(self.one_hot(node, read(0)?.clone(), [constant(1)?, constant(2)?])),
            "Equal" => {
                let (data, places) = match (read(0), read(1)) {
                    (Some(data), None) => (data, constant(1)?),
                    (None, Some(data)) => (data, constant(0)?),
                    _ => return None,
                };
                let mut data = data.clone();
                let symbols = range(places)?;
                let is_one = data.axes.0.pop() == Some(Axis::One);
                let is_same = data.token.is_none_or(|token| token == Token::Same);
                (is_one && is_same).then(|| self.identity(node, data, symbols))
            }
            "Less" | "GreaterOrEqual" if constant(1).is_some_and(Constant::is_nought) => {
                let token = match &node.op_type[..] {
                    "Less" => Token::Never,
                    _ => Token::Always,
                };
                let data = read(0).filter(|data| data.token.is_none_or(|t| t == Token::Same));
                with(data?, token)
            }
            "Not" => match token(0)? {
                Token::Never => with(read(0)?, Token::Always),
                Token::Always => with(read(0)?, Token::Never),
                _ => None,
            },
            "Where" => match token(0)? {
                Token::Never => one(2),
                Token::Always => one(1),
                _ => None,
            },
            "Mul" => match (token(0)?, token(1)?) {
                (Token::Never, _) | (_, Token::Always) => one(0),
                (_, Token::Never) | (Token::Always, _) => one(1),
                _ => None,
            },
            "Add" => match (token(0), token(1)) {
                (Some(Token::Never), Some(_)) => one(1),
                (Some(_), Some(Token::Never)) => one(0),
                (Some(_), None) if is_whole(constant(1)) => with(read(0)?, Token::Other),
                (None, Some(_)) if is_whole(constant(0)) => with(read(1)?, Token::Other),
                _ => None,
            },
            _ => None,
        }
    }

    fn look_up(&mut self, node: &Node, mut data: Data, table: Rc<Array>) -> Value {
        data.token = None;
        data.axes.0.push(Axis::features(table.shape[1]));
        self.step(data, Op::Embedding(table), node)
    }

    /// A 1 in the place of each character, among zeros.
    fn one_hot(
        &mut self,
        node: &Node,
        data: Data,
        [depth, values]: [&Constant; 2],
    ) -> Result<Value, String> {
        let is_last = [-1, data.axes.0.len() as i64].contains(&node.int("axis", -1));
        let is_same = data.token.is_none_or(|token| token == Token::Same);
        let is_usual = match values {
            Constant::Floats(array) => array.values == [0.0, 1.0],
            Constant::Wholes(wholes) => wholes.known().as_deref() == Some(&[0, 1]),
            _ => false,
        };
        let depth = match depth {
            Constant::Wholes(depth) => depth.known().and_then(|depth| match depth[..] {
                [depth] => usize::try_from(depth).ok(),
                _ => None,
            }),
            Constant::Floats(depth) => match depth.values[..] {
                [depth] if depth >= 0.0 && depth.fract() == 0.0 => Some(depth as usize),
                _ => None,
            },
            _ => None,
        };
        match depth {
            Some(depth) if is_last && is_same && is_usual => self.identity(node, data, depth),
            _ => Err(format!(
                "{} is no 1 among zeros along a new last axis, expected the one-hot form of characters",
                node.label()
            )),
        }
    }

    /// As an embedding that is the identity.
    fn identity(&mut self, node: &Node, data: Data, symbols: usize) -> Result<Value, String> {
        let shape = vec![symbols, symbols];
        let n = Some(symbols).filter(|n| (1..=MAX_HIDDEN).contains(n));
        let n = n.and_then(|_| self.budget.take(&shape)).ok_or_else(|| {
            format!(
                "{} is of {symbols} symbols, expected 1 to {MAX_HIDDEN}",
                node.label()
            )
        })?;
        let mut values = vec![0.0; n];
        values
            .iter_mut()
            .step_by(symbols + 1)
            .for_each(|x| *x = 1.0);
        let table = Array {
            shape,
            values,
            from: "the identity: one-hot input".to_owned(),
        };
        Ok(self.look_up(node, data, Rc::new(table)))
    }
}

/// How many numbers there are of 0, 1, 2 and so on.
fn range(constant: &Constant) -> Option<usize> {
    let is_range = |values: &[f32]| values.iter().enumerate().all(|(at, &x)| x == at as f32);
    match constant {
        Constant::Wholes(wholes) if wholes.is_list => {
            let values = wholes.known()?;
            let is_range = (0..).zip(&values).all(|(at, &n): (i64, &i64)| n == at);
            is_range.then_some(values.len())
        }
        Constant::Floats(array) if array.shape.len() == 1 && is_range(&array.values) => {
            Some(array.values.len())
        }
        _ => None,
    }
}

fn is_whole(constant: Option<&Constant>) -> bool {
    matches!(constant, Some(Constant::Wholes(wholes)) if wholes.values.len() == 1)
}

//! The steps from a graph's input to its answer, and the layers that they are.

use super::array::Array;
use crate::interchange::context::Context;
use crate::interchange::plan::{
    Dense, End, Input, Normalization, Numbers, Piece, Plan, Recurrent, within,
};
use crate::interchange::stack::Stack;
use crate::network::sensor::Activation;
use lstm_core::MAX_DENSE_WIDTH;
use std::rc::Rc;

/// A step of the way.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Characters are looked up in a matrix `[V, E]`.
    Embedding(Rc<Array>),
    /// Numbers are added, or subtracted.
    Shift(Operand, Sign),
    /// Numbers are multiplied, or divided by.
    Scale(Operand, Sign),
    Recurrent(Rc<Recurrent>),
    /// A product with a matrix `[in, out]`.
    Product(Rc<Array>),
    End(End),
}

/// Which of two opposite operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Plus or times.
    Forth,
    /// Minus or divided by.
    Back,
}

/// One number, or one of each feature.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Numbers(Rc<Array>),
    /// An input of the graph that the file has no numbers for.
    Missing(String),
}

/// The layers of a way, and what they were made of.
#[derive(Default)]
struct Layers {
    embedding: Option<Piece>,
    affine: Option<Normalization>,
    stack: Stack,
}

/// The layers of a way; each step has the name of its node.
///
/// # Errors
/// They are in an order in which they do not run here.
pub(super) fn plan(steps: Vec<(Op, String)>, context: Context) -> Result<Plan, String> {
    let mut layers = Layers::default();
    for (op, name) in steps {
        layers.add(op, &name)?;
    }
    let mut notes = Vec::new();
    let (recurrent, dense) = layers.stack.finish(&mut notes)?;
    Ok(Plan {
        backwards: false,
        input: match layers.embedding {
            Some(embedding) => Input::Characters(embedding),
            None => Input::Values(layers.affine),
        },
        layers: recurrent,
        dense,
        context,
        notes,
    })
}

impl Layers {
    fn add(&mut self, op: Op, name: &str) -> Result<(), String> {
        let misplaced = || {
            Err(format!(
                "{name} stands where it computes something else, expected an Embedding or a normalization, LSTMs or \
                 GRUs, and dense layers, in this order"
            ))
        };
        match op {
            Op::Embedding(array) => {
                if self.embedding.is_some() || self.affine.is_some() || !self.stack.is_empty() {
                    return misplaced();
                }
                self.embedding = Some(piece(&array, array.values.clone()));
            }
            Op::Recurrent(layer) => {
                self.stack.recurrent((*layer).clone())?;
            }
            Op::Product(array) => {
                let outputs = array.shape.last().copied().unwrap_or(0);
                within(name, "outputs", outputs, MAX_DENSE_WIDTH)?;
                self.stack.dense(Dense {
                    name: name.to_owned(),
                    weight: piece(&array, array.values.clone()),
                    bias: Piece::zeros(outputs),
                    end: End::Of(Activation::Linear),
                    is_identity: false,
                });
            }
            Op::Shift(by, sign) if self.is_input() => self.shift_input(&by, sign, name)?,
            Op::Scale(by, sign) if self.is_input() => self.scale_input(&by, sign, name)?,
            Op::Shift(by, sign) => {
                let by = numbers(&by, name)?;
                let dense = self.linear(name)?;
                if dense.bias.from.starts_with("zeros") {
                    dense.bias.from.clone_from(&by.from);
                } else {
                    dense.bias.from = format!("{} and {}", dense.bias.from, by.from);
                }
                for (at, bias) in dense.bias.values.iter_mut().enumerate() {
                    let by = by.values[at % by.values.len()];
                    *bias += if sign == Sign::Forth { by } else { -by };
                }
            }
            Op::Scale(by, sign) => {
                let by = numbers(&by, name)?;
                let dense = self.linear(name)?;
                let outputs = dense.bias.values.len();
                for piece in [&mut dense.weight, &mut dense.bias] {
                    piece.from = format!("{} by {}", piece.from, by.from);
                    for (at, x) in piece.values.iter_mut().enumerate() {
                        let by = by.values[at % outputs % by.values.len()];
                        *x *= if sign == Sign::Forth { by } else { by.recip() };
                    }
                }
            }
            Op::End(end) => {
                if self.is_input() {
                    return misplaced();
                }
                self.linear(name)?.end = end;
            }
        }
        Ok(())
    }

    /// Whether there is nothing but the values of the input so far.
    fn is_input(&self) -> bool {
        self.stack.is_empty() && self.embedding.is_none()
    }

    /// The last dense layer, or what stands for it.
    fn linear(&mut self, name: &str) -> Result<&mut Dense, String> {
        let embedding = self.embedding.as_ref();
        let width = embedding.and_then(|embedding| embedding.shape.last().copied());
        self.stack.linear(name, width)
    }

    /// x + b is (x - (m - b / s)) s, for an input that is (x - m) s so far.
    fn shift_input(&mut self, by: &Operand, sign: Sign, name: &str) -> Result<(), String> {
        let affine = self.affine(by);
        match by {
            Operand::Missing(missing) => {
                let is_first = affine.mean == Numbers::Given(vec![0.0])
                    && affine.scale == Numbers::Given(vec![1.0]);
                if !is_first || sign == Sign::Forth {
                    return Err(untold(name, missing));
                }
                affine.mean = Numbers::Missing(missing.clone());
            }
            Operand::Numbers(array) => {
                let (Numbers::Given(mean), Numbers::Given(scale)) = (&affine.mean, &affine.scale)
                else {
                    return Err(untold(name, &array.from));
                };
                let n = array.values.len().max(mean.len()).max(scale.len());
                let shifted = (0..n).map(|at| {
                    let of = |values: &[f32]| values[at % values.len()];
                    let by = of(&array.values) / of(scale);
                    of(mean) + if sign == Sign::Forth { -by } else { by }
                });
                affine.mean = Numbers::Given(shifted.collect());
            }
        }
        Ok(())
    }

    fn scale_input(&mut self, by: &Operand, sign: Sign, name: &str) -> Result<(), String> {
        let affine = self.affine(by);
        match by {
            Operand::Missing(missing) => {
                if affine.scale != Numbers::Given(vec![1.0]) || sign == Sign::Forth {
                    return Err(untold(name, missing));
                }
                affine.scale = Numbers::Missing(missing.clone());
            }
            Operand::Numbers(array) => {
                let Numbers::Given(scale) = &affine.scale else {
                    return Err(untold(name, &array.from));
                };
                let n = array.values.len().max(scale.len());
                let scaled = (0..n).map(|at| {
                    let of = |values: &[f32]| values[at % values.len()];
                    match sign {
                        Sign::Forth => of(scale) * of(&array.values),
                        Sign::Back => of(scale) / of(&array.values),
                    }
                });
                affine.scale = Numbers::Given(scaled.collect());
            }
        }
        Ok(())
    }

    fn affine(&mut self, by: &Operand) -> &mut Normalization {
        let name = match by {
            Operand::Numbers(array) => &array.from,
            Operand::Missing(name) => name,
        };
        let affine = self.affine.get_or_insert_with(|| Normalization {
            mean: Numbers::Given(vec![0.0]),
            scale: Numbers::Given(vec![1.0]),
            from: String::new(),
        });
        affine.from = match &affine.from[..] {
            "" => name.clone(),
            from => format!("{from}, {name}"),
        };
        affine
    }
}

fn piece(array: &Array, values: Vec<f32>) -> Piece {
    Piece {
        shape: array.shape.clone(),
        values,
        from: array.from.clone(),
    }
}

fn numbers<'o>(by: &'o Operand, name: &str) -> Result<&'o Array, String> {
    match by {
        Operand::Numbers(array) => Ok(array),
        Operand::Missing(missing) => Err(untold(name, missing)),
    }
}

fn untold(name: &str, missing: &str) -> String {
    format!("{name} reads {missing}, which the file has no numbers for, expected numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::sensor::Cell;

    fn array(shape: &[usize], values: &[f32]) -> Rc<Array> {
        Rc::new(Array {
            shape: shape.to_vec(),
            values: values.to_vec(),
            from: "a".to_owned(),
        })
    }

    fn numbers(values: &[f32]) -> Operand {
        Operand::Numbers(array(&[values.len()], values))
    }

    fn layer() -> Op {
        Op::Recurrent(Rc::new(Recurrent {
            name: "l".to_owned(),
            cell: Cell::Lstm,
            hidden: 2,
            w_ih: Piece::zeros(8),
            w_hh: Piece::zeros(16),
            bias: Piece::zeros(8),
            recurrent_bias: None,
            projection: None,
        }))
    }

    fn of(ops: Vec<Op>) -> Result<Plan, String> {
        let steps = ops.into_iter().map(|op| (op, "n".to_owned()));
        plan(steps.collect(), Context::Carried)
    }

    #[test]
    fn what_is_added_and_multiplied_becomes_a_mean_and_a_scale() {
        let plan = of(vec![
            Op::Shift(numbers(&[1.0, 2.0]), Sign::Back),
            Op::Scale(numbers(&[4.0]), Sign::Back),
            Op::Shift(numbers(&[0.5]), Sign::Forth),
            layer(),
        ]);
        let Input::Values(Some(found)) = plan.unwrap().input else {
            panic!("no normalization");
        };
        assert_eq!(found.scale, Numbers::Given(vec![0.25]));
        assert_eq!(found.mean, Numbers::Given(vec![-1.0, 0.0]));
    }

    #[test]
    fn what_follows_a_dense_layer_is_folded_into_it() {
        let plan = of(vec![
            layer(),
            Op::End(End::Of(Activation::Relu)),
            Op::Product(array(&[2, 2], &[1.0, 2.0, 3.0, 4.0])),
            Op::Shift(numbers(&[1.0, -1.0]), Sign::Forth),
            Op::Scale(numbers(&[2.0, 0.5]), Sign::Forth),
            Op::End(End::Softmax),
        ]);
        let [identity, dense] = &plan.unwrap().dense[..] else {
            panic!("not two dense layers");
        };
        assert_eq!(identity.weight.values, [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(identity.end, End::Of(Activation::Relu));
        assert_eq!(dense.weight.values, [2.0, 1.0, 6.0, 2.0]);
        assert_eq!(dense.bias.values, [2.0, -0.5]);
        assert_eq!(dense.end, End::Softmax);
    }

    #[test]
    fn the_identity_follows_a_recurrent_layer_without_a_dense_one() {
        let plan = of(vec![layer()]).unwrap();
        let [identity] = &plan.dense[..] else {
            panic!("not one dense layer");
        };
        assert_eq!(identity.weight.values, [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(identity.end, End::Of(Activation::Linear));
        assert!(plan.notes[0].contains("no dense layer follows layer l"));
    }

    #[test]
    fn what_stands_elsewhere_is_refused() {
        let product = || Op::Product(array(&[2, 1], &[1.0, 1.0]));
        let missing = || Operand::Missing("m".to_owned());
        for (ops, expected) in [
            (
                vec![product(), Op::End(End::Of(Activation::Relu)), layer()],
                "layer l reads what an activation behind layer n gives",
            ),
            (
                vec![
                    layer(),
                    product(),
                    Op::End(End::Of(Activation::Tanh)),
                    layer(),
                ],
                "reads what an activation behind layer n gives",
            ),
            (
                vec![layer(), product(), Op::Shift(missing(), Sign::Forth)],
                "reads m, which the file",
            ),
            (
                vec![Op::Scale(missing(), Sign::Forth), layer()],
                "reads m, which the file",
            ),
        ] {
            let error = of(ops).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}

//! A network's layers in the order in which they run, with their numbers: what a reader makes of a file that tells
//! all layers, and of names and shapes where a file tells no more.

use super::context::Context;
use super::shape::count;
use crate::files::tensors::{NamedTensor, transpose};
use crate::network::sensor::{Activation, Cell};
use lstm_core::MAX_DENSE_WIDTH;
use std::collections::BTreeMap;

/// A network's layers.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) input: Input,
    pub(super) layers: Vec<Recurrent>,
    /// The head last.
    pub(super) dense: Vec<Dense>,
    pub(super) context: Context,
    /// Whether a window is read from its newest step to its oldest.
    pub(super) backwards: bool,
    pub(super) notes: Vec<String>,
}

/// What a network reads.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Characters, which are looked up in a matrix `[V, E]`.
    Characters(Piece),
    /// Values, `(x - mean) * scale` each; `None` where the file does not normalize them.
    Values(Option<Normalization>),
}

/// How a file normalizes its input.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Normalization {
    pub(super) mean: Numbers,
    pub(super) scale: Numbers,
    /// Where they are in the file.
    pub(super) from: String,
}

/// Numbers of the channels, one each or one of all.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    Given(Vec<f32>),
    /// The file names them and does not hold them.
    Missing(String),
}

/// A recurrent layer. The gates lie as [`Cell`] gives them.
#[derive(Clone, Debug)]
pub(super) struct Recurrent {
    /// As the file calls it.
    pub(super) name: String,
    pub(super) cell: Cell,
    pub(super) hidden: usize,
    /// `[in, G H]`.
    pub(super) w_ih: Piece,
    /// `[R, G H]`.
    pub(super) w_hh: Piece,
    /// `[G H]`.
    pub(super) bias: Piece,
    /// `[G H]`, where the cell has it.
    pub(super) recurrent_bias: Option<Piece>,
    /// `[H, R]`.
    pub(super) projection: Option<Piece>,
}

/// A dense layer.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// As the file calls it.
    pub(super) name: String,
    /// `[in, out]`.
    pub(super) weight: Piece,
    /// `[out]`.
    pub(super) bias: Piece,
    pub(super) end: End,
    /// Whether it stands where the file has none, and is the identity but for a scale.
    pub(super) is_identity: bool,
}

/// What becomes of a dense layer's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The file does not tell.
    Untold,
    /// An activation of each.
    Of(Activation),
    /// Probabilities that add up to one.
    Softmax,
}

/// A tensor of the network, and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
    pub(super) from: String,
}

impl Plan {
    /// Width of the input; `None` without recurrent layers.
    pub(super) fn inputs(&self) -> Option<usize> {
        self.layers.first().map(|layer| layer.w_ih.shape[0])
    }

    /// Width of the answer; `None` without dense layers.
    pub(super) fn outputs(&self) -> Option<usize> {
        self.dense.last().map(|dense| dense.bias.values.len())
    }

    /// Refuses layers of which one reads more or fewer numbers than the one below gives.
    pub(super) fn check_widths(&self) -> Result<(), String> {
        let layers = self
            .layers
            .iter()
            .map(|layer| (&layer.name, layer.w_ih.shape[0], layer.output()));
        let dense = self
            .dense
            .iter()
            .map(|dense| (&dense.name, dense.weight.shape[0], dense.weight.shape[1]));
        let mut below = None;
        for (name, input, output) in layers.chain(dense) {
            if let Some((other, width)) = below.replace((name, output))
                && width != input
            {
                return Err(format!(
                    "layer {name} reads {input} numbers, expected the {width} that layer {other} gives"
                ));
            }
        }
        Ok(())
    }
}

/// Refuses a size before anything is allocated by it.
pub(super) fn within(name: &str, what: &str, found: usize, most: usize) -> Result<(), String> {
    match (1..=most).contains(&found) {
        true => Ok(()),
        false => Err(format!("{name} is of {found} {what}, expected 1 to {most}")),
    }
}

/// A line of the map from the tensors of the network to those of the file.
pub(super) fn line(name: &str, shape: &[usize], from: &dyn std::fmt::Display) -> String {
    format!("{name:<26} {:<13} {from}", format!("{shape:?}"))
}

impl Recurrent {
    /// Width of the output.
    pub(super) fn output(&self) -> usize {
        match &self.projection {
            Some(projection) => projection.shape[1],
            None => self.hidden,
        }
    }
}

impl Dense {
    /// The identity, after a recurrent layer that no dense layer follows.
    ///
    /// # Errors
    /// It would be wider than any dense layer.
    pub(super) fn behind(
        last: &Recurrent,
        end: End,
        notes: &mut Vec<String>,
    ) -> Result<Self, String> {
        let name = &last.name;
        notes.push(format!(
            "no dense layer follows layer {name}: the identity is one"
        ));
        Self::identity(name, last.output(), end)
    }

    /// Adds to the sums, after a multiplication: one number of all, or one of each.
    pub(super) fn affine(&mut self, scale: &[f32], shift: &[f32]) {
        let outputs = self.bias.values.len();
        for piece in [&mut self.weight, &mut self.bias] {
            for (at, x) in piece.values.iter_mut().enumerate() {
                *x *= scale[at % outputs % scale.len()];
            }
        }
        for (at, x) in self.bias.values.iter_mut().enumerate() {
            *x += shift[at % shift.len()];
        }
    }

    /// One that gives what it is given, but for `end`.
    ///
    /// # Errors
    /// It would be wider than any dense layer.
    pub(super) fn identity(name: &str, width: usize, end: End) -> Result<Self, String> {
        within(name, "outputs", width, MAX_DENSE_WIDTH)?;
        let mut values = vec![0.0; width * width];
        values.iter_mut().step_by(width + 1).for_each(|x| *x = 1.0);
        Ok(Self {
            name: name.to_owned(),
            weight: Piece {
                shape: vec![width, width],
                values,
                from: "the identity".to_owned(),
            },
            bias: Piece::zeros(width),
            end,
            is_identity: true,
        })
    }
}

impl Piece {
    /// A vector of zeros for a bias that the file has not.
    pub(super) fn zeros(length: usize) -> Self {
        Self {
            shape: vec![length],
            values: vec![0.0; length],
            from: "zeros: the file has no bias here".to_owned(),
        }
    }

    /// A tensor of the file.
    pub(super) fn of(tensors: &BTreeMap<String, NamedTensor>, name: &str) -> Self {
        let tensor = &tensors[name];
        Self {
            shape: tensor.shape.clone(),
            values: tensor.values.clone(),
            from: name.to_owned(),
        }
    }

    /// Its line of the map.
    pub(super) fn line(&self, name: &str) -> String {
        line(name, &self.shape, &self.from)
    }

    /// Refuses another shape.
    pub(super) fn expect(&self, shape: &[usize]) -> Result<(), String> {
        match self.shape == shape && count(shape) == Some(self.values.len()) {
            true => Ok(()),
            false => Err(format!(
                "tensor {} has shape {:?}, expected {shape:?}",
                self.from, self.shape
            )),
        }
    }

    /// A matrix with rows for columns.
    pub(super) fn transposed(self) -> Self {
        let &[rows, columns] = &self.shape[..] else {
            return self;
        };
        Self {
            shape: vec![columns, rows],
            values: transpose(&self.values, rows, columns),
            from: format!("{}, transposed", self.from),
        }
    }

    /// A vector, or a matrix of rows, whose `gates` blocks are reordered: block k becomes that of `order[k]`.
    pub(super) fn gates(self, gates: usize, order: &[usize]) -> Self {
        if order.len() == gates && order.is_sorted() {
            return self;
        }
        let columns = self.shape.last().copied().unwrap_or(0);
        let block = columns / gates;
        if block == 0 {
            return self;
        }
        let pick = |row: &[f32]| -> Vec<f32> {
            let blocks = order.iter();
            let blocks = blocks.flat_map(|&gate| &row[gate * block..][..block]);
            blocks.copied().collect()
        };
        let values = self.values.chunks_exact(columns).flat_map(pick).collect();
        let mut shape = self.shape;
        if let Some(last) = shape.last_mut() {
            *last = order.len() * block;
        }
        Self {
            shape,
            values,
            from: format!("{}, gates in another order", self.from),
        }
    }

    /// The sum of two of one shape.
    pub(super) fn plus(mut self, other: &Self) -> Self {
        let pairs = self.values.iter_mut().zip(&other.values);
        pairs.for_each(|(a, b)| *a += b);
        self.from = format!("{} + {}", self.from, other.from);
        self
    }

    /// A row of a matrix.
    pub(super) fn row(&self, row: usize) -> Self {
        let columns = self.shape.last().copied().unwrap_or(0);
        Self {
            shape: vec![columns],
            values: self.values[row * columns..][..columns].to_vec(),
            from: format!("{}, row {row}", self.from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_reordered_and_left_out() {
        let piece = Piece {
            shape: vec![2, 4],
            values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
            from: "w".to_owned(),
        };
        let coupled = piece.gates(4, &[0, 3, 1]);
        assert_eq!(coupled.shape, [2, 3]);
        assert_eq!(coupled.values, [0.0, 3.0, 1.0, 4.0, 7.0, 5.0]);
    }
}

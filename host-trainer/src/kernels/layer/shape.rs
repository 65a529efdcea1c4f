//! The shape of a layer, as the kernels see it.

use crate::kernels::{
    cell::Cell,
    panels::{Axis, Strip},
    product::Slab,
};

/// A layer, as the kernels see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerShape {
    /// The equations.
    pub(crate) cell: &'static dyn Cell,
    /// Units, H.
    pub(crate) hidden: usize,
    /// Width of the projection, R; `None` where there is none.
    pub(crate) projection: Option<usize>,
    /// Where the products of the input come from.
    pub(crate) input: InputShape,
    /// Whether the recurrence has a bias of its own.
    pub(crate) recurrent_bias: bool,
    /// Whether the projection has a bias, and that is to have a gradient.
    pub(crate) projection_bias: bool,
}

/// Where the input of a layer comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InputShape {
    /// A table of so many symbols.
    Table(usize),
    /// So many values, or a layer below of so wide an output.
    Values(usize),
}

impl LayerShape {
    /// The columns of `w_ih` and `w_hh`.
    pub(crate) fn gate_axis(self) -> Axis {
        Axis::gates(self.cell.gates(), self.hidden)
    }

    /// What is kept, and the gradients of the products.
    pub(super) fn kept_axis(self) -> Axis {
        Axis::gates(self.cell.kept(), self.hidden)
    }

    /// The units.
    pub(crate) fn unit_axis(self) -> Axis {
        Axis::plain(self.hidden)
    }

    /// What the layer above sees.
    pub(crate) fn output_axis(self) -> Axis {
        Axis::plain(self.output())
    }

    /// R, or H without a projection.
    pub(crate) fn output(self) -> usize {
        self.projection.unwrap_or(self.hidden)
    }

    /// Number of numbers of each weight, row-major: of a layer that reads values `w_ih` `[in, G H]` and its bias
    /// `[G H]`, of one that reads tokens the table `[V, G H]`; of both `w_hh` `[R, G H]`, the bias of the recurrence
    /// `[G H]`, the projection `[H, R]` and its bias `[R]`, where they are.
    pub(crate) fn weights(self) -> Vec<usize> {
        let (columns, output) = (self.gate_axis().len(), self.output());
        let mut lengths = match self.input {
            InputShape::Table(symbols) => vec![symbols * columns],
            InputShape::Values(width) => vec![width * columns, columns],
        };
        lengths.push(output * columns);
        lengths.extend(self.recurrent_bias.then_some(columns));
        lengths.extend(self.projection.map(|_| self.hidden * output));
        lengths.extend(self.projection_bias.then_some(output));
        lengths
    }

    /// The gradients of the products of the input, or of the recurrence, as a factor.
    pub(super) fn gradients<'a>(self, kept: &'a [Strip], chosen: &'static [usize]) -> Slab<'a> {
        Slab::some(kept, self.cell.kept(), chosen)
    }
}

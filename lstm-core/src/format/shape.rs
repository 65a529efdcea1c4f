use serde::{Deserialize, Serialize};

use super::{COLUMN_ALIGN, blocks, round_up};

/// The kind of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CellKind {
    /// The LSTM with a forget gate and no peepholes (Hochreiter and Schmidhuber 1997; Gers et al.
    /// 2000). A block of four rows is a unit: i, f, g, o.
    Lstm,
    /// CIFG: the LSTM with a coupled input and forget gate, `f = 1 - i` (Greff et al. 2015). Three
    /// blocks are four units: their rows i, then g, then o.
    Cifg,
    /// The GRU (Cho et al. 2014) with the reset gate after the product, as PyTorch and Keras have
    /// it. Three blocks are four units: their rows r, then z, then n.
    Gru,
}

impl CellKind {
    /// The name that people read.
    pub const fn name(self) -> &'static str {
        match self {
            CellKind::Lstm => "LSTM",
            CellKind::Cifg => "CIFG",
            CellKind::Gru => "GRU",
        }
    }

    /// Whether this build of the crate runs it.
    pub const fn is_built(self) -> bool {
        match self {
            CellKind::Lstm | CellKind::Cifg => true,
            CellKind::Gru => cfg!(feature = "gru"),
        }
    }

    /// The kind that the file says by this number.
    pub(crate) const fn of_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(CellKind::Lstm),
            1 => Some(CellKind::Cifg),
            2 => Some(CellKind::Gru),
            _ => None,
        }
    }

    /// Whether the products with the input and with the recurrent state reach the cell apart, as two
    /// sums for each gate. Otherwise one matrix has the columns of both, and gives their sum.
    pub const fn takes_products_apart(self) -> bool {
        match self {
            CellKind::Lstm | CellKind::Cifg => false,
            CellKind::Gru => true,
        }
    }

    /// Whether the cell state lies between -1 and 1, in Q14 in the integer formats; otherwise it is in
    /// Q11.
    pub const fn has_unit_cell_state(self) -> bool {
        match self {
            CellKind::Lstm | CellKind::Cifg => false,
            CellKind::Gru => true,
        }
    }

    /// Gates of a unit, a row of weights each.
    pub const fn gates(self) -> usize {
        match self {
            CellKind::Lstm => 4,
            CellKind::Cifg | CellKind::Gru => 3,
        }
    }

    /// Blocks of four rows that hold the gates of so many units.
    pub const fn gate_blocks(self, units: usize) -> usize {
        match self {
            CellKind::Lstm => units,
            CellKind::Cifg | CellKind::Gru => 3 * blocks(units),
        }
    }

    /// The row that holds a gate of a unit, in the order of the file.
    pub const fn gate_row(self, unit: usize, gate: usize) -> usize {
        match self {
            CellKind::Lstm => 4 * unit + gate,
            CellKind::Cifg | CellKind::Gru => 12 * (unit / 4) + 4 * gate + unit % 4,
        }
    }
}

impl core::fmt::Display for CellKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The shape of a layer. Its input is the table for the first layer, and the layer below for the
/// others.
///
/// ```
/// use lstm_core::LayerShape;
///
/// let shape = LayerShape::cifg(384).project(96);
/// assert_eq!((shape.hidden, shape.output()), (384, 96));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LayerShape {
    /// The kind of cell.
    pub cell: CellKind,
    /// The number of hidden units, 1 to 1024.
    pub hidden: u16,
    /// The width of a recurrent projection (LSTMP, Sak et al. 2014), at most `hidden`.
    pub projection: Option<u16>,
}

impl LayerShape {
    /// A layer of so many units, without a projection.
    pub const fn new(cell: CellKind, hidden: u16) -> Self {
        LayerShape {
            cell,
            hidden,
            projection: None,
        }
    }

    /// An LSTM layer of so many units.
    pub const fn lstm(hidden: u16) -> Self {
        Self::new(CellKind::Lstm, hidden)
    }

    /// A GRU layer of so many units.
    pub const fn gru(hidden: u16) -> Self {
        Self::new(CellKind::Gru, hidden)
    }

    /// A CIFG layer of so many units.
    pub const fn cifg(hidden: u16) -> Self {
        Self::new(CellKind::Cifg, hidden)
    }

    /// The same with a recurrent projection to this width.
    #[must_use]
    pub const fn project(self, width: u16) -> Self {
        LayerShape {
            projection: Some(width),
            ..self
        }
    }

    /// The width of the hidden state: what the recurrence and the layer above read.
    pub const fn output(self) -> usize {
        match self.projection {
            Some(width) => width as usize,
            None => self.hidden as usize,
        }
    }

    /// Blocks of four rows that hold the gates of all units.
    pub const fn gate_blocks(self) -> usize {
        self.cell.gate_blocks(self.hidden as usize)
    }

    /// Columns, padded, of the gates' matrices together, above a layer of this width.
    pub(crate) const fn packed_columns(self, below: usize) -> usize {
        match self.cell.takes_products_apart() {
            true => round_up(below, COLUMN_ALIGN) + round_up(self.output(), COLUMN_ALIGN),
            false => round_up(below + self.output(), COLUMN_ALIGN),
        }
    }

    /// Blocks of four rows of the projection; 0 without one.
    pub const fn projection_blocks(self) -> usize {
        match self.projection {
            Some(width) => blocks(width as usize),
            None => 0,
        }
    }
}

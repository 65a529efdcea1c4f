use serde::{Deserialize, Serialize};

use super::{BLOCK_ROWS, COLUMN_ALIGN, blocks, round_up};

/// The kind of a recurrent layer.
///
/// ```
/// use lstm_core::CellKind;
///
/// assert_eq!(CellKind::Lstm.gates(), 4);
/// // Three blocks of four rows are four units.
/// assert_eq!(CellKind::Gru.gate_blocks(64), 48);
/// ```
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
    /// The GRU with the reset gate before the product, `tanh(W x + U (r * h))` (Cho et al. 2014, version
    /// 1; Keras with `reset_after=False`). All rows r, then all rows z, then all rows n.
    GruResetBefore,
}

impl CellKind {
    /// The name that people read.
    pub const fn name(self) -> &'static str {
        match self {
            CellKind::Lstm => "LSTM",
            CellKind::Cifg => "CIFG",
            CellKind::Gru => "GRU",
            CellKind::GruResetBefore => "GRU (reset before)",
        }
    }

    /// Whether this build of the crate runs it.
    pub const fn is_built(self) -> bool {
        match self {
            CellKind::Lstm | CellKind::Cifg => true,
            CellKind::Gru => cfg!(feature = "gru"),
            CellKind::GruResetBefore => cfg!(all(feature = "gru", feature = "sensor")),
        }
    }

    /// The kind that the file says by this number.
    pub(crate) const fn of_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(CellKind::Lstm),
            1 => Some(CellKind::Cifg),
            2 => Some(CellKind::Gru),
            3 => Some(CellKind::GruResetBefore),
            _ => None,
        }
    }

    /// Whether the products with the input and with the recurrent state reach the cell apart, as two
    /// sums for each gate. Otherwise one matrix has the columns of both, and gives their sum.
    pub const fn takes_products_apart(self) -> bool {
        match self {
            CellKind::Lstm | CellKind::Cifg | CellKind::GruResetBefore => false,
            CellKind::Gru => true,
        }
    }

    /// Whether the reset gate scales the recurrent state before the product with it. Then each gate has
    /// a matrix of its own, with the columns of the input and of the recurrent state.
    pub const fn resets_before_product(self) -> bool {
        matches!(self, CellKind::GruResetBefore)
    }

    /// Whether the cell state lies between -1 and 1, in Q14 in the integer formats; otherwise it is in
    /// Q11.
    pub const fn has_unit_cell_state(self) -> bool {
        match self {
            CellKind::Lstm | CellKind::Cifg => false,
            CellKind::Gru | CellKind::GruResetBefore => true,
        }
    }

    /// Gates of a unit, a row of weights each.
    pub const fn gates(self) -> usize {
        match self {
            CellKind::Lstm => 4,
            CellKind::Cifg | CellKind::Gru | CellKind::GruResetBefore => 3,
        }
    }

    /// Blocks of four rows that hold the gates of so many units.
    pub const fn gate_blocks(self, units: usize) -> usize {
        match self {
            CellKind::Lstm => units,
            CellKind::Cifg | CellKind::Gru | CellKind::GruResetBefore => 3 * blocks(units),
        }
    }

    /// The row that holds a gate of one of so many units, in the order of the file.
    pub const fn gate_row(self, units: usize, unit: usize, gate: usize) -> usize {
        match self {
            CellKind::Lstm => 4 * unit + gate,
            CellKind::Cifg | CellKind::Gru => 12 * (unit / 4) + 4 * gate + unit % 4,
            CellKind::GruResetBefore => BLOCK_ROWS * blocks(units) * gate + unit,
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
        let both = round_up(below + self.output(), COLUMN_ALIGN);
        if self.cell.takes_products_apart() {
            round_up(below, COLUMN_ALIGN) + round_up(self.output(), COLUMN_ALIGN)
        } else if cfg!(feature = "sensor") && self.cell.resets_before_product() {
            // Those with the state as it is, and those with the state that the reset gate scaled.
            2 * both
        } else {
            both
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

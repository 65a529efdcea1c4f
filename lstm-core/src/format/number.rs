use serde::{Deserialize, Serialize};

use super::{BLOCK_ROWS, INT4_ROWS};

/// How the numbers of a model are stored and computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Format {
    /// IEEE 754 single precision: the reference.
    F32,
    /// 8-bit weights, table and hidden state; 16-bit cell state.
    Int8,
    /// As [`Format::Int8`], with 4-bit weights in the recurrent layers.
    Int4,
}

impl Format {
    /// The name that users type and read.
    pub const fn name(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::Int8 => "int8",
            Format::Int4 => "int4",
        }
    }

    /// Whether this build of the crate runs it: whether the feature of its name is on.
    pub const fn is_built(self) -> bool {
        match self {
            Format::F32 => cfg!(feature = "f32"),
            Format::Int8 => cfg!(feature = "int8"),
            Format::Int4 => cfg!(feature = "int4"),
        }
    }

    /// The names of the formats that this build runs.
    pub(super) const BUILT_NAMES: &str = match (Self::F32.is_built(), Self::Int4.is_built()) {
        (true, true) => "f32, int8, int4",
        (true, false) if Self::Int8.is_built() => "f32, int8",
        (true, false) => "f32",
        (false, true) => "int8, int4",
        (false, false) => "int8",
    };

    /// How the weights of the recurrent layers are stored.
    pub const fn layer_weights(self) -> WeightFormat {
        match self {
            Format::F32 => WeightFormat::F32,
            Format::Int8 => WeightFormat::Int8,
            Format::Int4 => WeightFormat::Int4,
        }
    }

    /// How the weights of the dense layer are stored.
    pub const fn dense_weights(self) -> WeightFormat {
        match self {
            Format::F32 => WeightFormat::F32,
            Format::Int8 | Format::Int4 => WeightFormat::Int8,
        }
    }

    /// Bytes of one entry of the folded table.
    pub const fn table_entry_bytes(self) -> usize {
        match self {
            Format::F32 => 4,
            Format::Int8 | Format::Int4 => 1,
        }
    }

    /// Bytes of an element of the hidden state and of the cell state.
    pub const fn state_element_bytes(self) -> (usize, usize) {
        match self {
            Format::F32 => (4, 4),
            Format::Int8 | Format::Int4 => (1, 2),
        }
    }
}

impl core::fmt::Display for Format {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// How the weights of one matrix are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightFormat {
    /// Single precision.
    #[default]
    F32,
    /// A byte each.
    Int8,
    /// Half a byte each.
    Int4,
}

impl WeightFormat {
    /// Bits of one weight.
    pub const fn bits(self) -> usize {
        match self {
            WeightFormat::F32 => 32,
            WeightFormat::Int8 => 8,
            WeightFormat::Int4 => 4,
        }
    }

    /// Rows of a block of weights.
    pub const fn block_rows(self) -> usize {
        match self {
            WeightFormat::F32 | WeightFormat::Int8 => BLOCK_ROWS,
            WeightFormat::Int4 => INT4_ROWS,
        }
    }

    /// Bytes of the parameters of one row: a bias for f32, a [`Row`](super::Row) for integers.
    pub const fn row_bytes(self) -> usize {
        match self {
            WeightFormat::F32 => 4,
            WeightFormat::Int8 | WeightFormat::Int4 => super::Row::BYTES,
        }
    }
}

/// The order in which the data holds the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Order {
    /// Of [`Format::F32`] and [`Format::Int8`]: blocks of four rows; in a block, the four rows take
    /// turns: one column each for 32-bit floats, four columns each for
    /// bytes.
    Rows4,
    /// Of [`Format::Int4`]: the weights of the layers in blocks of 16 rows; in a block, one column
    /// after the other, so that a step can skip columns. The dense layer is as in
    /// [`Order::Rows4`].
    Columns16 {
        /// A column in units of 1/127 whose absolute value is below this number counts as 0, at
        /// most 127.
        dead_zone: u8,
    },
}

impl Order {
    /// The order of a format, with this dead zone where it has one.
    pub const fn of(format: Format, dead_zone: u8) -> Self {
        match format {
            Format::F32 | Format::Int8 => Order::Rows4,
            Format::Int4 => Order::Columns16 { dead_zone },
        }
    }

    /// The dead zone; 0 where there is none.
    pub const fn dead_zone(self) -> u8 {
        match self {
            Order::Rows4 => 0,
            Order::Columns16 { dead_zone } => dead_zone,
        }
    }
}

/// The parameters of one row of a matrix in the integer formats.
///
/// The row's pre-activation is `bias + weight_scale * sum(w * h) + table_scale * t`, in Q18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Q18; it also holds half a step of the rounding that follows.
    pub bias: i32,
    /// The Q18 value of one step of weight times one step of hidden state.
    pub weight_scale: u16,
    /// The Q18 value of one step of the folded table.
    pub table_scale: u16,
}

impl Row {
    /// Bytes in the file.
    pub const BYTES: usize = 8;

    /// As it stands in the file.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [b0, b1, b2, b3] = self.bias.to_le_bytes();
        let [w0, w1] = self.weight_scale.to_le_bytes();
        let [t0, t1] = self.table_scale.to_le_bytes();
        [b0, b1, b2, b3, w0, w1, t0, t1]
    }

    /// From its bytes in the file.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let &[b0, b1, b2, b3, w0, w1, t0, t1] = bytes;
        Row {
            bias: i32::from_le_bytes([b0, b1, b2, b3]),
            weight_scale: u16::from_le_bytes([w0, w1]),
            table_scale: u16::from_le_bytes([t0, t1]),
        }
    }

    /// From its two words in the file, as this computer loads them.
    pub(crate) fn from_words([bias, scales]: [u32; 2]) -> Self {
        let (bias, scales) = (u32::from_le(bias), u32::from_le(scales));
        Row {
            bias: bias as i32,
            weight_scale: scales as u16,
            table_scale: (scales >> 16) as u16,
        }
    }

    /// Whether no sum of this row can leave 32 bits, whatever the state: `sum_abs` is the sum of
    /// the absolute weights of the row. The dot product has room for a factor of 256, which the
    /// kernel for Cortex-M4 needs.
    pub fn in_range(self, sum_abs: u32) -> bool {
        const LIMIT: u32 = i32::MAX as u32;
        let dot = 127 * u64::from(sum_abs);
        let others = u64::from(self.bias.unsigned_abs()) + 128 * u64::from(self.table_scale);
        dot <= u64::from(LIMIT / 256)
            && dot * u64::from(self.weight_scale) + others <= u64::from(LIMIT)
    }
}

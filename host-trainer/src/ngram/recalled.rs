//! What a memory holds of the characters of a batch.

/// What was looked up at every step of a batch of T steps and B rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// Rows of the vectors of 2, 3 and 4 characters, `[T B]`; empty where a length has none.
    pub vectors: [Vec<u32>; 3],
    /// Costs of the back-off table in quarters of a bit, `[N, V]`, of the steps that count; empty without a table.
    pub costs: Vec<u8>,
    /// The longest context found at those steps, `[N]`.
    pub longest: Vec<u32>,
}

use core::ops::Deref;

use serde::{Deserialize, Serialize};

/// The tokens that the n-gram sections look at: the most of a context.
pub const HISTORY: usize = 12;
/// The lengths of context that have vectors: 2, 3 and 4 tokens.
pub const EMBEDDING_LENGTHS: usize = 3;
/// The most that a vector's sum may be shifted to the left.
pub const MAX_SHIFT: u8 = 4;
/// The most tokens of the contexts whose costs stand in the table for each symbol.
pub const MAX_DENSE: u8 = 2;
/// The most lengths of context that a back-off table has rows for.
pub const MAX_BACKOFF_LENGTHS: usize = 10;
/// The largest back-off of a row, in quarter bits.
pub const MAX_BACKOFF: u8 = 63;
/// The most bytes of all rows of a back-off table.
pub const MAX_ROW_BYTES: u32 = (1 << 20) - 2;

/// What a file of version 2 knows of the last tokens, beside the network: at least one section.
///
/// It stands after the [`Description`](super::Description), encoded by postcard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ngrams<'a> {
    /// Vectors that are added to the recurrent input of the first layer.
    #[serde(borrow)]
    pub embeddings: Option<EmbeddingsSection<'a>>,
    /// Costs that are taken off the logits.
    #[serde(borrow)]
    pub backoff: Option<BackoffSection<'a>>,
}

impl Ngrams<'_> {
    /// Whether there is no section.
    pub fn is_empty(&self) -> bool {
        self.embeddings.is_none() && self.backoff.is_none()
    }
}

/// N-gram embeddings: a vector for each of many contexts of 2, 3 and 4 tokens, and one a length for
/// all others. `R` is the width of the first layer's hidden state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingsSection<'a> {
    /// Where the hash of a context starts.
    pub salt: u32,
    /// The sum of the vectors is shifted to the left by so many bits, 0 to 4.
    pub shift: u8,
    /// The slots of the perfect hash of each length; 0 where there is none of that length.
    pub slots: [u16; EMBEDDING_LENGTHS],
    /// Zeros, so that `data` begins on a multiple of [`ARRAY_ALIGN`](super::ARRAY_ALIGN) from the
    /// start of the file.
    pub padding: &'a [u8],
    /// For each length with `S > 0` slots, each array padded with zeros to a multiple of 4 bytes:
    /// displacements `[ceil(S / 4)]` u16, tags `[S]` u16, vectors `[S + 1][ceil(R / 8)]` u32, a
    /// number of four bits plus 8 each.
    pub data: &'a [u8],
}

/// A back-off table: what each symbol costs after the last tokens, in quarter bits. `V` is the number
/// of symbols, `K` the columns of the dense layer, padded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackoffSection<'a> {
    /// Where the hash of a context starts.
    pub salt: u32,
    /// The length of the contexts that have a cost for each symbol, 0 to 2.
    pub dense: u8,
    /// The slots of the perfect hash of the lengths `dense + 1`, `dense + 2` and so on; 0 where there
    /// is none of that length.
    pub slots: List<u16, MAX_BACKOFF_LENGTHS>,
    /// What a cost counts, Q12: where no row is found, then where the longest row found is of each
    /// length of `slots`.
    pub coefficients: List<i16, { MAX_BACKOFF_LENGTHS + 1 }>,
    /// Bytes of the rows, without padding.
    pub row_bytes: u32,
    /// Zeros, as in [`EmbeddingsSection`].
    pub padding: &'a [u8],
    /// The gate, one block of four rows of which the first counts: its parameters
    /// ([`Row`](super::Row)), then weights as in int8, `[K / 4][4][4]`. Then, each array padded with
    /// zeros to a multiple of 4 bytes: costs `[V^dense][V]` u8; for each length with `S > 0` slots
    /// displacements `[ceil(S / 4)]` u16 and slots `[S]` u32; the rows.
    pub data: &'a [u8],
}

/// A list of at most `N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T, const N: usize>(heapless::Vec<T, N>);

impl<T: Clone, const N: usize> List<T, N> {
    /// These elements; `None` if there are more than `N`.
    #[cfg(any(feature = "export", test))]
    pub fn new(elements: &[T]) -> Option<Self> {
        heapless::Vec::from_slice(elements).ok().map(List)
    }
}

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        List(heapless::Vec::new())
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

//! N-gram embeddings: a vector for the last 2, 3 and 4 tokens.

use super::hash::{PerfectHash, extend, half_words};
use super::{History, take};
use crate::bytes::split;
use crate::format::EMBEDDING_LENGTHS;

/// The fewest tokens of a context that has a vector.
const SHORTEST: usize = 2;
/// Numbers in a word.
const NUMBERS: usize = 8;
/// Zeros, as a vector stores them.
const ZEROS: u32 = 0x8888_8888;
/// What the numbers of all lengths together are stored with.
const OFFSET: i32 = 8 * EMBEDDING_LENGTHS as i32;

/// The vectors of a model's last tokens, borrowed from its file.
#[derive(Clone, Copy, Debug)]
pub struct Embeddings<'m> {
    pub(super) salt: u32,
    pub(super) shift: u8,
    pub(super) width: u16,
    pub(super) slots: [u16; EMBEDDING_LENGTHS],
    pub(super) data: &'m [u32],
}

/// The contexts of one length.
struct Length<'m> {
    map: PerfectHash<'m>,
    tags: &'m [u16],
    vectors: &'m [u32],
}

impl<'m> Embeddings<'m> {
    /// For each length of context the row that stands for the last tokens: that of all others, which
    /// is the last one, where the map lacks them; `None` where there is none of that length.
    pub fn rows(&self, history: &History) -> [Option<usize>; EMBEDDING_LENGTHS] {
        let mut rows = [None; EMBEDDING_LENGTHS];
        self.each(history, |index, row, _| {
            if let Some(found) = rows.get_mut(index) {
                *found = Some(row);
            }
        });
        rows
    }

    /// Adds the vectors of the last tokens to a hidden state of `R` elements, -127 to 127; it
    /// saturates.
    pub fn add(&self, history: &History, hidden: &mut [i8]) {
        let (hidden, _) = split(hidden, self.width.into());
        let words = words_of(self.width);
        let mut vectors = [&[][..]; EMBEDDING_LENGTHS];
        self.each(history, |index, row, length| {
            if let Some(vector) = vectors.get_mut(index) {
                let from = row * words;
                *vector = length.vectors.get(from..from + words).unwrap_or_default();
            }
        });
        let [a, b, c] = vectors;
        for (w, hidden) in hidden.chunks_mut(NUMBERS).enumerate() {
            let [a, b, c] =
                [a, b, c].map(|vector| vector.get(w).copied().map_or(ZEROS, u32::from_le));
            let low = [a, b, c].map(|word| word & 0x0f0f_0f0f);
            let high = [a, b, c].map(|word| word >> 4 & 0x0f0f_0f0f);
            // No byte of a sum overflows.
            let sums = [low, high].map(|[a, b, c]| (a + b + c).to_le_bytes());
            for (h, &sum) in hidden.iter_mut().zip(sums.as_flattened()) {
                let change = (i32::from(sum) - OFFSET) << self.shift;
                *h = (i32::from(*h) + change).clamp(-127, 127) as i8;
            }
        }
    }

    /// For each length that there is: its index, the row of the last tokens, and its arrays.
    #[inline(always)]
    fn each(&self, history: &History, mut visit: impl FnMut(usize, usize, Length<'m>)) {
        let mut data = self.data;
        let mut x = self.salt;
        for (n, &token) in history.iter().enumerate() {
            x = extend(x, token);
            let Some(index) = (n + 1).checked_sub(SHORTEST) else {
                continue;
            };
            let Some(&slots) = self.slots.get(index) else {
                break;
            };
            if slots == 0 {
                continue;
            }
            let length = Length::take(slots, self.width, &mut data);
            visit(index, length.row(x), length);
        }
    }
}

/// Words of a vector of so many elements.
const fn words_of(width: u16) -> usize {
    (width as usize).div_ceil(NUMBERS)
}

impl<'m> Length<'m> {
    #[inline(always)]
    fn take(slots: u16, width: u16, data: &mut &'m [u32]) -> Self {
        Length {
            map: PerfectHash::take(slots, data),
            tags: bytemuck::cast_slice(take(data, half_words(slots.into()))),
            vectors: take(data, (usize::from(slots) + 1) * words_of(width)),
        }
    }

    /// The row of a hash.
    #[inline(always)]
    fn row(&self, x: u32) -> usize {
        let (slot, y) = self.map.place(x);
        match self.tags.get(slot) {
            Some(&tag) if u16::from_le(tag) == y as u16 => slot,
            _ => self.map.slots(),
        }
    }
}

//! N-gram embeddings: a vector for the last 2, 3 and 4 tokens.

use super::History;
use super::hash::{PerfectHash, extend, half, half_words};
use super::swar::{Sums, symmetric_sum};
use crate::bytes::split;
use crate::format::{EMBEDDING_LENGTHS, MAX_INTEGER_COLUMNS, round_up};

/// Numbers in a word.
const NUMBERS: usize = 8;
/// The vector of a length that there is none of.
static ZEROS: [u32; MAX_INTEGER_COLUMNS / NUMBERS] = [0x8888_8888; MAX_INTEGER_COLUMNS / NUMBERS];

/// The vectors of a model's last tokens, borrowed from its file.
#[derive(Clone, Copy, Debug)]
pub struct Embeddings<'m> {
    pub(super) salt: u32,
    pub(super) shift: u8,
    pub(super) width: u16,
    pub(super) slots: [u16; EMBEDDING_LENGTHS],
    pub(super) data: &'m [u32],
}

/// Where the arrays of a length of context are in the data, in words.
#[derive(Clone, Copy)]
pub(super) struct Length {
    pub(super) map: PerfectHash,
    /// `[slots]` numbers of 16 bits.
    pub(super) tags: usize,
    /// `[slots + 1][words of a vector]`
    pub(super) vectors: usize,
    pub(super) end: usize,
}

impl Length {
    #[inline(always)]
    pub(super) fn at(start: usize, slots: u16, vector_words: usize) -> Self {
        let map = PerfectHash::at(start, slots);
        let tags = map.end();
        let vectors = tags + half_words(map.slots());
        Length {
            map,
            tags,
            vectors,
            end: vectors + (map.slots() + 1) * vector_words,
        }
    }

    /// The row of a hash.
    #[inline(always)]
    fn row(self, data: &[u32], x: u32) -> usize {
        match self.map.place(data, x) {
            Some((slot, y)) if half(data, 2 * self.tags + slot) == Some(y as u16) => slot,
            _ => self.map.slots(),
        }
    }
}

impl<'m> Embeddings<'m> {
    /// For each length of context the row that stands for the last tokens: that of all others, which
    /// is the last one, where the map lacks them; `None` where there is none of that length.
    pub fn rows(&self, history: &History) -> [Option<usize>; EMBEDDING_LENGTHS] {
        let mut rows = [None; EMBEDDING_LENGTHS];
        self.each(history, |index, _, row| {
            if let Some(found) = rows.get_mut(index) {
                *found = Some(row);
            }
        });
        rows
    }

    /// Adds the vectors of the last tokens to a hidden state of `R` elements, -127 to 127; it
    /// saturates.
    pub fn add(&self, history: &History, hidden: &mut [i8]) {
        let mut vectors = self.vectors(history);
        let (hidden, _) = split(hidden, self.width.into());
        for hidden in hidden.chunks_mut(NUMBERS) {
            let mut pair = [[0; 2]];
            let bytes = bytemuck::cast_slice_mut::<[u32; 2], i8>(&mut pair);
            for (to, from) in bytes.iter_mut().zip(hidden.iter()) {
                *to = *from;
            }
            add(vectors, &mut pair, self.shift);
            let bytes = bytemuck::cast_slice::<[u32; 2], i8>(&pair);
            for (to, from) in hidden.iter_mut().zip(bytes) {
                *to = *from;
            }
            vectors = vectors.map(|vector| vector.get(1..).unwrap_or_default());
        }
    }

    /// As [`Embeddings::add`], to the bytes at the start of these words; the others stay as they are,
    /// as the vectors are filled up with zeros.
    #[inline(never)]
    pub(super) fn add_to_words(&self, history: &History, hidden: &mut [u32]) {
        let [a, b, c] = self.vectors(history);
        let (pairs, last) = hidden.as_chunks_mut();
        add([a, b, c], pairs, self.shift);
        if let [last] = last {
            let rest = |vector: &'m [u32]| vector.get(pairs.len()..).unwrap_or_default();
            let mut pair = [[*last, 0]];
            add([rest(a), rest(b), rest(c)], &mut pair, self.shift);
            let [[first, _]] = pair;
            *last = first;
        }
    }

    /// The vector of each length.
    #[inline(always)]
    fn vectors(&self, history: &History) -> [&'m [u32]; EMBEDDING_LENGTHS] {
        let words = self.vector_words();
        let zeros = ZEROS.get(..words).unwrap_or_default();
        let mut vectors = [zeros; EMBEDDING_LENGTHS];
        self.each(history, |index, length, row| {
            let found = self.data.get(length.vectors + row * words..);
            let found = found.and_then(|found| found.get(..words));
            if let (Some(vector), Some(found)) = (vectors.get_mut(index), found) {
                *vector = found;
            }
        });
        vectors
    }

    /// For each length that there is: its index, its arrays, and the row of the last tokens.
    #[inline(always)]
    fn each(&self, history: &History, mut visit: impl FnMut(usize, Length, usize)) {
        let (words, mut start) = (self.vector_words(), 0);
        let &[newest, ref others @ ..] = history;
        let mut x = extend(self.salt, newest);
        for (index, (&slots, &token)) in self.slots.iter().zip(others).enumerate() {
            x = extend(x, token);
            if slots > 0 {
                let length = Length::at(start, slots, words);
                visit(index, length, length.row(self.data, x));
                start = length.end;
            }
        }
    }

    /// Words of a vector.
    #[inline(always)]
    pub(super) fn vector_words(&self) -> usize {
        round_up(self.width.into(), NUMBERS) / NUMBERS
    }
}

/// Adds three vectors to elements in the bytes of words, eight a pair.
#[inline(always)]
fn add(vectors: [&[u32]; EMBEDDING_LENGTHS], hidden: &mut [[u32; 2]], shift: u8) {
    // More than fourfold would not fit a byte, but saturates as it should if it is added in parts.
    let (bits, times) = match u32::from(shift) {
        bits @ 0..=2 => (bits, 1),
        bits => (2, 1 << (bits - 2)),
    };
    for _ in 0..times {
        add_fourfold(&vectors, hidden, bits);
    }
}

/// As [`add`], for a shift of at most 2.
// Once, with registers of its own.
#[inline(never)]
fn add_fourfold([a, b, c]: &[&[u32]; EMBEDDING_LENGTHS], hidden: &mut [[u32; 2]], shift: u32) {
    let sums = Sums::shifted(shift);
    for (([low, high], (a, b)), c) in hidden.iter_mut().zip(a.iter().zip(*b)).zip(*c) {
        let (a, b, c) = (u32::from_le(*a), u32::from_le(*b), u32::from_le(*c));
        *low = changed(*low, sums.of(a, b, c));
        *high = changed(*high, sums.of(a >> 4, b >> 4, c >> 4));
    }
}

/// Four elements with a change.
#[inline(always)]
fn changed(elements: u32, change: u32) -> u32 {
    symmetric_sum(u32::from_le(elements), change).to_le()
}

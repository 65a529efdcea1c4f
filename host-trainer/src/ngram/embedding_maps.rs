//! Which contexts have a vector of their own, and the vectors in the bytes of a `.lstm` file.

use crate::files::error::Result;
use crate::ngram::backoff_table::append;
use crate::ngram::occurrences::Occurrences;
use crate::ngram::perfect_hash::perfect_hashes;
use lstm_core::ModelError;
use lstm_core::export::ngram::{Embeddings, History, hash};
use lstm_core::export::{EMBEDDING_LENGTHS, EmbeddingsSection};
use std::cmp::Reverse;

/// The fewest tokens of a context.
const SHORTEST: usize = 2;
/// Numbers in a word.
const NUMBERS: usize = 8;

/// A perfect hash for each length of context: which row of its vectors stands for the last tokens.
///
/// Of a length with S slots the vectors are `[S + 1][R]`: some slots are of no context, and the last row is of all
/// contexts that the map lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingMaps {
    salt: u32,
    slots: [u16; EMBEDDING_LENGTHS],
    /// Displacements and tags of each length: the section's data without vectors.
    words: Vec<u32>,
}

impl EmbeddingMaps {
    /// Maps of the contexts of 2, 3 and 4 tokens that occur most often, at most so many of each.
    ///
    /// # Errors
    /// They are more than a map can hold.
    pub fn new(occurrences: &Occurrences, most: [usize; EMBEDDING_LENGTHS]) -> Result<Self> {
        let contexts: [Vec<History>; EMBEDDING_LENGTHS] =
            std::array::from_fn(|i| most_frequent(occurrences, SHORTEST + i, most[i]));
        let counts = contexts.each_ref().map(Vec::len);
        let (salt, maps) = perfect_hashes(&counts, |i, salt| {
            let hash = |tokens: &History| hash(salt, &tokens[..SHORTEST + i]);
            contexts[i].iter().map(hash).collect()
        })?;
        let mut words = Vec::new();
        for map in &maps {
            let displacements = map.displacements.iter().flat_map(|d| d.to_le_bytes());
            append(&mut words, &displacements.collect::<Vec<u8>>());
            let mut tags = vec![0; map.slots];
            for &(slot, y) in &map.places {
                tags[slot] = y as u16;
            }
            let tags = tags.iter().flat_map(|tag| tag.to_le_bytes());
            append(&mut words, &tags.collect::<Vec<u8>>());
        }
        Ok(Self {
            salt,
            slots: std::array::from_fn(|i| maps[i].slots as u16),
            words,
        })
    }

    /// Rows of the vectors of each length; 0 where there is no context of that length.
    pub fn rows(&self) -> [usize; EMBEDDING_LENGTHS] {
        self.slots.map(|slots| match slots {
            0 => 0,
            slots => usize::from(slots) + 1,
        })
    }

    /// The device's own look-up, for [`Embeddings::rows`].
    ///
    /// # Errors
    /// None for maps that were made here.
    pub fn reader(&self) -> Result<Embeddings<'_>> {
        Ok(Embeddings::new(0, &self.section())?)
    }

    /// The section of vectors that have no numbers.
    pub(crate) fn section(&self) -> EmbeddingsSection<'_> {
        EmbeddingsSection {
            salt: self.salt,
            shift: 0,
            slots: self.slots,
            padding: &[],
            data: bytemuck::cast_slice(&self.words),
        }
    }

    /// From a section of vectors that have no numbers.
    ///
    /// # Errors
    /// As at the load of a model.
    pub(crate) fn from_section(section: &EmbeddingsSection<'_>) -> Result<Self, ModelError> {
        let mut words = Vec::new();
        append(&mut words, section.data);
        let maps = Self {
            salt: section.salt,
            slots: section.slots,
            words,
        };
        Embeddings::new(0, &maps.section())?;
        Ok(maps)
    }

    /// Puts vectors of `width` numbers of four bits, -8 to 7, `[S + 1][width]` for each length, into the bytes of a file. A number
    /// counts `2^shift` steps of the hidden state that it is added to.
    ///
    /// # Panics
    /// A length has other rows.
    pub fn pack(
        &self,
        vectors: [&[i8]; EMBEDDING_LENGTHS],
        shift: u8,
        width: usize,
    ) -> PackedVectors {
        let mut data = Vec::new();
        let mut maps = &self.words[..];
        for ((vectors, rows), &slots) in vectors.iter().zip(self.rows()).zip(&self.slots) {
            assert_eq!(vectors.len(), rows * width);
            let slots = usize::from(slots);
            let words = slots.div_ceil(4).div_ceil(2) + slots.div_ceil(2);
            let (map, rest) = maps.split_at(words);
            maps = rest;
            data.extend(map);
            for vector in vectors.chunks(width.max(1)) {
                data.extend(vector.chunks(NUMBERS).map(|numbers| word(numbers).to_le()));
            }
        }
        PackedVectors {
            salt: self.salt,
            shift,
            slots: self.slots,
            data,
        }
    }
}

/// Vectors and their maps as they stand in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedVectors {
    salt: u32,
    shift: u8,
    slots: [u16; EMBEDDING_LENGTHS],
    data: Vec<u32>,
}

impl PackedVectors {
    /// Their section in a file.
    pub fn section(&self) -> EmbeddingsSection<'_> {
        EmbeddingsSection {
            salt: self.salt,
            shift: self.shift,
            slots: self.slots,
            padding: &[],
            data: bytemuck::cast_slice(&self.data),
        }
    }
}

/// Eight numbers or less; zeros where there are none.
fn word(numbers: &[i8]) -> u32 {
    let stored = |i: usize| (numbers.get(i).copied().unwrap_or(0) + 8) as u32;
    (0..4)
        .map(|i| (stored(i) | stored(4 + i) << 4) << (8 * i))
        .sum()
}

/// The contexts of so many tokens that occur most often, by the texts' weights, at most `most`; of two as frequent
/// the first in the order of their tokens from the newest.
fn most_frequent(occurrences: &Occurrences, length: usize, most: usize) -> Vec<History> {
    let runs = occurrences
        .sorted()
        .chunk_by(|&a, &b| a.shares_context(b, length));
    let count = |run: &[_]| {
        run.iter()
            .map(|&x| u64::from(occurrences.weight(x)))
            .sum::<u64>()
    };
    let mut contexts: Vec<_> = runs.map(|run| (count(run), run[0].history())).collect();
    contexts.sort_by_key(|&(count, _)| Reverse(count));
    contexts.truncate(most);
    contexts.into_iter().map(|(_, tokens)| tokens).collect()
}

//! What a network looks up of the last few characters: n-gram embeddings, and a back-off table.

use crate::files::error::{Error, Result};
use crate::files::tensors::TensorFile;
use crate::ngram::{BackoffTable, EmbeddingMaps};
use lstm_core::export::ngram::{Backoff, Embeddings, History};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A quarter of a bit in nats: the unit of the back-off table's costs.
pub const NATS: f32 = std::f32::consts::LN_2 / 4.0;

/// What a memory is made by: with the same texts and a network of the same shape it gives the same memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryConfig {
    /// Bytes of flash that it may take.
    pub bytes: usize,
    /// How often the corpus is counted, for each time that the text for pre-training is.
    pub corpus_weight: u32,
}

/// The shape of a memory, and what it was made by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NgramConfig {
    /// Vectors of contexts of 2, 3 and 4 characters, the last of them for all contexts that have none of their own; 0 where that
    /// length has no vectors.
    pub vectors: [usize; 3],
    /// Lengths of the back-off table's contexts beyond those that stand dense; `None` without a table.
    pub table: Option<usize>,
    /// What it was made by.
    pub made_by: MemoryConfig,
}

impl NgramConfig {
    /// Nothing.
    pub const NONE: Self = Self {
        vectors: [0; 3],
        table: None,
        made_by: MemoryConfig {
            bytes: 0,
            corpus_weight: 0,
        },
    };

    /// Whether nothing is looked up.
    pub fn is_none(&self) -> bool {
        !self.has_vectors() && self.table.is_none()
    }

    /// Whether there are vectors.
    pub fn has_vectors(&self) -> bool {
        self.vectors != [0; 3]
    }
}

/// Makes a token the newest of a history.
pub fn push(history: &mut History, token: u8) {
    history.rotate_right(1);
    history[0] = token;
}

/// Which contexts have a vector of their own, and a table of costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    made_by: MemoryConfig,
    embeddings: Option<EmbeddingMaps>,
    table: Option<BackoffTable>,
}

impl Memory {
    /// Of either or both.
    pub fn new(
        made_by: MemoryConfig,
        embeddings: Option<EmbeddingMaps>,
        table: Option<BackoffTable>,
    ) -> Self {
        Self {
            made_by,
            embeddings,
            table,
        }
    }

    /// Its shape.
    pub fn config(&self) -> NgramConfig {
        NgramConfig {
            vectors: self.embeddings.as_ref().map_or([0; 3], EmbeddingMaps::rows),
            table: self.table.as_ref().map(|table| table.coefficients() - 1),
            made_by: self.made_by,
        }
    }

    /// The contexts that have a vector of their own.
    pub fn embeddings(&self) -> Option<&EmbeddingMaps> {
        self.embeddings.as_ref()
    }

    /// The table.
    pub fn table(&self) -> Option<&BackoffTable> {
        self.table.as_ref()
    }

    /// Makes it ready for look-ups.
    ///
    /// # Errors
    /// None for a memory that was made or read here.
    pub fn reader(&self) -> Result<MemoryReader<'_>> {
        let embeddings = self.embeddings.as_ref();
        let table = self.table.as_ref();
        Ok(MemoryReader {
            config: self.config(),
            embeddings: embeddings.map(EmbeddingMaps::reader).transpose()?,
            table: table.map(BackoffTable::reader).transpose()?,
        })
    }

    /// Adds it to a file.
    pub fn insert(&self, file: &mut TensorFile) {
        let tensors = self.tensors().into_iter();
        file.bytes
            .extend(tensors.map(|(name, bytes)| (name.to_owned(), bytes)));
    }

    /// Takes one of this shape, for an alphabet of so many symbols, out of a file.
    ///
    /// # Errors
    /// It is not there, is damaged, or of another shape.
    pub fn take(
        path: &Path,
        config: NgramConfig,
        num_symbols: usize,
        file: &mut TensorFile,
    ) -> Result<Self> {
        Self::from_tensors(path, config, num_symbols, |name| {
            file.take_bytes(path, name)
        })
    }

    /// Its tensors of bytes.
    pub fn tensors(&self) -> Vec<(&'static str, Vec<u8>)> {
        let embeddings = self.embeddings.iter();
        let embeddings = embeddings.map(|maps| (EmbeddingMaps::TENSOR, maps.to_bytes()));
        let table = self.table.iter();
        embeddings
            .chain(table.map(|table| (BackoffTable::TENSOR, table.to_bytes())))
            .collect()
    }

    /// From those tensors.
    ///
    /// # Errors
    /// As [`Memory::take`].
    pub fn from_tensors(
        path: &Path,
        config: NgramConfig,
        num_symbols: usize,
        mut take: impl FnMut(&str) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let mut memory = Self::new(config.made_by, None, None);
        if config.has_vectors() {
            let name = EmbeddingMaps::TENSOR;
            memory.embeddings = Some(EmbeddingMaps::from_bytes(name, &take(name)?)?);
        }
        if config.table.is_some() {
            let name = BackoffTable::TENSOR;
            let table = BackoffTable::from_bytes(name, num_symbols, &take(name)?)?;
            memory.table = Some(table);
        }
        match memory.config() == config {
            true => Ok(memory),
            false => Err(Error::bad_input(format!(
                "{}: found a memory of {:?}, expected {config:?} as its network says",
                path.display(),
                memory.config()
            ))),
        }
    }
}

/// Looks up. [`Memory::reader`] makes one.
#[derive(Clone, Debug)]
pub struct MemoryReader<'m> {
    config: NgramConfig,
    embeddings: Option<Embeddings<'m>>,
    table: Option<Backoff<'m>>,
}

impl MemoryReader<'_> {
    /// The memory's shape.
    pub fn config(&self) -> NgramConfig {
        self.config
    }

    /// The rows of the vectors of 2, 3 and 4 characters; 0 where a length has none.
    pub fn rows(&self, history: &History) -> [usize; 3] {
        let found = self.embeddings.as_ref().map(|maps| maps.rows(history));
        found.unwrap_or_default().map(Option::unwrap_or_default)
    }

    /// Writes the costs of all symbols, `[V]`, in quarters of a bit; gives the number of the longest length found, counted from 1,
    /// or 0.
    pub fn costs(&self, history: &History, costs: &mut [u8]) -> usize {
        self.table
            .as_ref()
            .map_or(0, |table| table.costs(history, costs))
    }
}

/// A memory of 27 letters, for tests: vectors for about so many contexts, and a table or none.
#[cfg(test)]
pub(crate) fn example_memory(vectors: [usize; 3], has_table: bool) -> Memory {
    use crate::kernels::random::Random;
    use crate::ngram::{CrossFitted, Occurrences, Settings, Size, Text};
    let random = &mut Random::new(3);
    let mut tokens = vec![0u8; 20_000];
    for at in 1..tokens.len() {
        // Five letters follow each, one of them most often.
        tokens[at] =
            ((usize::from(tokens[at - 1]) * 5 + random.below(5).min(random.below(5))) % 27) as u8;
    }
    let texts = [Text {
        tokens: &tokens,
        weight: 1,
    }];
    let occurrences = Occurrences::new(27, &texts).unwrap();
    let maps = EmbeddingMaps::new(&occurrences, vectors).unwrap();
    let settings = Settings {
        max_length: 5,
        size: Size::Threshold(2.0),
    };
    let tables = CrossFitted::of(&occurrences, &texts, settings, &|| false).unwrap();
    Memory::new(
        MemoryConfig::default(),
        (vectors != [0; 3]).then_some(maps),
        has_table.then(|| tables.whole().clone()),
    )
}
